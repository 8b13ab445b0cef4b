"""A hermetic home with one source, and the smallest events that are accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from governance.config import Config, load_config
from governance.home import Home
from governance.keys import Keys, make_keys
from ingestion.load import LoadReport, load

NATIVE = "{name: app, path: landing/app/, surface: web, trust: public, lawful_basis: contract}"


class House:
    """A home that can be loaded and looked into."""

    def __init__(self, root: Path, *sources: str) -> None:
        self.home = Home(root)
        self.keys: Keys = make_keys(self.home)
        self.configure(*sources)

    def configure(self, *sources: str, more: str = "") -> None:
        listed = "\n".join(f"  - {source}" for source in sources)
        self.home.config.write_text(f"company: acme\nsources:\n{listed}\n{more}")
        self.config: Config = load_config(self.home)
        for source in self.config.sources:
            (self.home.root / source.folder).mkdir(parents=True, exist_ok=True)

    def land(self, *lines: Any, name: str = "a.jsonl", source: str = "app") -> Path:
        path = self.home.landing / source / name
        with path.open("ab") as file:
            for line in lines:
                data = line if isinstance(line, bytes) else json.dumps(line).encode()
                file.write(data + b"\n")
        return path

    def load(self, **options: Any) -> LoadReport:
        return load(self.home, self.config, self.keys, **options)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home.warehouse)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(statement).fetchall()


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A native event; each number has its own id."""
    return {
        "event_id": f"e{number}",
        "event_name": "viewed",
        "occurred_at": "2026-04-13T10:00:00Z",
        "received_at": "2026-04-13T10:00:01Z",
        "subject": {"user_id": "u1"},
    } | changes


LEDGER = """
select source, segment, receipt_hour, sum(received), sum(loaded)
from (
    select source, segment, receipt_hour, records as received, 0 as loaded from raw.receipts
    union all
    select source, segment, receipt_hour, 0, 1 from raw.events
    union all
    select source, segment, receipt_hour, 0, records from raw.rejects
)
group by all
having sum(received) <> sum(loaded)
"""
"""Source, segment and hour where receipts and dispositions differ (first generations only)."""
