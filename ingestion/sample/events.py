"""One thing a latent person did, before any wire format, and what should become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ingestion.sample.catalogue import Campaign
from ingestion.sample.people import Account, Actor, Device

Fate = Literal["accepted", "stripped", "quarantined"]
Source = Literal["web", "mobile", "backend", "payments", "shop", "history"]
RecordKind = Literal["event", "person", "consent", "order"]
Quirk = Literal["undefined_user", "nil_anonymous"]
Fault = Literal[
    "truncated",
    "duplicate_key",
    "not_a_number",
    "bad_unicode",
    "bad_timestamp",
    "contract_violation",
    "future",
    "before_earliest",
]
DENIED_BY_LEDGER = "denied_by_ledger"
"""Why an event is stripped that says yes itself: the ledger of the shop says no."""
PARSE_FAULTS = frozenset({"truncated", "duplicate_key", "not_a_number", "bad_unicode"})


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in hundredths of a currency; refunds are negative."""

    cents: int
    currency: str
    order_id: str


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that really changed hands, as the backend books it, or booked before the window."""

    actor: Actor
    account: Account
    kind: Literal["order", "renewal", "refund"]
    money: Money
    at: int
    source: Literal["backend", "history"] = "backend"


@dataclass(slots=True)
class Event:
    """A latent event: who truly did it and when, and what the wire will say.

    ``user_id`` is the identifier the wire carries, which on a device handed over in a hurry names
    somebody else than ``actor``. ``expected`` is the key of the person the event must end with: an
    actor, or a device where its user never identified; None when no rule could tell (``why_not``).
    """

    event_id: str
    source: Source
    name: str
    kind: str
    at: int
    actor: Actor | None
    device: Device | None = None
    user_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    place: str | None = None
    money: Money | None = None
    subject: dict[str, Any] | None = None
    campaign: Campaign | None = None
    fate: Fate = "accepted"
    fate_reason: str | None = None
    expected: str | None = None
    why_not: str | None = None
    quirk: Quirk | None = None
    fault: Fault | None = None
    lateness: str = "prompt"
    copies: int = 0
    conflicts: int = 0
    record_kind: RecordKind = "event"

    @property
    def names_somebody(self) -> bool:
        """Whether what is kept of the event ties its device to a user."""
        return (
            self.user_id is not None and self.fate == "accepted" and self.quirk != "nil_anonymous"
        )
