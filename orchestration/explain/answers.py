"""What is found out, as data: for programs, and for the page people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from ingestion.named_identifiers import NamedIdentifier

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """The first of many, and how many there are."""

    shown: tuple[T, ...]
    total: int

    @classmethod
    def of(cls, everything: Sequence[T], limit: int) -> Cut[T]:
        """All of them when they are few."""
        return cls(tuple(everything[:limit]), len(everything))

    @property
    def left_out(self) -> int:
        return self.total - len(self.shown)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose an identifier is and by which rule; without a person it is set aside."""

    identifier: NamedIdentifier
    person_id: str | None
    rule: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two identifiers one source named together, or somebody spoke of; ``higher`` is stronger."""

    higher: NamedIdentifier
    lower: NamedIdentifier
    evidence: str  # event | row | link | unlink
    source: str  # of an override its author
    is_trusted: bool
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    events: int
    example_event_key: str | None
    is_used: bool
    set_aside_reason: str | None

    @property
    def ends(self) -> tuple[NamedIdentifier, NamedIdentifier]:
        return self.higher, self.lower

    def other(self, end: NamedIdentifier) -> NamedIdentifier:
        """The end that is not ``end``."""
        return self.lower if end == self.higher else self.higher

    @property
    def order(self) -> tuple[datetime, tuple, tuple, str, str, bool]:
        """The earliest first, then by names: the same order in every run."""
        seen = self.first_seen_at or datetime.max  # noqa: DTZ901 - times of the marts are naive UTC
        return (
            seen,
            self.higher.order,
            self.lower.order,
            self.evidence,
            self.source,
            self.is_trusted,
        )


@dataclass(frozen=True, slots=True)
class Aside:
    """Evidence that is not used, and why, in a sentence."""

    evidence: Evidence
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: evidence from one identifier to the next."""

    start: NamedIdentifier
    end: NamedIdentifier
    evidence: Evidence
    why: str | None  # why it is set aside; None when it is used


@dataclass(frozen=True, slots=True)
class Run:
    """An unbroken run of a device's events that are one person's by one rule."""

    person_id: str
    rule: str
    begins: datetime
    ends: datetime
    events: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device and whose hands it was in; ``row`` holds what dim_devices knows, if it does."""

    device_key: str | None
    identifiers: Cut[NamedIdentifier]
    runs: Cut[Run]
    is_kiosk: bool
    persons: int | None
    events: int | None
    surface: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """An identifier of a device a person used, and when."""

    identifier: NamedIdentifier
    runs: int
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """An event and the rule by which it is somebody's."""

    event_key: str
    event_id: str | None
    event_name: str | None
    occurred_at: datetime
    source: str | None
    person_id: str | None
    rule: str | None
    identifiers: tuple[NamedIdentifier, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody said about two identifiers and counts; ``in_force``: the copy knows it."""

    action: str
    pair: tuple[NamedIdentifier, NamedIdentifier]
    author: str
    reason: str
    at: datetime
    line: int
    in_force: bool


@dataclass(frozen=True, slots=True)
class About:
    """The answer about one identifier, person or event."""

    asked: str
    version: str
    verdict: str
    event: Event | None
    standing: Standing | None
    person_id: str | None
    identifiers: Cut[Standing]
    used: Cut[Evidence]
    set_aside: Cut[Aside]
    devices: Cut[DeviceUse]
    device: Device | None
    statements: tuple[Statement, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The answer about two of them.

    ``path`` leads from the first to the second: through used evidence alone when they are one,
    else through what was set aside; empty when nothing was ever seen that leads there.
    """

    asked: tuple[str, str]
    version: str
    verdict: str
    is_same: bool
    path: tuple[Step, ...]
    runs: Cut[Run]
    statements: tuple[Statement, ...]
    commands: tuple[str, ...]


Answer = About | Between
