"""The sample is reproducible, and its landing files hold exactly what its truth says."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import StaticPool, create_engine, text

from governance.config import load_config
from governance.contracts import Contracts
from governance.errors import UsageError, UserError
from governance.home import Home
from ingestion.sample import DEFAULT_START, delivery, sample_shop, write_sample
from ingestion.sample.clock import DAY, window_of
from ingestion.sample.company import COMPANY
from ingestion.sample.rates import as_csv
from tests.ingestion.sample.conftest import PERSONS, Sample

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = "2026-04-01T00:00:00.000Z"  # from here on the backend is believed, before the history
ID_KEYS = {"web": rb'"messageId":"([^"]+)"', "mobile": rb'"event_id":"([^"]+)"'}
ID_KEYS["backend"] = ID_KEYS["mobile"]
ID_KEYS["payments"] = rb'"body":{"id":"([^"]+)"'
TROUBLES = (
    "disposition = 'stripped' and disposition_reason = 'missing'",
    "disposition = 'stripped' and disposition_reason = 'denied'",
    "disposition = 'stripped' and disposition_reason = 'unreadable'",
    "disposition_reason = 'truncated'",
    "disposition_reason = 'duplicate_key'",
    "disposition_reason = 'not_a_number'",
    "disposition_reason = 'bad_unicode'",
    "disposition_reason = 'bad_timestamp'",
    "disposition_reason = 'contract_violation'",
    "disposition_reason = 'future'",
    "disposition_reason = 'before_earliest'",
    "copies > 1",
    "conflicts > 0",
    "disposition = 'stripped' and disposition_reason = 'denied_by_ledger' and source = 'web'",
    "disposition = 'stripped' and disposition_reason = 'denied_by_ledger' and source = 'mobile'",
    "disposition_reason = 'outside_cutover' and source = 'backend'",
    "disposition_reason = 'outside_cutover' and source = 'history'",
    "source = 'history' and copies > 1",
    "source = 'payments' and copies > 1",
    "source = 'payments' and lateness = 'hours'",
    "record_kind = 'order' and event_name = 'order_refunded' and decidable",
    "lateness = 'minutes'",
    "lateness = 'hours'",
    "lateness = 'days'",
    "lateness = 'offline'",
    "quirk = 'undefined_user'",
    "quirk = 'nil_anonymous'",
    "is_bot and disposition = 'accepted'",
    "is_bot and disposition = 'stripped'",
    "event_name = 'accounts_merged'",
    "event_name = 'alias'",
    "event_name = 'promo_banner_closed'",
    "undecidable_reason = 'after_last_logout'",
    "undecidable_reason = 'after_logout_on_shared_device'",
    "undecidable_reason = 'handover_without_pause'",
    "undecidable_reason = 'hub_identifier_only'",
    "undecidable_reason = 'kiosk_without_login'",
    "undecidable_reason = 'never_identified_visit'",
    "undecidable_reason = 'nil_identifiers'",
    "undecidable_reason = 'no_identifier'",
    "undecidable_reason = 'second_account_never_merged'",
    "undecidable_reason = 'under_anothers_login'",
)


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(tmp_path):
    homes = [Home(tmp_path / name) for name in "abc"]
    for home, seed in zip(homes, (3, 3, 4), strict=True):
        write_sample(home, persons=40, days=6, seed=seed)
    first, second, other = (digest(home.root) for home in homes)
    assert first == second
    assert first != other


def test_a_second_sample_replaces_the_first_and_leaves_nothing_behind(tmp_path):
    home, fresh = Home(tmp_path / "used"), Home(tmp_path / "fresh")
    write_sample(home, persons=30, days=9, start=date(2026, 5, 1))
    write_sample(home, persons=20, days=5)
    write_sample(fresh, persons=20, days=5)
    assert digest(home.root) == digest(fresh.root)


def test_landing_files_of_somebody_else_are_not_replaced(tmp_path):
    home = Home(tmp_path)
    foreign = home.landing / "web" / "2026-04-02" / "00.jsonl"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("{}\n")
    with pytest.raises(UserError, match="not written by a sample"):
        write_sample(home, persons=5, days=4)
    assert foreign.read_text() == "{}\n"


def test_a_database_of_somebody_else_is_not_replaced(tmp_path):
    foreign = tmp_path / "sources" / "shop.sqlite"
    foreign.parent.mkdir()
    foreign.write_text("theirs")
    with pytest.raises(UserError, match="not written by a sample"):
        write_sample(Home(tmp_path), persons=5, days=4)
    assert foreign.read_text() == "theirs"


def test_a_home_with_its_own_configuration_keeps_it(tmp_path):
    home = Home(tmp_path)
    home.config.write_text("company: other\n")
    write_sample(home, persons=3, days=4)
    assert home.config.read_text() == "company: other\n"
    assert not home.contracts.exists()


@pytest.mark.parametrize(("persons", "days"), [(0, 30), (10, 2)])
def test_a_sample_without_people_or_days_is_refused(tmp_path, persons, days):
    with pytest.raises(UsageError):
        write_sample(Home(tmp_path), persons=persons, days=days)


def test_one_person_is_a_company_too(tmp_path):
    assert write_sample(Home(tmp_path), persons=1, days=3).events > 0


def test_every_event_of_the_truth_lies_in_landing_as_often_as_it_says(sample):
    found: Counter[tuple[str, str]] = Counter()
    for source, _, line in sample.lines():
        found.update((source, id_.decode()) for id_ in re.findall(ID_KEYS[source], line))
    found.update(("history", f"{row['Auftrag']}/{row['Vorgang']}") for row in sample.history_rows())
    for row in sample.shop_rows()[0]:
        found["shop", f'kunden:["{row["kunden_nr"]}"]'] += 1
    for row in sample.shop_rows()[1]:
        for part in ("", ":1"):
            found["shop", f'bestellungen:["{row["bestell_nr"]}"]{part}'] += 1
    for row in sample.shop_rows()[2]:
        found["shop", f'einwilligungen:["{row["lfd_nr"]}"]'] += 1
    truth = {
        (source, event_id): copies
        for source, event_id, copies in sample.rows("select source, event_id, copies from {events}")
    }
    assert found == truth


def test_the_report_counts_what_was_written(sample):
    files = [path for path in sample.home.landing.rglob("*") if path.is_file()]
    assert sample.report.files == len(files)
    assert sample.report.bytes == sum(path.stat().st_size for path in files)
    assert sample.report.lines == sum(1 for _ in sample.lines()) + len(sample.history_rows())
    assert (sample.report.events, sample.report.records) == sample.rows(
        "select count(*), sum(copies) from {events}"
    )[0]
    assert sample.report.persons == sample.one(
        "select count(*) from {actors} where role <> 'former'"
    )


def test_only_lines_broken_on_purpose_cannot_be_parsed(sample):
    faults = "('truncated', 'duplicate_key', 'not_a_number', 'bad_unicode')"
    broken = 0
    for _, _, line in sample.lines():
        try:
            json.loads(line, object_pairs_hook=unique, parse_constant=refuse)
        except ValueError:
            broken += 1
    assert broken == sample.one(
        f"select sum(copies) from {{events}} where disposition_reason in {faults}"
    )


def unique(pairs):
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def refuse(constant):
    raise ValueError(constant)


def test_each_file_is_in_received_order_and_files_of_a_day_overlap(sample):
    spans: dict[Path, tuple[bytes, bytes]] = {}
    for _, path, line in sample.lines():
        received = re.search(rb'"received_at":"([^"]+)"', line)
        assert received, line[:200]
        first, last = spans.get(path, (received[1], b""))
        assert received[1] >= last
        assert received[1].decode()[:10] == path.parent.name
        spans[path] = (first, received[1])
    one, other = sorted(
        span for path, span in spans.items() if "/web/2026-04-10/" in path.as_posix()
    )[:2]
    assert other[0] < one[1]


def test_some_files_are_packed_with_gzip_and_some_with_zstd(sample):
    suffixes = Counter(path.suffix for path in sample.home.landing.rglob("*") if path.is_file())
    assert set(suffixes) == {".jsonl", ".gz", ".zst", ".csv", ".parquet"}
    assert suffixes[".jsonl"] > suffixes[".gz"] + suffixes[".zst"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_sample_has_every_kind_of_trouble(sample, trouble):
    assert sample.one(f"select count(*) from {{events}} where {trouble}") > 0


def test_trouble_stays_the_exception(sample):
    decidable, accepted, everything = sample.rows(
        "select count(*) filter (decidable), count(*) filter (disposition = 'accepted'), count(*)"
        " from {events}"
    )[0]
    assert accepted / everything > 0.93
    assert decidable / accepted > 0.9


def test_months_lie_between_the_oldest_event_and_its_receipt(sample):
    assert sample.one("select min(occurred_at) from {events}").date() < date(2026, 2, 15)


def test_an_event_from_the_future_is_ahead_of_its_receipt_however_late_it_is_delivered(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(delivery, "_FAULT_SHARE", 0.3)
    monkeypatch.setattr(delivery.Delivery, "_delay", lambda self: ("days", 5 * DAY))
    home = Home(tmp_path / "late")
    sample = Sample(home, write_sample(home, persons=60, seed=7))
    query = "select event_id, occurred_at from {events} where disposition_reason = 'future'"
    future = dict(sample.rows(query))
    ahead, lateness = {}, []
    for source, _, line in sample.lines():
        try:
            record = json.loads(line, object_pairs_hook=unique, parse_constant=refuse)
        except ValueError:
            continue
        if source == "payments":
            continue
        body = record["body"] if source == "web" else record
        received = datetime.fromisoformat(record["received_at"])
        sent = body.get("sentAt", body.get("sent_at"))
        shift = received - datetime.fromisoformat(sent) if sent else timedelta(0)
        for event in body["batch"] if source == "web" else [record]:
            event_id = event["messageId" if source == "web" else "event_id"]
            if event_id in future:
                stated = event["timestamp" if source == "web" else "occurred_at"]
                ahead[event_id] = datetime.fromisoformat(stated) + shift - received
                lateness.append(received.replace(tzinfo=None) - future[event_id])
    assert ahead.keys() == future.keys()
    assert min(ahead.values()) > timedelta(days=1)
    assert max(lateness) >= timedelta(days=5)


def test_every_currency_is_paid_in_and_some_amounts_have_no_rate(sample):
    currencies = {row[0] for row in sample.rows("select distinct currency from {purchases}")}
    assert {"EUR", "GBP", "SEK", "USD"} <= currencies
    missing = sample.rows("select distinct currency from {purchases} where rate is null")
    assert missing == [("SEK",)]


def test_refunds_come_days_after_their_order_and_never_exceed_it(sample):
    wrong = sample.one(
        "select count(*) from {purchases} r left join {purchases} o"
        " on o.order_id = r.order_id and o.kind = 'order'"
        " where r.kind = 'refund' and (o.order_id is null or -r.amount > o.amount"
        "   or r.occurred_at < o.occurred_at + interval 2 day)"
    )
    assert wrong == 0
    assert sample.one("select count(*) from {purchases} where kind = 'refund'") > 0


def test_money_of_the_truth_is_what_the_backend_told_first(sample):
    told: dict[str, tuple[str, str]] = {}
    for source, _, line in sample.lines():
        if source == "backend" and b'"revenue"' in line:
            event = json.loads(line)
            revenue = event["revenue"]
            known = told.get(event["event_id"], ("9", ""))
            told[event["event_id"]] = min(known, (event["received_at"], revenue["amount"]))
            if event["occurred_at"] < BEGIN:
                del told[event["event_id"]]
    amounts = sorted(amount for _, amount in told.values())
    truth = sample.rows("select amount from {purchases} where source = 'backend'")
    assert amounts == sorted(str(row[0]) for row in truth)


def test_money_of_the_history_is_what_its_files_tell_from_before_the_cut_over(sample):
    told = {
        (row["Auftrag"], row["Betrag"])
        for row in sample.history_rows()
        if row["Datum"].replace(tzinfo=BERLIN) < datetime.fromisoformat(BEGIN)
    }
    truth = sample.rows("select order_id, amount from {purchases} where source = 'history'")
    assert len(truth) > 100
    assert told == set(truth)


def test_no_order_is_believed_twice_and_each_of_the_window_is_told_by_everybody(sample):
    counts = sample.rows(
        "select source, count(*), count(distinct order_id) from {purchases} where kind = 'order'"
        " group by all"
    )
    assert all(orders == distinct for _, orders, distinct in counts)
    told = sample.rows(
        "select order_id, sum(1) filter (source = 'shop' and event_name = 'order_completed'),"
        " sum(1) filter (source = 'payments' and event_name = 'charge.succeeded'),"
        " sum(1) filter (source in ('web', 'mobile')), sum(1) filter (source = 'backend')"
        " from {events} semi join (from {purchases} where source = 'backend' and kind = 'order')"
        " using (order_id) where event_name in ('order_completed', 'charge.succeeded') group by all"
    )
    assert len(told) > 100
    assert {row[1:] for row in told} == {(1, 1, 1, 1)}
    both = sample.rows(
        "select order_id from {purchases} where source = 'backend' intersect"
        " select order_id from {purchases} where source = 'history'"
    )
    assert both == []


def test_the_database_tells_what_the_backend_booked_on_a_wall_clock_in_berlin(sample):
    told = {
        (row["bestell_nr"], Decimal(str(row["betrag"])), row["waehrung"], local(row["bestellt_am"]))
        for row in sample.shop_rows()[1]
    }
    truth = sample.rows(
        "select order_id, amount, currency, occurred_at from {purchases}"
        " where source = 'backend' and kind = 'order'"
    )
    assert told == set(truth)
    back = {
        (row["bestell_nr"], -Decimal(str(row["erstattet"])), local(row["erstattet_am"]))
        for row in sample.shop_rows()[1]
        if row["status"] == "erstattet"
    }
    truth = sample.rows(
        "select order_id, amount, occurred_at from {purchases}"
        " where source = 'backend' and kind = 'refund'"
    )
    assert back == set(truth)


def local(text):
    """A time of the shop's database as naive UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC).replace(tzinfo=None)


def test_the_shop_can_be_had_as_it_stood_at_any_moment(sample):
    shop = sample_shop(persons=PERSONS, seed=7)
    engine = create_engine("sqlite://", poolclass=StaticPool)
    states = []
    for until in (window_of(DEFAULT_START, 15).end, None):
        shop.write(engine, until=until)
        with engine.connect() as connection:
            states.append(
                {
                    table: {row[0]: dict(row._mapping) for row in connection.execute(text(sql))}
                    for table, sql in (
                        ("kunden", "select kunden_nr, * from kunden"),
                        ("bestellungen", "select bestell_nr, * from bestellungen"),
                    )
                }
            )
    middle, end = states
    assert {key: dict(row) for key, row in end["kunden"].items()} == {
        row["kunden_nr"]: row for row in sample.shop_rows()[0]
    }
    moved = [
        key for key, row in middle["kunden"].items() if row["email"] != end["kunden"][key]["email"]
    ]
    assert moved
    for key in moved:
        assert middle["kunden"][key]["geaendert_am"] < end["kunden"][key]["geaendert_am"]
    assert middle["bestellungen"].keys() < end["bestellungen"].keys()
    paid_back = [
        key
        for key, row in middle["bestellungen"].items()
        if row["status"] == "bezahlt" and end["bestellungen"][key]["status"] == "erstattet"
    ]
    assert paid_back


def test_the_committed_configuration_is_sound():
    home = Home(COMPANY)
    config = load_config(home)
    assert {source.name: source.kind for source in config.sources} == {
        "web": "landing",
        "mobile": "landing",
        "backend": "landing",
        "payments": "webhook_logs",
        "shop": "app_database",
        "history": "event_dumps",
    }
    assert (COMPANY / "exchange_rates.csv").read_text() == as_csv()


def test_all_events_but_one_are_planned(sample):
    contracts = Contracts.load(sample.home.contracts)
    names = {
        row[0]
        for row in sample.rows("select distinct event_name from {events} where source <> 'shop'")
    }
    assert {name for name in names if name not in contracts} == {"promo_banner_closed"}
