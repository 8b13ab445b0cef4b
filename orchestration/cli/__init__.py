"""The command line ``throughline``; heavy parts are imported by the command that needs them."""

from orchestration.cli.entry import main

__all__ = ["main"]
