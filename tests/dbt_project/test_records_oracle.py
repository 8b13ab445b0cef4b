"""Versions and the consent ledger against a plain-loop oracle, on random records in any order."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import duckdb
import pytest

from tests.properties.warehouse import MODELS, build, make_home, write_raw

START, DAY = datetime(2026, 4, 1), timedelta(days=1)
SOURCES = {
    "web": ("public", "consent"),
    "ads": ("signed", "legitimate_interests"),
    "books": ("server", "contract"),
    "crm": ("server", "not_personal"),
    "banner": ("public", "consent"),
}
VARIABLES = {
    "tl_sources": [
        {"name": name, "surface": "web", "trust": trust, "lawful_basis": basis, "live": True}
        for name, (trust, basis) in SOURCES.items()
    ]
}
# what the first rules of the project say of an event's signals
SIGNALS = {
    "paid_search": {"utm_medium": "CPC", "utm_source": "x"},
    "email": {"utm_source": "News"},
    "other_campaign": {"utm_source": "x", "referrer_host": "www.google.com"},
    "paid_social": {"click_id_kind": "fbclid"},
    "organic_search": {"referrer_host": "www.google.co.uk"},
    "organic_social": {"referrer_host": "m.facebook.com"},
    "referral": {"referrer_host": "notgoogle.example"},
    None: {"referrer_host": "shop.example", "page_url": "https://shop.example/a"},
}
Record = dict


def draw(chance: random.Random) -> list[Record]:
    """Copies, versions and entries with few keys, persons and moments, so that they meet."""

    def at(days: int = 6) -> datetime:
        return START + chance.randrange(days) * DAY

    def who() -> Record:
        return {
            "user_id": chance.choice([None, *(f"u{n}" for n in range(12))]),
            "anonymous_id": chance.choice([None, None, *(f"a{n}" for n in range(12))]),
            "device_id": chance.choice([None, None, None, "d1", "d2", "null"]),
        }

    records = []
    for number in range(900):
        source = chance.choice(["web", "ads", "books"])
        is_versioned = source == "books" or chance.random() < 0.2
        is_deleted = is_versioned and chance.random() < 0.25
        is_stripped = chance.random() < 0.1
        records.append(
            {
                "source": source,
                "dedupe_key": f"{source}{chance.randrange(250)}",
                "version_at": at() if is_versioned else None,
                "is_deleted": is_deleted,
                "disposition": "stripped" if is_stripped else "accepted",
                "strip_reason": "missing" if is_stripped else None,
                "content_digest": chance.choice("xyz"),
                "occurred_at": at(),
                "received_at": at(),
                "position": number,
                **who(),
            }
        )
    records += [
        {
            "source": chance.choice(["crm", "banner", "ads"]),
            "record_kind": "consent",
            "event_name": "consent_updated",
            "event_type": "system",
            "dedupe_key": f"entry{number}",
            "version_at": chance.choice([None, at(3)]),
            "is_deleted": chance.random() < 0.15,
            "consent_analytics": chance.choice([True, True, False, None]),
            "occurred_at": at(),
            "received_at": at(),
            "position": 1000 + number,
            **who(),
        }
        for number in range(90)
    ]
    for number, (channel, signals) in enumerate(SIGNALS.items()):
        key = f"signal_{channel}"
        moment = {"occurred_at": START, "received_at": START, "position": 2000 + number}
        records.append({"source": "books", "dedupe_key": key, **moment, **signals})
    common = {
        "surface": "web",
        "is_interactive": True,
        "is_deleted": False,
        "content_digest": "c",
    }
    return [common | record | {"event_id": record["dedupe_key"]} for record in records]


def combined(words: Iterable[bool | None]) -> bool | None:
    """No outweighs yes, and silence says nothing."""
    said = {word for word in words if word is not None}
    return None if not said else False not in said


def moment_word(entries: list[Record]) -> bool | None:
    """What one ledger says of one identifier at one moment."""

    def age(entry: Record) -> tuple:
        return (entry["version_at"] or START - DAY, entry["received_at"])

    living = [entry for entry in entries if not entry["is_deleted"]]
    if not living:
        return None
    newest = max(map(age, living))
    word = combined(entry["consent_analytics"] for entry in living if age(entry) == newest)
    gone = any(age(entry) >= newest for entry in entries if entry["is_deleted"])
    return None if gone and word else word


def is_denied(records: list[Record], event: Record) -> bool:
    basis = SOURCES[event["source"]][1]
    is_asked = basis in ("consent", "legitimate_interests")
    if not is_asked or event["is_deleted"] or event.get("record_kind") == "consent":
        return False
    for kind in ("user_id", "anonymous_id", "device_id"):
        said: dict[datetime, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for entry in records:
            trust = SOURCES[entry["source"]][0]
            if (
                entry.get("record_kind") == "consent"
                and event.get(kind) not in (None, "null")
                and entry[kind] == event[kind]
                and not (trust == "public" and kind == "user_id")
                and entry["occurred_at"] <= event["occurred_at"]
            ):
                said[entry["occurred_at"]][entry["source"]].append(entry)
        state = None
        for moment in sorted(said):
            word = combined(moment_word(entries) for entries in said[moment].values())
            state = state if word is None else word
        if state is False:
            return True
    return False


def winner(copies: list[Record]) -> Record:
    """The latest version, else the copy received first."""
    place = {"source", "position"}
    versions = [copy for copy in copies if copy.get("version_at")]
    if not versions:
        return min(
            copies, key=lambda copy: (copy["received_at"], *(copy[k] for k in sorted(place)))
        )
    rank = max(
        (copy["version_at"], copy["received_at"], copy["content_digest"]) for copy in versions
    )
    return min(
        (
            copy
            for copy in versions
            if (copy["version_at"], copy["received_at"], copy["content_digest"]) == rank
        ),
        key=lambda copy: (copy["source"], copy["position"]),
    )


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return draw(random.Random(20260405))


@pytest.fixture(scope="module")
def warehouse(records, tmp_path_factory):
    root = tmp_path_factory.mktemp("oracle")
    home = make_home(root / "home")
    shuffled = random.Random(1).sample(records, len(records))
    write_raw(home, shuffled, part_of=lambda row: row["position"] % 5)
    build(home, VARIABLES, *MODELS, "-s", "+int_events", target=root / "target")
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        yield con


def test_every_record_gets_the_disposition_of_the_oracle(records, warehouse) -> None:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record["dedupe_key"]].append(record)
    expected, events = {}, {}
    for key, copies in groups.items():
        best = winner(copies)
        by_ledger = any(is_denied(records, copy) for copy in copies)
        by_copy = any(
            copy.get("disposition") == "stripped" and not copy["is_deleted"] for copy in copies
        )
        reason = best.get("strip_reason")
        if not reason and by_ledger:
            reason = "denied_by_ledger"
        elif not reason and by_copy:
            reason = "denied_by_copy"
        for copy in copies:
            mine = ("stripped" if reason else "accepted", reason)
            expected[copy["position"]] = mine if copy is best else ("duplicate", None)
        if not reason and not best["is_deleted"]:
            events[key] = best["position"]
    found = warehouse.sql(
        "select position, disposition, strip_reason from intermediate.int_event_records"
    ).fetchall()
    assert {position: judged for position, *judged in found} == {
        position: list(judged) for position, judged in expected.items()
    }
    kept = warehouse.sql("select event_key, landing_position from intermediate.int_events")
    assert dict(kept.fetchall()) == events
    reasons = [reason for _, reason in expected.values()]
    assert min(reasons.count(r) for r in ("denied_by_ledger", "denied_by_copy", "missing")) > 5
    assert any(SOURCES[record["source"]][0] == "public" for record in records)


def test_the_projects_rules_name_the_channel(warehouse) -> None:
    found = warehouse.sql(
        "select event_key, channel_signal from intermediate.int_events"
        " where event_key like 'signal_%'"
    ).fetchall()
    assert dict(found) == {f"signal_{channel}": channel for channel in SIGNALS}
