"""Amplitude's raw export: a JSON object a line, as its Export API and its S3 export write them.

- ``event_time`` is the client's time as Amplitude's servers corrected it, so it is not corrected
  again. Times are UTC without a zone.
- ``uuid`` is Amplitude's own id of the row: another export of the same hours repeats it.
- ``device_id`` names a browser or an installation. ``amplitude_id`` is not used: it is what
  Amplitude's stitching made of the others, and changes when it merges.
- Events carry what was known of the user (``user_properties``), not what just changed.
- Money is what Amplitude counts as money: ``$revenue``, else ``$price`` times ``$quantity``.
- The address, the position and the city are dropped; the country is kept.
"""

from __future__ import annotations

from decimal import Decimal

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native
from ingestion.money import amount as money
from ingestion.parser import JsonObject, object_at

_SURFACES = {"web": "web", "ios": "mobile", "android": "mobile"}
_CALLS = {"$identify": "identify", "$groupidentify": "group"}
_PAGE_VIEWED = "[Amplitude] Page Viewed"
_PAGE = {
    "url": ("[Amplitude] Page URL", "[Amplitude] Page Location"),
    "path": ("[Amplitude] Page Path",),
    "title": ("[Amplitude] Page Title",),
    "referrer": ("referrer",),
}
_CONTACTS = ("email", "phone")
_ORDERS = ("$orderId", "order_id", "orderId")


def to_native(record: JsonObject, delivery: Delivery, item: int) -> Native:  # noqa: ARG001 - the shape of every format
    """One exported event in native form.

    Raises:
        Refusal: a member that must be an object is not one.
    """
    said = record.get("event_type")
    properties = object_at(record, "event_properties")
    traits = object_at(record, "user_properties")
    call = _CALLS.get(said) if type(said) is str else None
    is_page = said == _PAGE_VIEWED
    event: JsonObject = {
        "event_id": _first(record, ("uuid", "$insert_id", "insert_id")),
        "event_name": call or ("page" if is_page else said),
        "event_type": call or ("page" if is_page else "track"),
        "occurred_at": _first(record, ("event_time", "client_event_time")),
        "subject": _subject(record, traits),
        "context": _context(record, properties),
        "properties": _properties(properties, traits, call),
    }
    if call is None:
        revenue = _revenue(properties)
        if revenue:
            event["revenue"] = revenue
    received_at = _first(record, ("server_received_time", "server_upload_time"))
    return Native(event, record, None, record.get("client_upload_time"), received_at, True)


def _subject(record: JsonObject, traits: JsonObject) -> JsonObject:
    subject: JsonObject = {
        "user_id": _first(record, ("user_id",)),
        "device_id": _first(record, ("device_id",)),
        "account_id": _account(object_at(record, "groups")),
    }
    if subject["user_id"] is not None:
        for name in _CONTACTS:
            if type(traits.get(name)) is str:
                subject[name] = traits[name]
    return subject


def _account(groups: JsonObject) -> object:
    """The account, where the event names one group; several kinds of groups are no account."""
    if len(groups) != 1:
        return None
    (named,) = groups.values()
    if type(named) is list:
        named = named[0] if len(named) == 1 else None
    return named if type(named) is str else None


def _context(record: JsonObject, properties: JsonObject) -> JsonObject:
    platform = record.get("platform")
    library = record.get("library")
    name, _, version = library.partition("/") if type(library) is str else (None, "", "")
    session = record.get("session_id")
    context: JsonObject = {
        "platform": platform.lower() if type(platform) is str else platform,
        "app_version": record.get("version_name"),
        "library": name,
        "library_version": version or None,
        # -1 stands for no session; the number alone is a moment that others may share.
        "session_id": None
        if session in (None, -1)
        else f"{record.get('device_id') or record.get('user_id')}:{session}",
        "locale": record.get("language"),
        "country": record.get("country"),
        "page": {key: _first(properties, names) for key, names in _PAGE.items()},
    }
    surface = _SURFACES.get(platform.lower()) if type(platform) is str else None
    if surface:
        context["surface"] = surface
    return context


def _properties(properties: JsonObject, traits: JsonObject, call: str | None) -> JsonObject:
    known = {name: value for name, value in traits.items() if name not in _CONTACTS}
    if call == "identify":
        return known
    return {**properties, "user_properties": known} if known else properties


def _revenue(properties: JsonObject) -> JsonObject | None:
    """What Amplitude counts as revenue; a refund is one with a negative price or quantity."""
    written = properties.get("$revenue")
    if written is None:
        price = properties.get("$price")
        if price is None:
            return None
        quantity = properties.get("$quantity")
        written = _amount(price, "$price") * (
            1 if quantity is None else _amount(quantity, "$quantity")
        )
    return {
        "amount": written,
        "currency": properties.get("$currency"),
        "order_id": _first(properties, _ORDERS),
    }


def _amount(value: object, name: str) -> Decimal:
    return money(value, f"/properties/{name}")


def _first(holder: JsonObject, names: tuple[str, ...]) -> object:
    for name in names:
        value = holder.get(name)
        if value is not None and value != "":
            return value
    return None


FORMAT = Format(
    to_native,
    {
        "/event_id": "/uuid",
        "/event_name": "/event_type",
        "/occurred_at": "/event_time",
        "/sent_at": "/client_upload_time",
        "/received_at": "/server_received_time",
        "/subject/user_id": "/user_id",
        "/subject/device_id": "/device_id",
        "/subject/account_id": "/groups",
        "/subject/email": "/user_properties/email",
        "/subject/phone": "/user_properties/phone",
        "/properties": "/event_properties",
        "/context/platform": "/platform",
        "/context/app_version": "/version_name",
        "/context/library": "/library",
        "/context/session_id": "/session_id",
        "/context/locale": "/language",
        "/context/country": "/country",
        "/revenue/amount": "/event_properties/$revenue",
        "/revenue/currency": "/event_properties/$currency",
        "/revenue/order_id": "/event_properties/order_id",
    },
)
