"""What the marts are a function of, as one digest, and whether the last build vouches for them.

State marts depend on accepted records, rejects, rates, identity overrides, configuration and the
code that models them; on no clock and no load order. An hourly run that finds all of these as they
were when the current version was published ends after the load. The nightly run and runs from the
UI always build. The same note is the gate of publishing: no whole build with passing checks, no new
version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from governance.config import Config
from governance.errors import BlockedError
from governance.home import Home
from orchestration.manifest import project_digest
from orchestration.publishing import current_version

_PUBLISHING = Path(__file__).parent / "publishing"

# A load that read anything left a row in raw.segments; rates and overrides are read whole by
# every load, and the newest one's count.
_LOADS = """
    select distinct segments._dlt_load_id
    from raw.segments
    semi join raw._dlt_loads as loads on segments._dlt_load_id = loads.load_id and loads.status = 0
    order by all
"""
_NEWEST = "where _dlt_load_id = (select max(load_id) from raw._dlt_loads where status = 0)"
_RATES = f"select date, currency, rate from raw.exchange_rates {_NEWEST} order by all"
_OVERRIDES = f"select * exclude (_dlt_load_id) from raw.identity_overrides {_NEWEST} order by all"


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
    for query in (_LOADS, _RATES, _OVERRIDES, "from meta.warehouse"):
        for row in connection.execute(query).fetchall():
            seen.update(repr(row).encode())
    return seen.hexdigest()[:32]


def is_published(home: Home, digest: str) -> bool:
    """Whether the current version was made from inputs of this digest."""
    kept = _published(home)
    if not kept.exists():
        return False
    return json.loads(kept.read_bytes()) == asdict(Inputs(digest, current_version(home) or ""))


def begin_build(home: Home) -> None:
    """Note that the marts are being rebuilt: nothing vouches for them until ``finish_build``."""
    _write(_built(home), {"digest": None, "inputs": None, "failures": []})


def finish_build(home: Home, digest: str | None, failures: Sequence[str] = ()) -> None:
    """Note what all of the marts were built from, or the names of the checks that failed.

    Args:
        home: whose marts.
        digest: of the inputs; None when only some of the marts were built.
        failures: names of blocking checks, most important first.
    """
    vouched = None if failures else digest
    _write(_built(home), {"digest": vouched, "inputs": digest, "failures": list(failures)})


def withdraw(home: Home, failure: str) -> None:
    """A check after the build failed: the marts are not fit to be published."""
    found = {**_last_build(home), "digest": None, "failures": [*failures(home), failure]}
    _write(_built(home), found)


def built_from(home: Home) -> str | None:
    """The digest of what the marts were built from, whatever their checks said.

    None when no build, or not a whole one, came to its end.
    """
    return _last_build(home).get("inputs")


def failures(home: Home) -> list[str]:
    """The blocking checks that failed since the last build began."""
    return list(_last_build(home).get("failures") or [])


@dataclass(frozen=True, slots=True)
class Doubt:
    """What an audit found wrong and no later one has cleared.

    ``persons``: whose rows differed; empty when only a full audit can clear it: numbers that are
    nobody's did, or somebody's who is missing altogether.
    """

    seed: int
    rows: int
    persons: tuple[str, ...]


def doubt(home: Home) -> Doubt | None:
    """What stands between the marts and publishing since an audit."""
    if not _doubted(home).exists():
        return None
    kept = json.loads(_doubted(home).read_bytes())
    return Doubt(kept["seed"], kept["rows"], tuple(kept["persons"]))


def raise_doubt(home: Home, found: Doubt) -> None:
    """Note that an audit found rows that differ; builds by touched keys do not mend them."""
    _write(_doubted(home), asdict(found))


def settle_doubt(home: Home) -> None:
    """The rows in doubt were rebuilt from raw, or found equal to it."""
    _doubted(home).unlink(missing_ok=True)


def require_proven(home: Home) -> None:
    """Refuse marts that no whole build with passing checks vouches for, or that an audit refuted.

    Raises:
        BlockedError: checks failed, the build was stopped, only some marts were rebuilt, or an
            audit found other rows than raw gives.
    """
    if found := doubt(home):
        raise BlockedError(
            f"The marts are not published: an audit found {found.rows:,} rows that raw does not"
            " give.",
            why=f"It was made with --seed {found.seed}; the published copy stays as it was.",
            fix="throughline audit tells the rows; to build all of them from raw:"
            " throughline build --full-refresh",
        )
    if found := failures(home):
        raise BlockedError(
            f"The marts are not published: {', '.join(found[:10])} failed.",
            why="The published copy stays as it was.",
            fix="See what failed with: throughline status; mend it, then: throughline build",
        )
    if _last_build(home).get("digest") is None:
        raise BlockedError(
            "The marts have no finished build behind them, so they are not published.",
            why="The last build was stopped before its checks were done, or built only some marts.",
            fix="Run: throughline build",
        )


def remember_published(home: Home, version: str) -> None:
    """Note that ``version`` holds what was built last."""
    digest = _last_build(home).get("digest")
    if digest is not None:
        _write(_published(home), asdict(Inputs(digest, version)))


def _last_build(home: Home) -> dict[str, Any]:
    built = _built(home)
    return json.loads(built.read_bytes()) if built.exists() else {}


def _built(home: Home) -> Path:
    return home.dagster / "built_from.json"


def _doubted(home: Home) -> Path:
    return home.dagster / "audit.json"


def _published(home: Home) -> Path:
    return home.dagster / "published_from.json"


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(path)
