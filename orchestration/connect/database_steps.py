"""A source of a database's tables: its address as a secret, which tables, and what a row is."""

from __future__ import annotations

import re

from governance.config import Source
from governance.config.mapping import RecordKind
from governance.errors import UsageError, UserError
from ingestion.names import did_you_mean
from ingestion.segments import Problem
from orchestration.connect.choices import ROWS, parse_table
from orchestration.connect.columns import Column
from orchestration.connect.connection import Connection, Skipped
from orchestration.connect.dotenv import in_environment, refuse_taken_secret
from orchestration.connect.guess.matching import Guess
from orchestration.connect.guess.table import guess_table
from orchestration.connect.proposal import Proposal, TableProposal, override
from orchestration.connect.steps import Steps, lacking, last_name
from orchestration.connect.tables import first_columns, look_at_database

_DATABASE = re.compile(r"(postgres(ql)?|mysql|mariadb|sqlite)(\+\w+)?://")
_MISSING_KEY = "Name the columns that identify a row: in a view, or as a primary key."


class DatabaseSteps(Steps):
    """A database, from its address to its tables."""

    def propose(self) -> Connection:
        given = self.given
        for said, option in ((given.form, "--format"), (given.delimiter, "--delimiter")):
            if said:
                raise UsageError(f"A database has no {option}.", fix=f"Leave {option} out.")
        name = self.name(last_name(self.place if "://" in self.place else "shop"))
        reference = self._reference(name)
        with in_environment(self.secret):
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
        url = self.place.strip()
        if url.startswith(("env:", "file:")) or re.fullmatch(r"sqlite:///[^\s?#]+", url):
            return url
        if not is_database_address(url):
            raise UsageError(
                "That is no address of a database.",
                fix="Write postgresql://USER:PASSWORD@HOST/DATABASE, mysql://…, sqlite:///FILE or"
                " env:NAME with one of those in .env",
            )
        secret = f"{name.upper()}_DB_URL"
        self.secret = (secret, url)
        refuse_taken_secret(self.home, secret, url)
        return f"env:{secret}"

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
            raise lacking(what, guess.missing, list(columns), f"--map {table}:{{}}=COLUMN")
        if not primary_key and not guess.key:
            raise UserError(f"The table {table} has no primary key.", fix=_MISSING_KEY)


def is_database_address(text: str) -> bool:
    """Whether it begins as the address of a database that can be read."""
    return bool(_DATABASE.match(text))


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
