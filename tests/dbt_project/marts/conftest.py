"""A small random company as finished upstream tables, and the marts dbt built from it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[3]
MODELS = (
    "+fct_funnel_entries",
    "rpt_funnel_daily",
    "+rpt_active_daily",
    "+rpt_metrics_daily",
    "+rpt_retention",
    "+rpt_revenue_daily",
    "+rpt_revenue_matches",
    "+rpt_ltv",
    "fct_conversions",
    "fct_page_views",
    "rpt_pages",
    "rpt_paths",
    "rpt_lifecycle_weekly",
    "rpt_stickiness",
    "int_feature_events",
    "rpt_feature_adoption",
)
GIVEN = ("int_person_events", "int_event_persons", "int_events", "int_data_until")
# given too, though some of what they are made of is under test
ALSO_GIVEN = ("fct_sessions", "dim_persons")
TIME_ZONE = "Europe/Berlin"
FEATURES: list[dict[str, Any]] = [
    {"name": "mobile", "event": "visit", "where": {"surface": "mobile"}, "eligible": None},
    {"name": "basket", "event": "b", "where": {}, "eligible": None},
    {
        "name": "pro",
        "event": "a",
        "where": {"properties.plan": "pro"},
        "eligible": {"event": "x", "where": {"country": "DE"}},
    },
]
DIMENSIONS = {"tier": "properties.plan", "voucher": "properties.coupon"}
START = datetime(2026, 3, 27, 20, 0)  # UTC; the clocks change in the night to the 29th
DATA_UNTIL = START + timedelta(days=50, hours=3)
TIMEOUT = timedelta(minutes=30)
KEY_EVENTS = ["c", "order"]
PAGES = [f"/{number:02}" for number in range(30)]
EVENTS = pa.schema(
    [
        ("event_key", pa.string()),
        ("event_id", pa.string()),
        ("person_id", pa.string()),
        ("session_id", pa.string()),
        ("event_name", pa.string()),
        ("event_type", pa.string()),
        ("page_path", pa.string()),
        ("screen", pa.string()),
        ("scroll_percent", pa.float64()),
        ("occurred_at", pa.timestamp("us")),
        ("occurred_at_local", pa.timestamp("us")),
        ("occurred_date", pa.date32()),
        ("surface", pa.string()),
        ("platform", pa.string()),
        ("country", pa.string()),
        ("channel", pa.string()),
        ("is_interactive", pa.bool_()),
        ("is_bot", pa.bool_()),
        ("is_internal", pa.bool_()),
        ("is_internal_traffic", pa.bool_()),
        ("is_key_event", pa.bool_()),
        ("order_id", pa.string()),
        ("source", pa.string()),
        ("is_authoritative_revenue", pa.bool_()),
        ("revenue", pa.decimal128(18, 6)),
        ("currency", pa.string()),
        ("revenue_reporting", pa.decimal128(28, 6)),
        ("is_rate_missing", pa.bool_()),
        ("properties", pa.string()),
        ("properties_unreviewed", pa.string()),
    ]
)
UPSTREAM = """
create schema intermediate;
create schema marts;
create table intermediate.int_events as
select * exclude (person_id, session_id, channel) from drawn_events;
create table intermediate.int_person_events as
select * exclude (properties, properties_unreviewed)
from drawn_events where person_id is not null;
create table intermediate.int_event_persons as
select event_key, person_id, occurred_date from drawn_events;
create table marts.fct_sessions (
    session_id varchar, person_id varchar, started_date date, surface varchar, platform varchar,
    channel varchar, country varchar, duration_seconds double, is_bounce boolean,
    is_engaged boolean, is_open boolean, is_bot boolean, is_internal boolean
);
insert into marts.fct_sessions by name select * from drawn_sessions;
create table marts.dim_persons as
select person_id, min(occurred_at) as first_seen_at from drawn_events group by person_id;
create table intermediate.int_data_until as
select *
from
    (
        values
            ('web', true, cast($data_until as timestamp)),
            ('shop', true, cast($data_until as timestamp) + interval 3 day),
            ('archive', false, cast($data_until as timestamp) - interval 90 day)
    ) as sources(source, is_live, data_until);
"""


@dataclass(frozen=True, slots=True)
class World:
    """What went in and where the marts built from it are."""

    warehouse: Path
    variables: dict[str, Any]
    events: list[dict[str, Any]]
    sessions: pd.DataFrame
    data_until: datetime = DATA_UNTIL

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries of Python values."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            relation = connection.sql(query)
            return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def keyed(self, mart: str, grain: list[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The rows of a mart by the values of its grain."""
        rows = self.rows(f"select * from marts.{mart}")
        return {tuple(row.pop(name) for name in grain): row for row in rows}

    @property
    def last_day(self) -> date:
        """The reporting day the data have reached."""
        return local_day(self.data_until)

    def has_ended(self, day: date, then: timedelta = timedelta(0)) -> bool:
        """Whether the data go past the end of a reporting day, and past a window after it."""
        return self.data_until >= end_of(day) + then


def end_of(day: date) -> datetime:
    """The instant a reporting day ends, in UTC."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(TIME_ZONE))
    return midnight.astimezone(UTC).replace(tzinfo=None)


def local(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(TIME_ZONE)).replace(tzinfo=None)


def local_day(moment: datetime) -> date:
    return local(moment).date()


def in_time_order(event: dict[str, Any]) -> tuple[datetime, str, str]:
    return event["occurred_at"], event["event_id"], event["event_key"]


@dataclass
class _Company:
    """Draws events; a coarse clock makes ties, window edges and midnights frequent."""

    chance: random.Random
    looks: random.Random
    events: list[dict[str, Any]] = field(default_factory=list)

    def event(self, person: str | None, at: datetime, name: str, **more: Any) -> None:
        chance = self.chance
        number = len(self.events)
        surface = chance.choice(["web", "web", "mobile", "backend"])
        kept = {"plan": chance.choice(["pro", "web", True, 10, 10.0, "10", None]), "n": number % 7}
        loose = {"coupon": chance.choice(["x", "y"])} if chance.random() < 0.5 else {}
        if chance.random() < 0.3:
            kept.pop("plan")
        row = {
            # keys in another order than time
            "event_key": f"{chance.getrandbits(64):016x}",
            "event_id": f"e{number}",
            "person_id": person,
            "session_id": None,
            "event_name": name,
            **self.look(),
            "occurred_at": at,
            "occurred_at_local": local(at),
            "occurred_date": local_day(at),
            "surface": surface,
            "platform": chance.choice(["web", "ios", "android", None]),
            "country": chance.choice(["DE", "FR", None]),
            "channel": chance.choice(["direct", "email", "(none)"]),
            "is_interactive": surface != "backend",
            "is_bot": chance.random() < 0.03,
            "is_internal": chance.random() < 0.02,
            "is_internal_traffic": False,
            "is_key_event": name in KEY_EVENTS,
            "order_id": None,
            "source": "web",
            "is_authoritative_revenue": False,
            "revenue": None,
            "currency": None,
            "revenue_reporting": None,
            "is_rate_missing": False,
            "properties": json.dumps(kept),
            "properties_unreviewed": json.dumps(loose) if loose else None,
        }
        self.events.append({**row, **more})

    def look(self) -> dict[str, Any]:
        """Whether an event is a view, of what, and how far one scrolled; few pages are frequent."""
        chance = self.looks
        kind = chance.choice(["page", "page", "screen", "track", "track"])
        scrolled = None
        if chance.random() < 0.3:
            scrolled = chance.choice([0, 12.5, 50, 100, 101, None])
        page = chance.choice([None, *PAGES[: chance.choice([3, 10, 30])]])
        return {
            "event_type": kind,
            "page_path": page if kind == "page" else "/not the screen",
            "screen": page if kind == "screen" else None,
            "scroll_percent": scrolled,
        }

    def long_visits(self, persons: int) -> None:
        """More views in a session than a path has steps."""
        for number in range(persons):
            base = START + timedelta(days=10 + number)
            for minute in range(40):
                self.event(f"v_{number:05}", base + timedelta(minutes=minute), "visit")

    def journeys(self, persons: int) -> None:
        """Short dense journeys around midnight, many with windows that close about DATA_UNTIL."""
        chance = self.chance
        for number in range(persons):
            base = START + timedelta(days=chance.choice([0, 1, 49, 50]), hours=chance.randrange(4))
            step = chance.choice(
                [timedelta(0), timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=5)]
            )
            for _ in range(chance.randint(1, 8)):
                at = base + chance.randrange(6) * step
                if chance.random() < 0.1:
                    at += timedelta(microseconds=chance.choice([-1, 1]))
                self.event(f"p_{number:05}", at, chance.choice("aaabbcx"))

    def habits(self, persons: int) -> None:
        """Long histories with regular and irregular days, for actives and retention."""
        chance = self.chance
        for number in range(persons):
            first = START + timedelta(days=chance.randrange(20), minutes=chance.randrange(1440))
            share = chance.choice([0.1, 0.5, 1.0])
            for day in range(chance.randrange(1, 45)):
                if day == 0 or chance.random() < share:
                    at = first + timedelta(days=day, minutes=chance.randrange(-300, 300))
                    self.event(f"h_{number:05}", at, "visit")

    def payments(self, count: int) -> None:
        """Orders of several lines, refunds, bots and buyers without a person, some seen elsewhere.

        Dollars have a rate on even days only; amounts have few values, so that equal ones meet.
        """
        chance = self.chance
        for number in range(count):
            at = START + timedelta(minutes=chance.randrange(60 * 1440))
            buyer = chance.choice(
                [None, f"h_{chance.randrange(60):05}", f"p_{chance.randrange(500):05}"]
            )
            amount = Decimal(chance.choice([-1500, -333, 0, 1999, 2500, 2500, 9001])) / 100
            order = chance.choice([None, f"o{number // 3}", f"o{number // 3}"])
            self.amount(buyer, at, amount, order, chance.choice(["EUR", None, "USD"]), "shop")
            if chance.random() < 0.4:
                told = amount + chance.choice([0, 0, 1])
                where = chance.choice(["sdk", "hook"])
                self.amount(buyer, at + timedelta(hours=3), told, order, "EUR", where)
            if chance.random() < 0.1:
                self.amount(buyer, at, abs(amount), f"only_{number % 40}", "EUR", "sdk")

    def amount(
        self,
        buyer: str | None,
        at: datetime,
        amount: Decimal,
        order: str | None,
        currency: str | None,
        source: str,
    ) -> None:
        """An event with an amount, converted as int_events does: believed from the shop alone."""
        is_believed = source == "shop"
        rate = Decimal("0.9137") if currency == "USD" else Decimal(1)
        is_missing = currency == "USD" and local_day(at).day % 2 == 1
        self.event(
            buyer,
            at,
            "order",
            order_id=order,
            source=source,
            is_authoritative_revenue=is_believed,
            revenue=amount,
            currency=currency,
            revenue_reporting=amount * rate if is_believed and not is_missing else None,
            is_rate_missing=is_believed and is_missing,
        )


def _sessions(chance: random.Random, events: list[dict[str, Any]]) -> pd.DataFrame:
    """The bursts of the events, which are given their session; the rest of a session is drawn."""
    persons: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in sorted(events, key=in_time_order):
        if event["person_id"]:
            persons[event["person_id"]].append(event)
    rows = []
    for person, own in persons.items():
        session, last = None, START - timedelta(days=999)
        for event in own:
            if not event["is_interactive"]:
                event["session_id"] = session if chance.random() < 0.5 else None
                continue
            if event["occurred_at"] - last > TIMEOUT:
                session = f"s{len(rows)}"
                rows.append(_session(chance, session, person, event["occurred_at"]))
            event["session_id"], last = session, event["occurred_at"]
    return pd.DataFrame(rows, columns=list(_session(chance, "", "", START)))


def _session(chance: random.Random, name: str, person: str, at: datetime) -> dict[str, Any]:
    engaged = chance.random() < 0.6
    return {
        "session_id": name,
        "person_id": person,
        "started_date": local_day(at),
        "surface": chance.choice(["web", "mobile"]),
        "platform": chance.choice(["web", "ios", None]),
        "channel": chance.choice(["direct", "email"]),
        "country": chance.choice(["DE", None]),
        "duration_seconds": float(chance.randrange(4000)),
        "is_bounce": not engaged,
        "is_engaged": engaged,
        # long ones too, so that days which ended wait for them
        "is_open": at > DATA_UNTIL - timedelta(days=2) and chance.random() < 0.2,
        "is_bot": chance.random() < 0.1,
        "is_internal": chance.random() < 0.1,
    }


_STEPS: dict[str, list[dict[str, Any]]] = {
    "ab": [{"event": "a"}, {"event": "b"}],
    "abc": [{"event": "a"}, {"event": "b"}, {"event": "c"}],
    "aa": [{"event": "a"}, {"event": "a"}],
    "aba": [{"event": "a"}, {"event": "b"}, {"event": "a"}],
    "aab": [{"event": "a"}, {"event": "a", "where": {"surface": "web"}}, {"event": "b"}],
    "half": [
        {"event": "a", "where": {"properties.plan": ["pro", 10]}},
        {"event": "b"},
        {"event": "a"},
        {"event": "b"},
    ],
    "narrow": [{"event": "a"}, {"event": "a", "where": {"tier": True}}, {"event": "a"}],
    "disjoint": [
        {"event": "a", "where": {"surface": "web"}},
        {"event": "a", "where": {"surface": ["mobile", "backend"]}},
    ],
}
_EXCLUSIONS: dict[str, list[dict[str, Any]]] = {
    "abc": [
        {"event": "a", "where": {"surface": "web"}, "after": 2, "before": 3},
        {"event": "x", "after": 1, "before": 2},
    ],
    "aba": [{"event": "x", "after": 1, "before": 3}],
}
_BREAKDOWNS = {
    "ab": ["surface", "properties.plan", "channel"],
    "abc": ["properties.coupon"],
    "half": ["country", "tier"],
}


def _funnels() -> list[dict[str, Any]]:
    """Every shape in every mode, with windows that fall on the clock of the journeys."""
    windows = [1800, 3600, 50 * 60, 86400]
    return [
        {
            "name": f"{mode}_{shape}",
            "version": f"v{place}{number}",
            "window_seconds": windows[(place + number) % len(windows)],
            "mode": mode,
            "steps": [{"where": {}, **step} for step in steps],
            "exclusions": [{"where": {}, **each} for each in _EXCLUSIONS.get(shape, [])],
            "breakdowns": _BREAKDOWNS.get(shape, []),
            "top_breakdowns": 2,
        }
        for place, mode in enumerate(["ordered", "strict", "any"])
        for number, (shape, steps) in enumerate(_STEPS.items())
    ]


def write_upstream(
    warehouse: Path,
    events: list[dict[str, Any]],
    sessions: pd.DataFrame,
    data_until: datetime | None,
) -> None:
    """The upstream tables as the models before these would have left them."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.register("drawn_events", pa.Table.from_pylist(events, schema=EVENTS))
        connection.register("drawn_sessions", sessions)
        connection.execute(UPSTREAM, {"data_until": data_until})


def build(warehouse: Path, variables: dict[str, Any], folder: Path, *, without: str) -> None:
    """Builds and tests these marts and what only they need; dbt's report is the failure message.

    ``without`` names the tests to leave out: the data tests (``test``) belong to the full
    company, the unit tests (``unit_test``) bring their own rows and run once, on the empty one.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("THROUGHLINE_", "DBT_"))
    }
    finished = subprocess.run(
        [
            *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "build", "--quiet"),
            *("--exclude-resource-type", without),
            *("--select", *MODELS, "--exclude", *(f"+{name}" for name in GIVEN), *ALSO_GIVEN),
            *("--project-dir", "dbt_project", "--profiles-dir", "dbt_project"),
            *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
            *("--vars", json.dumps(variables)),
        ],
        cwd=ROOT,
        env={**environment, "THROUGHLINE_WAREHOUSE": str(warehouse), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-6000:] + finished.stderr[-2000:]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("marts")
    chance = random.Random(20260413)
    company = _Company(chance, random.Random(7))
    company.journeys(1500)
    company.habits(60)
    company.payments(900)
    company.long_visits(5)
    sessions = _sessions(chance, company.events)
    variables = {
        "tl_time_zone": TIME_ZONE,
        "tl_funnels": _funnels(),
        "tl_key_events": KEY_EVENTS,
        "tl_features": FEATURES,
        "tl_dimensions": [{"name": name, "from": path} for name, path in DIMENSIONS.items()],
    }
    warehouse = folder / "warehouse.duckdb"
    write_upstream(warehouse, company.events, sessions, DATA_UNTIL)
    build(warehouse, variables, folder, without="unit_test")
    return World(warehouse, variables, company.events, sessions)


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty_marts")
    warehouse = folder / "warehouse.duckdb"
    write_upstream(warehouse, [], _sessions(random.Random(0), []), None)
    build(warehouse, {}, folder, without="test")
    return warehouse
