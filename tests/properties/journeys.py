"""Ten thousand random journeys: persons who share nothing, so that one set of tables serves all.

Those of funnels (``funnel_world``) are drawn by the company of ``tests/dbt_project/marts``; a sixth
of the people each meets every shape of funnel in one mode, half of the shapes each. Those of
sessions (``visits``) walk along the edges of the time-out, of the longest session, of ten seconds
and of local midnight. What must come out is said in plain loops here and in
``tests/dbt_project/marts/test_funnels_oracle.py``.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa

from tests.dbt_project.marts import conftest as marts
from tests.dbt_project.marts import test_funnels_oracle as funnels_oracle

Row = dict[str, Any]
GROUPS = 6
MICROSECOND = timedelta(microseconds=1)

# --- Funnels --------------------------------------------------------------------------------------

FUNNEL_MODELS = (
    "int_funnels",
    "int_funnel_exclusions",
    "int_funnel_events",
    "int_funnel_ordered_attempts",
    "int_funnel_walked_attempts",
    "int_funnel_unordered_attempts",
    "fct_funnel_entries",
    "rpt_funnel_daily",
)
TOTALS = {"funnel_totals": "{{ funnel_report(of_days=false) }}"}
FUNNEL_VARIABLES = {
    "tl_time_zone": marts.TIME_ZONE,
    "tl_dimensions": [{"name": n, "from": path} for n, path in marts.DIMENSIONS.items()],
}


@dataclass(frozen=True)
class FunnelWorld:
    events: list[Row]
    funnels: list[Row]

    @property
    def variables(self) -> Row:
        return FUNNEL_VARIABLES | {"tl_funnels": self.funnels}

    def given(self) -> dict[str, pa.Table]:
        events = pa.Table.from_pylist(self.events, schema=marts.EVENTS)
        until = {"source": ["web", "late", "old"], "is_live": [True, True, False]}
        days = [marts.DATA_UNTIL, marts.DATA_UNTIL + timedelta(days=9), marts.START]
        moments = pa.array(days, pa.timestamp("us"))
        return {
            "int_person_events": events.filter(events["person_id"].is_valid()),
            "int_events": events,
            "int_data_until": pa.table(until | {"data_until": moments}),
        }

    def entries(self) -> Iterator[Row]:
        """The rows of fct_funnel_entries, by a search over all assignments."""
        people: dict[str, list[Row]] = defaultdict(list)
        for event in self.events:
            if event["person_id"] and not event["is_bot"] and not event["is_internal"]:
                people[event["person_id"]].append(event)
        for funnel in self.funnels:
            for person in people:
                if group_of(person) == funnel["group"]:
                    yield from _entries(funnel, person, people[person])


def group_of(person: str) -> int:
    return int(person.split("_")[1]) % GROUPS


def funnel_world(journeys: int, seed: int, names: Collection[str] = ()) -> FunnelWorld:
    """``names``: of these funnels alone; all unless said."""
    company = marts._Company(random.Random(seed), random.Random(seed))
    company.journeys(journeys)
    for event in company.events:
        event["event_name"] += str(group_of(event["person_id"]))
    funnels = [each for each in marts._funnels() if not names or each["name"] in names]
    for number, funnel in enumerate(funnels):
        group = number * GROUPS // len(funnels)
        parts = [*funnel["steps"], *funnel["exclusions"]]
        for part in parts:
            part["event"] += str(group)
        funnel["group"] = group
    return FunnelWorld(company.events, funnels)


def _entries(funnel: Row, person: str, events: list[Row]) -> Iterator[Row]:
    oracle = funnels_oracle
    attempts = oracle.unordered if funnel["mode"] == "any" else oracle.sequential
    days = {event["occurred_at"]: event["occurred_date"] for event in events}
    best: dict[Any, oracle.Attempt] = {}
    for attempt in attempts(events, funnel):
        day = days[attempt.entered_at]
        held = best.get(day)
        if held is None or _rank(held) < _rank(attempt):
            best[day] = attempt
    for day, attempt in best.items():
        row = oracle.entry(attempt, events, funnel, marts.DATA_UNTIL)
        row["dimensions"] = json.dumps(row["dimensions"], separators=(",", ":"))
        yield {"funnel": funnel["name"], "person_id": person, "entry_date": day} | row


def _rank(attempt: funnels_oracle.Attempt) -> tuple[int, datetime]:
    return len(attempt.times), attempt.entered_at


def report(entries: list[Row], funnels: list[Row], *, of_days: bool) -> Iterator[Row]:
    """The rows of the report: of each day, or of all days with every person once."""
    for funnel in funnels:
        own = [entry for entry in entries if entry["funnel"] == funnel["name"]]
        for segment_set in ("all", *funnel["breakdowns"]):
            parts: dict[tuple[Any, str], list[Row]] = defaultdict(list)
            shown = _shown(own, funnel, segment_set)
            for entry in own:
                segment = _segment(entry, funnel, segment_set, shown)
                parts[entry["entry_date"] if of_days else None, segment].append(entry)
            for (day, segment), part in parts.items():
                about = {"funnel": funnel["name"], "version": funnel["version"]}
                about |= {"entry_date": day} if of_days else {}
                about |= {"segment_set": segment_set, "segment": segment}
                if of_days:
                    closes = marts.end_of(day) + timedelta(seconds=funnel["window_seconds"])
                    about |= {"is_complete": closes <= marts.DATA_UNTIL}
                yield from (about | row for row in _steps(part, funnel))


def _shown(own: list[Row], funnel: Row, segment_set: str) -> set[str]:
    if segment_set == "all":
        return set()
    place = funnel["breakdowns"].index(segment_set) + 1
    counts: dict[str, int] = defaultdict(int)
    for entry in own:
        if not entry["is_void"] and entry[f"breakdown_{place}"] != "(none)":
            counts[entry[f"breakdown_{place}"]] += 1
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    return {"(none)", *ranked[: funnel["top_breakdowns"]]}


def _segment(entry: Row, funnel: Row, segment_set: str, shown: set[str]) -> str:
    if segment_set == "all":
        return "all"
    value = entry[f"breakdown_{funnel['breakdowns'].index(segment_set) + 1}"]
    return value if value in shown else "(other)"


def _steps(part: list[Row], funnel: Row) -> Iterator[Row]:
    people: dict[str, list[Row]] = defaultdict(list)
    for entry in part:
        people[entry["person_id"]].append(entry)
    before = None
    for step, definition in enumerate(funnel["steps"], start=1):
        counted = [_once(own, step) for own in people.values()]
        row = {
            name: sum(one[name] for one in counted)
            for name in ("entered", "converted", "closed_entered", "closed_converted")
        }
        before = row["closed_entered"] if before is None else before
        seconds = sorted(one["seconds"] for one in counted if one["closed_converted"])
        step_rate = row["closed_converted"] / before if before else None
        total = row["closed_converted"] / row["closed_entered"] if row["closed_entered"] else None
        before = row["closed_converted"]
        censored = sum(one["censored"] for one in counted)
        yield {
            "step": step,
            "step_event": definition["event"],
            **row,
            "step_rate": step_rate,
            "drop_off_rate": None if step_rate is None else 1 - step_rate,
            "total_rate": total,
            "p50_seconds": _quantile(seconds, 0.5),
            "p90_seconds": _quantile(seconds, 0.9),
            "p95_seconds": _quantile(seconds, 0.95),
            "censored_share": censored / row["entered"] if row["entered"] else None,
            "void_entries": sum(not one["entered"] for one in counted),
        }


def _once(entries: list[Row], step: int) -> Row:
    """What one person did, however many entries they have."""
    kept = [entry for entry in entries if not entry["is_void"]]
    closed = [entry for entry in kept if entry["window_closed"]]
    done = [entry for entry in kept if entry["depth"] >= step]
    closed_done = [entry for entry in closed if entry["depth"] >= step]
    best = max(closed_done, key=lambda e: (e["depth"], e["entered_at"]), default=None)
    return {
        "entered": bool(kept),
        "converted": bool(done),
        "closed_entered": bool(closed),
        "closed_converted": best is not None,
        "censored": len(kept) > len(closed) and not done,
        "seconds": best and (best[f"step_{step}_at"] - best["entered_at"]).total_seconds(),
    }


def _quantile(values: list[float], share: float) -> float | None:
    """Interpolated between neighbours, as numpy's default."""
    if not values:
        return None
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


# --- Sessions -------------------------------------------------------------------------------------

SESSION_MODELS = (
    "int_session_events",
    "int_session_bounds",
    "int_attached_events",
    "int_event_sessions",
    "int_person_events",
    "fct_sessions",
)
VISITS_UNTIL = marts.START + timedelta(days=1, hours=6)
TIMEOUT = timedelta(minutes=30)
EVENTS = pa.schema(
    [
        ("event_key", pa.string()),
        ("event_id", pa.string()),
        ("event_name", pa.string()),
        ("event_type", pa.string()),
        ("occurred_at", pa.timestamp("us")),
        ("source", pa.string()),
        ("surface", pa.string()),
        ("platform", pa.string()),
        ("country", pa.string()),
        ("page_path", pa.string()),
        ("screen", pa.string()),
        ("client_session_id", pa.string()),
        ("is_interactive", pa.bool_()),
        ("is_bot", pa.bool_()),
        ("is_internal_traffic", pa.bool_()),
        ("is_key_event", pa.bool_()),
        ("revenue_reporting", pa.decimal128(28, 6)),
        ("channel_signal", pa.string()),
        ("utm_source", pa.string()),
        ("utm_medium", pa.string()),
        ("utm_campaign", pa.string()),
        ("properties", pa.string()),
        ("properties_unreviewed", pa.string()),
        ("person_id", pa.string()),
        ("device_key", pa.string()),
    ]
)
_PAUSES = [
    *(timedelta(seconds=seconds) for seconds in (0, 0, 5, 9.999999, 10, 59, 61)),
    *(TIMEOUT, TIMEOUT, TIMEOUT - MICROSECOND, TIMEOUT + MICROSECOND, timedelta(minutes=20)),
    *(timedelta(minutes=29), timedelta(hours=2)),
]


@dataclass(frozen=True)
class Rules:
    """How events become sessions."""

    scope: str
    longest: timedelta | None = None
    heartbeat: str | None = None

    @property
    def variables(self) -> Row:
        return {
            "tl_time_zone": marts.TIME_ZONE,
            "tl_dimensions": [{"name": "plan", "from": "properties.plan"}],
            "tl_sessions": {
                "timeout_seconds": int(TIMEOUT.total_seconds()),
                "scope": self.scope,
                "max_length_seconds": self.longest and int(self.longest.total_seconds()),
                "heartbeat_event": self.heartbeat,
            },
        }


def visits(persons: int, seed: int) -> list[Row]:
    """The events of all; some keys and ids run against time, some instants hold several events."""
    chance, events = random.Random(seed), []
    for number in range(persons):
        at = marts.START + timedelta(days=chance.choice([0, 1]), hours=chance.randrange(6))
        for _ in range(chance.randint(1, 9)):
            at += chance.choice(_PAUSES)
            events.append(_visited(chance, f"p_{number:05}", at, len(events)))
        chance.shuffle(events[-9:])
    return events


def _visited(chance: random.Random, person: str, at: datetime, number: int) -> Row:
    surface = chance.choice(["web", "web", "mobile", "backend", "other"])
    kind = chance.choice(["page", "page", "screen", "track"])
    amount = chance.choice([None, None, "12.50", "-3.333333"])
    name = chance.choice(["looked", "looked", "beat", "paid"])
    return {
        "event_key": f"{chance.getrandbits(64):016x}",
        "event_id": chance.choice(["same", f"e{number}"]),
        "event_name": name,
        "event_type": kind,
        "occurred_at": at,
        "source": chance.choice(["web", "app"]),
        "surface": surface,
        "platform": chance.choice(["ios", None]),
        "country": chance.choice(["DE", "FR", None]),
        "page_path": chance.choice(["/a", "/b", None]) if kind != "screen" else None,
        "screen": chance.choice(["home", "cart", None]),
        "client_session_id": chance.choice([None, "c1", "c1", "c2"]),
        "is_interactive": (surface in ("web", "mobile")) != (chance.random() < 0.1),
        "is_bot": chance.random() < 0.03,
        "is_internal_traffic": chance.random() < 0.03,
        "is_key_event": name == "paid" and chance.random() < 0.5,
        "revenue_reporting": None if amount is None else Decimal(amount),
        "channel_signal": chance.choice([None, None, "email", "paid"]),
        "utm_source": chance.choice([None, "news", "ads"]),
        "utm_medium": chance.choice([None, "mail"]),
        "utm_campaign": chance.choice([None, "spring"]),
        "properties": chance.choice([None, '{"plan": "pro"}', '{"plan": null}', '{"plan": 3}']),
        "properties_unreviewed": chance.choice([None, None, '{"plan": "x"}']),
        "person_id": None if chance.random() < 0.02 else person,
        "device_key": chance.choice([None, f"{person}_d1", f"{person}_d2"]),
    }


def visited(events: list[Row]) -> dict[str, pa.Table]:
    """The tables before the session models; every seventh person is the company's own."""
    table = pa.Table.from_pylist(events, schema=EVENTS)
    # what int_person_events passes on and no session depends on
    passed_on = {"occurred_at_local": pa.timestamp("us"), "occurred_date": pa.date32()}
    passed_on |= {"order_id": pa.string(), "scroll_percent": pa.float64()}
    passed_on["identity_rule"] = pa.string()
    for name, kind in passed_on.items():
        table = table.append_column(name, pa.nulls(len(table), kind))
    moments = [VISITS_UNTIL, VISITS_UNTIL + timedelta(days=9), marts.START]
    until = {"source": ["web", "late", "old"], "is_live": [True, True, False]}
    return {
        "int_events": table.drop_columns(["person_id", "device_key", "identity_rule"]),
        "int_event_persons": table.select(
            [
                *("event_key", "event_id", "person_id", "identity_rule", "device_key"),
                *("occurred_at", "is_interactive"),
            ]
        ),
        # the use of features has an oracle of its own (tests/dbt_project/marts)
        "int_feature_events": pa.table(
            {
                name: pa.array([], pa.string())
                for name in ("session_id", "feature", "part", "person_id")
            }
        ),
        "int_internal_persons": pa.table(
            {"person_id": sorted({e["person_id"] for e in events if _is_own(e["person_id"])})}
        ),
        "int_data_until": pa.table(until | {"data_until": pa.array(moments, pa.timestamp("us"))}),
    }


def _is_own(person: str | None) -> bool:
    return person is not None and int(person[2:]) % 7 == 0


def sessions(events: list[Row], rules: Rules) -> tuple[list[Row], list[Row]]:
    """Rows of fct_sessions and of int_event_sessions."""
    people: dict[str, list[Row]] = defaultdict(list)
    for event in events:
        if event["person_id"] is not None:
            people[event["person_id"]].append(event)
    rows, placed = [], []
    for person, own in people.items():
        own.sort(key=_order)
        scopes = _scopes([event for event in own if event["is_interactive"]], rules)
        bursts = [burst for scope in scopes.items() for burst in _bursts(*scope, rules)]
        previous = {
            event["event_key"]: before["occurred_at"]
            for scope in scopes.items()
            for burst in _uncut(*scope, rules)
            for before, event in pairwise(burst)
        }
        attached = {_name(burst): list(burst) for burst in bursts}
        for event in own:
            if not event["is_interactive"] and (burst := _open_at(bursts, event["occurred_at"])):
                attached[_name(burst)].append(event)
        for name, members in attached.items():
            places = {event["event_key"]: place for place, event in enumerate(members, 1)}
            for event in members:
                key, is_interactive = event["event_key"], event["is_interactive"]
                about = {"event_key": key, "session_id": name, "person_id": person}
                about |= {"occurred_at": event["occurred_at"], "is_interactive": is_interactive}
                about |= {"position": places[key] if is_interactive else None}
                placed.append(about | {"previous_at": previous.get(key)})
        bursts.sort(key=lambda burst: (burst[0]["occurred_at"], _name(burst)))
        for number, burst in enumerate(bursts, 1):
            before = _name(bursts[number - 2]) if number > 1 else None
            about = {"person_id": person, "session_number": number, "previous_session_id": before}
            rows.append(about | _session(burst, sorted(attached[_name(burst)], key=_order), rules))
    return rows, placed


def _order(event: Row) -> tuple[datetime, str, str]:
    return event["occurred_at"], event["event_id"], event["event_key"]


def _name(burst: list[Row]) -> str:
    return "s_" + hashlib.md5(burst[0]["event_key"].encode()).hexdigest()


def _scopes(events: list[Row], rules: Rules) -> dict[Any, list[Row]]:
    scopes: dict[Any, list[Row]] = defaultdict(list)
    for event in events:
        scopes[_scope(event, rules)].append(event)
    return scopes


def _bursts(scope: Any, events: list[Row], rules: Rules) -> Iterator[list[Row]]:
    """The sessions of one scope."""
    for burst in _uncut(scope, events, rules):
        pieces: dict[int, list[Row]] = defaultdict(list)
        for event in burst:
            since = event["occurred_at"] - burst[0]["occurred_at"]
            pieces[since // rules.longest if rules.longest else 0].append(event)
        yield from pieces.values()


def _uncut(scope: Any, events: list[Row], rules: Rules) -> list[list[Row]]:
    """Those of any length."""
    waits = not (rules.scope == "client" and scope is not None)
    bursts: list[list[Row]] = []
    for event in events:
        if bursts and not (
            waits and event["occurred_at"] - bursts[-1][-1]["occurred_at"] > TIMEOUT
        ):
            bursts[-1].append(event)
        else:
            bursts.append([event])
    return bursts


def _scope(event: Row, rules: Rules) -> Any:
    if rules.scope == "device":
        return event["device_key"]
    if rules.scope == "client" and event["client_session_id"] is not None:
        return event["source"], event["client_session_id"]
    return None


def _open_at(bursts: list[list[Row]], at: datetime) -> list[Row] | None:
    """The session a passive event joins: of those still open the one that began last."""
    is_open = [b for b in bursts if b[0]["occurred_at"] <= at <= b[-1]["occurred_at"] + TIMEOUT]
    return max(is_open, key=lambda burst: (burst[0]["occurred_at"], _name(burst)), default=None)


def _session(burst: list[Row], everything: list[Row], rules: Rules) -> Row:
    first, last = burst[0], burst[-1]
    pairs = list(pairwise(burst))
    gaps = [b["occurred_at"] - a["occurred_at"] for a, b in pairs]
    engaged = sum(min(gap, timedelta(minutes=1)) // MICROSECOND for gap in gaps) / 1e6
    beats = {
        (event["occurred_at"] - datetime(1970, 1, 1)) // timedelta(seconds=10)
        for event in burst
        if event["event_name"] == rules.heartbeat
    }
    if beats:
        engaged = 10.0 * (len(beats) - 1) + 5
    views = sum(event["event_type"] in ("page", "screen") for event in burst)
    is_engaged = engaged > 10 or views >= 2 or any(event["is_key_event"] for event in burst)
    pages = [e["page_path"] for e in burst if e["event_type"] == "page" and e["page_path"]]
    screens = [e["screen"] for e in burst if e["event_type"] == "screen" and e["screen"]]
    signal = next((event for event in burst if event["channel_signal"]), None)
    is_web = any(event["surface"] == "web" for event in burst)
    amounts = [e["revenue_reporting"] for e in everything if e["revenue_reporting"] is not None]
    plans = [plan for event in everything if (plan := _plan(event)) is not None]
    return {
        "session_id": _name(burst),
        "is_first": None,
        "started_at": first["occurred_at"],
        "ended_at": last["occurred_at"],
        "started_date": marts.local_day(first["occurred_at"]),
        "duration_seconds": (last["occurred_at"] - first["occurred_at"]).total_seconds(),
        "engaged_seconds": engaged,
        "is_engaged_time_estimated": not beats,
        "events": len(burst),
        "views": views,
        "entry_page": pages[0] if pages else None,
        "exit_page": pages[-1] if pages else None,
        "entry_screen": screens[0] if screens else None,
        "exit_screen": screens[-1] if screens else None,
        "channel": signal["channel_signal"] if signal else "direct" if is_web else "(none)",
        "utm_source": signal and signal["utm_source"],
        "utm_medium": signal and signal["utm_medium"],
        "utm_campaign": signal and signal["utm_campaign"],
        "surface": first["surface"],
        "platform": first["platform"],
        "country": next((event["country"] for event in burst if event["country"]), None),
        "surfaces": ",".join(sorted({event["surface"] for event in burst})),
        "is_bounce": not is_engaged,
        "is_engaged": is_engaged,
        "converted": any(event["is_key_event"] for event in everything),
        "features_used": 0,
        "revenue_reporting": sum(amounts) if amounts else None,
        "dimensions": json.dumps({"plan": plans[0] if plans else None}, separators=(",", ":")),
        "is_open": last["occurred_at"] + TIMEOUT >= VISITS_UNTIL,
        "is_bot": any(event["is_bot"] for event in burst),
        "is_internal": _is_own(first["person_id"])
        or any(event["is_internal_traffic"] for event in burst),
    }


def _plan(event: Row) -> str | None:
    reviewed = json.loads(event["properties"] or "{}").get("plan")
    if reviewed is not None:
        return str(reviewed)
    return "(unreviewed)" if event["properties_unreviewed"] else None
