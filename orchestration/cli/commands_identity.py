"""Commands about who is who: identity link, unlink, reset, list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import short
from orchestration.cli.state import state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from governance.home import Home
    from ingestion.identity_overrides import Action, Override
    from orchestration.overrides import Stated

identity_app = typer.Typer(
    help="Say that two identifiers are one, or never are.", no_args_is_help=True
)

_NEXT = "throughline run hourly"
_EFFECTS = {
    ("link", False): "From the next run on these two stand for one person:",
    ("link", True): "From the next run on these two are one device:",
    ("unlink", False): "From the next run on these two are never one person, whatever events say:",
    ("unlink", True): "From the next run on these two are never one device, whatever events say:",
    ("reset", False): "From the next run on events alone decide whether these are one person:",
    ("reset", True): "From the next run on events alone decide whether these are one device:",
}

_Identifier = Annotated[
    str,
    typer.Argument(
        help="user_id:…, external:NAMESPACE:…, email:…, phone:…, anonymous_id:…, device_id:…"
    ),
]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept for good.")]
_Author = Annotated[
    str | None,
    typer.Option("--author", metavar="NAME", help="Who says it.", show_default="git's user.name"),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(identity_app, name="identity")


@identity_app.command("link")
def link(
    context: typer.Context, a: _Identifier, b: _Identifier, reason: _Reason, author: _Author = None
) -> None:
    """Two identifiers are one person, or one device, whatever the events say."""
    _state(context, "link", (a, b), reason, author)


@identity_app.command("unlink")
def unlink(
    context: typer.Context, a: _Identifier, b: _Identifier, reason: _Reason, author: _Author = None
) -> None:
    """Two identifiers are never one person, or one device, whatever the events say."""
    _state(context, "unlink", (a, b), reason, author)


@identity_app.command("reset")
def reset(
    context: typer.Context, a: _Identifier, b: _Identifier, reason: _Reason, author: _Author = None
) -> None:
    """Take back what was said about two identifiers: the events decide again."""
    _state(context, "reset", (a, b), reason, author)


@identity_app.command("list")
def list_(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was replaced or taken back.")
    ] = False,
) -> None:
    """Show what was said and counts."""
    from ingestion.identity_overrides import read_overrides, what_counts
    from orchestration.overrides import contradictions

    shared = state(context)
    home, _, keys = shared.opened()
    said = read_overrides(home, keys)
    counting = set(what_counts(said).values())
    rows = [_row(override, said) for override in said if everything or override in counting]
    warnings = list(contradictions(said))

    def show(screen: Console) -> None:
        if not rows:
            screen.print("Nothing that was said about identifiers counts.")
            screen.print("Say it with: throughline identity link A B --reason TEXT", markup=False)
            return
        _show_rows(screen, rows)
        for warning in warnings:
            screen.print(f"warning: {warning}", markup=False)

    data = {"file": home.identity_overrides, "overrides": rows, "warnings": warnings}
    shared.output.result(data, show)


def _state(
    context: typer.Context,
    action: Action,
    written: tuple[str, str],
    reason: str,
    author: str | None,
) -> None:
    from orchestration.overrides import state_override

    shared = state(context)
    home, _, keys = shared.opened()
    stated = state_override(
        home, keys, action, written, author=author, reason=reason, now=datetime.now(UTC)
    )
    data = {
        "action": stated.action,
        "identifiers": [str(identifier) for identifier in stated.pair],
        "author": stated.author,
        "reason": stated.reason,
        "line": stated.position,
        "replaces": _told(stated.before) if stated.position and stated.before else None,
        "warnings": stated.warnings,
        "file": home.identity_overrides,
        "next_command": _NEXT if stated.position else None,
    }
    shared.output.result(data, lambda screen: _show_stated(screen, stated, home))


def _show_stated(screen: Console, stated: Stated, home: Home) -> None:
    def line(text: str) -> None:
        screen.print(text, markup=False)

    if stated.position is None:
        line(_unchanged(stated.before))
        return
    line(_EFFECTS[stated.action, stated.pair[0].is_device])
    for identifier in stated.pair:
        line(f"  {identifier}")
    if stated.before:
        line(f"This replaces {_cited(stated.before)}")
    line(f"Written: line {stated.position} of {short(home.identity_overrides)}; keep it in git")
    for warning in stated.warnings:
        line(f"warning: {warning}")
    line(f"Next: {_NEXT}")


def _unchanged(before: Override | None) -> str:
    if before is None:
        return "Nothing counts about these two, so there is nothing to take back. Nothing written."
    return f"That is what counts already, nothing written: {_cited(before)}"


def _cited(override: Override) -> str:
    return (
        f"line {override.position}, {override.action}"
        f" ({override.author}, {override.at:%Y-%m-%d}: {override.reason})"
    )


def _told(override: Override) -> dict[str, Any]:
    """A statement for programs; identifiers as in the file."""
    return {
        "line": override.position,
        "action": override.action,
        "identifiers": [str(identifier) for identifier in override.pair],
        "author": override.author,
        "at": override.at,
        "reason": override.reason,
    }


def _row(override: Override, said: Sequence[Override]) -> dict[str, Any]:
    """A statement with the line that replaced it, if one did."""
    last = next(each for each in reversed(said) if each.pair == override.pair)
    return {
        **_told(override),
        "counts": last == override and override.action != "reset",
        "replaced_by": None if last == override else last.position,
    }


def _show_rows(screen: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Plain columns: a token must be there in one piece to be copied."""
    table = [("line", "says", "identifiers", "", "who", "when", "", "why")]
    for row in rows:
        replaced = f"replaced by line {row['replaced_by']}" if row["replaced_by"] else ""
        a, b = row["identifiers"]
        day = f"{row['at']:%Y-%m-%d}"
        counts = "counts" if row["counts"] else replaced
        table.append(
            (str(row["line"]), row["action"], a, b, row["author"], day, counts, row["reason"])
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        screen.print("  ".join(padded).rstrip(), markup=False)
