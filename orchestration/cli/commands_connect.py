"""``throughline connect``: a source of one's own, looked at, tried and written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.errors import UsageError
from orchestration.cli.output import plain, short
from orchestration.cli.state import State, state

if TYPE_CHECKING:
    from rich.console import Console

    from governance.config.mapping import RecordKind
    from governance.home import Home
    from ingestion.trial import Tried
    from orchestration.connect.connection import Connection

_SHOWN_CHARS = 24
_PIPED_WIDTH = 120


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(connect)


def connect(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="Name of the source.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="landing, event_dumps, webhook_logs or app_database.")
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="Folder or address (s3://…) of files.", metavar="FOLDER")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Address of a database, or env:NAME of one.", metavar="URL"),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="Of the records; found out when left out.")
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="A table, and what a row is: kunden=persons.", metavar="TABLE[=AS]"),
    ] = None,
    surface: Annotated[str | None, typer.Option(help="web, mobile, backend or other.")] = None,
    trust: Annotated[str | None, typer.Option(help="public, server or signed.")] = None,
    lawful_basis: Annotated[
        str | None,
        typer.Option(help="consent, contract, legitimate_interests or not_personal: you decide."),
    ] = None,
    consent: Annotated[
        list[str] | None,
        typer.Option(help="Where a record holds its consent.", metavar="PURPOSE=PATH"),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="A column for a field of the event, over what is guessed.",
            metavar="[TABLE:]FIELD=COLUMN",
        ),
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV files.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of CSV files.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, write it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the YAML, write nothing.")
    ] = False,
) -> None:
    """Add a source: look at a folder or database, try its first records, write the YAML."""
    from orchestration.connect.choices import KNOWN_FORMATS, KNOWN_KINDS, SURFACES, TRUSTS
    from orchestration.connect.questions import Given, Terminal, Unattended
    from orchestration.connect.session import propose

    shared = state(context)
    home, _, keys = shared.opened()
    for said, option, known in (
        (kind, "--kind", KNOWN_KINDS),
        (form, "--format", KNOWN_FORMATS),
        (surface, "--surface", SURFACES),
        (trust, "--trust", TRUSTS),
        (lawful_basis, "--lawful-basis", _bases()),
    ):
        _refuse_unknown(said, option, known)
    given = Given(
        name=name,
        kind=kind,
        path=path,
        url=url,
        form=form,
        tables=tuple(map(_table, table or ())),
        surface=surface,
        trust=trust,
        lawful_basis=lawful_basis,
        consent=tuple(map(_consent, consent or ())),
        mapped=tuple(map(_mapped, mapped or ())),
        delimiter=delimiter,
        encoding=encoding,
    )
    attended = sys.stdin.isatty() and not (yes or shared.as_json)
    if not (attended or yes or dry_run):
        raise UsageError(
            "Nobody can be asked here, so nothing would be written.",
            fix="Add --yes and --lawful-basis; or --dry-run to see what would be written",
        )
    found = propose(home, keys, given, Terminal() if attended else Unattended())
    if dry_run:
        _show_yaml(shared, found)
        return
    if attended:
        _show_trial(found)
        if not typer.confirm("Write this source?", default=True, err=True):
            raise typer.Exit
    found.write()
    shared.output.result(
        _told(found), lambda screen: _show_written(screen, shared, home, found, attended)
    )


def _bases() -> tuple[str, ...]:
    from governance.consent import LAWFUL_BASES

    return LAWFUL_BASES


def _refuse_unknown(said: str | None, option: str, known: tuple[str, ...]) -> None:
    from difflib import get_close_matches

    if said is None or said in known:
        return
    close = get_close_matches(said, known, 1)
    raise UsageError(
        f"{said!r} is not known for {option}; one of {', '.join(known)}.",
        fix=f"{option} {close[0] if close else '|'.join(known)}",
    )


def _table(given: str) -> tuple[str, RecordKind | None]:
    from orchestration.connect.choices import parse_table

    if "=" not in given:
        return given, None
    return parse_table(given)


def _consent(given: str) -> tuple[str, str]:
    from governance.consent import PURPOSES

    purpose, _, path = given.partition("=")
    if purpose not in PURPOSES or not path:
        raise UsageError(
            f"{given!r} does not say where consent is.",
            fix="--consent analytics=context.consent.categoryPreferences.Analytics",
        )
    return purpose, path


def _mapped(given: str) -> tuple[str | None, str, str]:
    from governance.config import Mapping

    head, equals, column = given.partition("=")
    table, colon, target = head.rpartition(":")
    field = target.partition(".")[0]
    if not equals or field not in Mapping.model_fields:
        raise UsageError(
            f"{given!r} names no field of an event.",
            why=f"Fields are: {', '.join(Mapping.model_fields)}",
            fix="--map occurred_at=COLUMN, or of one table: --map orders:occurred_at=COLUMN",
        )
    return (table if colon else None), target, column


def _show_yaml(shared: State, found: Connection) -> None:
    shared.output.result(
        _told(found), lambda screen: screen.print("\n".join(found.lines), markup=False)
    )


def _told(found: Connection) -> dict[str, Any]:
    """What was found and written, for programs."""
    return {
        "source": found.source.name,
        "kind": found.source.kind,
        "format": found.source.shape,
        "yaml": "\n".join(found.lines) + "\n",
        "tables": [
            {"table": each.look.name, "as": each.guess.as_, "rows": each.look.rows}
            for each in found.tables
        ],
        "skipped": found.skipped,
        "counts": found.trial.counts,
        "reasons": found.trial.reasons,
        "share_stripped": round(found.trial.share_stripped, 4),
        "records": [plain(record) for record in found.trial.shown],
        "notes": [*found.notes, *_words(found)],
        "replaces_example": found.replaces_example,
    }


def _show_written(
    screen: Console, shared: State, home: Home, found: Connection, shown: bool
) -> None:
    if not shown:
        _trial_on(screen, found)
    where = short(home.config)
    screen.print(f"Wrote the source {found.source.name} into {where}", markup=False)
    if found.replaces_example:
        screen.print("  The example source of init, which nothing was loaded from, gave way to it.")
    if found.source.kind == "app_database" and str(found.source.url).startswith("env:"):
        screen.print(f"  Its address stays in {short(home.env)}", markup=False)
    option = f"--home {short(home.root)} " if shared.given_home else ""
    screen.print(f"Next: throughline {option}run hourly", markup=False)


def _show_trial(found: Connection) -> None:
    from orchestration.cli.output import console

    screen = console(stderr=True)
    _trial_on(screen, found)
    screen.print("\n".join(found.lines), markup=False)


def _trial_on(screen: Console, found: Connection) -> None:
    """The first records as they would be stored, then what to know about them."""
    from rich import box
    from rich.table import Table

    for each in found.tables:
        screen.print(f"{each.look.name}: {each.guess.as_}, {each.look.counted}", markup=False)
    for skipped in found.skipped:
        screen.print(f"{skipped.table}: left out, {skipped.why}", markup=False)
    if found.trial.shown:
        grid = Table(
            "record", "event", "occurred (UTC)", "who", "amount", "becomes", box=box.SIMPLE
        )
        for record in found.trial.shown:
            grid.add_row(*map(_escaped, _cells(record)))
        if not screen.is_terminal:
            screen.width = max(screen.width, _PIPED_WIDTH)
        screen.print(grid)
    counts = ", ".join(f"{count:,} {fate}" for fate, count in found.trial.counts.items())
    screen.print(f"Of the first {found.trial.records:,} records: {counts or 'there are none yet'}")
    for note in (*found.notes, *_words(found)):
        screen.print(f"  {note}", markup=False)


def _cells(record: Tried) -> tuple[str, ...]:
    who = ", ".join(_identifier(kind, value) for kind, value in record.who.items())
    amount = "" if record.amount is None else f"{record.amount:f}".rstrip("0").rstrip(".")
    fate = record.disposition
    if record.reason:
        fate += f": {record.reason}"
    if record.pointer:
        fate += f" at {record.pointer}"
    when = "" if record.occurred_at is None else f"{record.occurred_at:%Y-%m-%d %H:%M}"
    money = f"{amount} {record.currency or ''}".strip()
    return _cut(record.place.rpartition(":")[0]), record.event or "", when, who, money, fate


def _identifier(kind: str, value: str) -> str:
    """Direct identifiers are stored as tokens; which one says nothing to a reader."""
    return f"{kind} as token" if value.startswith("tok_") else f"{kind} {_cut(value)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _words(found: Connection) -> list[str]:
    """What would be stripped or refused, and the YAML that changes it."""
    from orchestration.doctor import consent_fix

    trial, said = found.trial, []
    stripped = trial.counts.get("stripped", 0)
    if stripped:
        reasons = ", ".join(
            f"{trial.reasons[reason]:,} {_STRIPPED[reason]}"
            for reason in trial.reasons
            if reason in _STRIPPED
        )
        said.append(
            f"{trial.share_stripped:.0%} would be stripped: counted, but never stitched to a"
            f" person ({reasons})."
        )
        said.append(consent_fix(found.source, again=False))
    refused = {
        (record.reason, record.pointer, record.detail)
        for record in trial.shown
        if record.disposition == "quarantined"
    }
    said += [
        f"Quarantined: {reason}{f' at {pointer}' if pointer else ''}"
        f"{f', {detail}' if detail else ''}."
        for reason, pointer, detail in sorted(refused, key=str)
    ]
    said += [f"{problem.segment} {problem.what}. {problem.fix}" for problem in trial.problems]
    return said


_STRIPPED = {
    "missing": "say nothing about consent",
    "denied": "deny it",
    "unreadable": "say something that is neither true nor false",
    "contradictory": "say yes and no",
}
