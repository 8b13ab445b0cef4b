"""What people said about identifiers: ``identity_overrides.jsonl`` of a home.

::

    {"action": "unlink", "identifiers": ["user_id:u7", "email:tok_email_…"], "author": "Ada",
     "reason": "one mailbox, two people", "at": "2026-04-13T10:00:00Z"}

One statement a line, appended and never rewritten. Of one pair, in whatever order, the last line
counts; ``reset`` makes it as if nothing had been said. The file belongs to the home's owner, who
keeps it in git: an e-mail address or a phone number never stands there in clear.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic import Field as Limits

from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from governance.masking import mask_text
from ingestion.named_identifiers import NamedIdentifier, as_pair, read_identifier
from ingestion.parser import WHITESPACE, parse
from ingestion.raw_schema import IDENTITY_OVERRIDES
from ingestion.refusals import Refusal

Action = Literal["link", "unlink", "reset"]
Pair = tuple[NamedIdentifier, NamedIdentifier]

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DEPTH = 2  # an object with a list
_MISTAKES = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a statement",
    "literal_error": "must be link, unlink or reset",
    "list_type": "must be a list of two",
    "too_short": "must be a list of two",
    "too_long": "must be a list of two",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long",
}


class _Line(BaseModel):
    """A line of the file, as far as it can be judged without the home's keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Action
    identifiers: Annotated[list[_Text], Limits(min_length=2, max_length=2)]
    author: _Text
    reason: _Text
    at: _Text


@dataclass(frozen=True, slots=True)
class Override:
    """A statement about two identifiers, the stronger first; ``position`` is its line, from 1."""

    action: Action
    pair: Pair
    author: str
    reason: str
    at: datetime
    position: int


def read_overrides(home: Home, keys: Keys) -> tuple[Override, ...]:
    """All statements in the order of the file; none when there is no file.

    Raises:
        UserError: the file can not be read, or a line of it is wrong.
    """
    path = home.identity_overrides
    try:
        data = path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UserError(
            f"The identity overrides cannot be read: {path}",
            why=str(error.strerror),
            fix=f"See what it is with: ls -ld {path}",
        ) from None
    return tuple(
        _read(path, number, line, keys)
        for number, line in enumerate(data.split(b"\n"), start=1)
        if line.strip(WHITESPACE)
    )


def overrides_table(overrides: Iterable[Override]) -> pa.Table:
    """The statements as ``raw.identity_overrides`` has them."""
    rows = [
        {
            "action": override.action,
            "a_kind": override.pair[0].kind,
            "a_value": override.pair[0].value,
            "b_kind": override.pair[1].kind,
            "b_value": override.pair[1].value,
            "author": override.author,
            "reason": override.reason,
            "stated_at": override.at.replace(tzinfo=None),
            "position": override.position,
        }
        for override in overrides
    ]
    return pa.Table.from_pylist(rows, schema=IDENTITY_OVERRIDES)


def append_override(
    home: Home, action: Action, pair: Pair, *, author: str, reason: str, at: datetime
) -> int:
    """Append a statement, to disk; returns its line number. The file's mode stays as it is."""
    path = home.identity_overrides
    content = {
        "action": action,
        "identifiers": [str(identifier) for identifier in pair],
        "author": author,
        "reason": reason,
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    line = json.dumps(content, ensure_ascii=False).encode() + b"\n"
    is_new = not path.exists()
    with path.open("ab+", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed: two people may write at once
        file.seek(0)
        before = file.readall()
        unfinished = bool(before) and not before.endswith(b"\n")  # an editor's last line
        try:
            _write(file, b"\n" * unfinished + line)
        except OSError:
            file.truncate(len(before))  # half a line would stop every load
            raise
    if is_new:
        _sync_folder(path.parent)
    return before.count(b"\n") + unfinished + 1


def what_counts(overrides: Iterable[Override]) -> dict[Pair, Override]:
    """The last statement about each pair, without those that were reset."""
    last = {override.pair: override for override in overrides}
    return {pair: override for pair, override in last.items() if override.action != "reset"}


def contradicted(overrides: Iterable[Override]) -> list[Override]:
    """Of what counts, the ``unlink`` whose two ends other people's ``link`` bring together."""
    counting = list(what_counts(overrides).values())
    leaders: dict[NamedIdentifier, NamedIdentifier] = {}

    def leader(identifier: NamedIdentifier) -> NamedIdentifier:
        while (above := leaders.get(identifier, identifier)) != identifier:
            identifier = above
        return identifier

    for override in counting:
        if override.action == "link":
            a, b = map(leader, override.pair)
            leaders[a] = b
    return [
        override
        for override in counting
        if override.action == "unlink" and len({*map(leader, override.pair)}) == 1
    ]


def _read(path: Path, number: int, line: bytes, keys: Keys) -> Override:
    try:
        said = _Line.model_validate(parse(line, depth=_DEPTH))
    except Refusal as refusal:
        raise _wrong(path, number, f"{refusal.detail}.") from None
    except ValidationError as error:
        raise _wrong(path, number, _mistake(error)) from None
    identifiers = [_read_stored(path, number, text, keys) for text in said.identifiers]
    try:
        pair = as_pair(*identifiers)
    except UserError as error:
        raise _wrong(path, number, error.what, error.why, error.fix) from None
    return Override(
        action=said.action,
        pair=pair,
        author=mask_text(said.author)[0],
        reason=mask_text(said.reason)[0],
        at=_moment(path, number, said.at),
        position=number,
    )


def _read_stored(path: Path, number: int, text: str, keys: Keys) -> NamedIdentifier:
    try:
        identifier = read_identifier(text, keys)
    except UserError as error:
        raise _wrong(path, number, error.what, error.why, error.fix) from None
    if str(identifier) != text:
        raise _wrong(
            path,
            number,
            "an identifier is not written as the warehouse stores it.",
            "E-mail addresses and phone numbers are kept as tokens only, namespaces in small"
            " letters.",
            f"Write {identifier} in its place; throughline identity does that by itself.",
        )
    return identifier


def _moment(path: Path, number: int, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _wrong(path, number, "at must be a time with its zone, such as 2026-04-13T10:00:00Z.")


def _mistake(error: ValidationError) -> str:
    """The first thing pydantic found, in our words; its own may repeat what is written there."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "the line"
    name = mask_text(field)[0]
    return f"{name} {_MISTAKES.get(first['type'], 'can not be used')}."


def _wrong(path: Path, line: int, what: str, why: str = "", fix: str = "") -> UserError:
    return UserError(
        f"{path}, line {line}: {what}",
        why=why,
        fix=f"{fix or 'Mend the line, or remove it.'} Until then nothing is loaded.",
    )


def _write(file: FileIO, data: bytes) -> None:
    """All of it, to disk."""
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
