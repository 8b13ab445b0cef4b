"""What the published copy knows: four tables, each question one bounded query."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from governance.errors import UserError
from governance.home import Home
from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import DeviceUse, Event, Evidence, Run, Standing
from orchestration.publishing import current_file, current_version

KINDS = ("user_id", "external", "email", "phone", "anonymous_id", "device_id")

_NEEDED = ("bridge_identities", "bridge_identity_evidence", "dim_devices", "fct_events")
_DEVICES = "('anonymous_id', 'device_id')"
_ORDER = f"list_position({list(KINDS)}, split_part(kind, ':', 1)), kind, value"
_ASKED = "(select unnest($kinds::varchar[]) as kind, unnest($values::varchar[]) as value)"
_EVIDENCE = """
    higher_kind, higher_value, lower_kind, lower_value, evidence, source, is_trusted,
    first_seen_at, last_seen_at, events, example_event_key, is_used, set_aside_reason
"""
_TOUCHING = f"""
    with asked as {_ASKED},
    touching as (
        select {_EVIDENCE} from (
            from marts.bridge_identity_evidence
            semi join asked on higher_kind = asked.kind and higher_value = asked.value
            union
            from marts.bridge_identity_evidence
            semi join asked on lower_kind = asked.kind and lower_value = asked.value
        )
        where ($used is null or is_used = $used)
            and ($intervals or set_aside_reason is distinct from 'interval')
    )
"""


@dataclass(frozen=True, slots=True)
class Lost:
    """Records of the published time that no identifier was kept of."""

    stripped: int
    quarantined: int


@contextmanager
def open_published(home: Home) -> Iterator[Published]:
    """The current version, for reading.

    Raises:
        UserError: nothing is published, or by a version without the evidence.
    """
    path = current_file(home)
    if not path.exists():
        raise UserError(
            "Nothing is published yet, so there is nothing to explain.",
            why=f"There is no {path}.",
            fix="throughline run hourly",
        )
    with duckdb.connect(str(path), read_only=True) as connection:
        published = Published(connection, current_version(home) or "")
        missing = set(_NEEDED) - published.tables()
        if missing:
            raise UserError(
                f"The published copy has no {', '.join(sorted(missing))}.",
                why="It was made before the evidence behind identities was published.",
                fix="throughline run hourly",
            )
        yield published


class Published:
    """Questions to one published version. Lists are bounded by ``limit``, the first by name."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, version: str) -> None:
        self._connection = connection
        self.version = version

    def tables(self) -> set[str]:
        """The names of the marts."""
        rows = self._rows(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        )
        return {name for (name,) in rows}

    def standings(
        self, identifiers: Collection[NamedIdentifier]
    ) -> dict[NamedIdentifier, Standing]:
        """Of those that name persons, or are set aside: whose they are.

        An identifier somebody linked before it was seen is not in bridge_identities: it stands for
        the person its link leads to.
        """
        found = {
            standing.identifier: standing
            for standing in self._standings(
                f"semi join {_ASKED} as asked using (kind, value)"
                f" where kind not in {_DEVICES} or person_id is null",
                **_asked(identifiers),
            )
        }
        unseen = {each for each in identifiers if each not in found and not each.is_device}
        if unseen:
            links = [e for e in self.evidence(unseen, limit=10_000) if e.evidence == "link"]
            for link in links:
                for end in unseen & set(link.ends):
                    found.setdefault(end, self._linked(link, end))
        return found

    def _linked(self, link: Evidence, end: NamedIdentifier) -> Standing:
        person = None
        if link.is_used:
            other = link.other(end)
            rows = self._standings(
                "where kind = $kind and value = $value", kind=other.kind, value=other.value
            )
            person = rows[0].person_id if rows else None
        return Standing(end, person, "linked", link.first_seen_at)

    def members(self, persons: Iterable[str], *, limit: int) -> list[Standing]:
        """The identifiers that stand for these persons at any time: those of persons."""
        return self._standings(
            "where person_id in (select unnest($persons::varchar[]))"
            f" and kind not in {_DEVICES} order by {_ORDER} limit $limit",
            persons=sorted(persons),
            limit=limit,
        )

    def count_members(self, person: str) -> int:
        """How many identifiers of persons stand for this one."""
        return self._number(
            "select count(*) from marts.bridge_identities"
            f" where person_id = $person and kind not in {_DEVICES}",
            person=person,
        )

    def named(self, kinds_and_values: Iterable[tuple[str, str]]) -> list[NamedIdentifier]:
        """The identifiers with these values; of a kind alone, or of any (an empty kind)."""
        pairs = list(kinds_and_values)
        rows = self._rows(
            f"""
            with asked as {_ASKED},
            known as (
                select kind, value from marts.bridge_identities
                union
                select higher_kind, higher_value from marts.bridge_identity_evidence
                where evidence in ('link', 'unlink')
                union
                select lower_kind, lower_value from marts.bridge_identity_evidence
                where evidence in ('link', 'unlink')
            )
            select distinct known.kind, known.value
            from known
            inner join asked on known.value = asked.value
                and (asked.kind = split_part(known.kind, ':', 1) or asked.kind = known.kind)
            order by all
            """,
            kinds=[kind for kind, _ in pairs],
            values=[value for _, value in pairs],
        )
        return sorted((NamedIdentifier(*row) for row in rows), key=lambda each: each.order)

    def written(self, text: str) -> NamedIdentifier | None:
        """The identifier that is written just so, ``kind:value``."""
        rows = self._rows(
            "select kind, value from marts.bridge_identities"
            " where kind || ':' || value = $text limit 1",
            text=text,
        )
        return NamedIdentifier(*rows[0]) if rows else None

    def near(self, kind: str, value: str, *, limit: int) -> list[NamedIdentifier]:
        """Identifiers whose values take few changes to be ``value``; of one kind or, empty, all."""
        rows = self._rows(
            """
            select kind, value, levenshtein(value, $value) as distance
            from (select distinct kind, value from marts.bridge_identities)
            where ($kind = '' or kind = $kind) and abs(length(value) - length($value)) <= 3
                and not starts_with(value, 'tok_') and length($value) <= 200
            order by distance, kind, value
            limit $limit
            """,
            kind=kind,
            value=value,
            limit=limit,
        )
        return [NamedIdentifier(kind, value) for kind, value, _ in rows]

    def evidence(
        self,
        identifiers: Collection[NamedIdentifier],
        *,
        used: bool | None = None,
        intervals: bool = True,
        limit: int,
    ) -> list[Evidence]:
        """The evidence that names any of these, the earliest first."""
        rows = self._rows(
            f"""
            {_TOUCHING}
            select * from touching
            order by first_seen_at nulls last, higher_kind, higher_value, lower_kind, lower_value,
                evidence, source, is_trusted
            limit $limit
            """,
            **_asked(identifiers),
            used=used,
            intervals=intervals,
            limit=limit,
        )
        return [_evidence(row) for row in rows]

    def count_evidence(self, identifiers: Collection[NamedIdentifier], *, used: bool) -> int:
        """How many pieces of evidence, intervals left out, name any of these."""
        return self._number(
            f"{_TOUCHING} select count(*) from touching",
            **_asked(identifiers),
            used=used,
            intervals=False,
        )

    def counterparts(self, identifier: NamedIdentifier) -> int:
        """How many identifiers trusted evidence names together with this one."""
        return self._number(
            """
            select count(distinct case when lower_value = $value and lower_kind = $kind
                then (higher_kind, higher_value) else (lower_kind, lower_value) end)
            from marts.bridge_identity_evidence
            where is_trusted and evidence in ('event', 'row')
                and (set_aside_reason is null or set_aside_reason not in ('interval', 'null_like'))
                and ((higher_kind = $kind and higher_value = $value)
                    or (lower_kind = $kind and lower_value = $value))
            """,
            kind=identifier.kind,
            value=identifier.value,
        )

    def device_of(self, device: NamedIdentifier) -> str | None:
        """The key of the device an identifier belongs to; None when it is set aside."""
        rows = self._rows(
            "select any_value(device_key) from marts.bridge_identities"
            " where kind = $kind and value = $value",
            kind=device.kind,
            value=device.value,
        )
        return rows[0][0]

    def device_identifiers(self, device_key: str, *, limit: int) -> list[NamedIdentifier]:
        """The identifiers of a device."""
        rows = self._rows(
            "select distinct kind, value from marts.bridge_identities"
            " where device_key = $key order by all limit $limit",
            key=device_key,
            limit=limit,
        )
        return [NamedIdentifier(*row) for row in rows]

    def count_runs(self, device: NamedIdentifier) -> int:
        """How many runs of events the device had."""
        return self._number(
            "select count(*) from marts.bridge_identities where kind = $kind and value = $value",
            kind=device.kind,
            value=device.value,
        )

    def runs(
        self,
        device: NamedIdentifier,
        *,
        persons: Collection[str] | None = None,
        limit: int,
    ) -> list[Run]:
        """The runs of a device in their order, with the number of events of each.

        Args:
            device: one of its identifiers.
            persons: of these alone.
            limit: how many at most.
        """
        rows = self._rows(
            """
            select person_id, rule, valid_from, valid_to, events from marts.bridge_identities
            where kind = $kind and value = $value and person_id is not null
                and ($persons is null or list_contains($persons::varchar[], person_id))
            order by valid_from, person_id, rule limit $limit
            """,
            kind=device.kind,
            value=device.value,
            persons=None if persons is None else sorted(persons),
            limit=limit,
        )
        return [Run(*row) for row in rows]

    def device(self, device_key: str) -> dict[str, Any] | None:
        """What dim_devices knows of a device."""
        cursor = self._connection.execute(
            "select * from marts.dim_devices where device_key = $key", {"key": device_key}
        )
        row = cursor.fetchone()
        if row is None or cursor.description is None:
            return None
        return dict(zip((column[0] for column in cursor.description), row, strict=True))

    def devices_of(self, person: str, *, limit: int) -> list[DeviceUse]:
        """The identifiers of devices this person used, the first used first."""
        rows = self._rows(
            f"""
            select kind, value, count(*), min(valid_from), max(valid_to)
            from marts.bridge_identities
            where person_id = $person and kind in {_DEVICES}
            group by kind, value
            order by min(valid_from), kind, value limit $limit
            """,
            person=person,
            limit=limit,
        )
        return [DeviceUse(NamedIdentifier(kind, value), *rest) for kind, value, *rest in rows]

    def events(self, text: str, *, limit: int) -> list[Event]:
        """The events with this key, or with this id of their producer."""
        rows = self._rows(
            """
            select event_key, event_id, event_name, occurred_at, source, person_id, identity_rule,
                user_id, external_ids, email_token, phone_token, anonymous_id, device_id
            from marts.fct_events
            where event_key = $text or event_id = $text
            order by occurred_at, event_key limit $limit
            """,
            text=text,
            limit=limit,
        )
        return [_event(row) for row in rows]

    def lost(self) -> Lost | None:
        """Records no identifier was kept of; None where the copy does not count them."""
        if "rpt_pipeline" not in self.tables():
            return None
        rows = self._rows(
            "select coalesce(sum(stripped), 0)::bigint, coalesce(sum(quarantined), 0)::bigint"
            " from marts.rpt_pipeline"
        )
        return Lost(*rows[0])

    def _standings(self, condition: str, **values: Any) -> list[Standing]:
        rows = self._rows(
            f"select kind, value, person_id, rule, valid_from from marts.bridge_identities"
            f" {condition}",
            **values,
        )
        return [
            Standing(NamedIdentifier(kind, value), person, rule, since)
            for kind, value, person, rule, since in rows
        ]

    def _number(self, sql: str, **values: Any) -> int:
        [[count]] = self._rows(sql, **values)
        return int(count)

    def _rows(self, sql: str, **values: Any) -> list[tuple]:
        return self._connection.execute(sql, values).fetchall()


def _asked(identifiers: Iterable[NamedIdentifier]) -> dict[str, list[str]]:
    ordered = sorted(identifiers, key=lambda each: each.order)
    return {"kinds": [each.kind for each in ordered], "values": [each.value for each in ordered]}


def _evidence(row: tuple) -> Evidence:
    return Evidence(NamedIdentifier(*row[:2]), NamedIdentifier(*row[2:4]), *row[4:])


def _event(row: tuple) -> Event:
    key, event_id, name, occurred_at, source, person, rule, *named = row
    kinds = ("user_id", "external", "email", "phone", "anonymous_id", "device_id")
    found: list[NamedIdentifier] = []
    for kind, value in zip(kinds, named, strict=True):
        if kind == "external":
            found += _externals(value)
        elif value:
            found.append(NamedIdentifier(kind, value))
    assert isinstance(occurred_at, datetime)
    return Event(key, event_id, name, occurred_at, source, person, rule, tuple(found))


def _externals(text: str | None) -> list[NamedIdentifier]:
    import json

    named = json.loads(text) if text else None
    if not isinstance(named, dict):
        return []
    return [NamedIdentifier(f"external:{name}", str(value)) for name, value in named.items()]
