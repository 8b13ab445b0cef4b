"""The device an identifier belongs to, and the time line of whose hands it was in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection

from governance.keys import Keys
from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Cut, Device, Evidence
from orchestration.explain.paths import reachable
from orchestration.explain.reading import Published

_READ = 100_000
SHOWN_RUNS = 100
_SHOWN_IDENTIFIERS = 50


def device_evidence(published: Published, device: NamedIdentifier) -> list[Evidence]:
    """The evidence that makes the identifiers of this device one."""
    shared = published.siblings(device, limit=_READ) or [device]
    return [
        piece
        for piece in published.evidence({device, *shared}, used=True, limit=_READ)
        if piece.higher.is_device and piece.lower.is_device
    ]


def device_identifiers(published: Published, device: NamedIdentifier) -> list[NamedIdentifier]:
    """All identifiers of the device, ``device`` among them, the strongest first."""
    found = reachable(device_evidence(published, device), device)
    return sorted(found, key=lambda each: each.order)


def read_device(published: Published, keys: Keys, device: NamedIdentifier) -> Device:
    """The device of an identifier with its time line."""
    identifiers = device_identifiers(published, device)
    key = device_key(keys, identifiers)
    known = published.device(key) or {}
    runs = published.runs(device, identifiers, limit=SHOWN_RUNS)
    return Device(
        device_key=key if known else None,
        identifiers=Cut.of(identifiers, _SHOWN_IDENTIFIERS),
        runs=Cut(tuple(runs), published.count_runs(device)),
        is_kiosk=bool(known.get("is_kiosk")) or any(run.rule == "kiosk" for run in runs),
        persons=known.get("persons"),
        events=known.get("events"),
        surface=known.get("surface"),
        platform=known.get("platform"),
    )


def device_key(keys: Keys, identifiers: Collection[NamedIdentifier]) -> str:
    """The key of a device: the dbt macro person_id of its strongest identifier."""
    root = min(identifiers, key=lambda each: each.order)
    text = f"{root.kind}\x1f{root.value}".encode()
    return "p_" + hmac.digest(keys.person_salt, text, hashlib.sha256).hex()[:32]
