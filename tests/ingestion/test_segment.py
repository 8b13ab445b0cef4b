import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.delivery import Delivery
from ingestion.formats.segment import to_native
from ingestion.refusals import Refusal
from ingestion.rejects import read_reject
from tests.ingestion.house import LEDGER, House

SERVER = (
    "{name: srv, format: segment, path: landing/srv/, surface: backend, trust: server,"
    " lawful_basis: contract}"
)
WEB = (
    "{name: web, format: segment, path: landing/web/, surface: web, trust: public,"
    " lawful_basis: contract}"
)

CAPTURES = {
    "py_segment": ("srv", "anon-1"),
    "py_segment_gz": ("srv", "anon-1"),
    "py_rudder": ("srv", "anon-1"),
    "py_rudder_gz": ("srv", "anon-1"),
    "js_segnode": ("srv", "anon-1"),
    "js_rudnode": ("srv", "anon-1"),
    "js_rudnode_gz": ("srv", "anon-1"),
    # analytics.js answers alias('u2', 'u1') of a known user with userId u1: its quirk, kept as
    # sent.
    "js_segweb": ("web", "u1"),
    "js_segweb_batch": ("web", "u1"),
}


def _land(house: House, capture: Path, source: str) -> None:
    """The captured requests as a collector would have written them; gzipped ones as body text."""
    for line in capture.read_text().splitlines():
        request = json.loads(line)
        body = request["body"]
        house.land(
            {
                "receipt_id": str(request["t"]),
                "received_at": datetime.fromtimestamp(request["t"], UTC).isoformat(),
                "source": source,
                "headers": request["headers"],
                "path": request["path"],
                "body": json.dumps(body) if request["gzip_on_wire"] else body,
            },
            name=f"{capture.stem}.jsonl",
            source=source,
        )


@pytest.mark.material
@pytest.mark.parametrize(("capture", "source", "previous"), [(k, *v) for k, v in CAPTURES.items()])
def test_every_call_of_every_sdk_lands_once_with_its_fields(
    make_house, material, capture, source, previous
):
    house = make_house(SERVER, WEB)
    _land(house, material / "sdk_captures" / f"{capture}.jsonl", source)
    report = house.load()
    assert report.records == 6
    assert house.rows(LEDGER) == []
    rows = house.rows(
        "select event_type, event_name, coalesce(user_id, anonymous_id) is not null,"
        " email_token is not null, account_id, previous_id, revenue::double, page_title, screen,"
        " library is not null, received_at_origin"
        " from raw.events order by event_type"
    )
    title = {"srv": None, "web": "Docs"}[source]
    assert rows == [
        ("alias", "alias", True, False, None, previous, None, title, None, True, "receipt"),
        ("group", "group", True, False, "org-1", None, None, title, None, True, "receipt"),
        ("identify", "identify", True, True, None, None, None, title, None, True, "receipt"),
        ("page", "page", True, False, None, None, None, "Quickstart", None, True, "receipt"),
        ("screen", "screen", True, False, None, None, None, title, "Home", True, "receipt"),
        ("track", "Order Completed", True, False, None, None, 12.5, title, None, True, "receipt"),
    ]
    assert "u1@example.com" not in str(house.rows("select * from raw.events"))


def call(**members):
    return {"type": "track", "event": "x", "timestamp": "2026-04-13T10:00:00Z"} | members


def native(record, path=None):
    return to_native(record, Delivery(record, None, None, None, path, False), 0)


def test_an_export_that_corrected_its_times_is_not_corrected_again():
    stamps = {"receivedAt": "2026-04-13T10:00:01Z", "originalTimestamp": "2026-04-13T09:00:00Z"}
    assert native(call(**stamps)).corrected
    assert not native(call(originalTimestamp="2026-04-13T09:00:00Z")).corrected


@pytest.mark.parametrize(
    ("event", "properties", "amount"),
    [
        ("Order Completed", {"revenue": 12}, "12"),
        ("order_completed", {"total": "7.5"}, "7.5"),
        ("Order Refunded", {"total": 7}, "-7.000000"),
        ("Checkout Started", {"revenue": 12}, None),
    ],
)
def test_only_sales_and_refunds_carry_revenue_and_refunds_are_negative(event, properties, amount):
    revenue = native(call(event=event, properties=properties)).event.get("revenue")
    assert (str(revenue["amount"]) if revenue else None) == amount


def test_a_call_takes_its_type_from_the_path_when_it_names_none():
    assert native({"event": "x"}, "/v1/t?x=1").event["event_type"] == "track"
    with pytest.raises(Refusal, match="invalid_field"):
        native({"event": "x"}, "/v1/whatever")


def test_traits_a_device_remembers_are_not_evidence_of_who_acts_now():
    remembered = {"context": {"traits": {"email": "old@example.com"}}}
    assert "email" not in native(call(**remembered)).event["subject"]
    assert (
        native(call(type="identify", **remembered)).event["subject"]["email"] == "old@example.com"
    )


def test_consent_is_read_where_the_map_says(make_house):
    mapped = "consent_map: {analytics: context.consent.categoryPreferences.Analytics}"
    house = make_house(WEB.replace("lawful_basis: contract", f"lawful_basis: consent, {mapped}"))
    for flag in (True, False, "true"):
        consent = {"categoryPreferences": {"Analytics": flag}}
        house.land(
            call(messageId=str(flag) + "!", anonymousId="a", context={"consent": consent}),
            source="web",
        )
    house.load()
    assert house.rows(
        "select disposition, strip_reason, consent_analytics from raw.events order by position"
    ) == [
        ("accepted", None, True),
        ("stripped", "denied", False),
        ("stripped", "unreadable", None),
    ]


def test_a_pointer_leads_into_the_bytes_that_are_kept(make_house):
    house = make_house(WEB)
    good = call(messageId="1", anonymousId="a")
    house.land({"batch": [good, good | {"userId": {}}]}, source="web")
    house.load()
    [(pointer, *place)] = house.rows(
        "select pointer, stored_in, stored_at, bytes_length from raw.rejects"
    )
    assert pointer == "/batch/0/userId"
    assert json.loads(read_reject(house.home, house.keys, *place))["batch"][0]["userId"] == {}


@pytest.mark.parametrize(
    ("batch", "record", "disposition", "reason"),
    [
        (False, True, "stripped", "contradictory"),
        (True, False, "stripped", "contradictory"),
        (False, None, "stripped", "denied"),
        (True, None, "accepted", None),
        (True, True, "accepted", None),
    ],
)
def test_a_batch_and_its_record_that_disagree_on_consent_are_a_denial(
    make_house, batch, record, disposition, reason
):
    house = make_house(
        WEB.replace("contract}", "consent, consent_map: {analytics: context.consent.Analytics}}")
    )
    call = {"type": "track", "event": "x", "timestamp": "2026-04-13T10:00:00Z"}
    if record is not None:
        call["context"] = {"consent": {"Analytics": record}}
    house.land(
        {"batch": [call], "context": {"consent": {"Analytics": batch}}},
        source="web",
    )
    house.load()
    assert house.rows("select disposition, strip_reason from raw.events") == [(disposition, reason)]
