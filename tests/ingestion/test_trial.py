"""A source is tried as it would be loaded, and nothing is left of it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from governance.errors import UserError
from ingestion.trial import Tried, chosen, try_source
from tests.ingestion.house import House, event

DUMP = (
    "{name: shop, kind: event_dumps, path: dumps/shop/, surface: backend, trust: server,"
    " lawful_basis: contract, mapping: {event_name: {value: sold}, occurred_at: at,"
    " user_id: customer, amount: total, currency: {value: EUR}, order_id: id}}"
)
DATABASE = (
    "{name: shop, kind: app_database, url: 'sqlite:///shop.db', path: landing/shop/,"
    " surface: backend, trust: server, lawful_basis: contract, tables: [{table: orders, as: orders,"
    " mapping: {order_id: id, user_id: customer, amount: total, currency: {value: EUR},"
    " occurred_at: at, refunded_at: back_at, refunded_amount: back}}]}"
)


def tried(house: House, **options):
    return try_source(house.home, house.config, house.keys, house.config.sources[0], **options)


def everything_below(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_nothing_is_written_of_what_was_tried(house):
    house.land(event(1, subject={"user_id": "u", "email": "a@example.com"}), b"{broken")
    before = everything_below(house.home.root)
    found = tried(house)
    assert found.counts == {"accepted": 1, "quarantined": 1}
    assert everything_below(house.home.root) == before


def test_a_trial_says_what_a_load_does(house):
    lines = [event(n) for n in range(5)]
    lines += [event(9, occurred_at="yesterday"), b"{", {"event_name": "x"}, event(10, subject=None)]
    house.land(*lines)
    found = tried(house)
    house.load()
    stored = Counter(
        dict(house.rows("select disposition, count(*)::int from raw.events group by all"))
    )
    stored["quarantined"] = house.rows("select sum(records)::int from raw.rejects")[0][0]
    assert Counter(found.counts) == stored
    reasons = house.rows("select reason, sum(records)::int from raw.rejects group by all")
    assert found.reasons == dict(reasons)


def test_direct_identifiers_are_shown_as_the_tokens_a_load_would_store(house):
    house.land(event(1, subject={"user_id": "u1", "email": "a@example.com"}))
    [record] = tried(house).shown
    assert record.who == {
        "user_id": "u1",
        "email": house.keys.token("email", "a@example.com"),
    }
    assert "a@example.com" not in repr(record)


def test_a_reject_is_shown_with_its_reason_and_where_it_lies(house):
    house.land(event(1, occurred_at="yesterday"))
    [record] = tried(house).shown
    assert (record.disposition, record.reason, record.pointer) == (
        "quarantined",
        "invalid_time",
        "/occurred_at",
    )
    assert "yesterday" not in repr(record)


def test_events_without_a_ground_are_shown_as_stripped(make_house):
    house = make_house(
        "{name: app, path: landing/app/, surface: web, trust: public, lawful_basis: consent}"
    )
    house.land(event(1), event(2, consent={"analytics": True}))
    found = tried(house)
    assert found.counts == {"stripped": 1, "accepted": 1}
    assert found.share_stripped == 0.5
    assert found.reasons == {"missing": 1}
    assert [record.who for record in found.shown] == [{}, {"user_id": "u1"}]


def test_only_the_first_records_are_read(house):
    house.land(*(event(n) for n in range(50)))
    found = tried(house, sample=20, limit=3)
    assert found.records == 20
    assert [record.place for record in found.shown] == [
        f"a.jsonl:{n * len(json.dumps(event(0)) + chr(10))}" for n in range(3)
    ]


def test_a_line_that_never_ends_is_shown_and_not_held(house):
    house.land(b'{"a": "' + b"x" * (3 * house.config.limits.line_bytes))
    assert tried(house).reasons == {"too_large": 1}


def test_a_dump_is_tried_by_its_mapping(make_house):
    house = make_house(DUMP)
    folder = house.home.root / "dumps/shop"
    (folder / "a.csv").write_text(
        "id;customer;total;at\n1;u1;9.50;2026-04-13T10:00:00Z\n2;u2;x;2026-04-13T10:00:00Z\n"
    )
    found = tried(house)
    good, bad = found.shown
    assert (good.event, good.amount, good.currency, good.who) == (
        "sold",
        Decimal("9.5"),
        "EUR",
        {"user_id": "u1"},
    )
    assert (bad.disposition, bad.pointer) == ("quarantined", "/total")


def test_a_mapping_to_an_unknown_column_is_a_problem_with_the_likely_name(make_house):
    house = make_house(DUMP.replace("customer", "custmer"))
    folder = house.home.root / "dumps/shop"
    (folder / "a.csv").write_text("id,customer,total,at\n1,u1,9,2026-04-13\n")
    found = tried(house)
    assert found.records == 0
    [problem] = found.problems
    assert "custmer" in problem.what
    assert "customer" in problem.fix


def test_a_table_is_tried_by_its_mapping_and_a_refund_that_never_was_is_none(make_house):
    house = make_house(DATABASE)
    with sqlite3.connect(house.home.root / "shop.db") as connection:
        connection.execute(
            "create table orders (id text primary key, customer text, total real, at text,"
            " back_at text, back real)"
        )
        connection.executemany(
            "insert into orders values (?, ?, ?, ?, ?, ?)",
            [
                ("o1", "u1", 10, "2026-04-13T10:00:00Z", None, None),
                ("o2", "u2", 20, "2026-04-13T10:00:00Z", "2026-04-14T10:00:00Z", 5),
            ],
        )
    before = everything_below(house.home.root)
    found = tried(house)
    assert [(r.event, r.amount, r.kind) for r in found.shown] == [
        ("order_completed", 10, "order"),
        ("order_completed", 20, "order"),
        ("order_refunded", -5, "order"),
    ]
    assert found.counts == {"accepted": 3}
    assert everything_below(house.home.root) == before


def test_a_database_that_cannot_be_reached_is_a_problem(make_house):
    house = make_house(DATABASE)
    found = tried(house)
    assert found.records == 0
    [problem] = found.problems
    assert "does not exist" in problem.what


def test_a_folder_that_is_not_there_is_named(house):
    (house.home.root / "landing/app").rmdir()
    with pytest.raises(UserError, match="does not exist"):
        tried(house)


def record(event_name: str, fate: str = "accepted") -> Tried:
    return Tried("f:0", event_name, "event", None, {}, None, None, fate, None)


def test_one_of_each_fate_is_shown_before_more_of_the_same():
    records = [record("a")] * 20 + [record("b")] + [record("a", "stripped")]
    shown = chosen(records, 4)
    assert [(r.event, r.disposition) for r in shown] == [
        ("a", "accepted"),
        ("a", "accepted"),
        ("b", "accepted"),
        ("a", "stripped"),
    ]
