"""The Segment spec as its SDKs send it, RudderStack's dialect included.

A body is ``{"batch": [...], "sentAt"}`` or one call. Six call types; a browser call may leave its
type to the request's path (``/v1/t``). Sources: Segment's public spec, and the requests of six SDKs
captured on the wire.

The original time is ``timestamp``, else ``originalTimestamp``. A record that carries
``receivedAt``, ``originalTimestamp`` and ``timestamp`` is an export of Segment's or RudderStack's
own servers, whose ``timestamp`` they have corrected. RudderStack's Node SDK sends
``originalTimestamp`` beside ``timestamp`` without ``receivedAt``: not an export.
"""

from __future__ import annotations

from typing import Any

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native
from ingestion.money import amount as money
from ingestion.parser import JsonObject, object_at
from ingestion.refusals import Reason, Refusal

_TYPES = ("track", "page", "screen", "identify", "group", "alias")
_BY_PATH = {name: name for name in _TYPES} | {name[0]: name for name in _TYPES}

# Other events of the e-commerce spec (Checkout Started, …) carry `revenue` too: counting them would
# sell twice.
_SALES = {"order_completed": 1, "order_refunded": -1}

_PLATFORMS = {
    "ios": "ios",
    "ipados": "ios",
    "iphone os": "ios",
    "android": "android",
    "tvos": "tvos",
    "macos": "macos",
    "windows": "windows",
    "linux": "linux",
    "web": "web",
    "browser": "web",
}


def to_native(record: JsonObject, delivery: Delivery, item: int) -> Native:  # noqa: ARG001 - the shape of every format
    """One call in native form.

    Raises:
        Refusal: the call has no type, or a member that must be an object is not one.
    """
    body = delivery.body
    call = _call_type(record, delivery.path)
    context = object_at(record, "context")
    as_sent, around = record, body if record is not body else None
    if around is not None and type(body.get("context")) is dict:
        context = {**body["context"], **context}
        record = {**record, "context": context}
    properties = _properties(record, context, call)
    event: JsonObject = {
        "event_id": record.get("messageId"),
        "event_name": record.get("event") if call == "track" else call,
        "event_type": call,
        "occurred_at": record.get("timestamp") or record.get("originalTimestamp"),
        "subject": _subject(record, context, call),
        "context": _context(record, context, properties, call),
        "properties": properties,
    }
    if call == "track":
        revenue = _revenue(record.get("event"), properties)
        if revenue:
            event["revenue"] = revenue
    received_at = record.get("receivedAt")
    corrected = bool(received_at and record.get("originalTimestamp") and record.get("timestamp"))
    sent_at = record.get("sentAt") or body.get("sentAt")
    return Native(event, as_sent, around, sent_at, received_at, corrected)


def _call_type(record: JsonObject, path: str | None) -> str:
    named = record.get("type")
    if named is None and path:
        named = _BY_PATH.get(path.partition("?")[0].rstrip("/").rpartition("/")[2])
    if named not in _TYPES:
        raise Refusal(Reason.INVALID_FIELD, "/type", "must be one of the six Segment call types")
    return named


def _subject(record: JsonObject, context: JsonObject, call: str) -> JsonObject:
    subject: JsonObject = {
        "user_id": record.get("userId"),
        "anonymous_id": record.get("anonymousId"),
        "device_id": object_at(context, "device", "/context").get("id"),
        "account_id": record.get("groupId") or context.get("groupId"),
    }
    if call == "identify":
        # Elsewhere context.traits is what the SDK remembers, and may be the previous user's.
        traits = object_at(context, "traits", "/context") | object_at(record, "traits")
        subject["email"] = traits.get("email")
        subject["phone"] = traits.get("phone")
    return subject


def _properties(record: JsonObject, context: JsonObject, call: str) -> JsonObject:
    if call == "alias":
        return {"previous_id": record.get("previousId")}
    if call in ("identify", "group"):
        traits = object_at(context, "traits", "/context") if call == "identify" else {}
        traits = traits | object_at(record, "traits")
        if call == "identify":
            traits.pop("email", None)
            traits.pop("phone", None)
        return traits
    properties = object_at(record, "properties")
    category = record.get("category")
    if category is not None and "category" not in properties:
        properties = {**properties, "category": category}
    return properties


def _context(
    record: JsonObject, context: JsonObject, properties: JsonObject, call: str
) -> JsonObject:
    page = object_at(context, "page", "/context")
    if call == "page":
        page = {
            **page,
            **{
                key: properties[key]
                for key in ("url", "referrer", "path", "title")
                if key in properties
            },
        }
    name = record.get("name") or properties.get("name")
    library = object_at(context, "library", "/context")
    device = object_at(context, "device", "/context")
    return {
        "platform": _platform(record, context, device, library),
        "app_version": object_at(context, "app", "/context").get("version"),
        "library": library.get("name"),
        "library_version": library.get("version"),
        "session_id": context.get("sessionId"),
        "page": {
            "url": page.get("url"),
            "referrer": page.get("referrer"),
            "path": page.get("path"),
            "title": (name if call == "page" else None) or page.get("title"),
        },
        "screen": name if call == "screen" else None,
        "campaign": context.get("campaign"),
        "locale": context.get("locale"),
        "timezone": context.get("timezone"),
        "user_agent": context.get("userAgent"),
    }


def _platform(
    record: JsonObject, context: JsonObject, device: JsonObject, library: JsonObject
) -> str | None:
    for said in (
        device.get("type"),
        object_at(context, "os", "/context").get("name"),
        record.get("channel"),
    ):
        if type(said) is str and said.lower() in _PLATFORMS:
            return _PLATFORMS[said.lower()]
    name = library.get("name")
    return "web" if name == "analytics.js" or name == "RudderLabs JavaScript SDK" else None


def _revenue(event: Any, properties: JsonObject) -> JsonObject | None:
    """Amount, currency and order of a sale; what is refunded counts negative."""
    sign = _SALES.get(event.lower().replace(" ", "_")) if type(event) is str else None
    if sign is None:
        return None
    amount = properties.get("revenue")
    if amount is None:
        amount = properties.get("total")
    order = properties.get("order_id")
    return {
        "amount": amount if sign > 0 or amount is None else -abs(money(amount, "/revenue/amount")),
        "currency": properties.get("currency"),
        "order_id": properties.get("orderId") if order is None else order,
    }


FORMAT = Format(
    to_native,
    {
        "/event_id": "/messageId",
        "/event_name": "/event",
        "/event_type": "/type",
        "/occurred_at": "/timestamp",
        "/sent_at": "/sentAt",
        "/received_at": "/receivedAt",
        "/subject/user_id": "/userId",
        "/subject/anonymous_id": "/anonymousId",
        "/subject/device_id": "/context/device/id",
        "/subject/account_id": "/groupId",
        "/subject/email": "/traits/email",
        "/subject/phone": "/traits/phone",
        "/properties/previous_id": "/previousId",
        "/context/platform": "/context/device/type",
        "/context/app_version": "/context/app/version",
        "/context/library": "/context/library/name",
        "/context/library_version": "/context/library/version",
        "/context/session_id": "/context/sessionId",
        "/context/screen": "/name",
        "/context/user_agent": "/context/userAgent",
        "/revenue/amount": "/properties/revenue",
        "/revenue/currency": "/properties/currency",
        "/revenue/order_id": "/properties/order_id",
    },
)
