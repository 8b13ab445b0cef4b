"""What the published marts must say, counted again in pandas from the raw inputs and the truth.

Nothing of the project is imported and none of its SQL is read: the lines of landing, the files of
the history and the tables of the shop's database are read, judged and deduplicated here, and every
number is written down from its definition. A person is called by the truth's name for whom the
events belong to.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import yaml
import zstandard

LANDED = ("web", "mobile", "backend", "payments")  # JSON lines, received as they happen
BELIEVED = ("history", "backend")  # about money
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
    sources: dict[str, Row]
    funnels: tuple[Row, ...]
    rates: dict[tuple[date, str], Decimal]


@dataclass(frozen=True, slots=True)
class Landing:
    """The canonical events, one row each in order of time, and how far all sources have come."""

    events: pd.DataFrame
    data_until: datetime
    denied: dict[str, int]  # per source, events that the ledger alone denies


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
        sources={source["name"]: source for source in config["sources"]},
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
            "properties": (properties := item.get("properties", {})),
            **told(properties.get("order_id"), properties.get("revenue"), properties),
        }


def native_copies(line: Row, source: str) -> Iterator[Row]:
    """The one event of a native line; servers state true times and need no consent."""
    received, sent = utc(line["received_at"]), line.get("sent_at")
    money = line.get("revenue") or {}
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
        **told(money.get("order_id"), money.get("amount"), money),
    }


def told(order_id: str | None, amount: object, around: Row) -> Row:
    """What a record says about money, whether it is believed or not."""
    return {
        "told_order": order_id,
        "told_amount": None if amount is None else Decimal(str(amount)),
        "told_currency": None if amount is None else around["currency"].upper(),
    }


def payment_copies(line: Row) -> Iterator[Row]:
    """A delivery of the payment provider; it counts in seconds and hundredths."""
    body = line["body"]
    thing = body["data"]["object"]
    minor = {"charge.succeeded": "amount", "charge.refunded": "amount_refunded"}.get(body["type"])
    sign = -1 if body["type"] == "charge.refunded" else 1
    amount = None if minor is None else Decimal(sign * thing[minor]).scaleb(-2)
    yield {
        "event_id": body["id"],
        "name": body["type"],
        "kind": "track",
        "stated_at": datetime.fromtimestamp(body["created"], UTC).isoformat(),
        "clock_error": timedelta(0),
        "received_at": utc(line["received_at"]),
        "is_granted": True,
        "user_id": None,
        "platform": None,
        "properties": {},
        **told(thing.get("metadata", {}).get("order_id"), amount, thing),
    }


# the shop's database and the history


def berlin(text: str) -> datetime:
    """What a wall clock in Berlin showed, as naive UTC."""
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    return utc(at.isoformat())


def shop_table(root: Path, table: str) -> list[Row]:
    with closing(sqlite3.connect(root / "sources" / "shop.sqlite")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"select * from {table}")]


def row_event(event_id: str, name: str, kind: str, at: datetime, **more: Any) -> Row:
    """An event that a row stands for: told by a server, of which no consent is asked."""
    return {
        "event_id": event_id,
        "name": name,
        "kind": kind,
        "at": at,
        "received_at": pd.NaT,
        "is_granted": True,
        "user_id": None,
        "platform": None,
        "properties": {},
        **told(None, None, {}),
        **more,
    }


def shop_events(root: Path) -> Iterator[Row]:
    """Customers, orders and the ledger; ids without the digest of the version."""
    for row in shop_table(root, "kunden"):
        event_id, user_id = f'kunden:["{row["kunden_nr"]}"]', row["benutzer_id"]
        at = berlin(row["geaendert_am"])
        yield row_event(event_id, "identify", "identify", at, user_id=user_id)
    for row in shop_table(root, "bestellungen"):
        event_id, money = f'bestellungen:["{row["bestell_nr"]}"]', {"currency": row["waehrung"]}
        sold = told(row["bestell_nr"], row["betrag"], money)
        at = berlin(row["bestellt_am"])
        yield row_event(event_id, "order_completed", "track", at, **sold)
        if row["erstattet"] is not None:
            back = told(row["bestell_nr"], -row["erstattet"], money)
            at = berlin(row["erstattet_am"])
            yield row_event(f"{event_id}:1", "order_refunded", "track", at, **back)
    for row in shop_table(root, "einwilligungen"):
        event_id, user_id = f'einwilligungen:["{row["lfd_nr"]}"]', row["benutzer_id"]
        at = berlin(row["gueltig_ab"])
        yield row_event(event_id, "consent_updated", "system", at, user_id=user_id)


def history_events(root: Path, rules: Rules) -> Iterator[Row]:
    """Rows of all files, those of a file that came twice too; nothing after the cut-over."""
    until = utc(str(rules.sources["history"]["occurred_until"]))
    names = {"Verkauf": "order_completed", "Erstattung": "refund_issued"}
    for row in history_rows(root):
        at = berlin(row["Datum"])
        if at >= until:
            continue
        event_id, name = f"{row['Auftrag']}/{row['Vorgang']}", names[row["Vorgang"]]
        money = told(row["Auftrag"], row["Betrag"], {"currency": row["Währung"]})
        yield row_event(event_id, name, "track", at, user_id=row["Kunde"], received_at=at, **money)


def history_rows(root: Path) -> Iterator[Row]:
    for path in sorted((root / "landing" / "history").iterdir()):
        if path.suffix == ".parquet":
            for row in pd.read_parquet(path).to_dict("records"):
                yield row | {"Datum": row["Datum"].isoformat()}
            continue
        with path.open(encoding="cp1252", newline="") as file:
            for row in csv.DictReader(file, delimiter=";"):
                day, month, rest = row["Datum"].split(".")
                when = f"{rest[:4]}-{month}-{day}T{rest[5:]}"
                yield row | {"Datum": when, "Betrag": row["Betrag"].replace(",", ".")}


def refusals(root: Path) -> dict[str, list[tuple[datetime, datetime]]]:
    """When each user says no, by the ledger: from an entry to the next."""
    entries: dict[str, list[tuple[datetime, bool]]] = {}
    for row in shop_table(root, "einwilligungen"):
        said = (berlin(row["gueltig_ab"]), row["analyse"] == "nein")
        entries.setdefault(row["benutzer_id"], []).append(said)
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for user_id, told_by in entries.items():
        ordered = sorted(told_by)
        ends = [at for at, _ in ordered[1:]] + [utc("2200-01-01T00:00:00Z")]
        spans = [(at, end) for (at, no), end in zip(ordered, ends, strict=True) if no]
        if spans:
            found[user_id] = spans
    return found


# together


def native_line(root: Path, source: str, event_id: str) -> Row:
    """A line of landing as it was read."""
    wanted = f'"event_id":"{event_id}"'.encode()
    return next(json.loads(line) for line in lines(root / "landing" / source) if wanted in line)


def copies(root: Path, source: str, rules: Rules) -> Iterator[Row]:
    """Every copy of every event that can be read and can have happened."""
    known = rules.sources[source]
    for raw in lines(root / "landing" / source):
        try:
            line = json.loads(raw, object_pairs_hook=unique, parse_constant=refuse)
        except ValueError:
            continue
        for copy in copies_of(line, source):
            try:
                at = utc(copy.pop("stated_at")) - copy.pop("clock_error")
            except ValueError:
                continue
            begins = [utc(str(known[key])) for key in ("earliest", "occurred_from") if key in known]
            if at > copy["received_at"] + DAY or any(at < begin for begin in begins):
                continue
            if copy["properties"].get("price") == "free":
                continue  # the one way in which the sample breaks its contracts
            yield copy | {"source": source, "at": at}


def copies_of(line: Row, source: str) -> Iterator[Row]:
    if source == "web":
        return web_copies(line)
    return payment_copies(line) if source == "payments" else native_copies(line, source)


def read_landing(root: Path, rules: Rules) -> Landing:
    """The first received copy of every event to which neither a copy nor the ledger says no."""
    rows = [copy for source in LANDED for copy in copies(root, source, rules)]
    rows += [row | {"source": "shop"} for row in shop_events(root)]
    rows += [row | {"source": "history"} for row in history_events(root, rules)]
    found = pd.DataFrame(rows)
    refused = refusals(root)
    asks = {name for name, known in rules.sources.items() if known["lawful_basis"] == "consent"}
    found["is_allowed"] = [
        source not in asks or not any(a <= at < b for a, b in refused.get(user_id, ()))
        for source, user_id, at in zip(found.source, found.user_id, found["at"], strict=True)
    ]
    is_believed = found.source.isin(BELIEVED)
    for name in ("order", "amount", "currency"):
        said = found[f"told_{name}"]
        found[name if name != "order" else "order_id"] = said.where(is_believed, None)
    key = ["source", "event_id"]
    first = found.sort_values("received_at", kind="stable").drop_duplicates(key)
    agreed = found.groupby(key)[["is_granted", "is_allowed"]].all().reset_index()
    events = first.drop(columns=["is_granted", "is_allowed"]).merge(agreed, on=key)
    denied = events[events.is_granted & ~events.is_allowed].groupby("source").size().to_dict()
    events = events[events.is_granted & events.is_allowed]
    received = rb'"received_at":"([^"]+)"'
    data_until = min(
        max(utc(stamp[1].decode()) for raw in lines(folder) if (stamp := re.search(received, raw)))
        for folder in (root / "landing" / source for source in LANDED)
    )
    return Landing(describe(events, rules), data_until, denied)


def describe(events: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Adds the day, the surface, and what sort of event it is."""
    local = events["at"].dt.tz_localize("UTC").dt.tz_convert(rules.zone)
    events = events.assign(
        day=local.dt.date,
        surface=events.source.where(events.source.isin(["web", "mobile"]), "backend"),
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
    return replace(landing, events=events.assign(is_internal=events.person.isin(staff)))


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


def revenue_days(events: pd.DataFrame) -> Rows:
    """What was sold and given back on each day, by the sources that are believed."""
    booked = events[events.amount.notna()]
    found: Rows = {}
    sold_on: dict[str, date] = {}
    for event in booked.to_dict("records"):
        day = found.setdefault((event["day"],), {"gross": Decimal(0), "refunds": Decimal(0)})
        amount, reporting = event["amount"], event["reporting"]
        if not pd.isna(reporting):
            day["gross" if amount > 0 else "refunds"] += abs(reporting)
        if amount > 0:
            sold_on.setdefault(event["order_id"], event["day"])
    orders = list(sold_on.values())
    return {
        key: {
            "gross_reporting": cents(day["gross"]),
            "refunds_reporting": cents(day["refunds"]),
            "net_reporting": cents(day["gross"]) - cents(day["refunds"]),
            "orders": orders.count(key[0]),
        }
        for key, day in found.items()
    }


def orders_by_source(events: pd.DataFrame) -> dict[str, Row]:
    """Per source without authority: the orders it tells of, and those that are believed too."""
    sold = events[events.told_amount.notna() & events.told_order.notna()]
    sold = sold[[amount > 0 for amount in sold.told_amount]]
    believed = {
        event["told_order"]: (event["told_amount"], event["told_currency"])
        for event in sold[sold.source.isin(BELIEVED)].to_dict("records")
    }
    found: dict[str, Row] = {}
    for event in sold[~sold.source.isin(BELIEVED)].to_dict("records"):
        row = found.setdefault(event["source"], dict.fromkeys(MATCHES, 0))
        row["orders"] += 1
        known = believed.get(event["told_order"])
        row["unmatched" if known is None else "matched"] += 1
        row["amount_equal"] += known == (event["told_amount"], event["told_currency"])
    return found


MATCHES = ("orders", "matched", "amount_equal", "unmatched")
