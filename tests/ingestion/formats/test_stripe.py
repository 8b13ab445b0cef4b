"""Stripe: one payment counts once whatever events tell of it, refunds at their own dates."""

from decimal import Decimal
from typing import Any

import pytest

from ingestion.formats.stripe import FORMAT
from ingestion.refusals import Refusal
from tests.ingestion.formats.deliveries import line, native
from tests.ingestion.house import LEDGER, House

CREATED = 1_776_074_400  # 2026-04-13T10:00:00Z


def charge(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 1250,
        "amount_captured": 1250,
        "amount_refunded": 0,
        "captured": True,
        "currency": "eur",
        "customer": "cus_1",
        "payment_intent": "pi_1",
        "metadata": {},
        "billing_details": {"email": "payer@example.com", "name": "A Payer"},
        "receipt_email": "office@example.com",
        "status": "succeeded",
    } | changes


def body(kind: str, thing: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    data: dict[str, Any] = {"object": thing}
    if before is not None:
        data["previous_attributes"] = before
    return {
        "id": f"evt_{kind}_{thing.get('amount_refunded', 0)}",
        "object": "event",
        "type": kind,
        "created": CREATED,
        "livemode": True,
        "api_version": "2025-03-31.basil",
        "data": data,
    }


def revenue(kind: str, thing: dict[str, Any], before: dict[str, Any] | None = None) -> Any:
    return native(FORMAT, body(kind, thing, before)).event.get("revenue")


def test_a_charge_is_the_sale():
    made = native(FORMAT, body("charge.succeeded", charge()))
    assert made.event["event_id"] == "evt_charge.succeeded_0"
    assert made.event["event_name"] == "charge.succeeded"
    assert made.event["occurred_at"] == "2026-04-13T10:00:00.000000Z"
    assert made.event["subject"] == {"external_ids": {"stripe": "cus_1"}}
    assert made.event["revenue"] == {
        "amount": Decimal("12.50"),
        "currency": "eur",
        "order_id": "pi_1",
    }
    assert made.received_at == "2026-04-13T10:00:05.000000Z"


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent", "amount": 1250}),
        (
            "checkout.session.completed",
            {"id": "cs_1", "object": "checkout.session", "payment_intent": "pi_1"},
        ),
        ("invoice.paid", {"id": "in_1", "object": "invoice", "payment_intent": "pi_1"}),
        (
            "refund.created",
            {"id": "re_1", "object": "refund", "amount": 400, "payment_intent": "pi_1"},
        ),
        ("charge.updated", charge()),
        (
            "charge.dispute.created",
            {"id": "dp_1", "object": "dispute", "amount": 1250, "payment_intent": {"id": "pi_1"}},
        ),
    ],
)
def test_other_events_of_a_payment_carry_its_key_and_no_amount(kind: str, thing: dict[str, Any]):
    assert revenue(kind, thing) == {"order_id": "pi_1"}


def test_the_shops_own_order_is_the_key_where_it_wrote_one():
    thing = charge(metadata={"order_id": "o_7", "user_id": "u_7"})
    made = native(FORMAT, body("charge.succeeded", thing)).event
    assert made["revenue"]["order_id"] == "o_7"
    assert made["subject"]["user_id"] == "u_7"
    assert revenue(
        "charge.refunded", thing | {"amount_refunded": 1250}, {"amount_refunded": 0}
    ) == {
        "amount": Decimal("-12.50"),
        "currency": "eur",
        "order_id": "o_7",
    }


def test_a_charge_of_its_own_is_its_own_key():
    assert revenue("charge.succeeded", charge(payment_intent=None))["order_id"] == "ch_1"


def test_what_was_authorised_is_sold_when_it_is_captured():
    authorised = charge(captured=False, amount_captured=0)
    assert revenue("charge.succeeded", authorised) == {"order_id": "pi_1"}
    assert revenue("charge.captured", charge(amount_captured=1000))["amount"] == Decimal("10.00")


def test_refunds_in_parts_are_told_apart():
    first = revenue("charge.refunded", charge(amount_refunded=400), {"amount_refunded": 0})
    second = revenue("charge.refunded", charge(amount_refunded=1000), {"amount_refunded": 400})
    assert (first["amount"], second["amount"]) == (Decimal("-4.00"), Decimal("-6.00"))


def test_an_old_version_lists_its_refunds_the_newest_first():
    thing = charge(amount_refunded=1000, refunds={"data": [{"amount": 600}, {"amount": 400}]})
    assert revenue("charge.refunded", thing)["amount"] == Decimal("-6.00")


def test_a_refund_nobody_can_tell_the_amount_of_is_refused():
    with pytest.raises(Refusal) as raised:
        revenue("charge.refunded", charge(amount_refunded=1000))
    assert raised.value.pointer == "/data/previous_attributes/amount_refunded"


def test_a_refund_that_fails_is_no_sale_of_its_own():
    thing = {"id": "re_1", "object": "refund", "amount": 400, "currency": "eur", "charge": "ch_1"}
    assert revenue("refund.failed", thing) == {"order_id": "ch_1"}


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("jpy", "1250"), ("mga", "1250"), ("kwd", "1.250"), ("isk", "12.50"), ("ugx", "12.50")],
)
def test_minor_units_are_stripes(currency: str, amount: str):
    assert revenue("charge.succeeded", charge(currency=currency))["amount"] == Decimal(amount)


@pytest.mark.parametrize(
    ("thing", "subject"),
    [
        (
            {
                "object": "customer",
                "id": "cus_1",
                "email": "a@example.com",
                "phone": "+491701234567",
            },
            {
                "external_ids": {"stripe": "cus_1"},
                "email": "a@example.com",
                "phone": "+491701234567",
            },
        ),
        (
            {
                "object": "checkout.session",
                "customer": {"id": "cus_1", "object": "customer"},
                "customer_details": {"email": "a@example.com"},
            },
            {"external_ids": {"stripe": "cus_1"}, "email": "a@example.com"},
        ),
        (
            {"object": "invoice", "customer": "cus_1", "customer_email": "a@example.com"},
            {"external_ids": {"stripe": "cus_1"}, "email": "a@example.com"},
        ),
        (charge(customer=None), {}),
    ],
)
def test_an_email_counts_where_it_is_the_customers_own(
    thing: dict[str, Any], subject: dict[str, Any]
):
    assert native(FORMAT, body("anything", thing)).event["subject"] == subject


def test_a_customer_is_identified():
    made = native(FORMAT, body("customer.created", {"object": "customer", "id": "cus_1"})).event
    assert made["event_type"] == "identify"


def test_properties_hold_states_and_no_names():
    made = native(FORMAT, body("charge.succeeded", charge())).event["properties"]
    assert made["status"] == "succeeded"
    assert made["livemode"] is True
    assert "example.com" not in str(made)
    assert "Payer" not in str(made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "charge.succeeded"},
        {"type": "charge.succeeded", "data": {"object": []}},
        {"data": {"object": {}}},
        body("charge.succeeded", charge()) | {"created": "yesterday"},
        body("charge.succeeded", charge(amount="12.50")),
    ],
)
def test_what_is_no_event_of_stripe_is_refused(wrong: dict[str, Any]):
    with pytest.raises(Refusal):
        native(FORMAT, wrong)


def test_through_the_load_one_payment_counts_once(make_house):
    house: House = make_house(
        "{name: pay, kind: webhook_logs, format: stripe, path: landing/pay/, surface: backend,"
        " trust: signed, lawful_basis: contract}"
    )
    bodies = [
        body("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}),
        body("charge.succeeded", charge()),
        body("invoice.paid", {"object": "invoice", "payment_intent": "pi_1", "customer": "cus_1"}),
        body("charge.refunded", charge(amount_refunded=400), {"amount_refunded": 0}),
        body("charge.refunded", charge(amount_refunded=400)),
        body("charge.succeeded", charge()),  # delivered again
    ]
    house.land(*[line(b) for b in bodies], name="log.jsonl", source="pay")
    (report,) = house.load().sources
    assert (report.accepted, report.quarantined) == (5, {"invalid_field": 1})
    assert house.rows(
        "select order_id, sum(revenue), count(revenue) from"
        " (select distinct on (dedupe_key) * from raw.events order by dedupe_key) group by all"
    ) == [("pi_1", Decimal("8.50"), 2)]
    assert house.rows("select distinct external_ids from raw.events where external_ids is not null"
    ) == [('{"stripe":"cus_1"}',)]  # fmt: skip
    assert house.rows(LEDGER) == []
