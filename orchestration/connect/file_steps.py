"""A source of files: what lies in the folder, its mapping, and where its records say consent."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from governance.config import is_address
from governance.errors import UsageError, UserError
from governance.home import Home
from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.connection import Connection
from orchestration.connect.files import KINDS, FileKind, FileLook, look_at_files
from orchestration.connect.guess.matching import Guess
from orchestration.connect.guess.records import guess_records
from orchestration.connect.proposal import Proposal, override
from orchestration.connect.steps import Steps, lacking, last_name


class FileSteps(Steps):
    """A folder of files, from its path to their mapping."""

    def propose(self) -> Connection:
        given = self.given
        if given.tables:
            raise UsageError("Files have no --table.", fix="Leave it out, or name a --url.")
        look = self._look(given.kind)
        self._refuse_shared(look)
        name = self.name(last_name(self.place))
        kind = given.kind or self.dialogue.choose("--kind", _found(look), KINDS, look.kind)
        if kind != look.kind:  # said at a terminal: what is found depends on it
            look = self._look(kind)
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

    def _look(self, kind: str | None) -> FileLook:
        return look_at_files(
            self.home,
            self.config,
            self.place,
            kind=cast("FileKind | None", kind),
            form=self.given.form,
            csv=self._csv(),
        )

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
            raise lacking("These records", guess.missing, columns, "--map {}=COLUMN")
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


def _keys_of(guess: Guess | None) -> set[str]:
    return set(guess.mapping) if guess is not None else set()


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


def _resolved(home: Home, folder: str) -> Path:
    return Path(folder) if is_address(folder) else (home.root / folder).resolve()
