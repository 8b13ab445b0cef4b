"""Identity and sessions equal a plain-loop oracle on thousands of small worlds, in any load order.

The worlds are disjoint (their identifiers share nothing but null-like values) and live in one home,
so one dbt run serves them all.
"""

from __future__ import annotations

import hashlib
import json
import random
from datetime import datetime, timedelta

import duckdb
import pytest

from tests.properties import identity_oracle as oracle
from tests.properties.warehouse import MODELS, build, make_home, write_raw

WORLDS = 2_000
HUB_LIMIT, KIOSK_LIMIT, GAP = 3, 2, timedelta(minutes=30)
VARIABLES = {
    "tl_identity": {
        "handover_gap_seconds": 1800,
        "hub_limit": HUB_LIMIT,
        "kiosk_limit": KIOSK_LIMIT,
    },
    "tl_sources": [
        {
            "name": "web",
            "surface": "web",
            "trust": "public",
            "lawful_basis": "consent",
            "live": True,
        },
        {
            "name": "app",
            "surface": "mobile",
            "trust": "signed",
            "lawful_basis": "consent",
            "live": True,
        },
        {
            "name": "backend",
            "surface": "backend",
            "trust": "server",
            "lawful_basis": "contract",
            "live": True,
        },
    ],
}
SOURCES = {"web": ("public", "web"), "app": ("signed", "mobile"), "backend": ("server", "backend")}


def world(number: int, rng: random.Random) -> list[dict]:
    def some(kind: str, count: int, chance: float) -> str | None:
        if rng.random() > chance:
            return None
        if rng.random() < 0.03:
            return rng.choice(["undefined", "0"])
        return f"w{number}_{kind}{rng.randrange(count)}"

    events = []
    crowd = rng.choice([2, 2, 3, 5])
    for position in range(rng.randrange(3, 16)):
        source = rng.choice(["web", "web", "app", "backend"])
        trust, surface = SOURCES[source]
        kind = rng.random()
        name, event_type = (
            ("looked", "track")
            if kind < 0.75
            else ("logout", "system")
            if kind < 0.9
            else ("alias", "alias")
        )
        externals = {
            space: value for space in ("crm", "pay") if (value := some(space, crowd, 0.12))
        }
        minutes = rng.choice([0, 1, 2, 29, 30, 31, 60, 61, 90, 200]) + rng.choice([0, 0, 30])
        at = datetime(2026, 4, 1) + timedelta(minutes=minutes, microseconds=rng.choice([0, 0, 1]))
        event_id = f"w{number}_{position}"
        user = some("u", crowd, 0.35)
        events.append(
            {
                "source": source,
                "trust": trust,
                "surface": surface,
                "position": number * 100 + position,
                "event_id": event_id,
                "event_key": hashlib.md5(event_id.encode()).hexdigest(),
                "event_name": name,
                "event_type": event_type,
                "occurred_at": at,
                "received_at": at,
                "is_interactive": surface != "backend",
                "user_id": user,
                "previous_id": some(rng.choice(["u", "a"]), crowd, 1)
                if event_type == "alias" and user
                else None,
                "external": externals,
                "external_ids": json.dumps(externals) if externals else None,
                "email_token": some("e", crowd, 0.2),
                "email_verified": rng.choice([True, True, False, None]),
                "phone_token": some("p", crowd, 0.12),
                "anonymous_id": some("a", 3, 0.7),
                "device_id": some("d", 2, 0.2),
            }
        )
    return events


@pytest.fixture(scope="module")
def worlds() -> list[list[dict]]:
    rng = random.Random(20260401)
    return [world(number, rng) for number in range(WORLDS)]


def raw_rows(events: list[dict]) -> list[dict]:
    return [
        {k: v for k, v in event.items() if k not in ("trust", "external", "event_key")}
        | {"dedupe_key": event["event_key"]}
        for event in events
    ]


@pytest.fixture(scope="module")
def warehouse(worlds, tmp_path_factory):
    root = tmp_path_factory.mktemp("identity")
    home = make_home(root / "home")
    write_raw(home, raw_rows([event for events in worlds for event in events]))
    build(
        home,
        VARIABLES,
        *MODELS,
        "-s",
        "+fct_events",
        "+bridge_identities",
        "+dim_persons",
        target=root / "target",
    )
    return home, root


def test_person_and_rule_of_every_event_equal_the_oracle(worlds, warehouse):
    home, _ = warehouse
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        got = {
            key: (person, rule)
            for key, person, rule in con.execute(
                "select event_key, person_id, identity_rule from marts.fct_events"
            ).fetchall()
        }
    rules = set()
    name_of: dict = {}
    for number, events in enumerate(worlds):
        for key, (person, rule) in oracle.resolve(events, HUB_LIMIT, KIOSK_LIMIT, GAP).items():
            assert got[key][1] == rule, (number, key, got[key], person, rule)
            assert (got[key][0] is None) == (person is None)
            # one person_id per oracle person and the other way round
            assert name_of.setdefault(person, got[key][0]) == got[key][0], (number, key)
            rules.add(rule)
    persons = [name for person, name in name_of.items() if person is not None]
    assert len(set(persons)) == len(persons)
    assert rules == {
        "direct",
        "carry",
        "rejoin",
        "backfill",
        "logout_to_next",
        "gap_to_next",
        "anonymous",
        "kiosk",
        "none",
    }


def test_sessions_equal_the_oracle(worlds, warehouse):
    home, _ = warehouse
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rows = con.execute(
            "select event_key, person_id, session_id from marts.fct_events"
        ).fetchall()
    person_of = {key: person for key, person, _ in rows}
    session_of = {key: session for key, _, session in rows}
    attached = 0
    everything = [event for events in worlds for event in events]
    # null-like ids name nobody, so persons never span worlds: one call of the oracle serves all
    for key, first in oracle.sessions(everything, person_of, timedelta(minutes=30)).items():
        expected = None if first is None else "s_" + hashlib.md5(first.encode()).hexdigest()
        assert session_of[key] == expected, key
        attached += expected is not None
    assert attached > len(everything) / 2


def test_any_order_and_split_of_loads_gives_the_same_rows(worlds, warehouse, tmp_path):
    home, root = warehouse
    other = make_home(tmp_path / "home")
    for name in ("token.key", "person.salt", "vault.key", "rejects.key"):
        (other.keys / name).write_bytes((home.keys / name).read_bytes())
    rows = raw_rows([event for events in worlds for event in events])
    random.Random(5).shuffle(rows)
    write_raw(other, rows, load_of=lambda row: f"load-{row['position'] % 7}")
    build(
        other,
        VARIABLES,
        *MODELS,
        "-s",
        "+fct_events",
        "+bridge_identities",
        "+dim_persons",
        target=root / "target",
    )
    with duckdb.connect(str(other.warehouse), read_only=True) as con:
        con.execute(f"attach '{home.warehouse}' as first (read_only)")
        for table in ("fct_events", "fct_sessions", "bridge_identities", "dim_persons"):
            for left, right in (("first.marts", "marts"), ("marts", "first.marts")):
                difference = con.execute(
                    f"select count(*) from (from {left}.{table} except all from {right}.{table})"
                ).fetchone()
                assert difference == (0,), (table, left)
