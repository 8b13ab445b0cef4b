"""GitHub's webhooks: the event's name and id are headers, the body says what it happened to.

- The name is the event, or ``event.action``: ``push``, ``issues.opened``.
- The id is ``X-GitHub-Delivery``, which a redelivery repeats.
- The time is the object's own (``updated_at``, else ``created_at``), else that of the receipt:
  GitHub does not say when an event happened. An object that was deleted or taken away still bears
  the time of its last change, so there the receipt comes first.
- The person is the sender, by number: a login can change and is nobody's to publish. The account is
  the organisation.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native
from ingestion.parser import JsonObject
from ingestion.refusals import Reason, Refusal
from ingestion.times import SECOND, from_microseconds

# What stands beside the object of an event in every delivery.
_AROUND = frozenset(["repository", "organization", "sender", "installation", "enterprise"])
# fmt: off
_GONE = frozenset([
    "deleted", "removed", "destroyed", "unpinned", "unlabeled", "unassigned", "dismissed",
    "revoked", "suspend", "cancelled", "member_removed",
])
# fmt: on
_STAMPS = (
    "updated_at",
    "completed_at",
    "submitted_at",
    "started_at",
    "published_at",
    "created_at",
)
# Of the object: numbers and states; what people wrote stays outside.
_STATES = ("number", "state", "conclusion", "status", "merged", "draft", "prerelease", "tag_name")
_TOP = ("ref", "ref_type", "forced", "deleted", "created", "action")


def to_native(record: JsonObject, delivery: Delivery, item: int) -> Native:  # noqa: ARG001 - the shape of every format
    """One delivery in native form.

    Raises:
        Refusal: the header with the event's name is missing.
    """
    body, headers, received_at = record["body"], record["headers"], record["received_at"]
    name = headers.get("x-github-event")
    if not name:
        raise Refusal(Reason.MISSING_EVENT_NAME, "/headers/x-github-event", "is required")
    action = body.get("action")
    sender = _object(body, "sender")
    organization = _object(body, "organization")
    subject: JsonObject = {"account_id": organization.get("login")}
    if sender.get("id") is not None:
        subject["external_ids"] = {"github": sender["id"]}
    event: JsonObject = {
        "event_id": headers.get("x-github-delivery"),
        "event_name": f"{name}.{action}" if type(action) is str else name,
        "event_type": "track",
        "occurred_at": _moment(name, body, received_at),
        "subject": subject,
        "context": {},
        "properties": _properties(name, body, sender),
    }
    return Native(event, record, None, None, received_at, False)


def _moment(name: str, body: JsonObject, received_at: object) -> object:
    """When it happened, as far as anybody says so."""
    is_gone = body.get("action") in _GONE or body.get("deleted") is True
    if received_at is not None and is_gone:
        return received_at
    if type(body.get("starred_at")) is str:
        return body["starred_at"]
    for thing in _things(name, body):
        for stamp in _STAMPS:
            if thing.get(stamp) is not None:
                return _stamp(thing[stamp])
    pushed = _object(body, "repository").get("pushed_at") if "pusher" in body else None
    return _stamp(pushed) or received_at or _stamp(_object(body, "repository").get("updated_at"))


def _stamp(value: object) -> object:
    """Most are ISO 8601; a few are seconds since 1970."""
    return from_microseconds(value * SECOND) if type(value) is int else value


def _things(name: str, body: JsonObject) -> Iterator[JsonObject]:
    """The objects of an event, the one it is about first: a comment before what it is about."""
    first = (name, "comment", "review")
    for key in dict.fromkeys(first):
        if type(body.get(key)) is dict:
            yield body[key]
    for key, value in body.items():
        if type(value) is dict and key not in _AROUND and key not in first:
            yield value


def _properties(name: str, body: JsonObject, sender: JsonObject) -> JsonObject:
    repository = _object(body, "repository")
    found: JsonObject = {
        "repository": repository.get("full_name"),
        "private": repository.get("private"),
        "sender_type": sender.get("type"),
        **{key: body.get(key) for key in _TOP},
    }
    thing = next(_things(name, body), {})
    found |= {key: thing.get(key) for key in _STATES}
    return {
        key: value
        for key, value in found.items()
        if value is not None and not isinstance(value, dict | list)
    }


def _object(holder: JsonObject, key: str) -> JsonObject:
    """A member that is an object; GitHub writes null for some, and for a few an empty string."""
    value = holder.get(key)
    return value if type(value) is dict else {}


FORMAT = Format(
    to_native,
    {
        "/occurred_at": "/created_at",
        "/subject/account_id": "/organization/login",
        "/subject/external_ids": "/sender/id",
    },
    whole=True,
)
