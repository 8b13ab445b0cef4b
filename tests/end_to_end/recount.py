"""What the published marts must say, counted again in pandas from landing files and the truth.

Nothing of the project is imported and none of its SQL is read: the lines are parsed, judged and
deduplicated here, and every number is written down from its definition. A person is called by the
truth's name for whom the events belong to.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import yaml
import zstandard

SOURCES = ("web", "mobile", "backend")
LOGOUTS = ("logout", "reset")
SEEN = ("track", "page", "screen")
VIEWS = ("page", "screen")
DAY = timedelta(days=1)
CENT = Decimal("0.01")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}

Row = dict[str, Any]
Rows = dict[Any, Row]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the home's configuration says, as far as it decides numbers."""

    zone: ZoneInfo
    currency: str
    timeout: timedelta
    key_events: frozenset[str]
    internal_users: frozenset[str]
    earliest: datetime
    funnels: tuple[Row, ...]
    rates: dict[tuple[date, str], Decimal]


@dataclass(frozen=True, slots=True)
class Landing:
    """The canonical events, one row each in order of time, and how far all sources have come."""

    events: pd.DataFrame
    data_until: datetime


def duration(text: str) -> timedelta:
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})


def read_rules(root: Path) -> Rules:
    config = yaml.safe_load((root / "throughline.yml").read_text())
    with (root / "exchange_rates.csv").open() as file:
        rates = {
            (date.fromisoformat(row["date"]), row["currency"]): Decimal(row["rate"])
            for row in csv.DictReader(file)
        }
    return Rules(
        zone=ZoneInfo(config["time_zone"]),
        currency=config["currency"],
        timeout=duration(config["sessions"]["timeout"]),
        key_events=frozenset(config["key_events"]),
        internal_users=frozenset(config["internal_users"]),
        earliest=utc(str(config["sources"][0]["earliest"])),
        funnels=tuple(config["funnels"]),
        rates=rates,
    )


# landing


def utc(text: str) -> datetime:
    """A time stamp as naive UTC."""
    return pd.Timestamp(datetime.fromisoformat(text)).tz_convert(None).to_pydatetime()


def lines(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.jsonl*")):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if path.suffix == ".zst":
            content = zstandard.ZstdDecompressor().stream_reader(content).read()
        yield from filter(None, content.split(b"\n"))


def unique(pairs: list[tuple[str, Any]]) -> Row:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def refuse(constant: str) -> None:
    raise ValueError(constant)


def web_copies(line: Row) -> Iterator[Row]:
    """The items of a Segment batch."""
    sent = line["body"].get("sentAt")
    received = utc(line["received_at"])
    for item in line["body"]["batch"]:
        consent = item["context"].get("consent", {}).get("categoryPreferences", {})
        yield {
            "event_id": item["messageId"],
            "name": item.get("event", item["type"]),
            "kind": item["type"],
            "stated_at": item["timestamp"],
            "clock_error": utc(sent) - received if sent else timedelta(0),
            "received_at": received,
            "is_granted": consent.get("Analytics") is True,
            "user_id": item["userId"],
            "platform": "web",
            "properties": item.get("properties", {}),
        }


def native_copies(line: Row, source: str) -> Iterator[Row]:
    """The one event of a native line; servers state true times and need no consent."""
    received, sent = utc(line["received_at"]), line.get("sent_at")
    money = line.get("revenue") if source == "backend" else None
    yield {
        "event_id": line["event_id"],
        "name": line["event_name"],
        "kind": line["event_type"],
        "stated_at": line["occurred_at"],
        "clock_error": utc(sent) - received if sent else timedelta(0),
        "received_at": received,
        "is_granted": source == "backend" or line.get("consent", {}).get("analytics") is True,
        "user_id": line["subject"].get("user_id"),
        "platform": line["context"]["platform"],
        "properties": line["properties"],
        "amount": Decimal(money["amount"]) if money else None,
        "currency": money["currency"] if money else None,
        "order_id": money["order_id"] if money else None,
    }


def native_line(root: Path, source: str, event_id: str) -> Row:
    """A line of landing as it was read."""
    wanted = f'"event_id":"{event_id}"'.encode()
    return next(json.loads(line) for line in lines(root / "landing" / source) if wanted in line)


def copies(root: Path, source: str, rules: Rules) -> Iterator[Row]:
    """Every copy of every event that can be read and can have happened."""
    for raw in lines(root / "landing" / source):
        try:
            line = json.loads(raw, object_pairs_hook=unique, parse_constant=refuse)
        except ValueError:
            continue
        for copy in web_copies(line) if source == "web" else native_copies(line, source):
            try:
                at = utc(copy.pop("stated_at")) - copy.pop("clock_error")
            except ValueError:
                continue
            if not rules.earliest <= at <= copy["received_at"] + DAY:
                continue
            if copy["properties"].get("price") == "free":
                continue  # the one way in which the sample breaks its contracts
            yield copy | {"source": source, "at": at}


def read_landing(root: Path, rules: Rules) -> Landing:
    """The first received copy of every event to which no copy denies consent."""
    found = pd.DataFrame(copy for source in SOURCES for copy in copies(root, source, rules))
    key = ["source", "event_id"]
    first = found.sort_values("received_at", kind="stable").drop_duplicates(key)
    granted = found.groupby(key).is_granted.all().rename("all_granted").reset_index()
    events = first.merge(granted, on=key).query("all_granted")
    received = rb'"received_at":"([^"]+)"'
    data_until = min(
        max(utc(stamp[1].decode()) for raw in lines(folder) if (stamp := re.search(received, raw)))
        for folder in (root / "landing" / source for source in SOURCES)
    )
    return Landing(describe(events, rules), data_until)


def describe(events: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Adds the day, the surface, and what sort of event it is."""
    local = events["at"].dt.tz_localize("UTC").dt.tz_convert(rules.zone)
    events = events.assign(
        day=local.dt.date,
        surface=events.source,
        is_interactive=events.source.isin(["web", "mobile"])
        & events.kind.isin(SEEN)
        & ~events.name.isin(LOGOUTS),
        is_key=events.name.isin(rules.key_events),
        is_staff=events.user_id.isin(rules.internal_users),
    )
    events["reporting"] = pd.Series(
        [
            converted(amount, currency, day, rules)
            for amount, currency, day in zip(
                events.amount, events.currency, events.day, strict=True
            )
        ],
        index=events.index,
        dtype=object,
    )
    return events.sort_values(["at", "event_id"], ignore_index=True)


def converted(amount: Any, currency: str, day: date, rules: Rules) -> Decimal | None:
    """In the reporting currency by the rate of the day; None without an amount or a rate."""
    if not isinstance(amount, Decimal):
        return None
    rate = Decimal(1) if currency == rules.currency else rules.rates.get((day, currency))
    return None if rate is None else amount * rate


# persons


def true_persons(truth: pd.DataFrame, given: Rows) -> dict[str, str]:
    """The truth's name of each published person, by the decidable events they share."""
    pairs = [
        (given[event.source, event.event_id]["person_id"], event.expected_person)
        for event in truth[truth.decidable].itertuples()
    ]
    names = dict(pairs)
    # without a bijection nothing below would compare the same people
    assert len(set(pairs)) == len(names) == len(set(names.values()))
    return names


def with_persons(landing: Landing, truth: pd.DataFrame, given: Rows, names: Row) -> Landing:
    """Adds who did each event: by the truth, and as published where no rule could tell.

    Any answer is right for an undecidable event, but what follows from it has to follow.
    """
    told = truth[["source", "event_id", "decidable", "expected_person", "is_bot"]]
    events = landing.events.merge(told, on=["source", "event_id"], how="left", validate="1:1")
    persons = []
    for event in events.itertuples():
        published = given[event.source, event.event_id]["person_id"]
        undecided = names.get(published, published)
        persons.append(event.expected_person if event.decidable else undecided)
    events = events.assign(person=persons)
    # own staff are staff in everything they do, also before they say who they are
    staff = set(events[events.is_staff].person.dropna())
    return Landing(events.assign(is_internal=events.person.isin(staff)), landing.data_until)


# sessions


def sessions(landing: Landing, rules: Rules) -> tuple[pd.DataFrame, Rows]:
    """The events with the start of their session, and the sessions by (person, start)."""
    events = landing.events
    clicks = events[events.is_interactive & events.person.notna()]
    clicks = clicks.sort_values(["person", "at", "event_id"])
    gap = clicks.groupby("person")["at"].diff()
    clicks = clicks.assign(
        burst=(gap.isna() | (gap > rules.timeout)).cumsum(),
        pause=gap.where(gap <= rules.timeout, timedelta(0)).clip(upper=timedelta(minutes=1)),
    )
    bounds = clicks.groupby("burst").agg(
        person=("person", "first"), start=("at", "min"), end=("at", "max")
    )
    others = events[~events.is_interactive & events.person.notna()]
    followed = pd.merge_asof(
        others, bounds.sort_values("start"), left_on="at", right_on="start", by="person"
    )
    followed = followed[followed["at"] <= followed.end + rules.timeout]
    starts = clicks.merge(bounds[["start"]], left_on="burst", right_index=True)
    placed = pd.concat([starts, followed])[["source", "event_id", "start"]]
    events = events.merge(placed, on=["source", "event_id"], how="left")
    everything = dict(list(events[events.start.notna()].groupby(["person", "start"])))
    found: Rows = {}
    for _, burst in clicks.groupby("burst"):
        person, start, end = burst.person.iloc[0], burst["at"].min(), burst["at"].max()
        whole = everything[person, start]
        pause, views = seconds(burst.pause.sum()), int(burst.kind.isin(VIEWS).sum())
        amounts = list(whole.reporting.dropna())
        is_engaged = pause > 10 or views >= 2 or bool(burst.is_key.any())
        found[person, start.to_pydatetime()] = {
            "ended_at": end.to_pydatetime(),
            "started_date": burst.day.iloc[0],
            "duration_seconds": seconds(end - start),
            "engaged_seconds": pause,
            "events": len(burst),
            "views": views,
            "surfaces": ",".join(sorted(set(burst.surface))),
            "is_engaged": is_engaged,
            "is_bounce": not is_engaged,
            "converted": bool(whole.is_key.any()),
            "revenue_reporting": cents(sum(amounts, Decimal(0))) if amounts else None,
            "is_open": end.to_pydatetime() + rules.timeout >= landing.data_until,
            "is_bot": bool(burst.is_bot.any()),
            "is_internal": bool(burst.is_internal.any()),
        }
    numbers: dict[str, int] = {}
    for key in sorted(found):
        found[key]["session_number"] = numbers[key[0]] = numbers.get(key[0], 0) + 1
    return events, found


def seconds(span: pd.Timedelta) -> float:
    """Of whole microseconds, as a database would divide them."""
    return span.to_pytimedelta().total_seconds()


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


# reports


def midnight_after(day: date, rules: Rules) -> datetime:
    then = datetime.combine(day + DAY, datetime.min.time(), rules.zone)
    return pd.Timestamp(then).tz_convert(None).to_pydatetime()


def audience(landing: Landing) -> pd.DataFrame:
    """Events of people who are neither bots nor own staff."""
    events = landing.events
    return events[events.person.notna() & ~events.is_bot & ~events.is_internal]


def actives(landing: Landing, rules: Rules) -> Rows:
    """Distinct persons of the trailing 1, 7 and 28 days by (day, segment set, segment)."""
    seen = audience(landing)
    seen = seen[seen.is_interactive]
    first = seen.day.min()
    reached = pd.Timestamp(landing.data_until, tz="UTC").tz_convert(rules.zone).date()
    last = max(seen.day.max(), reached)
    parts = {("all", "all"): seen}
    for name in ("surface", "platform"):
        parts |= {(name, value): part for value, part in seen.groupby(name)}
    found: Rows = {}
    for segment, part in parts.items():
        persons = part.groupby("day").person.agg(set).to_dict()
        for ahead in range((last - first).days + 1):
            day = first + ahead * DAY
            dau, wau, mau = (
                len(reduce(set.union, (persons.get(day - n * DAY, set()) for n in range(days))))
                for days in (1, 7, 28)
            )
            found[day, *segment] = {
                "dau": dau,
                "wau": wau,
                "mau": mau,
                "stickiness": dau / mau if mau else None,
                "is_complete": ahead >= 27 and landing.data_until >= midnight_after(day, rules),
            }
    return found


def matches(events: pd.DataFrame, step: Row) -> pd.DataFrame:
    found = events[events.name == step["event"]]
    for path, wanted in step.get("where", {}).items():
        key = path.removeprefix("properties.")
        found = found[[properties.get(key) == wanted for properties in found.properties]]
    return found


def entries(landing: Landing, funnel: Row) -> Rows:
    """The best attempt of every (person, day): the deepest, then the latest.

    The steps of the sample's funnels name different events, so no event can serve two of them and
    the earliest moment of each step is the best one.
    """
    window, steps = duration(funnel["window"]), funnel["steps"]
    seen = audience(landing)
    ordered = funnel["mode"] == "ordered"
    matched: dict[str, dict[int, list[Row]]] = {}
    for number, step in enumerate([*steps, *funnel.get("exclusions", [])]):
        for person, part in matches(seen, step).groupby("person"):
            rows = part[["at", "day", "surface"]].to_dict("records")
            matched.setdefault(str(person), {})[number] = rows
    found: Rows = {}
    for person, by_step in matched.items():
        starting = range(1 if ordered else len(steps))
        openings = [row for step in starting for row in by_step.get(step, [])]
        for opening in sorted(openings, key=lambda row: row["at"]):
            closes = opening["at"] + window
            done = walk(by_step, len(steps), opening["at"], closes, ordered=ordered)
            held = found.get((person, opening["day"]))
            if held is not None and held["depth"] > len(done):
                continue
            is_converted = len(done) == len(steps)
            found[person, opening["day"]] = {
                "entered_at": done[0],
                "depth": len(done),
                **{f"step_{n + 1}_at": done[n] if n < len(done) else None for n in range(10)},
                "converted": is_converted,
                "seconds_to_convert": seconds(done[-1] - done[0]) if is_converted else None,
                "window_closed": landing.data_until > closes,
                "is_void": any(
                    done[rule["after"] - 1] < row["at"] < done[rule["before"] - 1]
                    for number, rule in enumerate(funnel.get("exclusions", []), len(steps))
                    if rule["before"] <= len(done)
                    for row in by_step.get(number, [])
                ),
                "breakdown_1": opening["surface"] if funnel.get("breakdowns") else None,
            }
    return found


def walk(
    by_step: dict[int, list[Row]], steps: int, start: datetime, closes: datetime, *, ordered: bool
) -> list[datetime]:
    """When each step is done by an attempt from ``start``; as far as it gets."""
    done = [start] if ordered else []
    for step in range(len(done), steps):
        since = done[-1] if ordered else start
        later = [row["at"] for row in by_step.get(step, []) if since <= row["at"] <= closes]
        if later:
            done.append(min(later))
        elif ordered:
            break
    return sorted(done)


def funnel_days(found: Rows, funnel: Row) -> Rows:
    """What the funnel's report says of each (day, step), all segments together."""
    rows: Rows = {}
    for day in {day for _, day in found}:
        here = [entry for (_, entry_day), entry in found.items() if entry_day == day]
        counted = [entry for entry in here if not entry["is_void"]]
        closed = [entry for entry in counted if entry["window_closed"]]
        for step, definition in enumerate(funnel["steps"], start=1):
            rows[day, step] = {
                "step_event": definition["event"],
                "entered": len(counted),
                "converted": sum(entry["depth"] >= step for entry in counted),
                "closed_entered": len(closed),
                "closed_converted": sum(entry["depth"] >= step for entry in closed),
                "void_entries": len(here) - len(counted),
            }
    return rows


MEASURES = (
    *("sessions", "new_persons", "events", "conversions", "orders", "refunds"),
    *("bounces", "engaged_sessions", "session_seconds", "revenue_reporting", "refunds_reporting"),
    "rates_missing",
)


def metrics(
    landing: Landing, events: pd.DataFrame, found: Rows, labels: Rows, rules: Rules
) -> Rows:
    """Daily metrics by (day, surface, platform, channel, country).

    ``labels`` are the dimensions of each session and event, taken as published: what is counted
    again here are the numbers.
    """
    cells: Rows = {}

    def cell(day: date, label: Row) -> Row:
        key = (day, label["surface"], label["platform"], label["channel"], label["country"])
        return cells.setdefault(key, dict.fromkeys(MEASURES, Decimal(0)))

    behaviour = ~events.is_bot & ~events.is_internal
    open_days = set()
    for key, session in found.items():
        if session["is_bot"] or session["is_internal"]:
            continue
        counts = cell(session["started_date"], labels[key])
        counts["sessions"] += 1
        counts["bounces"] += session["is_bounce"]
        counts["engaged_sessions"] += session["is_engaged"]
        counts["session_seconds"] += Decimal(str(session["duration_seconds"]))
        if session["is_open"]:
            open_days.add(session["started_date"])
    seen = events[behaviour & events.is_interactive & events.person.notna()]
    for event in seen.drop_duplicates("person").to_dict("records"):
        cell(event["day"], labels[event["source"], event["event_id"]])["new_persons"] += 1
    for event in events[behaviour].to_dict("records"):
        counts = cell(event["day"], labels[event["source"], event["event_id"]])
        counts["events"] += 1
        counts["conversions"] += event["is_key"]
    paid, booked = set(), events[events.amount.notna()]
    for event in booked.to_dict("records"):
        counts = cell(event["day"], labels[event["source"], event["event_id"]])
        amount, reporting = event["amount"], event["reporting"]
        if pd.isna(reporting):
            counts["rates_missing"] += 1
        else:
            counts["revenue_reporting"] += reporting
            counts["refunds_reporting"] -= min(reporting, Decimal(0))
        if (event["order_id"], amount > 0) not in paid:
            counts["orders" if amount > 0 else "refunds"] += 1
        paid.add((event["order_id"], amount > 0))
    return {
        key: counts
        | {name: cents(counts[name]) for name in ("revenue_reporting", "refunds_reporting")}
        | {"session_seconds": float(counts["session_seconds"])}
        | {
            "is_complete": landing.data_until >= midnight_after(key[0], rules)
            and key[0] not in open_days
        }
        for key, counts in cells.items()
    }
