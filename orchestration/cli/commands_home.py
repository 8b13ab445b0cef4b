"""Commands about a home: init, config, doctor, status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import ago, short, size
from orchestration.cli.state import state

if TYPE_CHECKING:
    from rich.console import Console

    from governance.config import Finding
    from orchestration.doctor import Check
    from orchestration.publishing import TargetState
    from orchestration.status import Status

config_app = typer.Typer(help="Check throughline.yml, or print its schema.", no_args_is_help=True)

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(init)
    app.command()(status)
    app.command()(doctor)
    app.add_typer(config_app, name="config")


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make a home of.")],
) -> None:
    """Make a company's own home: configuration, contracts, keys.

    A home that came from git has all but its keys; then only they are made.
    """
    from governance.home import Home
    from governance.keys import make_keys
    from governance.starter import init_home

    home = Home(folder.expanduser().resolve())
    if home.config.exists() and not (home.keys.exists() or home.warehouse.exists()):
        make_keys(home)
    else:
        home = init_home(folder)

    def show(screen: Console) -> None:
        screen.print(f"Made a home in {home.root}")
        screen.print(f"  1. Describe your sources in {short(home.config)}")
        screen.print(f"  2. Put JSON lines into {short(home.landing)}/web/")
        screen.print(f"  3. throughline --home {short(home.root)} run hourly")
        screen.print(f"Keep a backup of {short(home.keys)}: nothing stored is of use without it.")

    state(context).output.result({"home": home.root, "config": home.config}, show)


@config_app.command("check")
def check(context: typer.Context) -> None:
    """Say everything that is wrong with throughline.yml and contracts/."""
    from governance.config import check_config

    shared = state(context)
    findings = check_config(shared.home())
    errors = sum(finding.level == "error" for finding in findings)
    shared.output.result(
        {"ok": not errors, "findings": findings}, lambda screen: _show_findings(screen, findings)
    )
    if errors:
        raise typer.Exit(1)


@config_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of throughline.yml, for editors."""
    from governance.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def status(context: typer.Context) -> None:
    """Show what is published, what waits, what failed, and the next command."""
    from orchestration.status import read_status

    shared = state(context)
    found = read_status(*shared.opened())
    shared.output.result(found, lambda screen: _show_status(screen, found))


def doctor(context: typer.Context) -> None:
    """Look for everything that has gone wrong before, with the fix of each."""
    from governance.home import find_home
    from orchestration.doctor import examine

    shared = state(context)
    # not shared.home(): a .env others can read is a finding here, not the end
    checks = examine(find_home(shared.given_home))
    errors = sum(check.level == "error" for check in checks)
    shared.output.result(
        {"ok": not errors, "checks": checks}, lambda screen: _show_checks(screen, checks)
    )
    if errors:
        raise typer.Exit(1)


def _show_findings(screen: Console, findings: list[Finding]) -> None:
    for finding in findings:
        screen.print(f"{_MARKS[finding.level]} ", end="")
        screen.print(finding.what, markup=False)
        if finding.fix:
            screen.print(f"  Fix: {finding.fix}", markup=False)
    if not findings:
        screen.print("The configuration can be used.")


def _show_checks(screen: Console, checks: list[Check]) -> None:
    for check in checks:
        screen.print(f"{_MARKS[check.level]} {check.name}: ", end="")
        screen.print(check.found, markup=False)
        if check.fix:
            screen.print(f"  Fix: {check.fix}", markup=False)


def _show_status(screen: Console, found: Status) -> None:
    def line(name: str, text: str) -> None:
        screen.print(f"{name:<12} {text}", markup=False)

    line("home", str(found.home))
    published = found.published
    if published is None:
        line("published", "nothing yet")
    else:
        rolled = " (rolled back to)" if published.is_rolled_back else ""
        line("published", f"{published.version}, {ago(published.age_seconds)} ago{rolled}")
        line("", f"{sum(published.rows.values()):,} rows, {found.kept_versions} versions kept")
        for source, until in published.data_until.items():
            line("data until", f"{source}: {until or 'no event yet'}")
    for target in found.targets:
        line("target", f"{target.name}: {_target(target)}")
    _show_build(line, found)
    for item in found.landing:
        pending = "?" if item.pending_bytes is None else size(item.pending_bytes)
        folder = f"{item.files:,} files, {size(item.bytes)}" if item.exists else "folder is missing"
        tail = f", unfinished line: {size(item.tail_bytes)}" if item.tail_bytes else ""
        line("landing", f"{item.source}: {folder}, not loaded yet: {pending}{tail}")
    if found.overrides in ("waiting", "broken"):
        how = "changed, not loaded yet" if found.overrides == "waiting" else "CANNOT BE READ"
        line("overrides", f"identity_overrides.jsonl: {how}")
    line("warehouse", f"held by {found.lock_holder}" if found.lock_holder else "free")
    line("next", f"{found.next_command}   # {found.why_next}")


def _target(target: TargetState) -> str:
    """How far a target is, with the reason when it is behind."""
    if not target.is_behind:
        return f"{target.version or 'nothing yet'} ({target.place})"
    has = f"has {target.version}" if target.version else "has nothing yet"
    return f"BEHIND, {has} ({target.place})" + (f": {target.error}" if target.error else "")


def _show_build(line, found: Status) -> None:  # noqa: ANN001 - the printer above
    last = found.last_build
    if last is None:
        line("last build", "none")
    else:
        verdict = f"{len(last.failures)} FAILED" if last.failures else "all passed"
        line("last build", f"{last.models} models, {last.tests} tests, {verdict}")
        for failure in last.failures:
            line("  failed", f"{failure.name}: {failure.message} ({failure.path})")
    for name in found.failing_checks:
        line("FAILED check", name)
