"""Where published versions go besides ``published/``: each target of ``publish.to`` in turn.

    published/analyst/<version> --> s3://bucket/folder/<version>/, then current.json
                                --> a PostgreSQL schema, loaded aside and renamed in one transaction

A target gets what readers see here, so classes and checks have been applied. It can fail without
harm to anything else: its readers keep what they have, ``published/targets.json`` notes that it is
behind, and the next run tries again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import duckdb

from governance.config import Config, Target
from governance.errors import ThroughlineError, UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from orchestration.publishing import store
from orchestration.publishing.address_target import send_to_address
from orchestration.publishing.manifest import Manifest
from orchestration.publishing.postgres_target import send_to_postgres
from orchestration.publishing.sending import Sent, without_secrets

_STATE = "targets.json"
# Libraries below fsspec and psycopg raise errors of their own roots.
_LIBRARIES = ("psycopg", "botocore", "aiobotocore", "aiohttp", "s3fs", "fsspec", "gcsfs", "adlfs")


class TargetError(UserError):
    """A target could not be brought up to date; everything else is as it should be."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one target; ``error`` says why it is behind."""

    target: str
    place: str
    version: str
    outcome: Literal["delivered", "unchanged", "failed"]
    sent: Sent | None
    seconds: float
    error: TargetError | None = None


@dataclass(frozen=True, slots=True)
class TargetState:
    """What is known of a target without asking it; ``version`` is the last that arrived."""

    name: str
    place: str
    version: str | None
    at: str | None  # ISO 8601, UTC, of the last attempt
    error: str | None
    is_behind: bool


def place_of(target: Target) -> str:
    """The target's place in words that hold no secret."""
    if target.address is not None:
        return target.address
    return f"PostgreSQL schema {target.schema_} at {target.postgres}"


def target_states(home: Home, config: Config) -> tuple[TargetState, ...]:
    """How far each configured target is, by our own notes."""
    current = store.current_version(home)
    notes = _read(home)
    found = []
    for target in config.publish.to:
        note = notes.get(target.name, {})
        if note.get("place") != place_of(target):
            note = {}  # another place under the same name knows nothing of ours yet
        version = note.get("version")
        found.append(
            TargetState(
                name=target.name,
                place=place_of(target),
                version=version,
                at=note.get("at"),
                error=note.get("error"),
                is_behind=current is not None and version != current,
            )
        )
    return tuple(found)


def deliver_behind(
    home: Home, config: Config, keys: Keys, *, progress: Progress = silent
) -> tuple[Delivery, ...]:
    """Bring every target that is behind up to date; one that fails does not stop the others."""
    behind = {state.name for state in target_states(home, config) if state.is_behind}
    deliveries = []
    for target in config.publish.to:
        if target.name not in behind:
            continue
        started = time.monotonic()
        try:
            deliveries.append(deliver(home, target, keys, config, progress=progress))
        except TargetError as error:
            version = store.current_version(home) or ""
            seconds = time.monotonic() - started
            deliveries.append(
                Delivery(target.name, place_of(target), version, "failed", None, seconds, error)
            )
    return tuple(deliveries)


def deliver(
    home: Home, target: Target, keys: Keys, config: Config, *, progress: Progress = silent
) -> Delivery:
    """Bring one target to the current version, whatever our notes say of it.

    Raises:
        TargetError: it could not be reached, or refused; its readers keep what they had.
        UserError: nothing is published, or another process sends to it.
    """
    started = time.monotonic()
    with store.file_lock(home.published / f".to-{target.name}.lock"):
        manifest = store.current_manifest(home)
        if manifest is None:
            raise UserError(
                "Nothing is published yet, so there is nothing to send.",
                fix="Run: throughline run hourly",
            )
        with _explained(home, target, manifest):
            sent = _send(home, target, keys, config, manifest, progress)
        _note(home, target, manifest.version, None)
    return Delivery(
        target=target.name,
        place=place_of(target),
        version=manifest.version,
        outcome="delivered" if sent.changed else "unchanged",
        sent=sent,
        seconds=time.monotonic() - started,
    )


def target_named(config: Config, name: str) -> Target:
    """The configured target of that name.

    Raises:
        UserError: there is none.
    """
    for target in config.publish.to:
        if target.name == name:
            return target
    names = ", ".join(target.name for target in config.publish.to)
    raise UserError(
        f"There is no target {name!r}.",
        why=f"publish.to in throughline.yml has: {names or 'none'}.",
        fix="Name one of those, or add it under publish: to: in throughline.yml.",
    )


def _send(
    home: Home,
    target: Target,
    keys: Keys,
    config: Config,
    manifest: Manifest,
    progress: Progress,
) -> Sent:
    folder = store.role_folder(home) / manifest.version
    if target.address is not None:
        return send_to_address(
            target.address,
            folder,
            manifest,
            publisher=keys.key_id,
            keep=config.publish,
            now=datetime.now(UTC),
            progress=progress,
        )
    assert target.postgres is not None, "the configuration wants one of the two"
    url = target.postgres.resolve(home)
    return send_to_postgres(
        url, target.schema_, folder, manifest, publisher=keys.key_id, progress=progress
    )


@contextmanager
def _explained(home: Home, target: Target, manifest: Manifest) -> Iterator[None]:
    """Turn what a target's library raises into an error with the command that tries again."""
    try:
        yield
    except TargetError:
        raise
    except Exception as error:
        if not _is_the_targets(error):
            raise
        reason = without_secrets(_reason(error), _secrets(home, target))
        fix = error.fix if isinstance(error, ThroughlineError) else ""
        again = f"throughline publish --to {target.name}   # the next run tries again by itself"
        _note(home, target, None, reason)
        raise TargetError(
            f"The target {target.name} ({place_of(target)}) did not get {manifest.version}.",
            why=f"{reason} Its readers keep what they had; the copy in published/ is current.",
            fix=f"{fix} Then: {again}" if fix else again,
        ) from None  # the cause may quote the address with its password


def _is_the_targets(error: Exception) -> bool:
    return isinstance(error, OSError | ImportError | UserError | duckdb.IOException) or (
        type(error).__module__.partition(".")[0] in _LIBRARIES
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ThroughlineError):
        return " ".join(part for part in (error.what, error.why) if part)
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith(".") else f"{text}."


def _secrets(home: Home, target: Target) -> Sequence[str]:
    """What must not be repeated: the whole address of the database and its password."""
    found = [os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    if target.postgres is not None:
        with suppress(UserError):  # what is not set cannot be told
            found.append(target.postgres.resolve(home))
    return found


def _read(home: Home) -> dict[str, dict[str, str | None]]:
    try:
        return json.loads((home.published / _STATE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _note(home: Home, target: Target, version: str | None, error: str | None) -> None:
    """Note an attempt; a failed one leaves the version that arrived before."""
    with store.file_lock(home.published / f".{_STATE}.lock"):
        notes = _read(home)
        before = notes.get(target.name, {})
        same_place = before.get("place") == place_of(target)
        notes[target.name] = {
            "place": place_of(target),
            "version": version or (before.get("version") if same_place else None),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "error": error,
        }
        draft = home.published / f".{_STATE}-{os.getpid()}"
        draft.write_text(json.dumps(notes, indent=1), encoding="utf-8")
        draft.replace(home.published / _STATE)


def raise_failed(deliveries: Sequence[Delivery]) -> None:
    """Raise what kept targets from their version, all of them in one error.

    Raises:
        TargetError: at least one failed.
    """
    errors = [each.error for each in deliveries if each.error]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise TargetError(
            "\n".join(error.what for error in errors),
            why="\n".join(error.why for error in errors),
            fix="\n".join(error.fix for error in errors),
        )
