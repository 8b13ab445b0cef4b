"""How an event looks on the wire: Segment's items for the web, native ones for apps and servers.

Client times are those of the device's own clock; the receiver's are true. Identifiers stand first
in each object, so that even a line cut off in the middle says which event it was.
"""

from __future__ import annotations

from typing import Any

import orjson

from ingestion.sample import catalogue
from ingestion.sample.catalogue import Campaign
from ingestion.sample.clock import DAY, iso
from ingestion.sample.events import Event
from ingestion.sample.people import Actor, Consent, Device

_NOT_A_NUMBER = "@@nan@@"
_BAD_UNICODE = "@@bytes@@"
_WEB_LIBRARY = {"name": "analytics.js", "version": "npm:next-1.77.0"}
_FUTURE = 3650 * DAY  # further ahead than any delivery is late: still the future when received


def web_item(event: Event) -> dict[str, Any]:
    """One item of a Segment batch."""
    device, actor = event.device, event.actor
    assert device is not None
    assert actor is not None
    item: dict[str, Any] = {"messageId": event.event_id, "type": event.kind}
    if event.kind == "track":
        item["event"] = event.name
    item["userId"] = "undefined" if event.quirk == "undefined_user" else event.user_id
    item["anonymousId"] = _anonymous_id(event, device)
    item["timestamp"] = _client_time(event, device)
    item["context"] = _web_context(event, actor, device)
    properties = _properties(event)
    if event.kind == "identify":
        item["traits"] = properties
    elif event.kind == "alias":
        item["previousId"] = properties["previous_id"]
    else:
        if event.money:
            properties["revenue"] = event.money.cents / 100
            properties["currency"] = event.money.currency
            properties["order_id"] = event.money.order_id
        item["properties"] = properties
    return item


def web_line(
    items: list[dict[str, Any]], *, receipt_id: str, received: int, sent: int | None, agent: str
) -> bytes:
    """The collector's record of one request: who received what and when."""
    body: dict[str, Any] = {"batch": items, "writeKey": "wk_larkfield_web"}
    if sent is not None:
        body["sentAt"] = iso(sent)
    return orjson.dumps(
        {
            "receipt_id": receipt_id,
            "received_at": iso(received),
            "source": "web",
            "headers": {"content-type": "application/json", "user-agent": agent},
            "body": body,
        }
    )


def app_line(event: Event, *, received: int, sent: int | None) -> bytes:
    """A native event as the app sends it; ``sent`` is by the device's clock."""
    device, actor = event.device, event.actor
    assert device is not None
    assert actor is not None
    consent = _app_consent(actor.consent, event.at)
    line: dict[str, Any] = {
        "event_id": event.event_id,
        "received_at": iso(received),
        "event_name": event.name,
        "event_type": event.kind,
        "occurred_at": _client_time(event, device),
        "sent_at": None if sent is None else iso(sent),
        "subject": {
            "user_id": "undefined" if event.quirk == "undefined_user" else event.user_id,
            "anonymous_id": _anonymous_id(event, device),
            "device_id": catalogue.NIL_ID if event.quirk == "nil_anonymous" else device.hardware_id,
        },
        "context": {
            "surface": "mobile",
            "platform": device.platform,
            "app_version": "3.8.1" if device.platform == "ios" else "3.8.0",
            "library": "larkfield-kit",
            "library_version": "3.8.1",
            "locale": actor.country.locale,
            "timezone": actor.country.time_zone,
            "user_agent": device.user_agent,
        },
        "properties": _properties(event),
    }
    if event.kind == "identify":
        line["subject"]["email"] = line["properties"].get("email")
    if consent:
        line["consent"] = consent
    if event.kind == "screen":
        line["context"]["screen"] = event.place
    if event.money:
        line["revenue"] = _revenue(event)
    return orjson.dumps(line)


def server_line(event: Event, *, received: int, cents_more: int = 0) -> bytes:
    """A native event as a server sends it; ``cents_more`` makes a contradicting copy."""
    line: dict[str, Any] = {
        "event_id": event.event_id,
        "received_at": iso(received),
        "event_name": event.name,
        "event_type": event.kind,
        "occurred_at": _server_time(event),
        "subject": event.subject,
        "context": {"surface": "backend", "platform": "server", "schema_version": "1-0-0"},
        "properties": _properties(event),
    }
    if event.actor:
        line["context"]["timezone"] = event.actor.country.time_zone
        if event.actor.is_business and line["subject"].get("user_id"):
            line["subject"] = {**line["subject"], "account_id": f"acc_{event.actor.key[2:]}"}
    if event.money:
        line["revenue"] = _revenue(event, cents_more)
    return orjson.dumps(line)


def spoil(line: bytes, event: Event) -> bytes:
    """Turn a sound line into the malformed one its fault asks for."""
    if event.fault == "truncated":
        return line[: len(line) * 3 // 4]
    if event.fault == "duplicate_key":
        # A lax parser takes the last, another the first: two truths about one record.
        return line.replace(b'"price":', b'"price":1,"price":', 1)
    if event.fault == "not_a_number":
        return line.replace(b'"' + _NOT_A_NUMBER.encode() + b'"', b"NaN")
    if event.fault == "bad_unicode":
        return line.replace(_BAD_UNICODE.encode(), b"\xff\xfe")
    return line


def _properties(event: Event) -> dict[str, Any]:
    properties = dict(event.properties)
    if event.fault == "not_a_number":
        properties["price"] = _NOT_A_NUMBER
    elif event.fault == "bad_unicode":
        properties["category"] = _BAD_UNICODE
    elif event.fault == "contract_violation":
        properties["price"] = "free"
    return properties


def _anonymous_id(event: Event, device: Device) -> str:
    return catalogue.NIL_ID if event.quirk == "nil_anonymous" else device.anonymous_id


def _client_time(event: Event, device: Device) -> str:
    if event.fault == "bad_timestamp":
        return "yesterday at noon"
    if event.fault == "before_earliest":
        return iso(5_000)
    ahead = _FUTURE if event.fault == "future" else 0
    return iso(event.at + device.skew + ahead)


def _server_time(event: Event) -> str:
    if event.fault == "bad_timestamp":
        return "yesterday at noon"
    return iso(event.at + (_FUTURE if event.fault == "future" else 0))


def _web_context(event: Event, actor: Actor, device: Device) -> dict[str, Any]:
    path = event.place or "/"
    context: dict[str, Any] = {
        "library": _WEB_LIBRARY,
        "userAgent": device.user_agent,
        "locale": actor.country.locale,
        "timezone": actor.country.time_zone,
        "ip": "203.0.113.9",
        "page": {"path": path, "url": catalogue.SITE + path},
    }
    campaign = event.campaign
    if campaign and campaign.source:
        context["campaign"] = {
            "source": campaign.source,
            "medium": campaign.medium,
            "name": campaign.name,
        }
        if event.kind == "page":
            context["page"]["url"] += _query(campaign, actor)
    if campaign and campaign.referrer:
        context["page"]["referrer"] = campaign.referrer
    consent = _web_consent(actor.consent, event.at)
    if consent:
        context["consent"] = {"categoryPreferences": consent}
    return context


def _query(campaign: Campaign, actor: Actor) -> str:
    """What the link carried; newsletters put the reader's address into it, as many really do."""
    query = f"?utm_source={campaign.source}&utm_medium={campaign.medium}"
    if campaign.medium == "email" and actor.accounts:
        query += f"&email={actor.accounts[0].email}"
    return query


def _web_consent(consent: Consent, at: int) -> dict[str, Any] | None:
    if consent.choice == "missing":
        return None
    if consent.choice == "unreadable":
        return {"Analytics": "pending", "Marketing": "pending"}
    allowed = consent.allows(at)
    return {"Analytics": allowed, "Marketing": allowed and consent.marketing}


def _app_consent(consent: Consent, at: int) -> dict[str, Any] | None:
    if consent.choice in ("missing", "unreadable"):
        return None
    allowed = consent.allows(at)
    return {
        "analytics": allowed,
        "marketing": allowed and consent.marketing,
        "source": "app_dialog",
    }


def _revenue(event: Event, cents_more: int = 0) -> dict[str, str]:
    money = event.money
    assert money is not None
    cents = money.cents + cents_more
    sign = "-" if cents < 0 else ""
    amount = f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    return {"amount": amount, "currency": money.currency, "order_id": money.order_id}
