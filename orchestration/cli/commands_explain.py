"""``throughline explain``: whose an identifier or event is and why, or what joins two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governance.errors import UsageError
from orchestration.cli.output import short
from orchestration.cli.state import state

if TYPE_CHECKING:
    from rich.console import Console

    from orchestration.explain.wording import Page

_ID = "kind:value (user_id:u_123, email:…), a value, a person_id, or event:ID"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(explain)


def explain(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help=_ID, show_default=False)],
    other: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Another one to compare it with.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown instead of text.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="A picture: .png or .svg.")
    ] = None,
) -> None:
    """Whose is it and why; of two, what joins them or keeps them apart. Reads what is published."""
    from orchestration.explain import as_markdown, page
    from orchestration.explain import explain as answer_to

    shared = state(context)
    if markdown and shared.as_json:
        raise UsageError("--json and --markdown are two forms of one answer.", fix="Give one.")
    home, _, keys = shared.opened()
    typed = [identifier, *([other] if other is not None else [])]
    answer, evidence = answer_to(home, keys, typed, pictured=plot is not None)
    drawn = None
    if plot is not None:
        from orchestration.explain.drawing import write_picture

        asked = [answer.asked] if isinstance(answer.asked, str) else answer.asked
        drawn = plot if write_picture(plot, evidence, asked) else None
    if markdown:
        sys.stdout.write(as_markdown(page(answer)))
    else:
        shared.output.result(answer, lambda screen: _show(screen, page(answer)))
    if plot is not None:
        note = f"Drawn: {short(drawn)}" if drawn else "There is no evidence, so nothing was drawn."
        shared.output.note(note)


def _show(screen: Console, found: Page) -> None:
    """Plain columns below bold titles: a token must be there in one piece to be copied."""
    from orchestration.explain import as_text

    titles = {found.verdict, *(section.title for section in found.sections)}
    for line in as_text(found).splitlines():
        screen.print(line, style="bold" if line in titles else "", markup=False)
