"""One small sample company for the folder, and a reader of its landing that shares no code."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import zstandard

from governance.home import Home
from ingestion.sample import SampleReport, write_sample

PERSONS = 450


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
