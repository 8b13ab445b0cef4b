"""The entry point: global options anywhere; every error as three lines and an exit code.

Exit codes: 0 done, 1 the user can fix it, 2 usage, 3 a blocking check stopped publishing, 4 our
fault (the traceback is in the home's ``logs/``), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from governance.errors import ThroughlineError, UsageError, UserError
from governance.home import Home, find_home
from orchestration.cli.output import Output

INTERRUPTED = 130
OUR_FAULT = 4
_STOPPED = ThroughlineError(
    "Stopped.",
    why="Nothing half done is visible: what was not finished is not counted.",
    fix="Run the same command again.",
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' words to their own developers
    from orchestration.cli.app import app

    given = hoisted(arguments)
    output = Output(as_json="--json" in given)
    try:
        code = app(args=given, prog_name="throughline", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader of our output, such as head, has seen enough
    except Exception as error:
        if not _was_interrupted(error):
            return _report(error, output, _home_in(given))
        code = INTERRUPTED
    if code == INTERRUPTED:  # raised or returned: releases of Typer differ
        output.error(_STOPPED, code=INTERRUPTED)
    return code if isinstance(code, int) else 0


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--json`` and ``--home DIR`` first: people type them at the end too."""
    front: list[str] = []
    rest: list[str] = []
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        if argument == "--":
            rest += ["--", *remaining]
            break
        if argument == "--json" or argument.startswith("--home="):
            front.append(argument)
        elif argument == "--home" and remaining:
            front += [argument, remaining.pop(0)]
        else:
            rest.append(argument)
    return [*front, *rest]


def _home_in(given: Sequence[str]) -> Path | None:
    for index, argument in enumerate(given):
        if argument == "--home" and index + 1 < len(given):
            return Path(given[index + 1])
        if argument.startswith("--home="):
            return Path(argument.removeprefix("--home="))
    return None


def _was_interrupted(error: Exception) -> bool:
    from governance.warehouse import was_interrupted

    return was_interrupted(error)


def _report(error: Exception, output: Output, given_home: Path | None) -> int:
    """Show an error and return its exit code."""
    if isinstance(error, ThroughlineError):
        output.error(error, code=error.exit_code)
        return error.exit_code
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        usage = _usage_error(error)
        output.error(usage, code=usage.exit_code)
        return usage.exit_code
    home = _existing_home(given_home)
    known = _known(error, home)
    if known is not None:
        output.error(known, code=known.exit_code)
        return known.exit_code
    log = _write_log(error, home)
    fault = ThroughlineError(
        f"This is a fault of Throughline: {type(error).__name__}.",
        why=f"The details are in {log}",
        fix="Run the same command again; if it fails again, report it with that file.",
    )
    output.error(fault, code=OUR_FAULT)
    return OUR_FAULT


def _usage_error(error: Any) -> UsageError:
    """What the option parser says, in our form (its class differs between releases of Typer)."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "throughline"
    return UsageError(error.format_message(), fix=f"See: {command} --help")


def _existing_home(given: Path | None) -> Home | None:
    try:
        return find_home(given)
    except UserError:
        return None


def _known(error: Exception, home: Home | None) -> UserError | None:
    """The user's error behind one of the operating system's or DuckDB's, if it is one."""
    if home and type(error).__module__.endswith("duckdb"):
        from governance.warehouse import explain

        return explain(str(error), home)
    if isinstance(error, OSError) and error.errno in _FULL:
        from governance.warehouse import disk_full

        return disk_full(home.root if home else Path.cwd())
    if isinstance(error, PermissionError) and error.filename:
        return UserError(
            f"This user may not read or write {error.filename}.",
            why=str(error.strerror),
            fix=f"See who owns it with: ls -ld {error.filename}",
        )
    return None


_CREDENTIALS = re.compile(r"://[^\s/@'\"]+@")
_DIRECT = re.compile(r"^\s*((?:email|phone):)(?!tok_).*", re.IGNORECASE | re.DOTALL)


def _typed() -> str:
    """The arguments, without the addresses of people: ``identity`` is given them in clear."""
    from governance.masking import mask_text

    return " ".join(_DIRECT.sub(r"\1[masked]", mask_text(argument)[0]) for argument in sys.argv[1:])


def _write_log(error: Exception, home: Home | None) -> Path:
    """Write the traceback where only the user can read it: values may stand in it."""
    folder = home.logs if home else Path(tempfile.gettempdir())
    name = f"throughline-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%f')}Z.log"
    text = f"throughline {_typed()}\n\n" + "".join(traceback.format_exception(error))
    text = _CREDENTIALS.sub("://***@", text)  # the log is meant to be sent to somebody
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            place.mkdir(parents=True, exist_ok=True)
            log = place / name
            log.touch(mode=0o600)
            log.write_text(text, encoding="utf-8")
        except OSError:
            continue  # a full disk must not hide the first error
        return log
    return Path("(no log could be written)")
