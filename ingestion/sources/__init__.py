"""dlt sources. Each runs alone: ``python -m ingestion.sources.<name>``."""
