"""The clock and the face: Dagster definitions, publishing and the command line."""
