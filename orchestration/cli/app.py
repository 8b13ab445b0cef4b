"""The commands of ``throughline`` and the options they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governance.home import HOME_VARIABLE
from orchestration.cli import (
    commands_audit,
    commands_connect,
    commands_explain,
    commands_funnel,
    commands_history,
    commands_home,
    commands_identity,
    commands_operate,
    commands_pipeline,
    commands_show,
)
from orchestration.cli.state import State

_EPILOG = (
    "Exit codes: 0 done, 1 you can fix it, 2 usage, 3 a blocking check stopped publishing,"
    " 4 our fault, 130 stopped by Ctrl-C."
)

app = typer.Typer(
    name="throughline",
    help="A governed, exact product-analytics warehouse. Start with: throughline demo",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # its help imports a Markdown renderer: half a second
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"throughline {version('throughline')}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="The company's folder.", envvar=HOME_VARIABLE, show_default="./data"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout instead of text.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command; they may stand before or after it."""
    context.obj = State(given_home=home, as_json=as_json)


for _module in (
    commands_show,
    commands_connect,
    commands_pipeline,
    commands_home,
    commands_explain,
    commands_funnel,
    commands_identity,
    commands_audit,
    commands_history,
    commands_operate,
):
    _module.add_to(app)
