"""What Dagster schedules and shows, one module per concern; see ``orchestration.definitions``."""
