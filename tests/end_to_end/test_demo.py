"""The demo as a new user meets it: stopped in the middle, made to the end, asked again."""

from __future__ import annotations

import signal
from pathlib import Path

import duckdb

from governance.home import Home
from orchestration.publishing import current_version
from tests.end_to_end.commands import command, held_for, stopped

DEMO = ("demo", "--persons", "20", "--days", "3")
EQUAL = "built load by load, files in random order; and from nothing, all at once: equal"


def test_a_stopped_demo_begins_again_and_ends_with_its_proof(tmp_path: Path) -> None:
    home = Home(tmp_path / "demo")
    shown = stopped(home, *DEMO, when=lambda: _loads_into(home), by=signal.SIGINT)
    assert home.warehouse.exists()
    shown.refused("Stopped.", "Run the same command again", code=130)

    made = command(home, *DEMO)
    assert made.code == 0, made.said
    assert EQUAL in made.said
    assert "differs" not in made.said
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        by_key, by_load = connection.execute(
            "select count(*) filter (strategy = 'by key'),"
            " (select count(*) from raw._dlt_loads) from increments.models"
        ).fetchall()[0]
    assert by_key > 20
    assert by_load > 1

    version = current_version(home)
    again = command(home, *DEMO)
    assert again.code == 0, again.said
    assert EQUAL not in again.said  # nothing new to prove
    assert current_version(home) == version


def _loads_into(home: Home) -> bool:
    return held_for(home, "load") and home.warehouse.exists()
