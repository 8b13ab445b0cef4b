"""What a published version was made from, so that the next one can say what changed.

One row per published version in ``history.publications`` of the warehouse. A row is written before
the version and confirmed after the switch; of a publish that was killed in between, the history of
switches tells which it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from governance.config import Config, dbt_vars

LOG = "marts.ops_restatements"
# The models behind the headline numbers, as dbt names the reports that show them.
_HEADLINES = ("rpt_metrics_daily", "rpt_active_daily", "fct_events", "fct_sessions")
_TABLE = """
    create schema if not exists history;
    create table if not exists history.publications (
        version varchar not null, code varchar not null, configuration varchar not null,
        signatures varchar not null, last_load varchar, last_change bigint not null,
        overrides varchar not null, is_confirmed boolean not null
    )
"""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a version was made from.

    ``code``, ``configuration``: digests of dbt's project and of its variables. ``signatures``: of
    every model behind the headline numbers, by name; they change when its compiled SQL does.
    ``last_load``: the newest that counts. ``last_change``: the newest in ops_identity_changes.
    ``overrides``: what was said and counts, (action, node, node).
    """

    code: str
    configuration: str
    signatures: Mapping[str, str]
    last_load: str | None
    last_change: int
    overrides: frozenset[tuple[str, str, str]]


def read_basis(connection: duckdb.DuckDBPyConnection, config: Config, dbt_manifest: Path) -> Basis:
    """Of the marts as they stand in the warehouse."""
    manifest = json.loads(dbt_manifest.read_bytes())
    behind = _ancestors(manifest)
    signatures = connection.execute("select model, signature from increments.models").fetchall()
    said = connection.execute(
        "select action, a_kind || ':' || a_value, b_kind || ':' || b_value"
        " from staging.stg_identity_overrides"
    ).fetchall()
    return Basis(
        code=_digest(_sources(manifest)),
        configuration=_digest(dbt_vars(config)),
        signatures={model: signature for model, signature in signatures if model in behind},
        last_load=_one(connection, "select max(load_id) from staging.stg_current_segments"),
        last_change=_one(
            connection, "select coalesce(max(change_number), 0) from marts.ops_identity_changes"
        ),
        overrides=frozenset(said),
    )


def settle(connection: duckdb.DuckDBPyConnection, switched: set[str]) -> None:
    """Confirm or forget what a killed publish left; ``switched``: versions that became current."""
    connection.execute(_TABLE)
    for (version,) in connection.execute(
        "select version from history.publications where not is_confirmed"
    ).fetchall():
        if version in switched:
            confirm(connection, version)
        else:
            forget(connection, version)


def remember(connection: duckdb.DuckDBPyConnection, version: str, basis: Basis) -> None:
    """Note what ``version``, which is about to be written, is made from."""
    connection.execute(_TABLE)
    connection.execute(
        "insert into history.publications values ($1, $2, $3, $4, $5, $6, $7, false)",
        [
            version,
            basis.code,
            basis.configuration,
            json.dumps(dict(basis.signatures), sort_keys=True),
            basis.last_load,
            basis.last_change,
            json.dumps(sorted(basis.overrides)),
        ],
    )


def confirm(connection: duckdb.DuckDBPyConnection, version: str) -> None:
    """``version`` has become current."""
    connection.execute(
        "update history.publications set is_confirmed = true where version = $1", [version]
    )


def forget(connection: duckdb.DuckDBPyConnection, version: str) -> None:
    """``version`` was never seen: neither was what it restated."""
    connection.execute("begin")
    connection.execute(f"delete from {LOG} where version = $1", [version])
    connection.execute("delete from history.publications where version = $1", [version])
    connection.execute("commit")


def basis_of(connection: duckdb.DuckDBPyConnection, version: str) -> Basis | None:
    """What ``version`` was made from; None when this warehouse did not make it."""
    found = connection.execute(
        "select code, configuration, signatures, last_load, last_change, overrides"
        " from history.publications where version = $1",
        [version],
    ).fetchone()
    if found is None:
        return None
    code, configuration, signatures, last_load, last_change, overrides = found
    said = frozenset((action, a, b) for action, a, b in json.loads(overrides))
    return Basis(code, configuration, json.loads(signatures), last_load, last_change, said)


def _ancestors(manifest: Mapping) -> set[str]:
    """Names of all models that a headline number is made from."""
    parents = manifest["parent_map"]
    pending = [f"model.throughline.{name}" for name in _HEADLINES]
    found: set[str] = set()
    while pending:
        node = pending.pop()
        if node in found:
            continue
        found.add(node)
        pending += parents.get(node, ())
    return {node.rsplit(".", 1)[-1] for node in found if node.startswith("model.")}


def _sources(manifest: Mapping) -> list[list[str]]:
    """The text of every model, seed and macro of the project."""
    nodes = [
        [node["unique_id"], node["checksum"]["checksum"]]
        for node in manifest["nodes"].values()
        if node["resource_type"] in {"model", "seed"}
    ]
    macros = [
        [macro["unique_id"], macro["macro_sql"]]
        for macro in manifest["macros"].values()
        if macro["package_name"] == "throughline"
    ]
    return sorted(nodes + macros)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _one(connection: duckdb.DuckDBPyConnection, query: str):  # noqa: ANN202 - of any type
    return connection.execute(query).fetchall()[0][0]
