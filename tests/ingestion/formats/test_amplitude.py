"""Amplitude's export: whose event, when, and what it counts as money."""

import gzip
import io
import json
import zipfile
from decimal import Decimal
from typing import Any

import pytest

from ingestion.delivery import Delivery
from ingestion.formats.amplitude import FORMAT
from ingestion.formats.record import Native
from ingestion.refusals import Refusal
from tests.ingestion.house import LEDGER, House

ROW = {
    "uuid": "5b6f2a3e-0000-4000-8000-000000000001",
    "$insert_id": "ins-1",
    "app": 187520,
    "amplitude_id": 299365670200,
    "event_type": "Song Played",
    "event_time": "2026-04-13 10:00:00.458000",
    "client_event_time": "2026-04-13 09:50:00.458000",
    "client_upload_time": "2026-04-13 09:50:05.551000",
    "server_received_time": "2026-04-13 10:00:05.721000",
    "server_upload_time": "2026-04-13 10:00:05.765000",
    "user_id": "u_7",
    "device_id": "d_9",
    "session_id": 1776074390065,
    "platform": "iOS",
    "os_name": "ios",
    "version_name": "1.2.0",
    "library": "amplitude-swift/1.4.0",
    "language": "English",
    "country": "Germany",
    "city": "Berlin",
    "ip_address": "203.0.113.9",
    "groups": {"company": ["acme"]},
    "user_properties": {"email": "ada@example.com", "plan": "pro"},
    "event_properties": {"song": "Blue"},
}


def made(**changes: Any) -> Native:
    record = ROW | changes
    return FORMAT.to_native(record, Delivery(record, None, None, None, None, False), 0)


def test_an_event():
    native = made()
    assert native.event == {
        "event_id": "5b6f2a3e-0000-4000-8000-000000000001",
        "event_name": "Song Played",
        "event_type": "track",
        "occurred_at": "2026-04-13 10:00:00.458000",
        "subject": {
            "user_id": "u_7",
            "device_id": "d_9",
            "account_id": "acme",
            "email": "ada@example.com",
        },
        "context": {
            "platform": "ios",
            "app_version": "1.2.0",
            "library": "amplitude-swift",
            "library_version": "1.4.0",
            "session_id": "d_9:1776074390065",
            "locale": "English",
            "country": "Germany",
            "page": {"url": None, "path": None, "title": None, "referrer": None},
            "surface": "mobile",
        },
        "properties": {"song": "Blue", "user_properties": {"plan": "pro"}},
    }
    assert native.received_at == "2026-04-13 10:00:05.721000"
    assert native.corrected


def test_without_its_own_id_the_producers_counts():
    assert made(uuid=None).event["event_id"] == "ins-1"


def test_identify_calls():
    event = made(event_type="$identify", event_properties={}).event
    assert (event["event_name"], event["event_type"]) == ("identify", "identify")
    assert event["properties"] == {"plan": "pro"}
    assert made(event_type="$groupidentify").event["event_type"] == "group"


def test_page_views():
    event = made(
        event_type="[Amplitude] Page Viewed",
        platform="Web",
        event_properties={
            "[Amplitude] Page URL": "https://shop.example/a",
            "[Amplitude] Page Title": "A",
            "referrer": "https://search.example/",
        },
    ).event
    assert (event["event_name"], event["event_type"]) == ("page", "page")
    assert event["context"]["surface"] == "web"
    assert event["context"]["page"] == {
        "url": "https://shop.example/a",
        "path": None,
        "title": "A",
        "referrer": "https://search.example/",
    }


def test_an_unknown_user_has_a_device_and_no_address():
    assert made(user_id=None, groups={}).event["subject"] == {
        "user_id": None,
        "device_id": "d_9",
        "account_id": None,
    }


@pytest.mark.parametrize(
    ("properties", "revenue"),
    [
        ({}, None),
        ({"revenue": 12.5}, None),  # the shop's own property, not Amplitude's money
        (
            {"$revenue": Decimal("12.5"), "$currency": "EUR", "order_id": "o_1"},
            {"amount": Decimal("12.5"), "currency": "EUR", "order_id": "o_1"},
        ),
        (
            {"$price": Decimal("4.99"), "$quantity": 3},
            {"amount": Decimal("14.97"), "currency": None, "order_id": None},
        ),
        ({"$price": -5}, {"amount": Decimal(-5), "currency": None, "order_id": None}),
    ],
)
def test_money_is_what_amplitude_counts_as_money(properties: Any, revenue: Any):
    assert made(event_properties=properties).event.get("revenue") == revenue


@pytest.mark.parametrize(
    "changes", [{"event_properties": []}, {"user_properties": "x"}, {"groups": 1}]
)
def test_members_of_another_kind_are_refused(changes: dict[str, Any]):
    with pytest.raises(Refusal):
        made(**changes)


def test_a_zip_of_gzipped_files_through_the_load(make_house):
    house: House = make_house(
        "{name: amp, kind: event_dumps, format: amplitude, path: landing/amp/, surface: other,"
        " trust: server, lawful_basis: contract}"
    )
    rows = [ROW | {"uuid": f"5b6f2a3e-0000-4000-8000-00000000000{n}"} for n in range(3)]
    rows.append({"scope": 1, "amplitude_id": 1, "merged_amplitude_id": 2})
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        archive.writestr("187520/187520_2026-04-13_10#0.json.gz", gzip.compress(lines))
    (house.home.landing / "amp" / "export.zip").write_bytes(raw.getvalue())
    (report,) = house.load().sources
    assert (report.accepted, report.quarantined) == (3, {"missing_event_name": 1})
    assert house.rows(
        "select distinct event_name, occurred_at::varchar, received_at::varchar, user_id,"
        " device_id, account_id, surface, platform, is_interactive, country from raw.events"
    ) == [
        (
            "Song Played", "2026-04-13 10:00:00.458", "2026-04-13 10:00:05.721", "u_7", "d_9",
            "acme", "mobile", "ios", True, "Germany",
        )
    ]  # fmt: skip
    assert b"ada@example.com" not in house.home.warehouse.read_bytes()
    assert house.rows(LEDGER) == []
    (house.home.landing / "amp" / "again.zip").write_bytes(raw.getvalue())
    house.load()
    assert house.rows("select count(distinct dedupe_key) from raw.events") == [(3,)]
