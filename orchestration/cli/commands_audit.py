"""``throughline audit``: rows rebuilt from raw and compared with those that stand."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.errors import BlockedError, UsageError
from orchestration.cli.state import state

if TYPE_CHECKING:
    from rich.console import Console

    from orchestration.audit import AuditReport


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(audit)


def audit(
    context: typer.Context,
    persons: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many people; by default one in a hundred, at least 100, at most 10,000.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Everybody and every mart, from all raw rows.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="The same seed chooses the same people; drawn unless given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Rebuild people from raw and compare their rows with those that stand; 3 when any differs."""
    if full and persons is not None:
        raise UsageError("--full audits everybody, --persons some.", fix="Give one of them.")
    from orchestration.audit import audit as compare_with_raw
    from orchestration.audit import refuse_mismatches
    from orchestration.dbt import manifest_path

    shared = state(context)
    home, config, keys = shared.opened()
    with shared.output.progress() as progress:
        report = compare_with_raw(
            home,
            config,
            keys,
            dbt_manifest=manifest_path(home),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            persons=persons,
            full=full,
            progress=progress,
        )
    shared.output.result(_told(report), lambda screen: _show(screen, report))
    try:
        refuse_mismatches(report)
    except BlockedError as error:
        if shared.as_json:
            raise typer.Exit(error.exit_code) from None  # one document on stdout: it told all
        raise


def _told(report: AuditReport) -> dict[str, Any]:
    """The report for programs."""
    return {
        "passed": report.passed,
        "seed": report.seed,
        "persons": report.persons,
        "all_persons": report.all_persons,
        "left_out": report.left_out,
        "unknown_names": report.unknown_names,
        "raw_rows": report.raw_rows,
        "rows": report.rows,
        "differing": report.differing,
        "mismatches": report.mismatches,
        "seconds": report.seconds,
    }


def _show(screen: Console, report: AuditReport) -> None:
    def line(text: str) -> None:
        screen.print(text, markup=False)

    whom = "Everybody" if report.persons is None else f"{report.persons:,} people"
    line(
        f"{whom} of {report.all_persons:,}, rebuilt from {report.raw_rows:,} raw rows"
        f" in {report.seconds:.0f} s, seed {report.seed}"
    )
    if report.left_out:
        line(f"{report.left_out:,} more were chosen and left out: their rows depend on too many.")
    if report.unknown_names:
        line(
            f"{report.unknown_names:,} names that nobody has were looked into:"
            " their rows may not count, or somebody is missing."
        )
    for name, rows in sorted(report.rows.items()):
        differing = report.differing.get(name)
        line(f"  {name}: {rows:,} rows" + (f", {differing:,} differ" if differing else ""))
    if report.passed:
        line("All of them are what raw gives.")
        return
    for mismatch in report.mismatches:
        line(f"{mismatch.mart} {', '.join(f'{k}={v}' for k, v in mismatch.key.items())}")
        line(f"  {mismatch.verdict}")
        for each in mismatch.differences:
            line(f"  {each.column}: stands {each.stands}, raw gives {each.rebuilt}")
        if mismatch.input:
            line(f"  input: {mismatch.input}")
