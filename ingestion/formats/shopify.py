"""Shopify's webhooks: topic and id are headers, the body is the object as it is now.

- The name is the topic, with a point: ``orders.paid``. The id is ``X-Shopify-Webhook-Id``, which a
  redelivery repeats.
- ``orders/paid`` is the sale: it comes once for every order that is paid, whether at once or by a
  transfer days later. ``orders/create`` and ``orders/updated`` tell the same order and carry its
  key without an amount: let the shop send orders/paid and refunds/create.
- ``refunds/create`` is negative at its own date: the sum of its transactions that gave money back
  and succeeded; a refund that only puts goods back has none.
- The order's key is the order's number in the shop's system (``id``), which all topics know.
- Amounts are those of the shop's currency, as ``currency`` says.
"""

from __future__ import annotations

from decimal import Decimal

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native
from ingestion.money import amount as money
from ingestion.parser import JsonObject
from ingestion.refusals import Reason, Refusal

_SALE, _REFUND = "orders/paid", "refunds/create"
_ENDED = {"orders/cancelled": "cancelled_at", "checkouts/delete": "deleted_at"}
# Numbers, states and codes; names, addresses, notes and what is in the basket stay outside.
_PROPERTIES = (
    "order_number",
    "financial_status",
    "fulfillment_status",
    "source_name",
    "cancel_reason",
    "total_discounts",
    "total_tax",
    "subtotal_price",
    "taxes_included",
    "test",
    "restock",
    "orders_count",
    "state",
    "currency",
)


def to_native(record: JsonObject, delivery: Delivery, item: int) -> Native:  # noqa: ARG001 - the shape of every format
    """One delivery in native form.

    Raises:
        Refusal: the header with the topic is missing, or an amount is none.
    """
    body, headers, received_at = record["body"], record["headers"], record["received_at"]
    topic = headers.get("x-shopify-topic")
    if not topic:
        raise Refusal(Reason.MISSING_EVENT_NAME, "/headers/x-shopify-topic", "is required")
    event: JsonObject = {
        "event_id": headers.get("x-shopify-webhook-id"),
        "event_name": topic.replace("/", "."),
        "event_type": "identify" if topic in ("customers/create", "customers/update") else "track",
        "occurred_at": _moment(topic, body, headers.get("x-shopify-triggered-at") or received_at),
        "subject": _subject(topic, body),
        "context": _context(body, headers.get("x-shopify-api-version")),
        "properties": _properties(body, headers.get("x-shopify-shop-domain")),
    }
    revenue = _revenue(topic, body)
    if revenue:
        event["revenue"] = revenue
    return Native(event, record, None, None, received_at, False)


def _moment(topic: str, body: JsonObject, triggered_at: object) -> object:
    """When it happened: an object as it is now bears the time it was made and last changed."""
    if topic.endswith("/create"):
        return body.get("created_at") or triggered_at
    if topic in _ENDED:
        return body.get(_ENDED[topic]) or triggered_at
    return body.get("updated_at") or triggered_at or body.get("created_at")


def _subject(topic: str, body: JsonObject) -> JsonObject:
    customer = body if topic.startswith("customers/") else body.get("customer")
    customer = customer if type(customer) is dict else {}
    subject: JsonObject = {}
    if customer.get("id") is not None:
        subject["external_ids"] = {"shopify": customer["id"]}
    if customer.get("email"):
        subject["email"] = customer["email"]
        subject["email_verified"] = customer.get("verified_email") is True
    elif topic.startswith(("orders/", "checkouts/")) and body.get("email"):
        subject["email"] = body["email"]  # given by the buyer, who has no account
    if customer.get("phone"):
        subject["phone"] = customer["phone"]
    return subject


def _context(body: JsonObject, version: str | None) -> JsonObject:
    client = body.get("client_details")
    return {
        "schema_version": version,
        "user_agent": client.get("user_agent") if type(client) is dict else None,
        "locale": body.get("customer_locale"),
    }


def _properties(body: JsonObject, shop: str | None) -> JsonObject:
    found: JsonObject = {"shop": shop, **{name: body.get(name) for name in _PROPERTIES}}
    if type(body.get("line_items")) is list:
        found["line_items"] = len(body["line_items"])
    codes = body.get("discount_codes")
    if type(codes) is list:
        found["discount_code"] = next(
            (code.get("code") for code in codes if type(code) is dict), None
        )
    return {
        name: value
        for name, value in found.items()
        if value is not None and not isinstance(value, dict | list)
    }


def _revenue(topic: str, body: JsonObject) -> JsonObject | None:
    if topic == _REFUND:
        return _refund(body)
    if not topic.startswith("orders/") or body.get("id") is None:
        return None
    if topic != _SALE:
        return {"order_id": body["id"]}
    return {
        "amount": body.get("total_price"),
        "currency": body.get("currency"),
        "order_id": body["id"],
    }


def _refund(body: JsonObject) -> JsonObject | None:
    """What was given back, less than nothing."""
    total, currency = Decimal(0), None
    transactions = body.get("transactions")
    for i, transaction in enumerate(transactions if type(transactions) is list else ()):
        if type(transaction) is not dict or transaction.get("kind") != "refund":
            continue
        if transaction.get("status") == "success":
            total += abs(money(transaction.get("amount"), f"/transactions/{i}/amount"))
            currency = currency or transaction.get("currency")
    order = body.get("order_id")
    if not total:
        return None if order is None else {"order_id": order}
    return {"amount": -total, "currency": currency, "order_id": order}


FORMAT = Format(
    to_native,
    {
        "/event_id": "/id",
        "/occurred_at": "/updated_at",
        "/subject/email": "/customer/email",
        "/subject/phone": "/customer/phone",
        "/subject/external_ids": "/customer/id",
        "/context/user_agent": "/client_details/user_agent",
        "/context/locale": "/customer_locale",
        "/revenue/amount": "/total_price",
        "/revenue/currency": "/currency",
        "/revenue/order_id": "/id",
    },
    whole=True,
)
