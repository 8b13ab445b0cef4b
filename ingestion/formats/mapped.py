"""A declared mapping as a wire format: rows of files and databases, bodies of webhooks.

A row of a database stands for one thing (``as``): an event, or a version of a person, an account,
an agreement, an order or a subscription. Versions are told apart by ``_tl_`` columns, which the
extraction adds (``ingestion.databases``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from governance.classes import FieldClass
from governance.config import FieldSpec, Table
from governance.config import Mapping as Declared
from governance.config.mapping import RecordKind as Rows
from ingestion.delivery import Delivery
from ingestion.formats.fields import Digest, Read, at, moment, money, paths_of, plain, reader, text
from ingestion.formats.record import Format, Native, RecordKind
from ingestion.parser import JsonObject
from ingestion.refusals import Refusal
from ingestion.spool import DELETED, HASH, KEY, OBSERVED_AT, OWN_COLUMNS, VERSION_AT

_KINDS: dict[Rows, RecordKind] = {
    "events": "event",
    "persons": "person",
    "accounts": "account",
    "consents": "consent",
    "orders": "order",
    "subscriptions": "subscription",
}
# Every version is a statement of its own: evidence of who somebody was, of what was agreed to when.
_HISTORIES = ("persons", "consents")
_NAMES: dict[Rows, tuple[tuple[str, str], ...]] = {
    "persons": (("identify", "identify"),),
    "accounts": (("group", "group"),),
    "consents": (("consent_updated", "system"),),
    "orders": (("order_completed", "track"), ("order_refunded", "track")),
    "subscriptions": (("subscription_started", "track"), ("subscription_ended", "track")),
}
_SECOND = {"orders": "refunded_at", "subscriptions": "ended_at"}
_MONEY = ("amount", "refunded_amount")
_SUBJECT = ("user_id", "anonymous_id", "device_id", "account_id", "email", "phone")
_CONTEXT = (
    "session_id",
    "platform",
    "app_version",
    "screen",
    "user_agent",
    "locale",
    "country",
    "timezone",
    "correlation_id",
)
_PAGE = {"page_url": "url", "page_path": "path", "page_title": "title", "referrer": "referrer"}


def mapped(mapping: Declared, digest: Digest, *, table: Table | None = None) -> Format:
    """The format of a mapping.

    Args:
        mapping: which field of a record is which field of an event.
        digest: keyed, for fields that are kept as a hash only.
        table: whose rows are read; None for records of files and webhooks.
    """
    rules = _Rules(mapping, digest, table)
    return Format(rules.native, _pointers(mapping), rules.parts)


def mapped_paths(mapping: Declared) -> dict[str, list[str]]:
    """The paths a mapping reads, by the key that names them: a table must have those columns."""
    return {name: sorted(set(paths_of(spec))) for name, spec in _specs(mapping)}


class _Rules:
    def __init__(self, mapping: Declared, digest: Digest, table: Table | None) -> None:
        self._table = table
        self._digest = digest
        self._rows: Rows = table.as_ if table else "events"
        self._specs = {name: spec for name, spec in mapping if isinstance(spec, FieldSpec)}
        self._read: dict[str, Read] = {
            name: reader(spec, digest) for name, spec in self._specs.items()
        }
        self._subject = [(name, self._read[name]) for name in _SUBJECT if name in self._read]
        self._context = [(name, self._read[name]) for name in _CONTEXT if name in self._read]
        self._page = [(_PAGE[name], self._read[name]) for name in _PAGE if name in self._read]
        self._external = _readers(mapping.external_ids.items(), digest)
        self._consent = _readers(_given(mapping.consent), digest)
        self._campaign = _readers(_given(mapping.campaign), digest)
        named = {k: v for k, v in mapping.properties.items() if k != "*"}
        self._properties = _readers(named.items(), digest)
        star = mapping.properties.get("*")
        self._star = star.sources[0].removesuffix("*").rstrip(".") if star else None
        self._used = {path for _, spec in _specs(mapping) for path in paths_of(spec)}
        self._classes: dict[str, FieldClass] = {
            name: spec.class_ for name, spec in named.items() if spec.class_ is not None
        }
        second = _SECOND.get(self._rows)
        self.parts = 2 if second and second in self._specs else 1

    def native(self, record: JsonObject, delivery: Delivery, item: int) -> Native:
        """One part of one record in native form."""
        if self._table is None:
            return self._event(record, delivery)
        seen = {
            "kind": _KINDS[self._rows],
            "version_at": plain(record.get(VERSION_AT)),
        }
        observed = plain(record.get(OBSERVED_AT))
        if record.get(DELETED) is True:
            event, gone = self._nothing(record, item, observed), True
        else:
            event, gone = self._row(record, item)
        return Native(
            event, record, None, None, observed, False, **seen, deleted=gone, classes=self._classes
        )

    def _nothing(self, record: JsonObject, item: int, time: object) -> JsonObject:
        """What is left of a row, or of a part of one, that is not there: that it is not."""
        names = _NAMES.get(self._rows, (("deleted", "track"),))
        name, kind = names[item]
        return {
            "event_id": self._row_id(record, item),
            "event_name": name,
            "event_type": kind,
            "occurred_at": time,
            "subject": {},
        }

    def _row(self, record: JsonObject, item: int) -> tuple[JsonObject, bool]:
        """The event of a part of a row, and whether there is no such part."""
        event = self._common(record)
        if self._rows == "consents":
            event["occurred_at"] = self._agreed_at(record)
        event["event_id"] = self._row_id(record, item, event["occurred_at"])
        if self._rows == "events":
            return event, False
        event["event_name"], event["event_type"] = _NAMES[self._rows][item]
        if not self._part(event, record, item):
            return self._nothing(record, item, plain(record.get(VERSION_AT))), True
        if event["occurred_at"] is None and self._rows in ("persons", "accounts"):
            event["occurred_at"] = plain(record.get(VERSION_AT))
        return event, False

    def _event(self, record: JsonObject, delivery: Delivery) -> Native:
        event = self._common(record)
        received = self._time(record, "received_at")
        if received is None and delivery.received_at is None:
            received = plain(record.get(OBSERVED_AT))
        return Native(
            event,
            record,
            None,
            self._time(record, "sent_at"),
            received,
            False,
            classes=self._classes,
        )

    def _row_id(self, record: JsonObject, item: int, agreed_at: object = None) -> object:
        assert self._table is not None
        if self._rows == "events" and "event_id" in self._read:
            own = text(self._read["event_id"](record))
            if own is not None:
                return own
        name = f"{self._table.table}:{record.get(KEY)}"
        if self._rows in _HISTORIES:
            version = record.get(HASH) or plain(record.get(OBSERVED_AT))
            if self._rows == "consents":
                # Denied, granted, and denied again is three statements, though the row is the same.
                version = f"{version}:{agreed_at}"
            # Keyed: by the bare digest of a row anybody could try out addresses.
            return f"{name}:{self._digest(str(version).encode())}"
        return f"{name}:1" if item else name

    def _common(self, record: JsonObject) -> JsonObject:
        event: JsonObject = {
            "event_id": self._text(record, "event_id"),
            "event_name": self._text(record, "event_name"),
            "event_type": self._text(record, "event_type"),
            "occurred_at": None if self._rows == "consents" else self._time(record, "occurred_at"),
            "subject": self._who(record),
            "context": self._where(record),
        }
        properties = self._rest(record)
        if "previous_id" in self._read:
            properties["previous_id"] = self._text(record, "previous_id")
        if properties:
            event["properties"] = properties
        if self._consent:
            event["consent"] = {name: plain(read(record)) for name, read in self._consent}
        revenue = self._revenue(record, "amount")
        if revenue:
            event["revenue"] = revenue
        return event

    def _agreed_at(self, record: JsonObject) -> object:
        """When a statement was made; when it was written where that cannot be, for it counts."""
        observed = plain(record.get(OBSERVED_AT))
        try:
            said = self._time(record, "occurred_at")
        except Refusal:
            said = None
        return observed if said is None or said > str(observed) else said

    def _part(self, event: JsonObject, record: JsonObject, item: int) -> bool:
        """Make the event of one part of a row; whether there is such a part."""
        if self._rows == "subscriptions" and item == 1:
            event["occurred_at"] = self._time(record, "ended_at")
            return event["occurred_at"] is not None
        if self._rows == "orders" and item == 1:
            event["occurred_at"] = self._time(record, "refunded_at")
            refund = self._revenue(record, "refunded_amount")
            event.pop("revenue", None)  # the sale's
            if refund:
                refund["amount"] = -abs(refund["amount"])
                event["revenue"] = refund
            return event["occurred_at"] is not None and bool(refund and refund["amount"])
        return True

    def _who(self, record: JsonObject) -> JsonObject:
        subject: JsonObject = {name: text(read(record)) for name, read in self._subject}
        if "email_verified" in self._read:
            subject["email_verified"] = self._read["email_verified"](record)
        if self._external:
            external = {name: text(read(record)) for name, read in self._external}
            subject["external_ids"] = {k: v for k, v in external.items() if v is not None}
        return subject

    def _where(self, record: JsonObject) -> JsonObject:
        context: JsonObject = {name: text(read(record)) for name, read in self._context}
        if self._page:
            context["page"] = {name: text(read(record)) for name, read in self._page}
        if self._campaign:
            campaign = {name: text(read(record)) for name, read in self._campaign}
            context["campaign"] = {k: v for k, v in campaign.items() if v is not None}
        return context

    def _rest(self, record: JsonObject) -> JsonObject:
        found: JsonObject = {}
        if self._star is not None:
            holder = at(record, self._star) if self._star else record
            if isinstance(holder, dict):
                prefix = f"{self._star}." if self._star else ""
                found = {
                    name: plain(value)
                    for name, value in holder.items()
                    if f"{prefix}{name}" not in self._used and name not in OWN_COLUMNS
                }
        for name, read in self._properties:
            value = read(record)
            if value is not None:
                found[name] = plain(value)
        return found

    def _revenue(self, record: JsonObject, name: str) -> JsonObject | None:
        order = self._text(record, "order_id")
        if name not in self._read:
            return {"order_id": order} if order is not None else None
        currency = self._text(record, "currency")
        pointer = f"/revenue/{name}"
        found = money(self._specs[name], record, self._read[name](record), currency, pointer)
        if found is None:
            return {"order_id": order} if order is not None and name == "amount" else None
        return {"amount": found, "currency": currency, "order_id": order}

    def _text(self, record: JsonObject, name: str) -> object:
        read = self._read.get(name)
        return None if read is None else text(read(record))

    def _time(self, record: JsonObject, name: str) -> str | None:
        read = self._read.get(name)
        if read is None:
            return None
        return moment(self._specs[name], read(record), f"/{name}")


def _specs(mapping: Declared) -> Iterator[tuple[str, FieldSpec]]:
    """Every field of a mapping with the dotted key that names it."""
    for name, value in mapping:
        if isinstance(value, FieldSpec):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", spec) for key, spec in value.items())
        elif value is not None:
            yield from ((f"{name}.{key}", spec) for key, spec in _given(value))


def _given(part: Any) -> list[tuple[str, FieldSpec]]:
    return [(name, spec) for name, spec in part if spec is not None]


def _readers(specs: Any, digest: Digest) -> list[tuple[str, Read]]:
    return [(name, reader(spec, digest)) for name, spec in specs]


def _pointers(mapping: Declared) -> Mapping[str, str]:
    """Where a reject points: the field of the record that native form took a value from."""
    homes: dict[Any, str] = (
        dict.fromkeys(_SUBJECT, "/subject/")
        | dict.fromkeys(_CONTEXT, "/context/")
        | dict.fromkeys((*_MONEY, "currency", "order_id"), "/revenue/")
    )
    found = {}
    for name, spec in mapping:
        if isinstance(spec, FieldSpec) and len(spec.sources) == 1:
            path = "/" + spec.sources[0].replace("~", "~0").replace("/", "~1").replace(".", "/")
            found[f"{homes.get(name, '/')}{name}"] = path
    return found
