"""Commands that look back: as-of, restatements."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.state import state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from orchestration.publishing.looking_back import Restatement


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command("as-of")(as_of)
    app.command()(restatements)


def as_of(
    context: typer.Context,
    version: Annotated[
        str, typer.Argument(help="A kept version, or current: throughline publish --list")
    ],
    metric: Annotated[str, typer.Argument(help="sessions, new_persons, revenue, …")],
    days: Annotated[int, typer.Option(min=1, help="How many days, the last ones.")] = 30,
) -> None:
    """A daily number as a kept version shows it."""
    from orchestration.publishing.looking_back import as_of as read

    shared = state(context)
    found = read(shared.home(), version, metric)

    def show(screen: Console) -> None:
        if not found:
            screen.print(f"{version} shows no day of {metric}.", markup=False)
        for day in found[-days:]:
            screen.print(f"{day.metric_date}  {day.value.normalize():>14,f}", markup=False)

    data = {
        "version": version,
        "metric": metric,
        "days": [
            {"metric_date": day.metric_date, "value": float(day.value)} for day in found[-days:]
        ],
    }
    shared.output.result(data, show)


def restatements(
    context: typer.Context,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Only what this version changed.")
    ] = None,
) -> None:
    """Numbers of complete days that changed, by whom and why."""
    from orchestration.publishing.looking_back import restatements as read

    shared = state(context)
    found = read(shared.home(), version)
    shared.output.result({"restatements": found}, lambda screen: _show(screen, found))


def _show(screen: Console, found: Sequence[Restatement]) -> None:
    if not found:
        screen.print("No number of a complete day has changed.")
    for (name, previous), rows in groupby(found, lambda r: (r.version, r.previous_version)):
        screen.print(f"{name}, after {previous}", markup=False)
        for (day, metric), parts in groupby(rows, lambda r: (r.metric_date, r.metric)):
            some = list(parts)
            values = f"{some[0].previous_value.normalize():f} -> {some[0].new_value.normalize():f}"
            screen.print(f"  {day} {metric}: {values}", markup=False)
            for part in some:
                line = f"    {part.part.normalize():+f} {part.cause} ({part.persons:,} persons)"
                screen.print(line, markup=False)
