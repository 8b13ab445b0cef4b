"""A shop's database on each kind of server, and the source that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from governance.config import Source
from governance.home import Home
from governance.progress import silent
from ingestion.databases import Extraction, TableRead, extract

NOW = datetime(2026, 4, 13, 10, tzinfo=UTC)
SECRET = "hunter2-p@ss/word"


@pytest.fixture(autouse=True, scope="module")
def _secrets_of_this_home() -> Iterator[None]:
    """The environment wins over .env: what another test read into it must not be there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SHOP_DB_URL", raising=False)
        yield


@dataclass
class SqliteDatabase:
    """What ``tests.servers.Database`` is, in a file."""

    file: Path
    name: str = "main"
    engine: sa.Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = sa.create_engine(
            f"sqlite:///{self.file}", poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self.run("pragma journal_mode = wal")

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def run(self, *statements: str) -> None:
        with self.engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement.replace(":", r"\:")))


@dataclass
class Shop:
    """A home with one source, read again and again; each read is a minute after the last."""

    home: Home
    database: Any
    tables: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    now: datetime = NOW

    def run(self, *statements: str) -> None:
        self.database.run(*statements)

    def set_url(self, url: str) -> None:
        self.home.env.write_text(f"SHOP_DB_URL={url}\n")
        self.home.env.chmod(0o600)

    @property
    def source(self) -> Source:
        given = {
            "name": "shop",
            "kind": "app_database",
            "url": "env:SHOP_DB_URL",
            "surface": "backend",
            "trust": "server",
            "lawful_basis": "contract",
            "tables": self.tables,
            **self.options,
        }
        return Source.model_validate(given)

    def table(self, name: str, **more: Any) -> None:
        """Read one table: its customer, its time, all its columns."""
        mapping = {"event_name": {"value": "x"}, "occurred_at": {"value": "2026-01-01"}}
        given = {"table": name, "as": "events", "mapping": {**mapping, "properties": "*"}}
        self.tables = [*self.tables, {**given, **more}]

    def extract(self, **options: Any) -> Extraction:
        self.now += timedelta(minutes=1)
        return extract(self.home, self.source, **{"progress": silent, "now": self.now, **options})

    def read(self, **options: Any) -> TableRead:
        """Read the only table, without problems."""
        done = self.extract(**options)
        assert done.problems == ()
        assert len(done.tables) == 1
        return done.tables[0]

    def problem(self, **options: Any) -> Any:
        done = self.extract(**options)
        assert len(done.problems) == 1, done
        return done.problems[0]

    def rows(self, read: TableRead) -> list[dict[str, Any]]:
        """What one read has written."""
        return pq.read_table(read.spool).to_pylist() if read.spool else []

    def live(self, table: str | None = None) -> dict[str, dict[str, Any]]:
        """The latest version of each row by key, as the warehouse would see it."""
        folder = Path(self.source.location(self.home)) / (table or self.tables[0]["table"])
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.parquet")):
            for row in pq.read_table(path).to_pylist():
                known = found.get(row["_tl_key"])
                if known is None or known["_tl_version_at"] <= row["_tl_version_at"]:
                    found[row["_tl_key"]] = row
        return {key: row for key, row in found.items() if not row["_tl_deleted"]}


@pytest.fixture
def make_shop(make_home: Callable[..., Home]) -> Callable[[Any], Shop]:
    """A shop on a database."""

    def build(database: Any) -> Shop:
        shop = Shop(make_home(), database)
        shop.set_url(database.url)
        return shop

    return build


@pytest.fixture
def sqlite(tmp_path: Path, make_shop: Callable[[Any], Shop]) -> Shop:
    """A shop in a file."""
    return make_shop(SqliteDatabase(tmp_path / "shop.db"))


@pytest.fixture
def on_postgres(postgres: Any, make_shop: Callable[[Any], Shop]) -> Shop:
    """A shop on PostgreSQL."""
    return make_shop(postgres.database())


@pytest.fixture
def on_mariadb(mariadb: Any, make_shop: Callable[[Any], Shop]) -> Shop:
    """A shop on MariaDB."""
    return make_shop(mariadb.database())


@pytest.fixture(params=["sqlite", "on_postgres", "on_mariadb"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A shop on each of them."""
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.databases.extraction.PAUSES", (0.0, 0.0))


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that is sent from here on."""
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", note)
    yield sent
    event.remove(sa.Engine, "before_cursor_execute", note)


def column(rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """One column, sorted."""
    return sorted(row[name] for row in rows)
