"""One family of errors: what happened, why, and the command that fixes it.

The command line prints the three parts and exits with ``exit_code``; nobody sees a traceback for a
mistake they can mend. Exit codes: 0 done, 1 the user can fix it, 2 usage, 3 a blocking check
stopped publishing, 4 our fault.
"""

from __future__ import annotations

from collections.abc import Iterator


class ThroughlineError(Exception):
    """Base of every error raised on purpose.

    Args:
        what: what happened, one sentence, present or past tense.
        why: the cause as far as it is known.
        fix: what to do next; a command to copy wherever there is one.
    """

    exit_code = 4

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__("\n".join(part for part in (what, why, fix) if part))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.why, self.fix))


def _rebuild(kind: type[ThroughlineError], what: str, why: str, fix: str) -> ThroughlineError:
    """Unpickle an error: Dagster carries exceptions between processes."""
    return kind(what, why=why, fix=fix)


class UserError(ThroughlineError):
    """Something the user can mend: configuration, a missing folder, a full disk."""

    exit_code = 1


class UsageError(ThroughlineError):
    """The command line was called wrongly."""

    exit_code = 2


class BlockedError(ThroughlineError):
    """A blocking check failed; the published copy was left as it was."""

    exit_code = 3


class WarehouseBusyError(UserError):
    """Another process holds the warehouse."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what is behind it, the outermost first."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
