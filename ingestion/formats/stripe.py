"""Stripe's webhooks: one event a delivery.

**Which object is the sale.** A payment makes several events (``charge.succeeded``,
``payment_intent.succeeded``, ``invoice.paid``, ``checkout.session.completed``), in any order and
only those the endpoint asked for. The *charge* is the money that moved, and whatever started the
payment, each has exactly one: so ``charge.succeeded`` is the sale (``charge.captured`` where it was
authorised first), and the others carry the order's key without an amount. Let the endpoint send
charge.succeeded, charge.captured and charge.refunded.

**The order's key** is ``metadata.order_id`` where the shop wrote its own, else the payment intent,
else the charge: all objects of one payment know one of these.

**Refunds.** ``charge.refunded`` tells how much of the charge was refunded *so far*; what it was
before stands in ``data.previous_attributes``, so the difference is this refund, at its own date and
under the charge's key. ``refund.created`` tells the same refund and is left without an amount (its
object lacks the charge's metadata), and so is ``refund.failed``: of a refund that fails later the
amount stays given back until somebody corrects it. Disputes are no refunds: they carry no amount.

Amounts are in minor units; Stripe's list of currencies without them is not that of ISO 4217. Events
of the test mode count like others: an endpoint sends one mode or the other. ``properties.livemode``
tells them apart.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native
from ingestion.parser import JsonObject
from ingestion.refusals import Reason, Refusal
from ingestion.times import SECOND, from_microseconds

# docs.stripe.com/currencies: ISK and UGX have no decimals, but are still written with two.
# fmt: off
_NO_DECIMALS = frozenset([
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
])
# fmt: on
_THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
_SALES = {"charge.succeeded": "amount", "charge.captured": "amount_captured"}
_LATEST = 253_402_300_799  # seconds; the end of the year 9999

# Ids, states and numbers; names, addresses, cards and what people typed stay outside.
_PROPERTIES = (
    "object",
    "status",
    "payment_intent",
    "charge",
    "invoice",
    "subscription",
    "mode",
    "payment_status",
    "billing_reason",
    "captured",
    "refunded",
    "paid",
    "failure_code",
    "reason",
    "collection_method",
    "cancel_at_period_end",
    "quantity",
    "attempt_count",
)


def to_native(record: JsonObject, delivery: Delivery, item: int) -> Native:  # noqa: ARG001 - the shape of every format
    """One event in native form.

    Raises:
        Refusal: not an event of Stripe's API, or a refund nobody can tell the amount of.
    """
    body = record["body"]
    name = body.get("type")
    data = body.get("data")
    thing = data.get("object") if type(data) is dict else None
    if type(name) is not str or type(thing) is not dict:
        raise Refusal(Reason.INVALID_FIELD, "/data/object", "not an event of Stripe's API")
    event: JsonObject = {
        "event_id": body.get("id"),
        "event_name": name,
        "event_type": "track",
        "occurred_at": _moment(body.get("created")),
        "subject": _subject(thing),
        "context": {"schema_version": body.get("api_version")},
        "properties": _properties(body, thing),
    }
    if name in ("customer.created", "customer.updated"):
        event["event_type"] = "identify"
    amount = _amount(name, thing, data)
    order = _order(thing)
    if amount is not None:
        event["revenue"] = {"amount": amount, "currency": thing.get("currency"), "order_id": order}
    elif order is not None:
        event["revenue"] = {"order_id": order}
    return Native(event, record, None, None, record["received_at"], False)


def _amount(name: str, thing: JsonObject, data: JsonObject) -> Decimal | None:
    """What this event says was sold, or given back."""
    currency = thing.get("currency")
    if name in _SALES:
        if thing.get("captured") is False:  # authorised: sold when it is captured
            return None
        return _major(thing.get(_SALES[name]), currency, f"/data/object/{_SALES[name]}")
    if name == "charge.refunded":
        refunded = _refunded(thing, data)
        return None if refunded is None else -refunded
    return None


def _refunded(charge: JsonObject, data: JsonObject) -> Decimal | None:
    """This refund alone: the sum so far less the sum before."""
    pointer = "/data/previous_attributes/amount_refunded"
    currency = charge.get("currency")
    so_far = _major(charge.get("amount_refunded"), currency, "/data/object/amount_refunded")
    if so_far is None:
        return None
    before = data.get("previous_attributes")
    if type(before) is dict and "amount_refunded" in before:
        return so_far - (_major(before["amount_refunded"], currency, pointer) or 0)
    listed: Any = charge.get("refunds")  # until 2022-11-15 a charge listed them, the newest first
    if type(listed) is dict and type(listed.get("data")) is list and listed["data"]:
        newest = listed["data"][0]
        if type(newest) is dict:
            return _major(newest.get("amount"), currency, "/data/object/refunds/data/0/amount")
    raise Refusal(
        Reason.INVALID_FIELD, pointer, "without it nobody knows how much was refunded now"
    )


def _major(minor: object, currency: object, pointer: str) -> Decimal | None:
    if minor is None:
        return None
    if type(minor) is not int:
        raise Refusal(Reason.INVALID_FIELD, pointer, "must be a whole number of minor units")
    code = currency.lower() if type(currency) is str else ""
    places = 0 if code in _NO_DECIMALS else 3 if code in _THREE_DECIMALS else 2
    return Decimal(minor).scaleb(-places)


def _order(thing: JsonObject) -> object:
    """The key all objects of one payment share."""
    metadata = thing.get("metadata")
    if type(metadata) is dict and metadata.get("order_id"):
        return metadata["order_id"]
    kind = thing.get("object")
    if kind == "payment_intent":
        return thing.get("id")
    if kind in ("charge", "refund", "dispute", "checkout.session", "invoice"):
        own = thing.get("id") if kind == "charge" else None
        return _id(thing.get("payment_intent")) or _id(thing.get("charge")) or own
    return None


def _subject(thing: JsonObject) -> JsonObject:
    """The customer; an e-mail only where it is the customer's own, not one of a bill or a receipt.

    ``metadata.user_id`` is the shop's own id where it wrote one.
    """
    subject: JsonObject = {}
    kind = thing.get("object")
    customer = thing.get("id") if kind == "customer" else _id(thing.get("customer"))
    if type(customer) is str:
        subject["external_ids"] = {"stripe": customer}
    metadata = thing.get("metadata")
    if type(metadata) is dict and metadata.get("user_id"):
        subject["user_id"] = metadata["user_id"]
    if kind == "customer":
        subject["email"], subject["phone"] = thing.get("email"), thing.get("phone")
    elif kind == "invoice":
        subject["email"] = thing.get("customer_email")
    elif kind == "checkout.session":
        details = thing.get("customer_details")
        details = details if type(details) is dict else {}
        subject["email"] = details.get("email") or thing.get("customer_email")
    return {name: value for name, value in subject.items() if value is not None}


def _properties(body: JsonObject, thing: JsonObject) -> JsonObject:
    found: JsonObject = {"livemode": body.get("livemode"), "object_id": thing.get("id")}
    found |= {name: _id(thing.get(name)) for name in _PROPERTIES}
    return {
        name: value
        for name, value in found.items()
        if value is not None and not isinstance(value, dict | list)
    }


def _id(value: Any) -> Any:
    """The id of what is an id, or was expanded to the object."""
    return value.get("id") if type(value) is dict else value


def _moment(seconds: object) -> str | None:
    if seconds is None:
        return None
    if type(seconds) is not int or not 0 <= seconds <= _LATEST:
        raise Refusal(Reason.INVALID_TIME, "/created", "not seconds since 1970")
    return from_microseconds(seconds * SECOND)


FORMAT = Format(
    to_native,
    {
        "/event_id": "/id",
        "/event_name": "/type",
        "/occurred_at": "/created",
        "/subject/email": "/data/object/email",
        "/subject/phone": "/data/object/phone",
        "/subject/user_id": "/data/object/metadata/user_id",
        "/subject/external_ids": "/data/object/customer",
        "/context/schema_version": "/api_version",
        "/properties": "/data/object",
        "/revenue/amount": "/data/object/amount",
        "/revenue/currency": "/data/object/currency",
        "/revenue/order_id": "/data/object/payment_intent",
    },
    whole=True,
)
