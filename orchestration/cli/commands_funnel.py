"""``throughline funnel``: the numbers of a declared funnel, or of a definition to try out."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governance.errors import UsageError, UserError
from orchestration.cli.state import State, state

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from governance.config import Config, Funnel
    from orchestration.funnel import Answer, Segment, StepCounts, Typed

_STEP = "EVENT, or 'EVENT where FIELD=VALUE and FIELD=[A, B]'; once for each step."
_EXCLUDE = "'EVENT @ 1-2': it voids when it lies between these steps."
_DAY = "A local day, such as 2026-04-01."


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(funnel)


def funnel(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One of throughline.yml.")
    ] = None,
    preview: Annotated[
        str | None,
        typer.Option("--preview", metavar="FILE", help="A definition in YAML; - reads stdin."),
    ] = None,
    step: Annotated[list[str] | None, typer.Option("--step", metavar="EVENT", help=_STEP)] = None,
    window: Annotated[
        str | None, typer.Option("--window", help="How long a person has: 30m, 7d.")
    ] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="ordered, strict or any.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="EVENT", help=_EXCLUDE)
    ] = None,
    breakdown: Annotated[
        list[str] | None,
        typer.Option("--breakdown", metavar="FIELD", help="Cut by it; up to three."),
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", help="Values shown of each; the rest is (other).")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="DAY", help=_DAY)] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help=_DAY)] = None,
    warehouse: Annotated[
        bool, typer.Option("--warehouse", help="Ask the warehouse, under its lock.")
    ] = False,
    timeout: Annotated[int, typer.Option("--timeout", help="Seconds it may take.", min=1)] = 300,
) -> None:
    """Ask a funnel: entered, converted, rates, time to convert. Changes nothing."""
    from orchestration.funnel import Question, Typed, ask, open_published, open_warehouse_of
    from orchestration.funnel.judging import refuse_unknown

    shared = state(context)
    home, config, keys = shared.opened()
    days = _day("--since", since), _day("--until", until)
    if days[0] and days[1] and days[0] > days[1]:
        raise UsageError("--since is after --until.", fix="Exchange them.")
    typed = Typed(step or (), window, mode, exclude or ())
    wanted = _cut(_definition(config, name, preview, typed), breakdown or (), top, config)

    from governance.contracts import Contracts

    contracts = Contracts.load(home.contracts)
    opened = open_warehouse_of(home, config, keys) if warehouse else open_published(home, config)
    with opened as data:
        refuse_unknown(data, wanted, config, contracts)
        answer = ask(data, Question(wanted, *days, seconds=timeout), config)
    shared.output.result(answer, lambda screen: _show(screen, answer))
    _note(shared, answer)


def _definition(config: Config, name: str | None, preview: str | None, typed: Typed) -> Funnel:
    from orchestration.funnel import declared, from_options, from_text

    given = [name is not None, preview is not None, bool(typed.steps)]
    if sum(given) != 1:
        names = [each.name for each in config.funnels]
        raise UsageError(
            "Name one funnel, or give one definition." if any(given) else "Which funnel?",
            why=f"throughline.yml declares: {', '.join(names)}." if names else "",
            fix=f"throughline funnel {names[0] if names else '--preview FILE'}",
        )
    if not typed.steps and (typed.window or typed.mode or typed.exclusions):
        raise UsageError(
            "--window, --mode and --exclude belong to a definition by --step.",
            fix="Write them into the file, or give the steps here too.",
        )
    if name is not None:
        return declared(config, name)
    if preview is not None:
        return from_text(_text(preview), "stdin" if preview == "-" else preview, config)
    return from_options(typed, config)


def _text(preview: str) -> str:
    if preview == "-":
        return sys.stdin.read()
    try:
        return Path(preview).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is not UTF-8."
        raise UserError(f"{preview} can not be read.", why=str(why)) from None


def _cut(
    funnel: Funnel, breakdowns: list[str] | tuple[()], top: int | None, config: Config
) -> Funnel:
    """The definition with other breakdowns, checked again."""
    import json

    from orchestration.funnel import from_text

    if not breakdowns and top is None:
        return funnel
    given = funnel.model_dump(mode="json")
    if breakdowns:
        given["breakdowns"] = list(breakdowns)
    if top is not None:
        given["top_breakdowns"] = top
    return from_text(json.dumps(given), "the options", config)


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a day.", fix=f"{option} 2026-04-01") from None


def _show(screen: Console, answer: Answer) -> None:
    days = f", entries of {answer.first_day} to {answer.last_day}" if answer.first_day else ""
    definition = answer.definition
    screen.print(
        f"Funnel {answer.funnel}: {definition['mode']}, within {definition['window']}{days}",
        markup=False,
        style="bold",
    )
    screen.print(_steps(answer.steps))
    first = answer.steps[0]
    for line in _remarks(first, answer.steps[-1]):
        screen.print(line, markup=False)
    for path in definition["breakdowns"]:
        mine = [segment for segment in answer.segments if segment.segment_set == path]
        if mine:
            screen.print(_cuts(path, mine))
        if answer.values.get(path, 0) > answer.top:
            screen.print(
                f"{path} has {answer.values[path]:,} values; the {answer.top} most frequent are"
                " shown, all others are (other).",
                markup=False,
            )


def _steps(steps: tuple[StepCounts, ...]) -> Table:
    from rich.table import Table

    heads = ("entered", "step rate", "total rate", "drop-off", "p50")
    table = Table("", "step", *heads)
    for column in (table.columns[0], *table.columns[2:]):
        column.justify = "right"
        column.no_wrap = True
    table.columns[1].overflow = "fold"
    for each in steps:
        rates = (each.step_rate, each.total_rate, each.drop_off_rate)
        cells = (*map(_rate, rates), _time(each.p50_seconds))
        table.add_row(str(each.step), each.event, f"{each.converted:,}", *cells)
    return table


def _cuts(path: str, segments: list[Segment]) -> Table:
    from rich.table import Table

    table = Table(path, "entered", "converted", "total rate", "p50")
    for column in table.columns[1:]:
        column.justify = "right"
    for segment in segments:
        first, last = segment.steps[0], segment.steps[-1]
        counts = (f"{first.entered:,}", f"{last.converted:,}")
        table.add_row(segment.segment, *counts, _rate(last.total_rate), _time(last.p50_seconds))
    return table


def _remarks(first: StepCounts, last: StepCounts) -> list[str]:
    lines = [f"{first.entered:,} persons entered."]
    if first.closed_entered < first.entered:
        lines.append(
            f"Rates and times are of the {first.closed_entered:,} whose window is closed;"
            f" {last.censored_share or 0:.0%} can still convert."
        )
    if first.void_entries:
        lines.append(f"{first.void_entries:,} were left out: an excluded event came between.")
    return lines


def _note(shared: State, answer: Answer) -> None:
    if answer.source == "warehouse":
        shared.output.note("Asked of the warehouse.")
        return
    until = f", data until {answer.data_until:%Y-%m-%d %H:%M} UTC" if answer.data_until else ""
    shared.output.note(f"Asked of the published version {answer.published_version}{until}.")


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"


def _time(seconds: float | None) -> str:
    """In its two largest units: ``2m 31s``, ``1d 12h``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole, parts = int(seconds), []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, whole = divmod(whole, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
