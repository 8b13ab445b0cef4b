"""Connections that can only read, and one consistent snapshot for all that is read of a table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from governance.config import Source
from governance.errors import UserError
from governance.home import Home
from ingestion.databases.trouble import Explainer, Trouble

Dialect = Literal["postgresql", "mysql", "sqlite"]

CONNECT_SECONDS = 10
LOCK_SECONDS = 60
STATEMENT_SECONDS = 1800
"""Of PostgreSQL: counting, or fetching one block. Reading a whole table may take longer."""
TRANSFER_SECONDS = 6 * 3600
"""Of MySQL and MariaDB, where reading a whole table is one statement."""

# PostgreSQL: LOCAL, so that a pooled connection goes back as it came.
_POSTGRESQL = (
    f"set local statement_timeout = '{STATEMENT_SECONDS}s'",
    f"set local lock_timeout = '{LOCK_SECONDS}s'",
    "set local idle_in_transaction_session_timeout = 0",
    "set local timezone = 'UTC'",
    "set local datestyle = 'ISO, YMD'",
    "set local intervalstyle = 'iso_8601'",
    "set local extra_float_digits = 1",
)
# MySQL: TIMESTAMP columns are instants, shown in the zone of the session.
_MYSQL = (
    "set session time_zone = '+00:00'",
    "set session net_write_timeout = 600",
    f"set session lock_wait_timeout = {LOCK_SECONDS}",
    "set session transaction isolation level repeatable read",
    "set session transaction read only",
    "start transaction with consistent snapshot, read only",
)


@dataclass(frozen=True, slots=True)
class Database:
    """The database of a source."""

    dialect: Dialect
    engine: sa.Engine
    explainer: Explainer

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A connection inside a read-only transaction that sees one moment.

        MyISAM and Aria tables have no snapshots: the server's count tells when they changed.
        """
        with self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                _run(connection, _POSTGRESQL)
            elif self.dialect == "mysql":
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                limit = (
                    f"set session max_statement_time = {TRANSFER_SECONDS}"
                    if getattr(connection.dialect, "is_mariadb", False)
                    else f"set session max_execution_time = {TRANSFER_SECONDS * 1000}"
                )
                _run(connection, (limit, *_MYSQL))
            try:
                yield connection
            finally:
                # Closing is not enough for one that broke in the middle of a read.
                if not connection.invalidated:
                    connection.invalidate()


def open_database(home: Home, source: Source) -> Database:
    """Make ready to connect; nothing is sent yet.

    Raises:
        Trouble: the secret is not set, is no address, or is one of another kind of database.
    """
    assert source.url is not None
    try:
        text = source.url.resolve(home)
    except UserError as error:
        unset = error.what.endswith("is not set.")
        what = "is not set" if unset else f"cannot be read: {error.what.rstrip('.')}"
        raise Trouble(what, error.fix, place="source") from None
    try:
        url = sa.make_url(text.strip().replace("postgres://", "postgresql://", 1))
        name = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise Trouble(
            "is not the address of a database",
            f"Write it as postgresql://user:password@host/database in {source.url}; special"
            " characters of the password as %XX.",
            place="source",
        ) from None
    explainer = Explainer(source, url)
    if name == "postgresql":
        return Database("postgresql", _postgresql(url), explainer)
    if name in ("mysql", "mariadb"):
        return Database("mysql", _mysql(url), explainer)
    if name == "sqlite":
        return Database("sqlite", _sqlite(home, url), explainer)
    raise Trouble(
        f"is a database of kind {name}, which cannot be read yet",
        "PostgreSQL, MySQL, MariaDB and SQLite can. Export the others as event_dumps.",
        place="source",
    )


def _run(connection: sa.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _postgresql(url: sa.URL) -> sa.Engine:
    defaults = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "throughline",
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 6,
    }
    arguments = {name: value for name, value in defaults.items() if name not in url.query}
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"), poolclass=NullPool, connect_args=arguments
    )


def _mysql(url: sa.URL) -> sa.Engine:
    from pymysql.constants import FIELD_TYPE
    from pymysql.converters import conversions, convert_date, convert_datetime

    def or_none(convert: Any) -> Any:
        # 0000-00-00 and 2024-00-10 are no dates; the driver would hand out the text.
        def read(value: Any) -> Any:
            found = convert(value)
            return None if isinstance(found, str | bytes) else found

        return read

    converters = dict(conversions)
    converters[FIELD_TYPE.DATETIME] = or_none(convert_datetime)
    converters[FIELD_TYPE.TIMESTAMP] = or_none(convert_datetime)
    converters[FIELD_TYPE.DATE] = or_none(convert_date)
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": STATEMENT_SECONDS,
        "write_timeout": LOCK_SECONDS,
        "conv": converters,
    }
    if "charset" not in url.query:
        arguments["charset"] = "utf8mb4"
    return sa.create_engine(
        url.set(drivername="mysql+pymysql"), poolclass=NullPool, connect_args=arguments
    )


def _sqlite(home: Home, url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise Trouble(
            "names no file", "Write sqlite:///path/of/file, below the home.", place="source"
        )
    file = (home.root / Path(url.database).expanduser()).resolve()
    if not file.is_file():
        raise Trouble(
            "names a file that does not exist",
            "Relative paths begin at the home; absolute ones are written with four slashes:"
            " sqlite:////srv/app.db",
            place="source",
        )

    def connect() -> sqlite3.Connection:
        opened = sqlite3.connect(
            f"file:{quote(str(file))}?mode=ro",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,  # the driver would begin no transaction for a SELECT
            check_same_thread=False,
        )
        opened.execute("pragma query_only = on")
        opened.text_factory = lambda data: data.decode("utf-8", "replace")
        return opened

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin"))
    return engine
