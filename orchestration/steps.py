"""What every step that opens the warehouse does alike: retry what passes, explain the rest."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import dagster as dg

from governance.errors import BlockedError, ThroughlineError, UserError, WarehouseBusyError
from governance.progress import Progress, silent

MAX_RETRIES = 3
SECONDS_TO_WAIT = 20.0
_PROGRESS_EVERY_SECONDS = 5.0
# A full disk or a missing right does not pass by waiting.
_PASSING = frozenset({errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETIMEDOUT, errno.ECONNRESET})


def is_transient(error: BaseException) -> bool:
    """Whether trying again later can help."""
    if isinstance(error, WarehouseBusyError):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


@contextmanager
def explained() -> Iterator[None]:
    """Wrap a step's body: transient errors ask Dagster for a retry, others fail with their fix.

    Raises:
        dagster.RetryRequested: at most ``MAX_RETRIES`` times a step.
        dagster.Failure: with what happened, why and what to do; retrying would not help.
    """
    try:
        yield
    except Exception as error:
        if is_transient(error):
            raise dg.RetryRequested(MAX_RETRIES, SECONDS_TO_WAIT) from error
        if isinstance(error, UserError | BlockedError):
            raise dg.Failure(str(error), metadata=_parts(error), allow_retries=False) from error
        raise


def _parts(error: ThroughlineError) -> dict[str, str]:
    return {name: part for name, part in (("why", error.why), ("fix", error.fix)) if part}


_watching: ContextVar[Progress] = ContextVar("watching", default=silent)


@contextmanager
def watched_by(progress: Progress) -> Iterator[None]:
    """Steps of a run inside this process report to ``progress`` too: the command line's."""
    token = _watching.set(progress)
    try:
        yield
    finally:
        _watching.reset(token)


def logged(log: dg.DagsterLogManager) -> Progress:
    """Progress as log lines of the run, at most one every few seconds."""
    last = [0.0]
    watching = _watching.get()

    def progress(label: str, done: int, total: int | None = None) -> None:
        watching(label, done, total)
        now = time.monotonic()
        if now - last[0] >= _PROGRESS_EVERY_SECONDS or (total is not None and done == total):
            last[0] = now
            log.info(f"{label}: {done:,}" + (f" of {total:,}" if total else ""))

    return progress
