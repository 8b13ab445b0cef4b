"""Row by row: the standing marts and those rebuilt in the scratch warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from governance.errors import ThroughlineError
from orchestration.audit.scratch import NAME as SCRATCH
from orchestration.publishing.catalog import ModelDoc
from orchestration.publishing.plan import LOGS
from orchestration.publishing.policy import quote

REPORTS = "rpt_"
# Tables of closure.py that say whose rows are compared.
MEANT = ("audited_nodes", "audited_unknown", "audit_mute")
# A broken rule makes thousands; these are enough to see it by.
SHOWN = 20
_SHOWN_CLASSES = frozenset({"public", "internal", "pseudonym"})

Verdict = Literal["differs", "missing", "not in raw"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A column of a row: what stands and what raw gives, as text; free text is withheld."""

    column: str
    stands: str | None
    rebuilt: str | None


@dataclass(frozen=True, slots=True)
class RawInput:
    """Where the row begins in raw: its event, or the first of several."""

    source: str
    segment: str
    position: int
    item: int

    def __str__(self) -> str:
        return f"{self.source} {self.segment} at {self.position}, item {self.item}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A row that raw does not give (``not in raw``), does give (``missing``), or gives otherwise.

    ``person``: whose row it is, where it is somebody's.
    """

    mart: str
    verdict: Verdict
    key: Mapping[str, str | None]
    differences: tuple[Difference, ...]
    input: RawInput | None
    person: str | None

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value}" for name, value in self.key.items())
        parts = [f"{self.mart} {key} {self.verdict}"]
        parts += [f"{each.column}: {each.stands} <> {each.rebuilt}" for each in self.differences]
        parts += [f"input: {self.input}"] if self.input else []
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one mart: rows compared, how many differ, and the first of those."""

    rows: int
    differing: int
    mismatches: tuple[Mismatch, ...]
    persons: tuple[str, ...]


def state_marts(marts: Sequence[ModelDoc]) -> list[ModelDoc]:
    """Those that are a function of raw; logs tell of builds."""
    return [mart for mart in marts if not mart.name.startswith(LOGS)]


def is_sampled(mart: ModelDoc) -> bool:
    """Whether its rows are somebody's; a number of everybody's needs all of raw."""
    return _scope(mart) is not None and not mart.name.startswith(REPORTS)


def collect_scope(connection: duckdb.DuckDBPyConnection) -> None:
    """The audited persons' devices and identifiers, as either side knows them.

    Whoever turns out to have one of the unknown names is audited too.
    """
    connection.execute(
        f"""
        insert into audited
        select distinct person_id
        from {SCRATCH}.intermediate.int_identity_nodes
        semi join audited_unknown using (node)
        anti join audited using (person_id)
        where person_id is not null;

        create or replace temp table audited_devices as
        select device_key from intermediate.int_event_persons semi join audited using (person_id)
        union
        select device_key
        from {SCRATCH}.intermediate.int_event_persons
        semi join audited using (person_id);

        create or replace temp table audited_identifiers as
        select node from intermediate.int_identity_nodes semi join audited using (person_id)
        union
        select node
        from {SCRATCH}.intermediate.int_identity_nodes
        semi join audited using (person_id)
        """
    )


def compare(
    connection: duckdb.DuckDBPyConnection, mart: ModelDoc, *, everything: bool
) -> Comparison:
    """Compare a mart's rows, each counted as often as it stands.

    Raises:
        ThroughlineError: the two sides have other columns.
    """
    where = "" if everything else f" where {_scope(mart)}"
    relation = f"{quote(mart.schema)}.{quote(mart.table)}"
    sides = {"audit_standing": relation, "audit_rebuilt": f"{SCRATCH}.{relation}"}
    for table, side in sides.items():
        connection.execute(f"create or replace temp table {table} as from {side}{where}")
    columns = [_columns(connection, table) for table in sides]
    if columns[0] != columns[1]:
        raise ThroughlineError(
            f"{mart.name} was built with other columns than it has now.",
            why=f"{columns[0]} and {columns[1]}",
            fix="Run: throughline build",
        )
    for table, other in (("audit_standing", "audit_rebuilt"), ("audit_rebuilt", "audit_standing")):
        connection.execute(
            f"create or replace temp table {table}_only as from {table} except all from {other}"
        )
    return Comparison(
        rows=_count(connection, "audit_standing"),
        differing=_count_differing(connection, mart),
        mismatches=_mismatches(connection, mart),
        persons=_persons(connection, columns[0]),
    )


def _scope(mart: ModelDoc) -> str | None:
    """The condition of the audited persons' rows; None for a mart without persons.

    Of identifiers those count too that links lead to: a conflict is nobody's, and yet theirs.
    """
    if {"kind", "value", "person_id"} <= mart.columns.keys():
        reached = (
            "kind || chr(31) || value in (from audited_nodes anti join audit_mute using (node))"
        )
        return f"(person_id in (from audited) or person_id is null and {reached})"
    if "person_id" in mart.columns:
        return "person_id in (from audited)"
    if "device_key" in mart.columns:
        return "device_key in (from audited_devices)"
    if {"higher_kind", "lower_kind"} <= mart.columns.keys():
        ends = ("higher", "lower")
        return " or ".join(
            f"{end}_kind || chr(31) || {end}_value in (from audited_identifiers)" for end in ends
        )
    return None


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f"describe {table}").fetchall()]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return connection.execute(f"select count(*) from {table}").fetchall()[0][0]


def _count_differing(connection: duckdb.DuckDBPyConnection, mart: ModelDoc) -> int:
    """Keys that differ; of a row that stands twice each one."""
    key = _key(mart)
    counted = connection.execute(
        f"""
        select coalesce(sum(greatest(standing, rebuilt)), 0)
        from (
            select count(*) filter (side = 0) as standing, count(*) filter (side = 1) as rebuilt
            from (
                select 0 as side, {key} from audit_standing_only
                union all
                select 1, {key} from audit_rebuilt_only
            )
            group by {key}
        )
        """
    ).fetchall()
    return int(counted[0][0])


def _key(mart: ModelDoc) -> str:
    return ", ".join(quote(column) for column in mart.grain)


def _mismatches(connection: duckdb.DuckDBPyConnection, mart: ModelDoc) -> tuple[Mismatch, ...]:
    sides = []
    for table in ("audit_standing_only", "audit_rebuilt_only"):
        order = [*mart.grain, *(name for name, _ in _columns(connection, table))]
        found = connection.execute(
            f"from {table} order by {', '.join(map(quote, order))} limit {SHOWN}"
        )
        names = [column[0] for column in found.description]
        sides.append([dict(zip(names, row, strict=True)) for row in found.fetchall()])
    standing, rebuilt = ({_key_of(mart, row): row for row in side} for side in sides)
    mismatches = []
    for key in sorted({*standing, *rebuilt}, key=repr)[:SHOWN]:
        before, after = standing.get(key), rebuilt.get(key)
        verdict: Verdict = "differs" if before and after else "missing" if after else "not in raw"
        row = after or before or {}
        mismatches.append(
            Mismatch(
                mart=mart.name,
                verdict=verdict,
                key={c: _text(mart, c, row[c]) for c in mart.grain},
                differences=_differences(mart, before, after),
                input=_input(connection, row, rebuilt=after is not None),
                person=row.get("person_id"),
            )
        )
    return tuple(mismatches)


def _key_of(mart: ModelDoc, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in mart.grain)


def _differences(
    mart: ModelDoc, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Difference, ...]:
    if before is None or after is None:
        return ()
    return tuple(
        Difference(column, _text(mart, column, before[column]), _text(mart, column, after[column]))
        for column in before
        if before[column] != after[column]
    )


def _text(mart: ModelDoc, column: str, value: object) -> str | None:
    """A value as a report may show it: what could name or describe somebody is left out."""
    if value is None:
        return None
    described = mart.columns.get(column.lower())
    if described is None or described.column_class not in _SHOWN_CLASSES:
        return "(withheld)"
    return str(value)


def _persons(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    if "person_id" not in {name for name, _ in columns}:
        return ()
    found = connection.execute(
        "select person_id from audit_standing_only union select person_id from audit_rebuilt_only"
        " order by all"
    ).fetchall()
    return tuple(person for (person,) in found if person is not None)


# How a row leads to its events: the column that names them, and the query.
_EVENTS = {
    "event_key": "select $1 as event_key",
    "example_event_key": "select $1 as event_key",
    "session_id": "select event_key from {side}int_event_sessions where session_id = $1",
    "order_key": (
        "select event_key from {side}int_events where coalesce(order_id, event_key) = $1"
    ),
    "device_key": "select event_key from {side}int_event_persons where device_key = $1",
    "person_id": "select event_key from {side}int_event_persons where person_id = $1",
}


def _input(
    connection: duckdb.DuckDBPyConnection, row: Mapping[str, Any], *, rebuilt: bool
) -> RawInput | None:
    """The record a row begins with, looked up on the side that has the row."""
    if row.get("landing_segment") is not None:
        return RawInput(
            row["source"], row["landing_segment"], row["landing_position"], row["landing_item"]
        )
    side = f"{SCRATCH}.intermediate." if rebuilt else "intermediate."
    for column, query in _EVENTS.items():
        if row.get(column) is None:
            continue
        found = connection.execute(
            f"""
            select source, landing_segment, landing_position, landing_item
            from {side}int_events
            semi join ({query.format(side=side)}) as named using (event_key)
            order by occurred_at, event_id, event_key
            limit 1
            """,
            [row[column]],
        ).fetchall()
        return RawInput(*found[0]) if found else None
    return None
