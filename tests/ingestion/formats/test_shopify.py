"""Shopify: a paid order is the sale, refunds count at their own date."""

from decimal import Decimal
from typing import Any

import pytest

from ingestion.formats.shopify import FORMAT
from ingestion.refusals import Reason, Refusal
from tests.ingestion.formats.deliveries import RECEIVED, line, native
from tests.ingestion.house import House

ORDER = {
    "id": 450789469,
    "order_number": 1001,
    "email": "bob@example.com",
    "created_at": "2026-04-12T10:00:00-04:00",
    "updated_at": "2026-04-13T05:00:00-04:00",
    "currency": "EUR",
    "total_price": "409.94",
    "financial_status": "paid",
    "customer": {
        "id": 207119551,
        "email": "bob@example.com",
        "verified_email": True,
        "phone": "+491701234567",
        "first_name": "Bob",
    },
    "client_details": {"user_agent": "Mozilla/5.0 (X11)", "browser_ip": "203.0.113.9"},
    "line_items": [{"title": "Tent"}, {"title": "Rope"}],
    "discount_codes": [{"code": "SPRING", "amount": "1.00"}],
}
REFUND = {
    "id": 1,
    "order_id": 450789469,
    "created_at": "2026-04-13T05:00:00-04:00",
    "transactions": [
        {"kind": "refund", "status": "success", "amount": "10.00", "currency": "EUR"},
        {"kind": "refund", "status": "success", "amount": "5.50", "currency": "EUR"},
        {"kind": "refund", "status": "failure", "amount": "5.50", "currency": "EUR"},
        {"kind": "void", "status": "success", "amount": "99.00", "currency": "EUR"},
    ],
}


def headers(topic: str, **more: str) -> dict[str, str]:
    return {"x-shopify-topic": topic, "x-shopify-webhook-id": "w-1"} | more


def made(topic: str, body: dict[str, Any], **more: str) -> dict[str, Any]:
    return native(FORMAT, body, headers(topic, **more)).event


def test_a_paid_order_is_the_sale():
    event = made("orders/paid", ORDER)
    assert event["event_id"] == "w-1"
    assert event["event_name"] == "orders.paid"
    assert event["occurred_at"] == "2026-04-13T05:00:00-04:00"
    assert event["revenue"] == {"amount": "409.94", "currency": "EUR", "order_id": 450789469}
    assert event["subject"] == {
        "external_ids": {"shopify": 207119551},
        "email": "bob@example.com",
        "email_verified": True,
        "phone": "+491701234567",
    }
    assert event["properties"]["line_items"] == 2
    assert event["properties"]["discount_code"] == "SPRING"
    assert "Bob" not in str(event)
    assert "203.0.113.9" not in str(event)


@pytest.mark.parametrize("topic", ["orders/create", "orders/updated", "orders/fulfilled"])
def test_other_topics_tell_the_same_order_without_an_amount(topic: str):
    assert made(topic, ORDER)["revenue"] == {"order_id": 450789469}


def test_an_order_was_made_when_it_was_made():
    assert made("orders/create", ORDER)["occurred_at"] == "2026-04-12T10:00:00-04:00"
    cancelled = ORDER | {"cancelled_at": "2026-04-13T04:00:00-04:00"}
    assert made("orders/cancelled", cancelled)["occurred_at"] == "2026-04-13T04:00:00-04:00"


def test_what_has_no_time_was_when_it_was_sent_else_received():
    triggered = {"x-shopify-triggered-at": "2026-04-13T10:00:01Z"}
    assert made("app/uninstalled", {"id": 1}, **triggered)["occurred_at"] == "2026-04-13T10:00:01Z"
    assert made("app/uninstalled", {"id": 1})["occurred_at"] == RECEIVED


def test_a_refund_is_what_was_given_back():
    event = made("refunds/create", REFUND)
    assert event["revenue"] == {
        "amount": Decimal("-15.50"),
        "currency": "EUR",
        "order_id": 450789469,
    }
    assert event["occurred_at"] == "2026-04-13T05:00:00-04:00"
    assert event["subject"] == {}


def test_a_refund_of_goods_alone_has_no_amount():
    assert made("refunds/create", REFUND | {"transactions": []})["revenue"] == {
        "order_id": 450789469
    }


def test_a_customer_is_identified():
    event = made("customers/update", {"id": 5, "email": "c@example.com", "verified_email": False})
    assert event["event_type"] == "identify"
    assert event["subject"] == {
        "external_ids": {"shopify": 5},
        "email": "c@example.com",
        "email_verified": False,
    }


def test_a_buyer_without_an_account_gave_an_address():
    assert made("orders/paid", ORDER | {"customer": None})["subject"] == {
        "email": "bob@example.com"
    }


def test_without_a_topic_nobody_knows_what_it_is():
    with pytest.raises(Refusal) as raised:
        native(FORMAT, ORDER, {})
    assert raised.value.reason is Reason.MISSING_EVENT_NAME


def test_through_the_load(make_house):
    house: House = make_house(
        "{name: shop, kind: webhook_logs, format: shopify, path: landing/shop/, surface: backend,"
        " trust: signed, lawful_basis: contract}"
    )
    house.land(
        line(ORDER, headers("orders/paid")),
        line(REFUND, headers("refunds/create") | {"x-shopify-webhook-id": "w-2"}),
        line(ORDER | {"total_price": "a lot"}, headers("orders/paid")),
        name="log.jsonl",
        source="shop",
    )
    (report,) = house.load().sources
    assert (report.accepted, report.quarantined) == (2, {"invalid_field": 1})
    assert house.rows(
        "select event_name, order_id, revenue, currency, external_ids, email_verified,"
        " occurred_at::varchar from raw.events order by position"
    ) == [
        (
            "orders.paid", "450789469", Decimal("409.94"), "EUR", '{"shopify":"207119551"}', True,
            "2026-04-13 09:00:00",
        ),
        ("refunds.create", "450789469", Decimal("-15.5"), "EUR", None, None, "2026-04-13 09:00:00"),
    ]  # fmt: skip
    assert b"bob@example.com" not in house.home.warehouse.read_bytes()
