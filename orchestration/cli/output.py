"""What a command says: a result for people or as JSON, progress, errors in three parts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ThroughlineError
from governance.progress import Progress, silent

if TYPE_CHECKING:
    from rich.console import Console

# Work that takes less is not worth a line.
_QUIET_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go: text on stdout, or one JSON document there."""

    as_json: bool = False

    def result(self, data: Any, show: Callable[[Console], None]) -> None:
        """The command's one result: ``data`` for programs, ``show`` for people."""
        if self.as_json:
            self._document(plain(data))
        else:
            show(console())

    def error(self, error: ThroughlineError, *, code: int) -> None:
        """What happened, why and the fix; on stderr, or as ``{"error": …}`` on stdout."""
        if self.as_json:
            parts = {"code": code, "what": error.what, "why": error.why, "fix": error.fix}
            self._document({"error": parts})
            return
        screen = console(stderr=True)
        for style, lead, text in (
            ("bold red", "", error.what),
            ("", "", error.why),
            ("green", "Fix: ", error.fix),
        ):
            if text:
                screen.print(lead + text, style=style, markup=False, highlight=False)

    def note(self, text: str) -> None:
        """A line beside the result, for people only."""
        if not self.as_json:
            console(stderr=True).print(text, markup=False, highlight=False)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars on a terminal, a line now and then elsewhere, nothing beside JSON."""
        if self.as_json:
            yield silent
        elif console(stderr=True).is_terminal:
            with _bars() as progress:
                yield progress
        else:
            yield _lines()

    def _document(self, data: Any) -> None:
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def console(*, stderr: bool = False) -> Console:
    """A console on the stream as it is now: tests and pipes replace it."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def plain(value: Any) -> Any:
    """``value`` in the types of JSON: times in ISO 8601, spans in seconds."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def ago(seconds: float) -> str:
    """A span as people say it: ``3 minutes``."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (unit != "day" and size <= seconds < 2 * size):
            count = int(seconds // size)
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return f"{int(seconds)} seconds"


def size(count: float) -> str:
    """Bytes as people say them: ``3.4 MB`` (powers of 1000)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def short(path: Path) -> str:
    """``path`` from the working folder when it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@contextmanager
def _bars() -> Iterator[Progress]:
    """One bar per label; it appears when its work has taken a while."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    tasks: dict[str, Any] = {}
    with Bars(*columns, console=console(stderr=True), transient=False) as bars:

        def progress(label: str, done: int, total: int | None = None) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield progress


def _lines() -> Progress:
    """A line every two seconds at most, the first after two seconds of the same label."""
    last: dict[str, float] = {}
    shown: set[str] = set()

    def progress(label: str, done: int, total: int | None = None) -> None:
        now = time.monotonic()
        last.setdefault(label, now)
        finished = total is not None and done >= total
        if now - last[label] < _QUIET_SECONDS and not (finished and label in shown):
            return
        last[label] = now
        shown.add(label)
        if finished:
            shown.discard(label)
        counted = f"{done:,} of {total:,}" if total is not None else f"{done:,}"
        sys.stderr.write(f"{label}: {counted}\n")
        sys.stderr.flush()

    return progress
