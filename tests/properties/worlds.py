"""Small random worlds: a few people, devices and shared identifiers, and what is said of them.

Worlds share nothing but null-like values, so many of them live in one home and one dbt run serves
all. Events, database rows, copies and withdrawn consent come as records: rows of ``raw.events``
plus what only the oracle reads (``trust``, ``external``, ``event_key``).
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.properties.identity_oracle import Identifier, Statement, ordered, priority

HUB_LIMIT, KIOSK_LIMIT, GAP = 3, 2, timedelta(minutes=30)
LISTED = "Factory-id"  # under identity.nobody
SOURCES = {
    "web": ("public", "web"),
    "app": ("signed", "mobile"),
    "backend": ("server", "backend"),
    "shop": ("server", "backend"),
}
VARIABLES = {
    "tl_identity": {
        "handover_gap_seconds": int(GAP.total_seconds()),
        "hub_limit": HUB_LIMIT,
        "kiosk_limit": KIOSK_LIMIT,
        "nobody": [LISTED],
    },
    "tl_sources": [
        {
            "name": name,
            "surface": surface,
            "trust": trust,
            "lawful_basis": "consent" if trust != "server" else "contract",
            "live": True,
        }
        for name, (trust, surface) in SOURCES.items()
    ],
}
START = datetime(2026, 4, 1)
PERSONS = ("user_id", "external:crm", "external:pay", "email", "phone")
DEVICES = ("anonymous_id", "device_id")
LETTER = dict(zip((*PERSONS, *DEVICES), "ucxepad", strict=True))


@dataclass(frozen=True, slots=True)
class World:
    """``name`` begins every identifier and key of the world."""

    name: str
    records: list[dict]
    statements: list[Statement]


def record(source: str, name: str, number: int, at: datetime, **columns: object) -> dict:
    """A record of ``source``; its key derives from ``name`` and ``number``."""
    trust, surface = SOURCES[source]
    event_id = f"{name}_{number:02}"
    external = columns.pop("external", None) or {}
    return {
        "source": source,
        "trust": trust,
        "surface": surface,
        "segment": f"{name}.jsonl",
        "position": number,
        "event_id": event_id,
        "event_key": hashlib.md5(event_id.encode()).hexdigest(),
        "event_name": "looked",
        "event_type": "track",
        "occurred_at": at,
        "received_at": at,
        "is_interactive": surface != "backend",
        "platform": (None, "ios", "android")[number % 3],
        "app_version": (None, "1.0", "1.1", None, "2.0")[number % 5],
        "device_class": ("mobile", None, "tablet", "bot")[number % 4],
        "external": external,
        "external_ids": json.dumps(external, sort_keys=True) if external else None,
    } | columns


def raw_rows(records: list[dict]) -> list[dict]:
    return [
        {k: v for k, v in row.items() if k not in ("trust", "external", "event_key")}
        | {"dedupe_key": row["event_key"]}
        for row in records
    ]


def raw_overrides(statements: list[Statement]) -> list[dict]:
    lines = []
    for said in statements:
        a, b = ordered(said.a, said.b)
        lines.append(
            {
                "action": said.action,
                "a_kind": a[0],
                "a_value": a[1],
                "b_kind": b[0],
                "b_value": b[1],
                "author": said.author,
                "reason": said.reason,
                "stated_at": said.stated_at,
            }
        )
    return lines


class _Cast:
    """The identifiers of one world; now and then somebody sends one that names nobody."""

    def __init__(self, name: str, rng: random.Random, crowd: int, company: float) -> None:
        self._name, self._rng, self._company = name, rng, company
        self._counts = dict.fromkeys(PERSONS, crowd) | {"anonymous_id": 3, "device_id": 2}

    def one(self, kind: str) -> Identifier:
        return kind, f"{self._name}_{LETTER[kind]}{self._rng.randrange(self._counts[kind])}"

    def some(self, kind: str, chance: float) -> str | None:
        if self._rng.random() > chance:
            return None
        if self._rng.random() < 0.02:
            return self._rng.choice(["undefined", LISTED, "00000000-0000-0000-0000-000000000000"])
        return self.one(kind)[1]

    def subject(self, user: float, device: float = 1.0) -> dict:
        """Who an event names; ``company``: how often it names more than one person identifier."""
        external = {
            kind.removeprefix("external:"): value
            for kind in ("external:crm", "external:pay")
            if (value := self.some(kind, 0.6 * self._company))
        }
        return {
            "user_id": self.some("user_id", user),
            "external": external,
            "email_token": self.some("email", self._company),
            "email_verified": self._rng.choice([True, True, False, None]),
            "phone_token": self.some("phone", 0.6 * self._company),
            "anonymous_id": self.some("anonymous_id", 0.7 * device),
            "device_id": self.some("device_id", 0.2 * device),
        }


def random_world(name: str, rng: random.Random) -> World:
    crowd = rng.choice([2, 2, 3, 5])
    cast = _Cast(name, rng, crowd, rng.choice([0.2, 0.2, 0.6]))
    records: list[dict] = []
    for _ in range(rng.randrange(3, 11)):
        records.extend(_happening(name, len(records), cast, rng))
    statements = []
    if rng.random() < 0.6:
        statements = [_statement(cast, rng, n) for n in range(rng.randrange(1, 7))]
    return World(name, records, statements)


def _happening(name: str, number: int, cast: _Cast, rng: random.Random) -> list[dict]:
    """One event, or a few records that belong together."""
    minutes = rng.choice([0, 1, 2, 29, 30, 31, 60, 61, 90, 200]) + rng.choice([0, 0, 30])
    at = START + timedelta(minutes=minutes, microseconds=rng.choice([0, 0, 1]))
    if rng.random() < 0.08:
        return _versions(name, number, at, cast, rng)
    source = rng.choice(["web", "web", "app", "backend"])
    kind = rng.random()
    subject = cast.subject(0.35)
    event = {"event_name": "looked", "event_type": "track", "previous_id": None}
    if 0.75 <= kind < 0.9:
        event = {"event_name": rng.choice(["logout", "reset"]), "event_type": "system"}
    elif kind >= 0.9 and subject["user_id"]:
        previous = cast.one(rng.choice(["user_id", "anonymous_id"]))[1]
        event = {"event_name": "alias", "event_type": "alias", "previous_id": previous}
    first = record(source, name, number, at, **subject, **event)
    if rng.random() < 0.06:
        return [first, _copy(first, number + 1, cast, rng)]
    return [first]


def _versions(name: str, number: int, at: datetime, cast: _Cast, rng: random.Random) -> list[dict]:
    """A person's row in a database, seen one to three times, perhaps until it was gone."""
    kind = rng.choice(["user_id", "user_id", "external:crm"])
    key = cast.one(kind)[1]
    seen = []
    for version in range(rng.randrange(1, 4)):
        when = at + timedelta(minutes=10 * version)
        subject = cast.subject(0.2, device=0.2)
        if kind == "user_id":
            subject["user_id"] = key
        else:
            subject["external"] = subject["external"] | {"crm": key}
        subject["email_token"] = cast.one("email")[1]
        seen.append(_row("person", name, number + version, when, subject))
    if rng.random() < 0.2:
        gone = _row("person", name, number + len(seen), at + timedelta(hours=1), {})
        seen.append(gone | {"is_deleted": True})
    return seen


def _row(kind: str, name: str, number: int, at: datetime, subject: dict) -> dict:
    columns = {
        "event_name": "person_changed",
        "event_type": "identify",
        "record_kind": kind,
        "version_at": at,
    }
    return record("shop", name, number, at, **subject, **columns)


def _copy(first: dict, number: int, cast: _Cast, rng: random.Random) -> dict:
    """A copy of an event that says something else, received before or after it; or denied."""
    other = first | cast.subject(0.35) | {"position": number}
    other["external_ids"] = json.dumps(other["external"]) if other["external"] else None
    other["received_at"] = first["received_at"] + timedelta(seconds=rng.choice([-5, 0, 5]))
    if rng.random() < 0.2:
        other["disposition"] = "stripped"
    return other


def _statement(cast: _Cast, rng: random.Random, number: int) -> Statement:
    kinds = PERSONS if rng.random() < 0.75 else DEVICES
    if kinds == PERSONS and rng.random() < 0.4:
        kinds = ("user_id",)
    while True:
        a, b = (cast.one(rng.choice(kinds)) for _ in range(2))
        if rng.random() < 0.1:
            b = (b[0], f"{b[1]}_unseen")
        if a != b:
            break
    assert (priority(a) <= 4) == (priority(b) <= 4)
    action = rng.choice(["link", "link", "link", "unlink", "unlink", "reset"])
    return Statement(action, a, b, stated_at=START + timedelta(days=20, minutes=number))
