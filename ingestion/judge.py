"""One record in native form becomes one row of ``raw.events``, or a Refusal.

::

    times -> lawful basis -> contract -> tokens and masks -> row

The order matters: a record without a lawful basis is cut down before any of its identifiers is
tokenised, so nothing of it reaches the vault; and before its contract is asked, because a faulty
copy that denies must deny the others. This is the hot path of a load: a row is a plain
tuple in the order of ``raw_schema.EVENTS``, put together from one tuple per group of columns.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from governance.config import Limits, Source
from governance.consent import (
    ACCEPTED,
    PURPOSES,
    Decision,
    as_boolean,
    combine,
    fail_closed,
    read_consent_map,
    read_flag,
)
from governance.consent import judge as judge_consent
from governance.contracts import UNPLANNED, Contracts, Verdict
from governance.keys import Keys
from governance.masking import is_suspect, mask_text
from ingestion.clock import CLIENTS, Clock, Times, optional_time
from ingestion.delivery import Delivery
from ingestion.envelope import Envelope
from ingestion.formats.record import Native
from ingestion.identifiers import Identifiers
from ingestion.parser import JsonObject, dump, object_at
from ingestion.raw_schema import EVENTS
from ingestion.refusals import Reason, Refusal
from ingestion.times import HOUR

Row = tuple[Any, ...]

_SURFACES = ("web", "mobile", "backend", "other")
_TYPES = ("track", "page", "screen", "identify", "group", "alias", "system")
_SEEN = ("track", "page", "screen")
_LOGOUTS = ("logout", "reset")
_INFERRED = dict.fromkeys(_LOGOUTS, "system") | {
    name: name for name in ("identify", "alias", "page", "screen", "group")
}
# Random, and the most common form: their runs of digits are no number of anybody.
_is_uuid = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE).fullmatch
_RECEIPT_AT = EVENTS.get_field_index("receipt_id")
_AFTER_SURFACE = len(EVENTS) - EVENTS.get_field_index("surface") - 1
_BOT_AT = EVENTS.get_field_index("is_bot") - EVENTS.get_field_index("surface") - 1
_STRIPPED_TAIL = tuple(False if i == _BOT_AT else None for i in range(_AFTER_SURFACE))
_NOBODY = (None,) * (
    EVENTS.get_field_index("consent_analytics") - EVENTS.get_field_index("user_id")
)


class Place(NamedTuple):
    """Where a record lies."""

    segment: str
    generation: int
    position: int
    item: int


class Judge:
    """Judges the records of one source."""

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits,
        keys: Keys,
        contracts: Contracts,
        identifiers: Identifiers,
        load_began: datetime,
    ) -> None:
        self._source = source
        self._keys = keys
        self._contracts = contracts
        self._clock = Clock(source, load_began)
        self._envelope = Envelope(identifiers, contracts, string_chars=limits.string_chars)
        self.file: str | None = None
        """What records without an id are numbered in, where it is not the segment's name."""
        self.unidentified = 0
        """Records known by their position alone: no id, and no row_identity declared."""

    def row(self, native: Native, delivery: Delivery, place: Place) -> Row:
        """The record's row, in the order of ``raw_schema.EVENTS``.

        Raises:
            Refusal: with a pointer into native form.
        """
        event = native.event
        envelope = self._envelope
        envelope.masked = 0
        name = self.event_name(event)
        kind = _event_type(event, name)
        context = object_at(event, "context")
        surface = self._surface(context)
        times = self._clock.read(native, delivery, surface)
        if event.get("subject") is None:
            raise Refusal(
                Reason.MISSING_SUBJECT, "/subject", 'say who, or "subject": {} for nobody'
            )
        subject = object_at(event, "subject")
        digest = self._keys.digest(dump(_content(event)))
        event_id, dedupe_key = self._identity(event, place, digest)
        consent, decision = self._consent(native)
        stands_for = (
            native.kind,
            optional_time(native.version_at, "/version_at"),
            native.deleted,
        )
        received_at = delivery.received_at
        record = (
            self._source.name,
            *place,
            envelope.text(delivery.receipt_id, "/receipt_id"),
            None if received_at is None else received_at - received_at % HOUR,
        )
        if decision.disposition == "stripped":
            judged = (
                *stands_for,
                *("stripped", decision.reason, dedupe_key, digest, None, None, envelope.masked),
            )
            return self._stripped(record, judged, name, times, consent, surface)
        properties = object_at(event, "properties")
        verdict = self._verdict(name, properties) if native.kind == "event" else UNPLANNED
        if kind == "alias":
            # An identifier, so it has its column; as a property it would stand there in clear.
            previous = properties.get("previous_id")
            properties = {key: properties[key] for key in properties if key != "previous_id"}
        else:
            previous = None
        who = envelope.who(subject, context, previous)
        where = envelope.where(context)
        money = envelope.money(event.get("revenue"))
        planned = name if native.kind == "event" else ""
        rest = envelope.properties(planned, properties, native.classes)
        version = envelope.text(context.get("schema_version"), "/context/schema_version")
        return (
            *record,
            *stands_for,
            *("accepted", None, dedupe_key, digest, verdict.status, verdict.version),
            *(envelope.masked, event_id, name, kind, version),
            self._is_interactive(name, kind, surface),
            *times,
            *who,
            *consent,
            surface,
            *where,
            *money,
            *rest,
        )

    def event_name(self, event: JsonObject) -> str:
        """The masked name.

        Raises:
            Refusal: there is none.
        """
        given = event.get("event_name")
        name = self._envelope.text(given, "/event_name")
        if name is None or name.isspace():
            raise Refusal(Reason.MISSING_EVENT_NAME, "/event_name", "is required")
        return name

    def _stripped(
        self, record: Row, judged: Row, name: str, times: Times, consent: Row, surface: str
    ) -> Row:
        """What may be kept of an event nobody may use: that it was, in which hour, and why."""
        return (
            # Not the receipt: it leads to the others of its batch, and to when exactly it came.
            *record[:_RECEIPT_AT],
            None,
            *record[_RECEIPT_AT + 1 :],
            *judged,
            *(None, name, None, None, False),
            *(times.occurred - times.occurred % HOUR, None, None),
            *(times.received - times.received % HOUR, times.origin),
            *_NOBODY,
            *consent[:2],
            *(None, None, None),
            surface,
            *_STRIPPED_TAIL,
        )

    def _surface(self, context: JsonObject) -> str:
        said = context.get("surface")
        if said is None:
            return self._source.surface
        if said not in _SURFACES:
            allowed = ", ".join(_SURFACES)
            raise Refusal(Reason.INVALID_FIELD, "/context/surface", f"must be one of {allowed}")
        return said

    def _is_interactive(self, name: str, kind: str, surface: str) -> bool:
        contract = self._contracts.get(name)
        if contract is not None and contract.interactive is not None:
            return contract.interactive
        return surface in CLIENTS and kind in _SEEN

    def _verdict(self, name: str, properties: JsonObject) -> Verdict:
        verdict = self._contracts.judge(name, properties)
        if verdict.status == "invalid":
            raise Refusal(
                Reason.CONTRACT_VIOLATION,
                f"/properties{verdict.pointer or ''}",
                verdict.detail or "",
                verdict.version,
            )
        return verdict

    def _identity(self, event: JsonObject, place: Place, digest: str) -> tuple[str, str]:
        """The event's id, and the key two copies of it share."""
        given = event.get("event_id")
        group = self._source.group
        if given is not None and given != "":
            if type(given) is not str and type(given) is not int:
                raise Refusal(Reason.INVALID_FIELD, "/event_id", "must be a string")
            given = shown = str(given)
            if is_suspect(given) and not _is_uuid(given):
                shown, hits = mask_text(given)
                self._envelope.masked += hits
            return shown.replace("\x00", "\ufffd"), self._keys.dedupe_key(group, given)
        if self._source.row_identity == "content":
            made = f"row_{digest}"
        else:
            self.unidentified += self._source.row_identity is None
            file = self.file or place.segment
            where = f"{self._source.name}\x1f{file}\x1f{place.position}\x1f{place.item}"
            made = f"pos_{self._keys.digest(where.encode('utf-8', 'surrogateescape'))}"
        return made, self._keys.dedupe_key(group, made)

    def _consent(self, native: Native) -> tuple[Row, Decision]:
        """The consent columns, and the decision they lead to."""
        said: Any = native.event.get("consent")
        if said is None:
            said = {}
        elif type(said) is not dict:  # nothing in it can be read
            said = dict.fromkeys(PURPOSES, "")
        analytics, marketing = read_flag(said.get("analytics")), read_flag(said.get("marketing"))
        if self._source.consent_map:
            for record in (native.record, native.around):
                if record is None:
                    continue
                mapped = read_consent_map(record, self._source.consent_map)
                analytics = combine(analytics, mapped.get("analytics", "missing"))
                marketing = combine(marketing, mapped.get("marketing", "missing"))
        if native.kind == "consent":
            # An entry of the ledger that cannot be read denies: silence would leave a grant.
            analytics, marketing = fail_closed(analytics), fail_closed(marketing)
        columns = (
            as_boolean(analytics),
            as_boolean(marketing),
            self._envelope.text(said.get("source"), "/consent/source"),
            optional_time(said.get("checked_at"), "/consent/checked_at"),
            self._envelope.text(said.get("version"), "/consent/version"),
        )
        if native.kind == "consent" or native.deleted:
            # What somebody agreed to is kept whatever they said; of a row that is gone nothing is.
            return columns, ACCEPTED
        return columns, judge_consent(self._source.lawful_basis, analytics)


def _event_type(event: JsonObject, name: str) -> str:
    kind = event.get("event_type")
    if kind is None:
        return _INFERRED.get(name, "track")
    if kind not in _TYPES:
        raise Refusal(Reason.INVALID_FIELD, "/event_type", f"must be one of {', '.join(_TYPES)}")
    return "system" if name in _LOGOUTS else kind


def _content(event: JsonObject) -> JsonObject:
    """The event less what a second delivery of the same bytes changes."""
    content = event.copy()
    content.pop("sent_at", None)
    content.pop("received_at", None)
    return content
