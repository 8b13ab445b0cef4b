"""Published versions after their home has moved: the views over parquet hold absolute paths."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import duckdb

from governance.home import Home
from orchestration.publishing.manifest import NAME, Manifest, Table, as_json
from orchestration.publishing.policy import literal, quote
from orchestration.publishing.store import DATABASE, ROLE, store_lock, versions
from orchestration.publishing.writer import SCHEMA, seal


def relocate(home: Home) -> None:
    """Point the views of every version at its own folder; run it before anybody reads there."""
    with store_lock(home):
        for version in versions(home):
            _relocate(home.published / ROLE / version.name, version.manifest)


def _relocate(folder: Path, manifest: Manifest) -> None:
    database = folder / DATABASE
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        for table in manifest.tables:
            if table.partitions:
                _make_view(connection, folder, table)
        connection.execute("checkpoint")
    sealed = seal(database, folder)
    files = tuple(sealed if file.path == DATABASE else file for file in manifest.files)
    draft = folder / f".{NAME}"
    draft.write_text(as_json(replace(manifest, files=files)), "utf-8")
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(folder / NAME)


def _make_view(connection: duckdb.DuckDBPyConnection, folder: Path, table: Table) -> None:
    paths = ", ".join(literal(str(folder / partition.path)) for partition in table.partitions)
    columns = ", ".join(quote(column.name) for column in table.columns)
    name = f"{SCHEMA}.{quote(table.name)}"
    connection.execute(
        f"create or replace view {name} as select {columns}"
        f" from read_parquet([{paths}], hive_partitioning = false)"
    )
    connection.execute(f"comment on view {name} is {literal(table.description)}")
    for column in table.columns:
        if column.description:
            place, text = f"{name}.{quote(column.name)}", literal(column.description)
            connection.execute(f"comment on column {place} is {text}")
