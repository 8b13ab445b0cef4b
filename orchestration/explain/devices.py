"""The device an identifier belongs to, and the time line of whose hands it was in."""

from __future__ import annotations

from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Cut, Device, Evidence
from orchestration.explain.reading import Published

_READ = 100_000
SHOWN_RUNS = 100
_SHOWN_IDENTIFIERS = 50


def device_evidence(published: Published, device: NamedIdentifier) -> list[Evidence]:
    """The evidence that makes the identifiers of this device one."""
    return [
        piece
        for piece in published.evidence(
            set(device_identifiers(published, device)), used=True, limit=_READ
        )
        if piece.higher.is_device and piece.lower.is_device
    ]


def device_identifiers(published: Published, device: NamedIdentifier) -> list[NamedIdentifier]:
    """All identifiers of the device, ``device`` among them, the strongest first."""
    key = published.device_of(device)
    found = published.device_identifiers(key, limit=_READ) if key else [device]
    return sorted(found, key=lambda each: each.order)


def read_device(published: Published, device: NamedIdentifier) -> Device:
    """The device of an identifier with its time line."""
    identifiers = device_identifiers(published, device)
    key = published.device_of(device)
    known = published.device(key) or {} if key else {}
    runs = published.runs(device, limit=SHOWN_RUNS)
    return Device(
        device_key=key,
        identifiers=Cut.of(identifiers, _SHOWN_IDENTIFIERS),
        runs=Cut(tuple(runs), published.count_runs(device)),
        is_kiosk=bool(known.get("is_kiosk")) or any(run.rule == "kiosk" for run in runs),
        persons=known.get("persons"),
        events=known.get("events"),
        surface=known.get("surface"),
        platform=known.get("platform"),
    )
