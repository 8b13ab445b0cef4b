"""The steps of ``throughline connect``, from what was said to a tried, written source.

Nothing is written before the proposal was parsed and tried; a fault anywhere leaves the home as it
was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

from governance.config import (
    Config,
    ConfigError,
    Source,
    is_address,
    load_config,
    parse_config,
)
from governance.config.mapping import RecordKind
from governance.config.model import Format, Kind, Surface, Trust
from governance.consent import LAWFUL_BASES
from governance.errors import UsageError, UserError
from governance.home import Home
from governance.keys import Keys, refuse_open_mode, write_private
from ingestion.names import did_you_mean
from ingestion.segments import Problem
from ingestion.trial import Trial, try_source
from orchestration.connect import words as w
from orchestration.connect.block import (
    replace_file,
    source_lines,
    with_source,
    without_example,
)
from orchestration.connect.columns import Column
from orchestration.connect.files import KINDS, FileKind, FileLook, look_at_files
from orchestration.connect.guess import Guess, guess_records, guess_table
from orchestration.connect.proposal import Proposal, TableProposal, override
from orchestration.connect.questions import Dialogue, Given

SURFACES: tuple[str, ...] = get_args(Surface)
TRUSTS: tuple[str, ...] = get_args(Trust)
ROWS: tuple[RecordKind, ...] = get_args(RecordKind)

_DATABASE = re.compile(r"(postgres(ql)?|mysql|mariadb|sqlite)(\+\w+)?://")
_BASIS = (
    "Why may you use these records? consent: each says that its person agreed; contract: you need"
    " them to deliver what was ordered; legitimate_interests: yours outweigh, unless somebody"
    " objects; not_personal: they are of nobody. Nobody but you can know."
)
_MISSING_KEY = "Name the columns that identify a row: in a view, or as a primary key."


@dataclass(frozen=True, slots=True)
class Skipped:
    """A table that was not proposed, and why."""

    table: str
    why: str


@dataclass(slots=True)
class Connection:
    """A source that can be written.

    Attributes:
        source: as the configuration would read it.
        lines: its YAML.
        trial: what its first records would become.
        tables: of a database, each with its rows and what they were taken for.
        skipped: tables that were left out.
        notes: what its owner should know.
        replaces_example: whether the example source of ``init`` gives way.
    """

    source: Source
    lines: list[str]
    trial: Trial
    tables: tuple[TableProposal, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    replaces_example: bool = False
    _commit: Callable[[], None] = field(default=lambda: None, repr=False)

    def write(self) -> None:
        """Put the source into ``throughline.yml``, and its secret into ``.env``.

        Raises:
            UserError: the file was changed in the meantime, or the disk refuses.
        """
        self._commit()


def propose(home: Home, keys: Keys, given: Given, dialogue: Dialogue) -> Connection:
    """Look at a place, ask what cannot be seen, and try what would be written.

    Args:
        home: whose configuration gains a source.
        keys: its keys.
        given: what was said already.
        dialogue: answers the rest.

    Raises:
        UserError: nothing is there, cannot be read, or does not fit; with the fix.
        UsageError: nobody answered.
    """
    config = load_config(home)
    path, url = _place(given, dialogue)
    if url is not None:
        return _Database(home, config, keys, given, dialogue, url).propose()
    assert path is not None
    return _Files(home, config, keys, given, dialogue, path).propose()


def _place(given: Given, dialogue: Dialogue) -> tuple[str | None, str | None]:
    """The folder, or the database."""
    if given.path and given.url:
        raise UsageError("--path and --url are two places.", fix="Connect one after the other.")
    if given.kind == "app_database" and given.path:
        raise UsageError("A database has no --path.", fix="--url env:NAME, its address in .env")
    if given.kind not in (None, "app_database") and given.url:
        raise UsageError(f"A source of kind {given.kind} has no --url.", fix="--path FOLDER")
    if given.path or given.url:
        return given.path, given.url
    if given.kind == "app_database":
        return None, dialogue.secret("--url", "Address of the database (env:NAME, or the address)?")
    where = dialogue.text(
        "--path", "Where is it? (a folder, s3://…, or env:NAME of a database's address)", None
    )
    is_database = where.startswith("env:") or bool(_DATABASE.match(where))
    return (None, where) if is_database else (where, None)


class _Steps:
    """What files and databases do alike."""

    def __init__(
        self, home: Home, config: Config, keys: Keys, given: Given, dialogue: Dialogue
    ) -> None:
        self.home = home
        self.config = config
        self.keys = keys
        self.given = given
        self.dialogue = dialogue
        self.notes: list[str] = []
        self.secret: tuple[str, str] | None = None
        self.text = home.config.read_text(encoding="utf-8")
        self.base = self._base()

    def _base(self) -> str:
        """The configuration to add to: the example of ``init`` gives way while nobody uses it."""
        folder = self.home.landing / "web"
        has_files = folder.is_dir() and any(folder.iterdir())
        if self.home.warehouse.exists() or (has_files and not self._is_about(folder)):
            return self.text
        return without_example(self.text)

    def _is_about(self, folder: Path) -> bool:
        given = self.given.path
        return given is not None and any(
            (start / Path(given).expanduser()).resolve() == folder.resolve()
            for start in (Path.cwd(), self.home.root)
        )

    @property
    def taken(self) -> list[str]:
        names = [source.name for source in self.config.sources]
        if self.base != self.text:
            names.remove("web")
        return names

    def name(self, proposed: str) -> str:
        """A name that is free and of the right form."""
        slug = re.sub(r"[^a-z0-9]+", "_", proposed.lower()).strip("_")[:40]
        slug = slug if slug[:1].isalpha() else f"source_{slug}".rstrip("_")
        found = self.given.name or self.dialogue.text("--name", "Name of the source?", slug)
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", found):
            raise UserError(
                f"{found!r} can not be the name of a source.",
                why="Names have small letters, digits and _, and begin with a letter.",
                fix=f"--name {slug}",
            )
        if found in self.taken:
            number = next(n for n in range(2, 1000) if f"{found}_{n}" not in self.taken)
            raise UserError(
                f"There is a source {found!r} already.",
                why="Records are kept under the name of their source.",
                fix=f"--name {found}_{number}   (or change that one in throughline.yml)",
            )
        return found

    def ground(self, surface: str, trust: str) -> tuple[str, str, str]:
        """Surface, trust and lawful basis; the last is never proposed."""
        given = self.given
        ask = self.dialogue.choose
        return (
            given.surface or ask("--surface", "Where do people meet it?", SURFACES, surface),
            given.trust or ask("--trust", "Who can write into it?", TRUSTS, trust),
            given.lawful_basis or ask("--lawful-basis", _BASIS, LAWFUL_BASES, None),
        )

    def finish(self, proposal: Proposal, **more: Any) -> Connection:
        """Parse what would be written, try it, and hand both out."""
        lines = source_lines(proposal.entries())
        text = with_source(self.base, lines)
        try:
            config = parse_config(text, self.home.config)
        except ConfigError as error:
            raise _unfit(error, lines) from None
        source = config.source(proposal.name)
        if source.lawful_basis != proposal.lawful_basis or len(config.sources) != 1 + len(
            self.taken
        ):
            raise UserError(
                "The source can not be put into throughline.yml without changing others.",
                fix="Add what --dry-run prints by hand.",
            )
        trial = try_source(self.home, config, self.keys, source)
        _refuse_nothing(trial)
        self._note_revenue(config, source, trial)
        return Connection(
            source=source,
            lines=lines,
            trial=trial,
            notes=tuple(self.notes),
            replaces_example=self.base != self.text,
            _commit=lambda: self._write(text),
            **more,
        )

    def _note_revenue(self, config: Config, source: Source, trial: Trial) -> None:
        has_money = any(record.amount is not None for record in trial.shown)
        names = config.revenue.names if config.revenue else ()
        if not has_money or source.name in names:
            return
        if names:
            self.notes.append(
                f"Its amounts are matched with those of {', '.join(names)} (revenue:) by order_id"
                " and reported; they are added to nothing."
            )
            return
        self.notes.append(
            "It carries amounts. Once two sources do, say which one is believed:"
            f" revenue: {{source: {source.name}}}"
        )

    def _write(self, text: str) -> None:
        before = self.home.env.read_bytes() if self.home.env.exists() else None
        try:
            if self.secret is not None:
                _keep_secret(self.home, *self.secret)
            replace_file(self.home.config, self.text, text)
        except BaseException:
            if self.secret is not None:
                _put_back(self.home.env, before)
            raise


class _Files(_Steps):
    def __init__(
        self,
        home: Home,
        config: Config,
        keys: Keys,
        given: Given,
        dialogue: Dialogue,
        path: str,
    ) -> None:
        super().__init__(home, config, keys, given, dialogue)
        self._path = path

    def propose(self) -> Connection:
        given = self.given
        if given.tables:
            raise UsageError("Files have no --table.", fix="Leave it out, or name a --url.")
        look = look_at_files(
            self.home,
            self.config,
            self._path,
            kind=cast("FileKind | None", given.kind),
            form=given.form,
            csv=self._csv(),
        )
        self._refuse_shared(look)
        name = self.name(_last(self._path))
        kind = given.kind or self.dialogue.choose("--kind", _found(look), KINDS, look.kind)
        if kind != look.kind:  # said at a terminal: what is found depends on it
            look = look_at_files(
                self.home,
                self.config,
                self._path,
                kind=cast("FileKind", kind),
                form=given.form,
                csv=self._csv(),
            )
        guess = self._mapping(look, name)
        surface, trust, basis = self.ground(*_ground_of(look))
        consent_map, note = self._consent(look, basis)
        no_ids = not look.has_ids or (guess is not None and "event_id" not in guess.mapping)
        for ignored in look.ignored[:3]:
            self.notes.append(f"{ignored.segment} {ignored.what}.")
        proposal = Proposal(
            name=name,
            kind=look.kind,
            form=None if guess is not None else look.format,
            path=look.folder,
            csv=self._csv(),
            surface=surface,
            trust=trust,
            lawful_basis=basis,
            consent_map=consent_map,
            consent_note=note,
            row_identity="position" if no_ids and "event_id" not in _keys_of(guess) else None,
            guess=guess,
        )
        return self.finish(proposal)

    def _csv(self) -> dict[str, str]:
        said = {"delimiter": self.given.delimiter, "encoding": self.given.encoding}
        return {key: value for key, value in said.items() if value is not None}

    def _mapping(self, look: FileLook, name: str) -> Guess | None:
        if look.format != "mapped":
            if self.given.mapped:
                raise UsageError(
                    f"The format {look.format} is mapped already.", fix="Leave --map out."
                )
            return None
        receipt = look.kind == "webhook_logs"
        guess = guess_records(
            look.name or name, look.columns, currency=self.config.currency, receipt=receipt
        )
        columns = [column.name for column in look.columns]
        around = ("headers", "received_at", "body") if receipt else ()
        changes = [(target, column) for _, target, column in self.given.mapped]
        override(guess, (*columns, *around), changes, f"{look.folder}")
        if guess.missing:
            raise _lacking("These records", guess.missing, columns, "--map {}=COLUMN")
        return guess

    def _consent(self, look: FileLook, basis: str) -> tuple[dict[str, str], str]:
        """Where a record says what its subject agreed to; found only where it says so itself."""
        if self.given.consent:
            return dict(self.given.consent), "said by you"
        found = _consent_paths(look.consent_like)
        if not found or basis not in ("consent", "legitimate_interests"):
            return {}, ""
        return found, "found in the first records: is that the banner's answer?"

    def _refuse_shared(self, look: FileLook) -> None:
        here = _resolved(self.home, look.folder)
        for source in self.config.sources:
            there = _resolved(self.home, source.folder)
            both = (here, there) if source.name in self.taken else ()
            if both and (here == there or here in there.parents or there in here.parents):
                raise UserError(
                    f"The source {source.name!r} reads these files already.",
                    why="Every record would count twice.",
                    fix=f"Change {source.name} in throughline.yml, or name another folder.",
                )


class _Database(_Steps):
    def __init__(
        self,
        home: Home,
        config: Config,
        keys: Keys,
        given: Given,
        dialogue: Dialogue,
        url: str,
    ) -> None:
        super().__init__(home, config, keys, given, dialogue)
        self._url = url

    def propose(self) -> Connection:
        from orchestration.connect.tables import first_columns, look_at_database

        given = self.given
        for said, option in ((given.form, "--format"), (given.delimiter, "--delimiter")):
            if said:
                raise UsageError(f"A database has no {option}.", fix=f"Leave {option} out.")
        name = self.name(_last(self._url if "://" in self._url else "shop"))
        reference = self._reference(name)
        with self._in_environment():
            probe = _probe(name, reference)
            looks = look_at_database(self.home, probe, only=[table for table, _ in given.tables])
            columns, problems = first_columns(self.home, probe, looks)
            if given.tables or not columns:
                _refuse_unreadable(problems)
            found = {look.name: look for look in looks if look.name in columns}
            guesses = {
                look.name: self._guess(look.name, columns[look.name], look.primary_key)
                for look in found.values()
            }
            chosen, skipped = self._chosen(guesses)
            skipped += [
                Skipped(table, f"{problem.what}. {problem.fix}")
                for table, problem in problems.items()
            ]
            tables = []
            for table, kind in chosen:
                look, guess = found[table], guesses[table]
                if guess.as_ != kind:
                    guess = self._guess(table, columns[table], look.primary_key, kind)
                self._refuse_lacking(table, guess, look.columns, look.primary_key)
                tables.append(TableProposal(look, guess))
            surface, trust, basis = self.ground("backend", "server")
            proposal = Proposal(
                name=name,
                kind="app_database",
                url=reference,
                surface=surface,
                trust=trust,
                lawful_basis=basis,
                consent_map=dict(given.consent),
                consent_note="said by you" if given.consent else "",
                tables=tuple(tables),
            )
            return self.finish(proposal, tables=tuple(tables), skipped=tuple(skipped))

    def _reference(self, name: str) -> str:
        """How ``throughline.yml`` names the address: never the address itself, but of SQLite."""
        url = self._url.strip()
        if url.startswith(("env:", "file:")) or re.fullmatch(r"sqlite:///[^\s?#]+", url):
            return url
        if not _DATABASE.match(url):
            raise UsageError(
                "That is no address of a database.",
                fix="Write postgresql://USER:PASSWORD@HOST/DATABASE, mysql://…, sqlite:///FILE or"
                " env:NAME with one of those in .env",
            )
        secret = f"{name.upper()}_DB_URL"
        self.secret = (secret, url)
        _refuse_taken_secret(self.home, secret, url)
        return f"env:{secret}"

    @contextmanager
    def _in_environment(self) -> Iterator[None]:
        """The address, for this process, while it is not in ``.env`` yet."""
        if self.secret is None:
            yield
            return
        name, value = self.secret
        before = os.environ.get(name)
        os.environ[name] = value
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

    def _guess(
        self,
        table: str,
        columns: list[Column],
        primary_key: tuple[str, ...],
        kind: RecordKind | None = None,
    ) -> Guess:
        said = dict(self.given.tables).get(table)
        guess = guess_table(
            table,
            columns,
            primary_key=primary_key,
            currency=self.config.currency,
            as_=kind or said,
        )
        changes = [
            (target, column)
            for wanted, target, column in self.given.mapped
            if wanted == table or (wanted is None and len(self.given.tables) == 1)
        ]
        if guess.as_ is not None:
            override(guess, [column.name for column in columns], changes, f"The table {table}")
        return guess

    def _chosen(
        self, guesses: dict[str, Guess]
    ) -> tuple[list[tuple[str, RecordKind]], list[Skipped]]:
        """The tables to read: the named ones, else those that were recognised."""
        if self.given.tables:
            return [
                (table, self._said(guesses[table], table)) for table, _ in self.given.tables
            ], []
        fit: dict[str, RecordKind] = {}
        skipped: list[Skipped] = []
        for table, guess in guesses.items():
            if guess.as_ is None:
                skipped.append(Skipped(table, "nothing in it looks like a person, event or order"))
            elif guess.missing:
                lacks = ", ".join(guess.missing)
                skipped.append(Skipped(table, f"looks like {guess.as_}, but has no {lacks}"))
            else:
                fit[table] = guess.as_
        proposed = ", ".join(f"{table}={kind}" for table, kind in fit.items()) or None
        question = "Which tables, and what is a row of each?"
        if proposed is None:
            question = (
                f"None of the tables {', '.join(guesses)} was recognised. Which one holds what?"
            )
        answer = self.dialogue.text("--table", question, proposed)
        chosen = [parse_table(each) for each in answer.split(",") if each.strip()]
        for table, _ in chosen:
            if table not in guesses:
                fix = did_you_mean(table, list(guesses)).replace("columns", "tables")
                raise UserError(f"There is no table {table!r} in this database.", fix=fix)
        return chosen, [each for each in skipped if each.table not in dict(chosen)]

    def _said(self, guess: Guess, table: str) -> RecordKind:
        if guess.as_ is None:
            raise UserError(
                f"What a row of {table} stands for can not be seen from its columns.",
                fix=f"--table {table}={'|'.join(ROWS)}",
            )
        return guess.as_

    def _refuse_lacking(
        self, table: str, guess: Guess, columns: tuple[str, ...], primary_key: tuple[str, ...]
    ) -> None:
        if guess.missing:
            what = f"The table {table} as {guess.as_}"
            raise _lacking(what, guess.missing, list(columns), f"--map {table}:{{}}=COLUMN")
        if not primary_key and not guess.key:
            raise UserError(f"The table {table} has no primary key.", fix=_MISSING_KEY)


def parse_table(given: str) -> tuple[str, RecordKind]:
    """``kunden=persons``.

    Raises:
        UsageError: it is not of that form, or the kind is unknown.
    """
    table, _, kind = given.strip().partition("=")
    if kind not in ROWS:
        close = get_close_matches(kind, ROWS, 1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"{given.strip()!r} does not say what a row stands for.",
            fix=f"{hint}Write {table or 'TABLE'}={'|'.join(ROWS)}",
        )
    return table, cast("RecordKind", kind)


def _keys_of(guess: Guess | None) -> set[str]:
    return set(guess.mapping) if guess is not None else set()


def _last(place: str) -> str:
    """The last name of a path or address that says anything."""
    bare = re.sub(r"[?#].*", "", place).rstrip("/")
    bare = bare.removesuffix("/.") if bare.endswith("/.") else bare
    last = re.split(r"[/:]", bare)[-1]
    return re.sub(r"\.(db|sqlite3?|duckdb)$", "", last) or "source"


def _found(look: FileLook) -> str:
    files = ", ".join(f"{count} {name}" for name, count in look.containers.items())
    return f"Found {files}, records of format {look.format}. Which kind of source is it?"


def _ground_of(look: FileLook) -> tuple[str, str]:
    """The surface and trust that are likely; both are asked."""
    if look.kind == "webhook_logs":
        return "backend", "server"
    if look.format == "combined_log":
        return "web", "public"
    if look.format in ("segment", "native", "amplitude"):
        return "web", "public"
    return "backend", "server"


def _consent_paths(columns: tuple[Column, ...]) -> dict[str, str]:
    """Paths of true and false whose names speak of consent and of a purpose."""
    found: dict[str, str] = {}
    for column in columns:
        if column.kind != "boolean" or not w.has(column.words, w.CONSENT):
            continue
        for purpose, known in (("analytics", w.ANALYTICS), ("marketing", w.MARKETING)):
            if w.has(column.words[-2:], known):
                found.setdefault(purpose, column.name)
    return found


def _lacking(what: str, missing: tuple[str, ...], columns: list[str], option: str) -> UserError:
    first = missing[0].split(" or ")[0]
    return UserError(
        f"{what} need {', '.join(missing)}; no field seems to hold it.",
        why=f"There is: {', '.join(columns[:40])}",
        fix=option.format(first),
    )


def _unfit(error: ConfigError, lines: list[str]) -> UserError:
    """What the configuration says against a source that was not written."""
    faults = [f"{fault.key.rpartition('].')[2]}: {fault.what}" for fault in error.faults]
    fixes = [fault.fix for fault in error.faults if fault.fix]
    return UserError(
        "The source can not be written: " + " ".join(faults),
        why="It would have been:\n" + "\n".join(lines),
        fix=" ".join(fixes) or "Say more with options; see: throughline connect --help",
    )


def _put_back(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(before)


def _probe(name: str, reference: str) -> Source:
    """The source without tables: enough to connect."""
    return Source.model_validate(
        {
            "name": name,
            "kind": "app_database",
            "url": reference,
            "surface": "backend",
            "trust": "server",
            "lawful_basis": "not_personal",
        }
    )


def _refuse_unreadable(problems: dict[str, Problem]) -> None:
    """The first table that was wanted and cannot be read."""
    for problem in problems.values():
        raise UserError(f"{problem.segment} {problem.what}.", fix=problem.fix)


def _refuse_nothing(trial: Trial) -> None:
    """A source nothing can be read of."""
    if trial.records or not trial.problems:
        return
    problem = trial.problems[0]
    raise UserError(f"{problem.segment} {problem.what}.", fix=problem.fix)


def _resolved(home: Home, folder: str) -> Path:
    return Path(folder) if is_address(folder) else (home.root / folder).resolve()


def _refuse_taken_secret(home: Home, name: str, value: str) -> None:
    from governance.config.scalars import read_env_file

    if not home.env.exists():
        return
    refuse_open_mode(home.env)
    known = read_env_file(home.env).get(name)
    if known is not None and known != value:
        raise UserError(
            f"{name} stands in {home.env} already, with another value.",
            why="A secret is never overwritten.",
            fix=f"Use that one: --url env:{name}   or give the source another --name.",
        )


def _keep_secret(home: Home, name: str, value: str) -> None:
    """Add a secret to ``.env`` (0600); one that stands there already is left alone."""
    from governance.config.scalars import read_env_file

    if "\n" in value or "\r" in value:
        raise UserError("An address is one line.", fix="Take the line feed out of it.")
    if not home.env.exists():
        write_private(home.env, f"{name}={value}\n")
        return
    refuse_open_mode(home.env)
    if name in read_env_file(home.env):
        return
    before = home.env.read_text(encoding="utf-8")
    gap = "" if not before or before.endswith("\n") else "\n"
    with home.env.open("a", encoding="utf-8") as file:
        file.write(f"{gap}{name}={value}\n")


KNOWN_KINDS: tuple[str, ...] = get_args(Kind)
KNOWN_FORMATS: tuple[str, ...] = get_args(Format)
