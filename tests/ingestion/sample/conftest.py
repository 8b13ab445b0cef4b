"""One small sample company for the folder, and a reader of its landing that shares no code."""

from __future__ import annotations

import csv
import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import zstandard

from governance.home import Home
from ingestion.sample import SampleReport, write_sample

PERSONS = 450


@pytest.fixture(autouse=True, scope="module")
def _secrets_of_this_home() -> Iterator[None]:
    """The environment wins over .env: what another test read into it must not be there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SHOP_DB_URL", raising=False)
        yield


@dataclass(frozen=True)
class Sample:
    home: Home
    report: SampleReport

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Query the truth: {events}, {actors}, {purchases} stand for its tables."""
        tables = {
            name: f"read_parquet('{self.home.truth / name}.parquet')"
            for name in ("events", "actors", "purchases")
        }
        return duckdb.sql(query.format(**tables), params=values or None).fetchall()

    def one(self, query: str) -> object:
        return self.rows(query)[0][0]

    def shop_rows(self) -> tuple[list[dict], list[dict], list[dict]]:
        """Customers, orders and the ledger as they stand in the shop's database."""
        with closing(sqlite3.connect(self.home.root / "sources" / "shop.sqlite")) as database:
            database.row_factory = sqlite3.Row
            customers, orders, ledger = (
                [dict(row) for row in database.execute(f"select * from {table}")]
                for table in ("kunden", "bestellungen", "einwilligungen")
            )
        return customers, orders, ledger

    def history_rows(self) -> list[dict]:
        """Every row of every file of the history, times and amounts as such."""
        rows: list[dict] = []
        for path in sorted((self.home.landing / "history").iterdir()):
            if path.suffix == ".parquet":
                rows += pq.read_table(path).to_pylist()
                continue
            with path.open(encoding="cp1252", newline="") as file:
                for row in csv.DictReader(file, delimiter=";"):
                    day, month, rest = row["Datum"].split(".")
                    at = datetime.fromisoformat(f"{rest[:4]}-{month}-{day}T{rest[5:]}")
                    amount = Decimal(row["Betrag"].replace(",", "."))
                    rows.append(row | {"Datum": at, "Betrag": amount})
        return rows

    def lines(self) -> Iterator[tuple[str, Path, bytes]]:
        """Every line of landing with its source and file."""
        for path in sorted(self.home.landing.rglob("*.jsonl*")):
            source = path.relative_to(self.home.landing).parts[0]
            for line in unpacked(path).split(b"\n")[:-1]:
                yield source, path, line


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(content).read()
    return content


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    home = Home(tmp_path_factory.mktemp("larkfield"))
    return Sample(home, write_sample(home, persons=PERSONS, seed=7))
