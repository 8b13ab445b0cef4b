"""Saying that two identifiers are one, or never are: a line of ``identity_overrides.jsonl``.

Nothing is merged here: the next load reads the file, and the next build makes persons of it.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb

from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from governance.masking import mask_text
from ingestion.identity_overrides import (
    Action,
    Override,
    Pair,
    append_override,
    contradicted,
    read_overrides,
)
from ingestion.named_identifiers import NamedIdentifier, as_pair, read_identifier
from orchestration.publishing import current_file

_LONGEST_REASON = 1000
_LONGEST_AUTHOR = 200
_PERSONS = """
    select bridge.kind, bridge.value, list(distinct bridge.person_id)
    from marts.bridge_identities as bridge
    inner join (
        select unnest(?::varchar[]) as kind, unnest(?::varchar[]) as value
    ) as asked using (kind, value)
    group by all
"""


@dataclass(frozen=True, slots=True)
class Stated:
    """What became of a statement.

    ``position`` is its line, None when nothing had to be written; ``before`` is the statement about
    the same pair that counted until now; ``warnings`` say what may be a mistake.
    """

    action: Action
    pair: Pair
    author: str
    reason: str
    position: int | None
    before: Override | None
    warnings: tuple[str, ...]


def state_override(
    home: Home,
    keys: Keys,
    action: Action,
    written: tuple[str, str],
    *,
    author: str | None,
    reason: str,
    now: datetime,
) -> Stated:
    """Append a statement about two identifiers, unless it is what counts already.

    Args:
        home: whose file.
        keys: its keys, for the tokens of e-mail addresses and phone numbers.
        action: what is said.
        written: the identifiers, ``kind:value``, in clear or as tokens.
        author: who says it; the user when not given.
        reason: why.
        now: the time that is noted.

    Raises:
        UserError: the file is broken, or this can not be said of these two.
    """
    pair = as_pair(*(read_identifier(_readable(text), keys) for text in written))
    why, masked = _reason(reason)
    who = _author(author) if author is not None else _user(home)
    said = read_overrides(home, keys)
    before = next((each for each in reversed(said) if each.pair == pair), None)
    if before is not None and before.action == "reset":
        before = None
    if action == (before.action if before else "reset"):
        return Stated(action, pair, who, why, None, before, ())
    position = append_override(home, action, pair, author=who, reason=why, at=now)
    after = (*said, Override(action, pair, who, why, now, position))
    warnings = [
        *(["E-mail addresses and numbers in the reason were masked."] if masked else []),
        *_doubts(home, action, pair),
        *contradictions(after),
    ]
    return Stated(action, pair, who, why, position, before, tuple(warnings))


def contradictions(overrides: tuple[Override, ...]) -> Iterator[str]:
    """Statements that cannot all be true, and what is made of them."""
    for override in contradicted(overrides):
        a, b = override.pair
        yield (
            f"Line {override.position} says that {a} and {b} are never one, and other lines link"
            " both: all identifiers of these lines stand alone until one of them is taken back."
        )


def _readable(text: str) -> str:
    """The text, if the terminal gave valid UTF-8.

    Raises:
        UserError: it did not.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(
            "What was typed is not valid UTF-8.",
            fix="Type it again, or copy the identifier from marts.bridge_identities.",
        ) from None
    return text


def _reason(given: str) -> tuple[str, int]:
    """The reason on one line, and how many patterns were masked in it.

    Raises:
        UserError: it is empty or very long.
    """
    reason, masked = mask_text(" ".join(_readable(given).split()))
    if not reason or len(reason) > _LONGEST_REASON:
        raise UserError(
            f"A reason has between 1 and {_LONGEST_REASON:,} characters.",
            why="In a year it is all that tells why two people are one.",
            fix='Give it with --reason "…"',
        )
    return reason, masked


def _author(given: str) -> str:
    author = " ".join(_readable(given).split())
    if not author or len(author) > _LONGEST_AUTHOR or mask_text(author)[1]:
        raise UserError(
            "This cannot be the author of a statement.",
            why="The file is kept in git: it takes a name, never an e-mail address or a number.",
            fix="Give a name with --author NAME",
        )
    return author


def _user(home: Home) -> str:
    """The name git knows the user by, else the user's login.

    Raises:
        UserError: neither is a name.
    """
    for name in _names(home):
        try:
            return _author(name)
        except UserError:
            continue
    raise UserError(
        "Nobody knows who says this.",
        why="Neither git's user.name nor this machine has a name of the user.",
        fix="Give it with --author NAME",
    )


def _names(home: Home) -> Iterator[str]:
    git = shutil.which("git")
    if git:
        asked = subprocess.run(  # noqa: S603 - no shell, and nothing in it was typed
            [git, "-C", str(home.root), "config", "user.name"],
            capture_output=True,
            text=True,
            check=False,
        )
        yield asked.stdout
    try:
        yield getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return


def _doubts(home: Home, action: Action, pair: Pair) -> Iterator[str]:
    """What the published copy knows that the author may not; nothing when there is none."""
    known = _published_persons(home, pair)
    if known is None:
        return
    for identifier in pair:
        if identifier not in known:
            yield (
                f"{identifier} is not in the published copy: it was never seen until then, or is"
                " misspelt."
            )
    if len(known) < len(pair) or pair[0].is_device:
        return
    together = known[pair[0]] == known[pair[1]] and len(known[pair[0]]) == 1
    if action == "link" and together:
        yield "In the published copy they are one person already; this keeps them so."
    if action == "unlink" and not together:
        yield "In the published copy they are not one person; this keeps them so."


def _published_persons(home: Home, pair: Pair) -> dict[NamedIdentifier, set[str]] | None:
    """The persons each identifier stands for, of those that are known; None: nothing published."""
    path = current_file(home)
    if not path.exists():
        return None
    asked = [[each.kind for each in pair], [each.value for each in pair]]
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute(_PERSONS, asked).fetchall()
    except duckdb.Error:
        return None  # a doubt is a courtesy: without the table there is none
    return {
        NamedIdentifier(kind, value): {person for person in persons if person}
        for kind, value, persons in rows
    }
