"""The way in: landing -> strict parse -> envelope -> contract -> lawful basis -> tokens -> ``raw``.

Imports ``governance``; knows nothing of Dagster or dbt, so every source runs alone
(``python -m ingestion.sources.landing``).
"""
