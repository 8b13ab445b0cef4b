"""What Dagster schedules and shows, one module per concern; assembled in ``orchestration.definitions``."""
