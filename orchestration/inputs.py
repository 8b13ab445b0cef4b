"""What the marts are a function of, as one digest: when it is the published one, nothing is built.

State marts depend on accepted records, rejects, rates, configuration and the code that models them;
on no clock and no load order. An hourly run that finds all of these as they were when the current
version was published ends after the load. The nightly run and runs from the UI always build.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from governance.config import Config
from governance.home import Home
from orchestration.manifest import project_digest
from orchestration.publishing import current_version

_PUBLISHING = Path(__file__).parent / "publishing"

# A load that read anything left a row in raw.segments; the rates are replaced by every load.
_LOADS = """
    select distinct segments._dlt_load_id
    from raw.segments
    semi join raw._dlt_loads as loads on segments._dlt_load_id = loads.load_id and loads.status = 0
    order by all
"""
_RATES = "select date, currency, rate from raw.exchange_rates order by all"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a published version."""

    digest: str
    version: str


def inputs_digest(home: Home, config: Config, connection: duckdb.DuckDBPyConnection) -> str:
    """Digest of everything the published marts are made from, 32 hex digits."""
    seen = hashlib.sha256(project_digest(home, config).encode())
    for source in sorted(_PUBLISHING.glob("*.py")):
        seen.update(source.read_bytes())
    for query in (_LOADS, _RATES, "from meta.warehouse"):
        for row in connection.execute(query).fetchall():
            seen.update(repr(row).encode())
    return seen.hexdigest()[:32]


def is_published(home: Home, digest: str) -> bool:
    """Whether the current version was made from inputs of this digest."""
    kept = _published(home)
    if not kept.exists():
        return False
    return json.loads(kept.read_bytes()) == asdict(Inputs(digest, current_version(home) or ""))


def remember_built(home: Home, digest: str | None) -> None:
    """Note what the warehouse's marts were built from; None while they are being built."""
    _write(_built(home), {"digest": digest})


def remember_published(home: Home, version: str) -> None:
    """Note that ``version`` holds what was built last."""
    built = _built(home)
    digest = json.loads(built.read_bytes())["digest"] if built.exists() else None
    if digest is not None:
        _write(_published(home), asdict(Inputs(digest, version)))


def _built(home: Home) -> Path:
    return home.dagster / "built_from.json"


def _published(home: Home) -> Path:
    return home.dagster / "published_from.json"


def _write(path: Path, content: dict[str, str | None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(path)
