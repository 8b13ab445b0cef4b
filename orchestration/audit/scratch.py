"""The scratch warehouse: raw rows in a file of their own, removed afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from governance.home import Home
from orchestration.publishing.policy import literal, quote

NAME = "scratch"
# Small, and the same for everybody: how far the data reach, rates, what people said.
_WHOLE = ("segments", "_dlt_loads", "exchange_rates", "identity_overrides")


def scratch_address(home: Home) -> Path:
    """Where the home's audits work."""
    return home.dagster / "audit"


@contextmanager
def scratch_folder(home: Home) -> Iterator[Path]:
    """An empty folder below the home's working files; nothing of it stays."""
    folder = scratch_address(home)
    shutil.rmtree(folder, ignore_errors=True)  # of an audit that was killed
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_file(folder: Path) -> Path:
    """The DuckDB file in ``folder``; its name is the database's, and so part of every view."""
    return folder / f"{NAME}.duckdb"


def fill(connection: duckdb.DuckDBPyConnection, folder: Path, *, everything: bool) -> None:
    """Copy raw tables into a new scratch file.

    Args:
        connection: to the warehouse; of its raw events those in ``audit_keys`` are taken.
        folder: where the file goes.
        everything: all raw rows instead.
    """
    with attached(connection, folder):
        connection.execute(f"create schema {NAME}.raw")
        for (table,) in connection.execute(
            "select table_name from duckdb_tables()"
            " where database_name = current_database() and schema_name = 'raw'"
        ).fetchall():
            chosen = "" if everything or table in _WHOLE else " limit 0"
            if table == "events" and not everything:
                chosen = " semi join audit_keys using (dedupe_key)"
            connection.execute(
                f"create table {NAME}.raw.{quote(table)} as from raw.{quote(table)}{chosen}"
            )
        connection.execute(f"checkpoint {NAME}")


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[None]:
    """The scratch file as the database ``scratch``."""
    connection.execute(f"attach {literal(str(scratch_file(folder)))} as {NAME}")
    try:
        yield
    finally:
        connection.execute(f"detach {NAME}")
