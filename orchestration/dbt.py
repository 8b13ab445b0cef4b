"""Runs dbt for a home: environment, arguments, child process, progress and verdict.

``dbt_environment`` and ``dbt_arguments`` are pure, and Dagster's build step uses the same two. The
target folder lies inside the project, one per home: anywhere else dbt loses its partial parse, four
seconds a run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from governance.config import Config, dbt_vars
from governance.errors import BlockedError, ThroughlineError
from governance.home import HOME_VARIABLE, Home
from governance.progress import Progress, silent
from governance.warehouse import explain, lock_descriptor, memory_default

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"

PARSE_SECONDS = 300
_PARSED = "partial_parse.msgpack"
_LAST_ERRORS = 20
_MESSAGE_CHARACTERS = 2000
# What a dbt failure means to us: a test says the data are wrong, a model says the program is.
_TESTS = ("test.", "unit_test.")


@dataclass(frozen=True, slots=True)
class Failure:
    """A test or model that failed: dbt's name and message, and the file to look at."""

    kind: Literal["test", "model"]
    name: str
    message: str
    path: str


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did; ``models`` and ``tests`` count what ran, failures included.

    ``rebuilt``: models that were built from nothing, by the reason.
    """

    models: int
    tests: int
    warnings: int
    skipped: int
    failures: tuple[Failure, ...]
    seconds: float
    rebuilt: Mapping[str, Sequence[str]] = field(default_factory=dict)


def target_folder(home: Home) -> Path:
    """Where dbt keeps what it parsed and compiled for this home."""
    return PROJECT / "target" / hashlib.sha256(str(home.root).encode()).hexdigest()[:12]


def log_folder(home: Home) -> Path:
    """Where dbt writes ``dbt.log``."""
    return home.logs / "dbt"


def dbt_environment(home: Home, config: Config) -> dict[str, str]:
    """The variables dbt starts with: this process's, and which warehouse and limits to use."""
    limits = {"THROUGHLINE_MEMORY_LIMIT": config.storage.memory_limit or memory_default()}
    if config.storage.threads:
        limits["THROUGHLINE_DBT_THREADS"] = str(config.storage.threads)
    return {
        # dbt's words about each statement take a fifth of a build of few events
        "DBT_LOG_LEVEL_FILE": "info",
        **os.environ,
        HOME_VARIABLE: str(home.root),
        "THROUGHLINE_WAREHOUSE": str(home.warehouse),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        **limits,
    }


def dbt_arguments(
    command: str, home: Home, config: Config, *, full_refresh: bool = False
) -> list[str]:
    """The arguments of ``dbt <command>``, without the program's name.

    A home's build leaves the unit tests out: they test the code, under the configuration they were
    written for, and would refuse a home with another one.
    """
    arguments = [
        command,
        *("--project-dir", str(PROJECT)),
        *("--profiles-dir", str(PROJECT)),
        *("--target-path", str(target_folder(home))),
        *("--log-path", str(log_folder(home))),
        # sorted, because dbt parses everything again when the text differs
        *("--vars", json.dumps(dbt_vars(config), sort_keys=True)),
        "--no-version-check",
    ]
    if command == "build":
        arguments += ["--exclude-resource-type", "unit_test"]
    return [*arguments, "--full-refresh"] if full_refresh else arguments


def manifest_path(home: Home) -> Path:
    """Dbt's manifest of the home's last parse."""
    return target_folder(home) / "manifest.json"


def graph_folder(home: Home) -> Path:
    """Where dbt parses for the graph: not the build's folder, dbt may be writing there now."""
    return target_folder(home) / "graph"


def apart_folder(home: Home) -> Path:
    """Where dbt builds apart: not the home's folder, whose last build keeps its verdict."""
    return target_folder(home).with_name(f"{target_folder(home).name}-apart")


def parse(
    home: Home, config: Config, folder: Path, *, warehouse: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """``dbt parse`` into ``folder``, for the home's warehouse or another one.

    Raises: subprocess.TimeoutExpired.
    """
    environment = dbt_environment(home, config)
    if warehouse:
        environment["THROUGHLINE_WAREHOUSE"] = str(warehouse)
    else:
        share_parse(target_folder(home), folder)
    arguments = [*dbt_arguments("parse", home, config), "--target-path", str(folder)]
    return subprocess.run(  # noqa: S603 - our own command line, no shell
        [sys.executable, "-m", "orchestration.dbt_child", *arguments],
        env=environment,
        cwd=PROJECT.parent,
        capture_output=True,
        text=True,
        timeout=PARSE_SECONDS,
        check=False,
    )


def share_parse(done: Path, folder: Path) -> None:
    """Let dbt begin in ``folder`` with what it parsed in ``done``, five seconds of a first build.

    dbt itself finds out what of it still holds, so a copy that is old or missing costs only time.
    """
    if (folder / _PARSED).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{_PARSED}.{os.getpid()}"
    with suppress(OSError):
        shutil.copyfile(done / _PARSED, draft)
        draft.replace(folder / _PARSED)


def prepare_build(home: Home) -> None:
    """Forget the last build's verdict, and let dbt begin with what the graph's parse found."""
    (target_folder(home) / "run_results.json").unlink(missing_ok=True)
    log_folder(home).mkdir(parents=True, exist_ok=True)
    share_parse(graph_folder(home), target_folder(home))


def run_dbt_build(
    home: Home, config: Config, *, full_refresh: bool = False, progress: Progress = silent
) -> BuildReport:
    """``dbt build`` in a child process; the caller holds the warehouse lock and no open connection.

    The child inherits the lock, so the warehouse stays reserved until it ends, and it ends itself
    when this process is gone. A report with failures is returned, not raised (see
    ``raise_failures``).

    Raises:
        WarehouseBusyError: a program that does not know the lock has the file open.
        ThroughlineError: dbt ended without running anything; its last errors are in the message.
    """
    started = time.monotonic()
    prepare_build(home)
    errors = _run(
        home,
        dbt_arguments("build", home, config, full_refresh=full_refresh),
        dbt_environment(home, config),
        progress,
    )
    if not (target_folder(home) / "run_results.json").exists():
        raise _crashed(home, errors)
    report = read_report(home, seconds=time.monotonic() - started)
    for failure in report.failures:
        if ours := explain(failure.message, home):
            raise ours
    return report


def build_apart(
    home: Home,
    config: Config,
    *,
    warehouse: Path,
    exclude: Sequence[str] = (),
    progress: Progress = silent,
) -> None:
    """Build the models, without their tests, into another warehouse file.

    Args:
        home: whose configuration and keys count.
        config: the home's.
        warehouse: the DuckDB file that holds the raw tables; best always at the same address,
            for dbt parses its project anew for another one.
        exclude: dbt's selectors of models to leave out.
        progress: told models and how many there are.

    Raises:
        UserError: the disk is full or the memory is not enough.
        ThroughlineError: a model could not be built.
    """
    folder = apart_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "run_results.json"
    results.unlink(missing_ok=True)
    arguments = [
        *dbt_arguments("build", home, config),
        *("--target-path", str(folder), "--log-path", str(folder)),
        *("--resource-type", "model", "--resource-type", "seed"),
    ]
    if exclude:
        arguments += ["--exclude", *exclude]
    environment = {**dbt_environment(home, config), "THROUGHLINE_WAREHOUSE": str(warehouse)}
    errors = _run(home, arguments, environment, progress)
    if not results.exists():
        raise _crashed(home, errors)
    failed = [
        result
        for result in json.loads(results.read_bytes())["results"]
        if result["status"] not in {"success", "skipped"}
    ]
    if failed:
        message = str(failed[0].get("message"))
        raise explain(message, home) or ThroughlineError(
            f"{failed[0]['unique_id']} could not be built apart.", why=message[:_MESSAGE_CHARACTERS]
        )


def read_report(home: Home, *, seconds: float) -> BuildReport:
    """The verdict of the home's last build, from dbt's own result files."""
    results = json.loads((target_folder(home) / "run_results.json").read_bytes())["results"]
    manifest = json.loads(manifest_path(home).read_bytes())
    nodes = {**manifest["nodes"], **manifest.get("unit_tests", {})}
    counted = [result for result in results if result["status"] != "skipped"]
    tests = [result for result in counted if result["unique_id"].startswith(_TESTS)]
    return BuildReport(
        models=len(counted) - len(tests),
        tests=len(tests),
        warnings=sum(result["status"] == "warn" for result in results),
        skipped=len(results) - len(counted),
        failures=tuple(
            _failure(result, nodes.get(result["unique_id"], {}))
            for result in results
            if result["status"] in {"fail", "error", "runtime error"}
        ),
        seconds=seconds,
    )


def raise_failures(report: BuildReport, home: Home) -> None:
    """Raise when something failed.

    Raises:
        BlockedError: tests failed, so the marts must not be published.
        ThroughlineError: a model failed, which is a fault of the program, not of the data.
    """
    models = [failure for failure in report.failures if failure.kind == "model"]
    tests = [failure for failure in report.failures if failure.kind == "test"]
    if models:
        raise ThroughlineError(
            f"{_count(len(models), 'model')} could not be built: {_names(models)}.",
            why=models[0].message,
            fix=f"The log is {log_folder(home) / 'dbt.log'}; the file is {models[0].path}.",
        )
    if tests:
        raise BlockedError(
            f"{_count(len(tests), 'blocking test')} failed: {_names(tests)}."
            " The published copy stays as it was.",
            why="\n".join(f"{test.name}: {test.message}" for test in tests[:5]),
            fix=f"See the rows with the query in {tests[0].path}"
            " (throughline status names all failing tests), then: throughline build",
        )


def _run(
    home: Home, command: Sequence[str], environment: Mapping[str, str], progress: Progress
) -> list[str]:
    """Run the child to its end; returns the last errors it logged."""
    descriptor = lock_descriptor(home)
    process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
        [sys.executable, "-m", "orchestration.dbt_child", *command, "--log-format", "json"],
        env=dict(environment),
        cwd=PROJECT.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=() if descriptor is None else (descriptor,),
        # Ctrl-C in a terminal reaches the whole group; dbt would then wait for its running query
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        errors = _follow(process.stdout, home, progress)
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return errors


def _follow(lines: Iterable[str], home: Home, progress: Progress) -> list[str]:
    """Turn dbt's log into progress; returns the last errors, after the first that says why.

    On a full disk the complaint about the first write is followed by pages about dbt's own log.
    """
    errors: deque[str] = deque(maxlen=_LAST_ERRORS)
    cause: list[str] = []
    progress("reading the dbt project", 0)
    for name, level, message, data in _entries(lines):
        if level == "error":
            errors.append(message)
            if not cause and explain(message, home):
                cause.append(message)
        if name.endswith("Result") and data.get("total"):
            progress("building and testing", int(data["index"]), int(data["total"]))
    return [*cause, *errors]


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Name, level, message and data of each log entry; a line that is none is an error's text."""
    for line in lines:
        try:
            entry = json.loads(line)
            info = entry["info"]
        except (ValueError, KeyError, TypeError):
            if line.strip():
                yield "", "error", line.rstrip(), {}
            continue
        yield info["name"], info["level"], info["msg"], entry.get("data") or {}


def _failure(result: dict[str, Any], node: dict[str, Any]) -> Failure:
    is_test = result["unique_id"].startswith(_TESTS)
    path = node.get("compiled_path") if is_test else None
    # dbt only counts rows; what they mean and what to do stands in the test's description
    meaning = " ".join((node.get("description") or "").split()) if is_test else ""
    said = (result.get("message") or result["status"]).strip()
    return Failure(
        kind="test" if is_test else "model",
        name=node.get("name") or result["unique_id"],
        message=(f"{said}. {meaning}" if meaning else said)[:_MESSAGE_CHARACTERS],
        path=str(PROJECT.parent / path)
        if path
        else f"dbt_project/{node.get('original_file_path')}",
    )


def _crashed(home: Home, errors: list[str]) -> ThroughlineError:
    text = "\n".join(errors)
    return explain(text, home) or ThroughlineError(
        "dbt ended before it ran anything.",
        why=text[-_MESSAGE_CHARACTERS:] or "It said nothing.",
        fix=f"The whole log is {log_folder(home) / 'dbt.log'}.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _names(failures: list[Failure]) -> str:
    return ", ".join(failure.name for failure in failures[:10]) + (
        " …" if len(failures) > 10 else ""
    )
