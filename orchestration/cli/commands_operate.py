"""Commands of whoever operates a home: serve, backup, restore, upgrade."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import short, size
from orchestration.cli.state import state

if TYPE_CHECKING:
    from rich.console import Console


class Service(StrEnum):
    """The two processes of a home."""

    daemon = "daemon"
    webserver = "webserver"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    for command in (serve, backup, restore, upgrade):
        app.command()(command)


def serve(
    context: typer.Context,
    service: Annotated[Service, typer.Argument(help="The schedules, or the UI.")],
    host: Annotated[str, typer.Option(help="Where the UI listens.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Where the UI listens.", envvar="THROUGHLINE_PORT")
    ] = 3000,
    allow_launch: Annotated[
        bool, typer.Option("--allow-launch", help="The UI may start and stop runs.")
    ] = False,
) -> None:
    """Be Dagster's daemon or its UI, read-only; for service managers and containers."""
    from orchestration.instance import dagster_environment

    shared = state(context)
    home, _, _ = shared.opened()
    if service is Service.daemon:
        command = ["-m", "dagster._daemon", "run", "-m", "orchestration.definitions"]
    else:
        command = ["-m", "dagster_webserver", "-m", "orchestration.definitions"]
        command += ["-h", host, "-p", str(port), *([] if allow_launch else ["--read-only"])]
    environment = {"PYTHONWARNINGS": "ignore", **dagster_environment(home)}
    os.chdir(home.root)  # Dagster would warn of the repository's dagster.yaml, the template of ours
    # this process becomes Dagster's, so that the service manager's signals reach it
    os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606


def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the backup.")],
    keys_to: Annotated[
        Path | None,
        typer.Option("--keys-to", metavar="DIR2", help="Where keys and .env go, apart."),
    ] = None,
) -> None:
    """Copy the whole home, its keys apart; waits for a run that works."""
    from orchestration.backup.take import back_up

    shared = state(context)
    with shared.output.progress() as progress:
        report = back_up(shared.home(), folder, keys_to=keys_to, progress=progress)

    def show(screen: Console) -> None:
        screen.print(
            f"Backed up {report.files:,} files, {size(report.bytes)}, to {short(report.folder)}",
            markup=False,
        )
        for place in report.outside:
            screen.print(f"  not in it, for it lies outside the home: {place}", markup=False)
        if report.keys:
            screen.print(f"Keys and .env are in {short(report.keys)}: keep them apart.")
        else:
            screen.print(
                "Keys and .env are NOT in it, and it is of no use without them."
                " Next time: --keys-to DIR2"
            )

    shared.output.result(report, show)


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the backup.")],
    keys_from: Annotated[
        Path | None,
        typer.Option("--keys-from", metavar="DIR2", help="Where its keys and .env were put."),
    ] = None,
) -> None:
    """Make the empty folder named by --home what it was at the backup."""
    from governance.home import HOME_VARIABLE, Home
    from orchestration.backup.restore import restore as restore_home

    shared = state(context)
    named = shared.given_home or Path(os.environ.get(HOME_VARIABLE) or "data")
    home = Home(named.expanduser().resolve())
    with shared.output.progress() as progress:
        report = restore_home(home, folder, keys_from=keys_from, progress=progress)
    command = f"throughline --home {short(home.root)}"

    def show(screen: Console) -> None:
        screen.print(
            f"Restored {report.files:,} files, {size(report.bytes)}, into {short(home.root)}",
            markup=False,
        )
        for place in report.outside:
            screen.print(f"  was not in the backup: {place}", markup=False)
        if report.keys is None:
            screen.print(f"It has no keys yet: put .keys/ and .env back (key id {report.key_id}).")
        if report.needs_upgrade:
            screen.print(f"Next: {command} upgrade", markup=False)
        else:
            screen.print(f"Next: {command} run hourly", markup=False)

    shared.output.result(report, show)


def upgrade(
    context: typer.Context,
    no_copy: Annotated[
        bool, typer.Option("--no-copy", help="Keep no copy of the warehouse as it was.")
    ] = False,
) -> None:
    """Bring a home made by an earlier Throughline to this one's versions."""
    from orchestration.upgrade import upgrade as upgrade_home

    shared = state(context)
    home, config, keys = shared.opened()
    with shared.output.progress() as progress:
        report = upgrade_home(home, keys, config.storage, keep_copy=not no_copy, progress=progress)

    def show(screen: Console) -> None:
        if report.before == report.after:
            screen.print(f"Nothing to do: schema and semantics are {report.after}.")
            return
        screen.print(f"Upgraded schema and semantics from {report.before} to {report.after}:")
        for step in report.steps:
            screen.print(f"  {step}", markup=False)
        if report.copy:
            screen.print(f"The warehouse as it was: {short(report.copy)}", markup=False)
            screen.print(f"When all is well: rm {short(report.copy)}", markup=False)
        screen.print("Next: throughline run hourly")

    shared.output.result(report, show)
