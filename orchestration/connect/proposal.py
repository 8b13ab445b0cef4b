"""A source as it would be written: what was found, guessed and said, the reasons as comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from governance.config import Mapping
from governance.errors import UserError
from ingestion.names import did_you_mean
from orchestration.connect.block import Entry, Items
from orchestration.connect.guess.matching import Guess
from orchestration.connect.tables import TableLook

_CONSENT_KINDS = "consent | contract | legitimate_interests | not_personal"
_MAPPING_ORDER = tuple(Mapping.model_fields)


@dataclass(frozen=True, slots=True)
class TableProposal:
    """A table and what its rows seem to be."""

    look: TableLook
    guess: Guess


@dataclass(slots=True)
class Proposal:
    """A source before it is written."""

    name: str
    kind: str
    surface: str
    trust: str
    lawful_basis: str
    form: str | None = None
    path: str | None = None
    url: str | None = None
    consent_map: dict[str, str] = field(default_factory=dict)
    consent_note: str = ""
    row_identity: str | None = None
    csv: dict[str, str] = field(default_factory=dict)
    guess: Guess | None = None
    tables: tuple[TableProposal, ...] = ()

    def entries(self) -> list[Entry]:
        """The source as entries of YAML."""
        found = [Entry("name", self.name), Entry("kind", self.kind)]
        if self.form is not None:
            found.append(Entry("format", self.form))
        if self.path is not None:
            found.append(Entry("path", self.path, "every file in it, and those that come later"))
        if self.url is not None:
            where = "the address is in .env" if self.url.startswith("env:") else ""
            found.append(Entry("url", self.url, where))
        if self.csv:
            found.append(Entry("csv", self.csv))
        found += [
            Entry("surface", self.surface, "web | mobile | backend | other"),
            Entry("trust", self.trust, _TRUST[self.trust]),
            Entry("lawful_basis", self.lawful_basis, _CONSENT_KINDS),
        ]
        if self.consent_map:
            found.append(Entry("consent_map", self.consent_map, self.consent_note))
        if self.row_identity is not None:
            found.append(Entry("row_identity", self.row_identity, "its records carry no ids"))
        if self.guess is not None:
            found.append(Entry("mapping", _mapping(self.guess), "event: field of the record"))
        if self.tables:
            found.append(Entry("tables", Items([_table(table) for table in self.tables])))
        return found


_TRUST = {
    "public": "its keys can be read by anybody",
    "server": "only your own servers write it",
    "signed": "signatures were checked when it was received",
}


def override(
    guess: Guess, columns: Sequence[str], changes: Sequence[tuple[str, str]], where: str
) -> None:
    """Put said columns over guessed ones.

    Args:
        guess: changed in place.
        columns: all there are.
        changes: (field, column); a field may be dotted: ``consent.analytics``.
        where: named in messages.

    Raises:
        UserError: there is no such column, or no such field.
    """
    for target, column in changes:
        if column and column not in columns and column.partition(".")[0] not in columns:
            raise UserError(
                f"{where} has no column {column!r}.", fix=did_you_mean(column, list(columns))
            )
        group, _, name = target.partition(".")
        guess.notes.pop(group, None)
        if not name:
            guess.mapping[target] = column
            if not column:
                del guess.mapping[target]
        else:
            members = dict(guess.mapping.get(group) or {})
            members[name] = column
            if not column:
                del members[name]
            guess.mapping[group] = members
    given = guess.mapping.keys()
    guess.missing = tuple(each for each in guess.missing if not given & set(each.split(" or ")))


def _table(table: TableProposal) -> list[Entry]:
    look, guess = table.look, table.guess
    found = [Entry("table", look.name, look.counted), Entry("as", guess.as_)]
    if guess.key:
        found.append(Entry("key", list(guess.key), "it has no primary key: is this one?"))
    if guess.cursor:
        found.append(Entry("cursor", guess.cursor, "grows when a row is written"))
    mapping = _mapping(guess)
    if guess.cursor is None:
        note = "no cursor: all rows are compared at every load"
        found.append(Entry("mapping", mapping, note))
    else:
        found.append(Entry("mapping", mapping))
    return found


def _mapping(guess: Guess) -> list[Entry]:
    known = [key for key in _MAPPING_ORDER if key in guess.mapping]
    rest = [key for key in guess.mapping if key not in known]
    return [Entry(key, guess.mapping[key], _note(guess, key)) for key in (*known, *rest)]


def _note(guess: Guess, key: str) -> str:
    if key == "properties" and key not in guess.notes:
        return "masked; once reviewed: {from: …, class: internal}"
    return guess.notes.get(key, "")
