"""Ctrl-C, kill -9 and a full disk at every step: the next run ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from governance.home import Home
from governance.warehouse import lock_holder
from ingestion.reading import HEARTBEAT
from orchestration.dbt import log_folder, target_folder
from orchestration.publishing import current_file, current_version, read_manifest
from orchestration.publishing.store import role_folder
from tests.end_to_end.commands import command, held_for, stopped

# Of raw tables, what differs between two loads of the same bytes.
LOAD_COLUMNS = {"_dlt_load_id", "stored_in", "stored_at"}
OF_FILES = {"segments": f" where segment <> '{HEARTBEAT}'"}  # not when a database was read


@pytest.mark.long
def test_a_home_disturbed_at_every_step_publishes_what_an_undisturbed_one_does(
    landed: Home, undisturbed: Home
) -> None:
    _load_disturbed(landed)
    assert not command(landed, "load").code
    assert _differences(landed.warehouse, undisturbed.warehouse, "raw") == {}
    _build_disturbed(landed, undisturbed)
    assert not command(landed, "build").code
    _publish_disturbed(landed)
    assert not command(landed, "publish").code

    assert _published_content(landed) == _published_content(undisturbed)
    assert _differences(current_file(landed), current_file(undisturbed), "marts") == {}
    kept = {path.name for path in role_folder(landed).glob("2*")}
    assert kept == {current_version(landed)}


def _load_disturbed(home: Home) -> None:
    for part in (["run", "hourly"], ["load"]):
        shown = stopped(home, *part, when=lambda: held_for(home, "load"), by=signal.SIGINT)
        shown.refused("Stopped.", "Run the same command again", code=130)
    command(home, "load", file_bytes=300_000).refused(f"The disk of {home.root} is full")
    before = _rows_of_dlt(home)
    killed = stopped(
        home, "load", when=lambda: bool(_rows_of_dlt(home) - before), by=signal.SIGKILL
    )
    assert killed.code == -signal.SIGKILL


def _build_disturbed(home: Home, undisturbed: Home) -> None:
    shown = stopped(home, "build", when=_models_are_made(home), by=signal.SIGINT)
    shown.refused("Stopped.", code=130)
    _is_free(home)
    # dbt's own files may be written, the tables of the models may not
    artifacts = target_folder(undisturbed).glob("*.[jm]s*")
    most = max(path.stat().st_size for path in artifacts) + 20_000
    command(home, "build", file_bytes=most).refused(f"The disk of {home.root} is full")
    killed = stopped(home, "build", when=_models_are_made(home), by=signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    _is_free(home)  # dbt notices that nobody waits for it
    command(home, "publish").refused("no finished build", "throughline build", code=3)
    assert current_version(home) is None


def _publish_disturbed(home: Home) -> None:
    def is_writing() -> bool:
        folders = role_folder(home).glob("2*")
        return any(not (folder / "manifest.json").exists() for folder in folders)

    shown = stopped(home, "publish", when=is_writing, by=signal.SIGINT)
    shown.refused("Stopped.", code=130)
    shown = command(home, "publish", file_bytes=20_000)
    shown.refused("is full", "the published copy is as it was", "throughline publish")
    assert not list(role_folder(home).glob("2*"))
    killed = stopped(home, "publish", when=is_writing, by=signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    assert current_version(home) is None


def _rows_of_dlt(home: Home) -> set[str]:
    """Files of rows in dlt's working folder: on their way, or in tables and not yet committed."""
    return {
        str(Path(folder, name))
        for folder, _, names in os.walk(home.dlt)
        for name in names
        if name.endswith(".parquet")
    }


def _models_are_made(home: Home) -> Callable[[], bool]:
    """Whether dbt, since now, has made a few models."""
    log = log_folder(home) / "dbt.log"
    start = log.stat().st_size if log.exists() else 0

    def made() -> bool:
        if not log.exists():
            return False
        with log.open("rb") as file:
            file.seek(start)
            return file.read().count(b"OK created") > 5

    return made


def _is_free(home: Home) -> None:
    deadline = time.monotonic() + 20
    while lock_holder(home) is not None:
        assert time.monotonic() < deadline, "somebody still holds the warehouse"
        time.sleep(0.05)


def _published_content(home: Home) -> tuple:
    manifest = read_manifest(current_file(home).parent)
    assert manifest is not None
    return (
        manifest.content_digest,
        # how far the database was read is the time of the last load
        {name: until for name, until in manifest.data_until.items() if name != "shop"},
        {
            table.name: (table.rows, table.digest)
            for table in manifest.tables
            if not table.name.startswith("ops_")
        },
    )


def _differences(one, other, schema: str) -> dict[str, int]:
    """Rows that only one of two DuckDB files has, by table; tables without any are left out."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{other}' as other (read_only)")
        # ops_ tables are logs: they tell of the builds there were
        columns: dict[str, list[str]] = {}
        for table, column in connection.execute(
            "select table_name, column_name from duckdb_columns()"
            " where database_name = 'other' and schema_name = ? and table_name not like '\\_dlt%'"
            " escape '\\' and table_name not like 'ops\\_%' escape '\\' order by all",
            [schema],
        ).fetchall():
            if column not in LOAD_COLUMNS:
                columns.setdefault(table, []).append(f'"{column}"')
        assert len(columns) >= 5
        found = {}
        for table, names in columns.items():
            rows = [
                f"select {', '.join(names)} from {file}.{schema}.{table}{OF_FILES.get(table, '')}"
                for file in ("one", "other")
            ]
            count = connection.execute(
                f"select count(*) from (({rows[0]} except all {rows[1]})"
                f" union all ({rows[1]} except all {rows[0]}))"
            ).fetchone()
            if count and count[0]:
                found[table] = count[0]
    return found
