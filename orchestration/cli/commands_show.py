"""Commands for a first look: demo and dev."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governance.home import Home
from orchestration.cli.output import plain, short
from orchestration.cli.state import State, state

if TYPE_CHECKING:
    from rich.console import Console

    from governance.progress import Progress
    from ingestion.sample import Comparison, Told
    from orchestration.audit import AuditReport

_PARAMETERS = "parameters.json"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(demo)
    app.command()(dev)


def dev(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Where the UI listens, on 127.0.0.1.")] = 3000,
) -> None:
    """Start the Dagster UI and its daemon; Ctrl-C ends both."""
    from orchestration.instance import dagster_environment

    shared = state(context)
    home, _, _ = shared.opened()
    _refuse_taken(port)
    shared.output.note(f"The UI of {home.root} is coming up at http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "dagster", "dev"]
    command += ["-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", str(port)]
    environment = {"PYTHONWARNINGS": "ignore", **dagster_environment(home)}
    os.chdir(home.root)  # Dagster would warn of the repository's dagster.yaml, the template of ours
    # this process becomes Dagster's, so Ctrl-C and service managers reach it directly
    os.execve(command[0], command, environment)  # noqa: S606 - no shell wanted


def demo(
    context: typer.Context,
    persons: Annotated[
        int | None, typer.Option(help="How many people.", show_default=False)
    ] = None,
    days: Annotated[int, typer.Option(help="How many days they act.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed makes the same company.")] = 7,
) -> None:
    """A sample company, from raw events to published marts, beside the truth."""
    from governance.config import load_config
    from ingestion.sample import DEFAULT_PERSONS, EDITION, give_back, install_company
    from orchestration.inputs import built_from

    shared = state(context)
    parameters = {"persons": persons or DEFAULT_PERSONS, "days": days, "seed": seed}
    parameters["edition"] = EDITION
    home = _demo_home(shared)
    install_company(home)
    is_written = _is_written(home, parameters)
    # a build that did not come to its end is begun again, with the same half
    is_new = not is_written or not home.warehouse.exists() or built_from(home) is None
    with shared.output.progress() as progress, _ahead(home, is_needed=is_new) as preparing:
        give_back(home)  # of a demo that was killed
        if not is_written:
            _synthesise(home, parameters, shared, progress)
        if is_new:
            _build_half(home, seed, preparing.graph, progress)
        preparing.libraries.exception()
        from orchestration.jobs import run_job

        report, proof = run_job(home, "hourly", progress), None
        if report.outcome == "published":
            preparing.apart.exception()
            proof = _built_at_once(home, seed, progress)
    from ingestion.sample import measure, told_by
    from orchestration.audit import refuse_mismatches
    from orchestration.publishing import current_file

    numbers, told = measure(current_file(home), home.truth), told_by(current_file(home))
    kinds = {source.name: source.kind for source in load_config(home).sources}

    def show(screen: Console) -> None:
        _show_sources(screen, told, kinds)
        _show_numbers(screen, numbers)
        if proof:
            _show_proof(screen, proof)
        _show_where_next(screen, home, current_file(home))

    told_of_all = {"run": plain(report), "sources": told, "numbers": numbers}
    shared.output.result(told_of_all | {"rows_equal_at_once": proof and proof.rows}, show)
    if proof:
        refuse_mismatches(proof)
    if not all(number.ok for number in numbers):
        raise typer.Exit(4)


def _demo_home(shared: State) -> Home:
    """The demo's home, made with its keys when it is new.

    Raises:
        UserError: the folder holds a company of its own, or a warehouse without keys.
    """
    from governance.keys import load_keys, make_keys

    named = shared.given_home or Path("data")
    named.expanduser().mkdir(parents=True, exist_ok=True)
    home = shared.home()
    _refuse_real_company(home)
    if not home.keys.exists() and not home.warehouse.exists():
        make_keys(home)
    load_keys(home)
    return home


def _refuse_real_company(home: Home) -> None:
    from governance.errors import UserError

    if home.warehouse.exists() and not home.truth.is_dir():
        raise UserError(
            f"{home.root} holds a company of its own, not the sample.",
            why="The demo would mix its events with them.",
            fix="Give it another folder: throughline --home /tmp/demo demo",
        )


def _is_written(home: Home, wanted: dict[str, int]) -> bool:
    """Whether landing holds just this sample already."""
    try:
        found = json.loads((home.truth / _PARAMETERS).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return found == wanted and home.landing.is_dir()


def _synthesise(home: Home, wanted: dict[str, int], shared: State, progress: Progress) -> None:
    """Write the sample.

    Another sample in the same home would add to the old one's events, so the warehouse starts anew.
    """
    from ingestion.sample import forget_sample, write_sample

    noted = home.truth / _PARAMETERS
    if home.warehouse.exists():
        shared.output.note("Another sample than last time: the demo's warehouse is made anew.")
        _start_over(home)
    noted.unlink(missing_ok=True)
    forget_sample(home)
    write_sample(
        home,
        persons=wanted["persons"],
        days=wanted["days"],
        seed=wanted["seed"],
        progress=progress,
    )
    # last: a sample that was cut off is written again
    noted.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Preparing:
    """What is done beside other work, one after the other, because it is needed later.

    An error is dropped: whoever needs what is missing makes it, and says what is wrong.
    """

    graph: Future[None]
    apart: Future[None]
    libraries: Future[None]


@contextmanager
def _ahead(home: Home, *, is_needed: bool) -> Iterator[_Preparing]:
    """Parse dbt's project and import Dagster while one core loads and dbt is waited for."""
    from governance.config import load_config

    def graph() -> None:
        from orchestration.manifest import load_manifest

        load_manifest(home, load_config(home))

    def apart() -> None:
        from orchestration.audit import parse_ahead

        parse_ahead(home, load_config(home))

    def libraries() -> None:
        from orchestration.quality import great_expectations

        import_module("orchestration.jobs")
        great_expectations()

    # libraries last: imports would hold up the loading in this very process
    work = (graph, apart, libraries) if is_needed else (lambda: None,) * 3
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        yield _Preparing(*map(pool.submit, work))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _build_half(home: Home, seed: int, parsed: Future[None], progress: Progress) -> None:
    """Load and build half of the files, so that what follows is an increment.

    ``parsed``: done when dbt's project is parsed, with which the build begins.
    """
    from governance.config import load_config
    from governance.keys import load_keys
    from ingestion.load import load
    from ingestion.sample import give_back, hold_back
    from orchestration.pipeline import build

    config, keys = load_config(home), load_keys(home)
    hold_back(home, seed)
    try:
        load(home, config, keys, progress=progress)
        parsed.exception()
        build(home, config, keys, progress=progress)
    finally:
        give_back(home)


def _built_at_once(home: Home, seed: int, progress: Progress) -> AuditReport:
    """Every state mart beside a build of all records from nothing."""
    from governance.config import load_config
    from governance.keys import load_keys
    from orchestration.audit import audit
    from orchestration.dbt import manifest_path

    return audit(
        home,
        load_config(home),
        load_keys(home),
        dbt_manifest=manifest_path(home),
        seed=seed,
        full=True,
        progress=progress,
    )


def _start_over(home: Home) -> None:
    """Remove what was made from the demo's old sources; published versions stay."""
    import shutil

    from governance.warehouse import warehouse_lock

    with warehouse_lock(home, "demo"):
        for path in home.root.glob(f"{home.warehouse.name}*"):
            path.unlink()
        home.vault.unlink(missing_ok=True)
        for folder in (home.rejects, home.dlt):
            shutil.rmtree(folder, ignore_errors=True)


def _show_sources(screen: Console, told: list[Told], kinds: dict[str, str]) -> None:
    """Every kind of source beside the others; each sale is told by several and counts once."""
    from rich.table import Table

    heads = ("received", "kept", "orders counted", "orders matched")
    table = Table("source", "kind", *heads, title="Who told what")
    for column in table.columns[2:]:
        column.justify = "right"
    for each in told:
        orders = (each.orders_counted, each.orders_matched)
        numbers = (each.received, each.accepted, *orders)
        table.add_row(each.source, kinds.get(each.source, ""), *map(_figure, numbers))
    screen.print(table)


def _show_numbers(screen: Console, numbers: list[Comparison]) -> None:
    from rich.table import Table

    table = Table("", "published", "truth", "", title="The sample company in numbers")
    table.columns[1].justify = table.columns[2].justify = "right"
    for number in numbers:
        mark = "[green]equal[/]" if number.ok else "[red]differs[/]"
        table.add_row(number.name, _figure(number.published), _figure(number.truth), mark)
    screen.print(table)


def _show_proof(screen: Console, proof: AuditReport) -> None:
    what = f"{len(proof.rows)} marts, {sum(proof.rows.values()):,} rows"
    how = "built load by load, files in random order; and from nothing, all at once"
    screen.print(f"{what}, {how}: {'equal' if proof.passed else 'they differ'}", markup=False)
    screen.print()


def _figure(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float | Decimal) else str(value)


def _show_where_next(screen: Console, home: Home, published: Path) -> None:
    path = short(published)
    for lead, text in (
        ("Published", path),
        ("Query it", f'duckdb -readonly {path} "select * from marts.rpt_metrics_daily limit 10"'),
        ("See it", "make dev   # the Dagster UI at http://127.0.0.1:3000"),
        (
            "Status",
            "throughline status"
            if home.root == Path("data").resolve()
            else f"throughline --home {short(home.root)} status",
        ),
    ):
        screen.print(f"{lead:<10} {text}", markup=False)


def _refuse_taken(port: int) -> None:
    """Dagster's own message about a taken port is a traceback."""
    import socket

    from governance.errors import UserError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"The port {port} is taken.",
                why=str(error.strerror),
                fix=f"throughline dev --port {port + 1}",
            ) from error
