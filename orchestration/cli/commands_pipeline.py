"""Commands that move data: synth, load, build, publish, run."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from governance.errors import UsageError
from orchestration.cli.output import short, size
from orchestration.cli.state import State, state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from governance.config import Config
    from ingestion.load import LoadReport
    from orchestration.publishing import Delivery, PublishReport, Version

OUTCOMES = {
    "published": "Published",
    "unchanged": "Nothing changed; still",
    "held_back": "Held back (the same content was rolled back); still",
}


class JobName(StrEnum):
    """The Dagster jobs."""

    hourly = "hourly"
    nightly = "nightly"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    for command in (synth, load, build, publish, run):
        app.command()(command)


def synth(
    context: typer.Context,
    persons: Annotated[
        int | None, typer.Option(help="How many people.", show_default=False)
    ] = None,
    days: Annotated[int, typer.Option(help="How many days they act.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed makes the same company.")] = 7,
) -> None:
    """Write the landing files of a sample company, and apart the truth about it."""
    from ingestion.sample import DEFAULT_PERSONS, write_sample

    shared = state(context)
    home = shared.home()
    with shared.output.progress() as progress:
        report = write_sample(
            home, persons=persons or DEFAULT_PERSONS, days=days, seed=seed, progress=progress
        )

    def show(screen: Console) -> None:
        screen.print(
            f"Wrote {report.events:,} events of {report.persons:,} people: {report.files:,} files,"
            f" {size(report.bytes)}, in {short(home.landing)}"
        )

    shared.output.result(report, show)


def load(
    context: typer.Context,
    source: Annotated[str | None, typer.Argument(help="One source; all when left out.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Read kept files once more.")] = False,
    accept_deletes: Annotated[
        bool, typer.Option("--accept-deletes", help="Believe a table that lost most of its rows.")
    ] = False,
) -> None:
    """Load what landed into the warehouse's raw tables."""
    from ingestion.load import load as load_landing

    shared = state(context)
    home, config, keys = shared.opened()
    names = [known.name for known in config.sources]
    if source and source not in names:
        raise UsageError(
            f"There is no source {source!r} in throughline.yml.",
            why=f"It names: {', '.join(names)}.",
            fix=f"throughline load {names[0]}" if names else "Add the source to throughline.yml",
        )
    with shared.output.progress() as progress:
        report = load_landing(
            home,
            config,
            keys,
            sources=[source] if source else None,
            again=again,
            accept_deletes=accept_deletes,
            progress=progress,
        )
    shared.output.result(report, lambda screen: _show_load(screen, report, config))


def build(
    context: typer.Context,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build from raw, not from what was built.")
    ] = False,
) -> None:
    """Build and test every model of the warehouse."""
    from orchestration.pipeline import build as build_models

    shared = state(context)
    home, config, keys = shared.opened()
    with shared.output.progress() as progress:
        report = build_models(home, config, keys, full_refresh=full_refresh, progress=progress)

    def show(screen: Console) -> None:
        screen.print(
            f"Built {report.models} models, {report.tests} tests passed"
            f" ({report.warnings} warnings) in {report.seconds:.0f} s"
        )
        for reason, models in report.rebuilt.items():
            screen.print(f"From nothing, because {reason}: {', '.join(models)}")

    shared.output.result(report, show)


def publish(
    context: typer.Context,
    rollback: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Make a kept version current again.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the kept versions.")] = False,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="Send the current version to one target again."),
    ] = None,
) -> None:
    """Publish the marts, or go back to a version published before."""
    if sum(map(bool, (rollback, listed, to))) > 1:
        raise UsageError(
            "--rollback, --list and --to are separate commands.", fix="Give one of them."
        )
    if to:
        _send_to(context, to)
    elif listed:
        _list_versions(context)
    elif rollback:
        _roll_back(context, rollback)
    else:
        _publish_now(context)


def run(
    context: typer.Context, job: Annotated[JobName, typer.Argument(help="The Dagster job.")]
) -> None:
    """Run a Dagster job here: load, build, check, publish. It shows in the UI."""
    shared = state(context)
    home, _, _ = shared.opened()  # a mistake is told before Dagster's seconds of imports
    from orchestration.jobs import run_job

    with shared.output.progress() as progress:
        report = run_job(home, job.value, progress)

    def show(screen: Console) -> None:
        loaded = sum(report.rows_loaded.values())
        screen.print(
            f"Run {report.run_id}: {loaded:,} rows loaded, {report.checks} checks,"
            f" {len(report.warnings)} warnings, {report.seconds:.0f} s"
        )
        for warning in report.warnings:
            screen.print("  warning: " + warning.replace("\n", "\n    "), markup=False)
        screen.print(f"{OUTCOMES[report.outcome]} {report.version}")

    shared.output.result(report, show)


def _show_load(screen: Console, report: LoadReport, config: Config) -> None:
    from orchestration.doctor import LARGE_SHARE, consent_fix

    sources = {source.name: source for source in config.sources}
    for part in report.sources:
        for file in part.ignored:
            screen.print(f"{file.source}: {file.segment} {file.what}. {file.fix}", markup=False)
        if not part.records:
            screen.print(f"{part.source}: nothing new")
            continue
        screen.print(
            f"{part.source}: {part.records:,} records of {part.segments:,} files;"
            f" {part.accepted:,} accepted, {part.stripped:,} stripped,"
            f" {sum(part.quarantined.values()):,} quarantined"
        )
        for reason, count in part.quarantined.items():
            screen.print(f"  {reason}: {count:,}")
        if part.share_stripped > LARGE_SHARE:
            screen.print(f"  {part.share_stripped:.0%} had no legal ground.")
            fix = consent_fix(sources[part.source])
            screen.print(f"  Fix: {fix}", markup=False)
    screen.print("Next: throughline build")


def show_published(screen: Console, report: PublishReport) -> None:
    """What a publish did and where to open it."""
    screen.print(f"{OUTCOMES[report.outcome]} {report.version}")
    if report.outcome == "published":
        screen.print(
            f"{sum(report.rows.values()):,} rows in {len(report.rows)} tables;"
            f" files of events written: {report.partitions_written},"
            f" unchanged: {report.partitions_linked}"
        )
    if report.restated:
        screen.print(
            f"Numbers of complete days that changed: {report.restated:,};"
            " why: throughline restatements"
        )
    if report.outcome == "held_back":
        screen.print("To publish it after all: throughline publish --list, then --rollback VERSION")
    _show_path(screen, report.path)


def _publish_now(context: typer.Context) -> None:
    from orchestration.pipeline import publish_marts
    from orchestration.publishing import deliver_behind

    shared = state(context)
    home, config, keys = shared.opened()
    with shared.output.progress() as progress:
        report = publish_marts(home, config, keys, progress=progress)
        deliveries = deliver_behind(home, config, keys, progress=progress)

    def show(screen: Console) -> None:
        show_published(screen, report)
        _show_deliveries(screen, deliveries)

    shared.output.result({**asdict(report), "targets": _told(deliveries)}, show)
    _end(shared, deliveries)


def _send_to(context: typer.Context, name: str) -> None:
    from orchestration.publishing import deliver, target_named

    shared = state(context)
    home, config, keys = shared.opened()
    target = target_named(config, name)
    with shared.output.progress() as progress:
        delivery = deliver(home, target, keys, config, progress=progress)
    shared.output.result(
        _told((delivery,))[0], lambda screen: _show_deliveries(screen, (delivery,))
    )


def _told(deliveries: Sequence[Delivery]) -> list[dict]:
    """Deliveries for programs."""
    return [
        {
            "target": each.target,
            "place": each.place,
            "version": each.version,
            "outcome": each.outcome,
            "error": each.error.what + " " + each.error.why if each.error else None,
            "sent": each.sent,
        }
        for each in deliveries
    ]


def _show_deliveries(screen: Console, deliveries: Sequence[Delivery]) -> None:
    for each in deliveries:
        if each.sent is None:
            continue
        done = "Sent to" if each.outcome == "delivered" else "Has it already:"
        counts = [
            f"{each.sent.rows:,} rows" if each.sent.rows else "",
            f"{each.sent.files:,} files, {each.sent.reused:,} unchanged" if each.sent.files else "",
            *each.sent.notes,
        ]
        screen.print(f"{done} {each.target}, {each.place}", markup=False)
        for count in filter(None, counts):
            screen.print(f"  {count}", markup=False)


def _end(shared: State, deliveries: Sequence[Delivery]) -> None:
    """Say which targets are behind, after the result: what was published here stays."""
    from orchestration.publishing.targets import raise_failed

    if shared.as_json and any(each.error for each in deliveries):
        raise typer.Exit(1)  # the result has told it: one document on stdout
    raise_failed(deliveries)


def _roll_back(context: typer.Context, version: str) -> None:
    from orchestration.publishing import current_file, deliver_behind, rollback

    shared = state(context)
    home = shared.home()
    previous = rollback(home, version, now=datetime.now(UTC))
    deliveries: tuple[Delivery, ...] = ()
    if home.config.exists() and home.keys.exists():  # a rollback needs neither
        _, config, keys = shared.opened()
        with shared.output.progress() as progress:
            deliveries = deliver_behind(home, config, keys, progress=progress)

    def show(screen: Console) -> None:
        screen.print(f"Current is {version}; it was {previous or 'none'}")
        screen.print(f"To undo: throughline publish --rollback {previous}")
        _show_path(screen, current_file(home))
        _show_deliveries(screen, deliveries)

    data = {"version": version, "previous": previous, "targets": _told(deliveries)}
    shared.output.result(data, show)
    _end(shared, deliveries)


def _list_versions(context: typer.Context) -> None:
    from orchestration.publishing import versions

    shared = state(context)
    kept = versions(shared.home())
    data = [
        {
            "version": version.name,
            "created_at": version.created_at,
            "current": version.is_current,
            "withdrawn": version.is_withdrawn,
            "bytes": version.bytes,
            "rows": version.manifest.rows,
            "run_id": version.manifest.run_id,
        }
        for version in kept
    ]
    shared.output.result({"versions": data}, lambda screen: _show_versions(screen, kept))


def _show_versions(screen: Console, kept: tuple[Version, ...]) -> None:
    if not kept:
        screen.print("Nothing is published yet. Fix: throughline run hourly")
    for version in kept:
        mark = "current" if version.is_current else "withdrawn" if version.is_withdrawn else ""
        rows = f"{version.manifest.rows:,} rows"
        screen.print(f"{version.name}  {rows:>16}  {size(version.bytes):>9}  {mark}".rstrip())


def _show_path(screen: Console, path: Path) -> None:
    screen.print(f"Open {short(path)}", markup=False)
