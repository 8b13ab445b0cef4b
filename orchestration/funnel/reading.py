"""What the funnels' models read, as temporary views over the published copy or the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb

from governance.config import Config
from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from governance.warehouse import memory_default, open_warehouse, warehouse_lock
from orchestration.publishing import current_file, current_version, read_manifest

# the session's channel; everything else stands on the event
_PUBLISHED = """
    create temp view int_events as
    select * from marts.fct_events;
    create temp view every_person_event as
    select
        events.event_key, events.person_id, events.event_name, events.occurred_at,
        events.occurred_date, coalesce(sessions.channel, '(none)') as channel,
        events.is_interactive, events.is_bot, events.is_internal
    from marts.fct_events as events
    left join marts.fct_sessions as sessions on events.session_id = sessions.session_id
    where events.person_id is not null;
"""
_WAREHOUSE = """
    create temp view int_events as select * from intermediate.int_events;
    create temp view every_person_event as select * from intermediate.int_person_events;
    create temp view int_data_until as select * from intermediate.int_data_until;
"""
_NEEDED = {"trust", "click_id_kind", "channel"}


@dataclass(frozen=True, slots=True)
class Data:
    """An open connection with ``int_events``, ``int_data_until`` and ``every_person_event``.

    ``version``: of the published copy; None for the warehouse.
    """

    connection: duckdb.DuckDBPyConnection
    kind: Literal["published", "warehouse"]
    version: str | None = None


@contextmanager
def open_published(home: Home, config: Config) -> Iterator[Data]:
    """The current version, for reading.

    Raises:
        UserError: nothing is published, or by a version that lacks columns.
    """
    name = current_version(home)
    manifest = read_manifest(current_file(home).parent) if name else None
    if name is None or manifest is None:
        raise UserError(
            "Nothing is published yet, so there is nothing to ask.",
            why=f"There is no {current_file(home)}.",
            fix="throughline run hourly",
        )
    # not by way of `current`, which may be switched between two opens
    path = current_file(home).parent.resolve() / current_file(home).name
    with _connected(path, config, read_only=True) as connection:
        missing = _NEEDED - _columns(connection)
        if missing:
            raise UserError(
                f"The published copy has no {', '.join(sorted(missing))}.",
                why="It was made before funnels could be asked of it.",
                fix="throughline run hourly",
            )
        connection.execute(_PUBLISHED)
        until = {source: _moment(text) for source, text in manifest.data_until.items()}
        _write_data_until(connection, config, until)
        yield Data(connection, "published", name)


@contextmanager
def open_warehouse_of(home: Home, config: Config, keys: Keys) -> Iterator[Data]:
    """The private warehouse, under its lock; nothing in it is changed.

    Raises:
        WarehouseBusyError: another process holds it.
        UserError: nothing was built yet.
    """
    with warehouse_lock(home, "funnel"):
        if not home.warehouse.exists():
            raise _not_built(home)
        connection = open_warehouse(home, keys=keys, storage=config.storage)
        try:
            found = connection.execute(
                "select count(*) from information_schema.tables where table_schema = 'intermediate'"
                " and table_name in ('int_events', 'int_person_events', 'int_data_until')"
            ).fetchall()
            if found[0][0] < 3:
                raise _not_built(home)
            connection.execute(_WAREHOUSE)
            yield Data(connection, "warehouse")
        finally:
            connection.close()


def _not_built(home: Home) -> UserError:
    return UserError(
        "The warehouse holds no models yet.", why=f"{home.warehouse}", fix="throughline run hourly"
    )


@contextmanager
def _connected(
    path: Path, config: Config, *, read_only: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(path), read_only=read_only) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"set memory_limit = '{config.storage.memory_limit or memory_default()}'"
        )
        if config.storage.threads:
            connection.execute(f"set threads = {config.storage.threads}")
        yield connection


def _columns(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "select column_name from information_schema.columns"
        " where table_name in ('fct_events', 'fct_sessions')"
    ).fetchall()
    return {name for (name,) in rows}


def _write_data_until(
    connection: duckdb.DuckDBPyConnection, config: Config, until: dict[str, datetime | None]
) -> None:
    """As int_data_until: one row per configured source, NULL before its first record."""
    connection.execute(
        "create temp table int_data_until (source varchar, is_live boolean, data_until timestamp)"
    )
    connection.executemany(
        "insert into int_data_until values (?, ?, ?)",
        [[source.name, source.is_live, until.get(source.name)] for source in config.sources],
    )


def _moment(text: str | None) -> datetime | None:
    """UTC without a zone, as all timestamps of the marts are."""
    return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
