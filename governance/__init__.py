"""The rules of the house: configuration, contracts, consent, field classes, tokens, the warehouse lock.

Imports nobody else in the project: ``governance <- ingestion <- orchestration``.
"""
