"""The sample is reproducible, and its landing files hold exactly what its truth says."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from governance.config import load_config
from governance.contracts import Contracts
from governance.errors import UsageError, UserError
from governance.home import Home
from ingestion.sample import delivery, write_sample
from ingestion.sample.clock import DAY
from ingestion.sample.company import COMPANY
from ingestion.sample.rates import as_csv
from tests.ingestion.sample.conftest import Sample

ID_KEYS = {"web": rb'"messageId":"([^"]+)"', "mobile": rb'"event_id":"([^"]+)"'}
ID_KEYS["backend"] = ID_KEYS["mobile"]
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
    first, second, other = (digest(home.landing) | digest(home.truth) for home in homes)
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
    truth = {
        (source, event_id): copies
        for source, event_id, copies in sample.rows("select source, event_id, copies from {events}")
    }
    assert found == truth


def test_the_report_counts_what_was_written(sample):
    files = [path for path in sample.home.landing.rglob("*") if path.is_file()]
    assert sample.report.files == len(files)
    assert sample.report.bytes == sum(path.stat().st_size for path in files)
    assert sample.report.lines == sum(1 for _ in sample.lines())
    assert (sample.report.events, sample.report.records) == sample.rows(
        "select count(*), sum(copies) from {events}"
    )[0]
    assert sample.report.persons == sample.one("select count(*) from {actors}")


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
    assert set(suffixes) == {".jsonl", ".gz", ".zst"}
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
    amounts = sorted(amount for _, amount in told.values())
    assert amounts == sorted(str(row[0]) for row in sample.rows("select amount from {purchases}"))


def test_the_committed_configuration_is_sound():
    home = Home(COMPANY)
    config = load_config(home)
    assert [source.name for source in config.sources] == ["web", "mobile", "backend"]
    assert (COMPANY / "exchange_rates.csv").read_text() == as_csv()


def test_all_events_but_one_are_planned(sample):
    contracts = Contracts.load(sample.home.contracts)
    names = {row[0] for row in sample.rows("select distinct event_name from {events}")}
    assert {name for name in names if name not in contracts} == {"promo_banner_closed"}
