"""What somebody typed: an identifier, a person or an event, as the published copy knows it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from governance import normalise
from governance.errors import UserError
from governance.keys import Keys
from governance.masking import mask_text
from ingestion.identifiers import Identifiers
from ingestion.named_identifiers import NamedIdentifier, read_identifier
from orchestration.explain.answers import Event
from orchestration.explain.reading import KINDS, Published

_PERSON = re.compile(r"(?:person:)?(p_[0-9a-f]{32})")
_EVENT = "event:"
_LISTED = 10
_CANDIDATES = 200
_SIMILAR = 5
_TOKEN = re.compile(r"tok_(?:email|phone)_[0-9a-f]{32}")
_DIGITS = 7  # of the shortest phone number


@dataclass(frozen=True, slots=True)
class Person:
    """A person by its id; a device is one too, when nobody named himself on it."""

    person_id: str

    def __str__(self) -> str:
        return self.person_id


Subject = NamedIdentifier | Person | Event


def find(published: Published, keys: Keys, typed: str) -> Subject:
    """What is meant by ``typed``: ``kind:value``, a bare value, a person_id, ``event:ID``.

    Raises:
        UserError: it is unknown, or several are called so; an address or a number that was typed
            is never repeated.
    """
    text = _readable(typed)
    person = _PERSON.fullmatch(text)
    if person:
        return _person(published, person[1])
    if text.startswith(_EVENT):
        return _event(published, text.removeprefix(_EVENT)) or _no_event()
    exact = published.written(text)  # also what stands for nobody, which no command may speak of
    if exact:
        return exact
    if text.partition(":")[0] in KINDS:
        return _of_kind(published, read_identifier(text, keys))
    return _bare(published, keys, text)


def is_clear(typed: str) -> bool:
    """Whether the text holds an e-mail address or a number in clear, as far as can be seen."""
    kind, colon, value = normalise.identifier(typed).partition(":")
    if colon and kind in ("email", "phone"):
        return _TOKEN.fullmatch(value.strip()) is None
    digits = sum(character.isdigit() for character in typed)
    looks_like_a_number = not colon and digits >= _DIGITS and not any(map(str.isalpha, typed))
    return looks_like_a_number or mask_text(typed)[1] > 0


def _readable(typed: str) -> str:
    try:
        typed.encode()
    except UnicodeEncodeError:
        typed = ""
    text = normalise.identifier(typed)
    if not text or "\x00" in text:
        raise UserError(
            "That is no identifier.",
            why="It is empty, or not valid UTF-8.",
            fix="Write kind:value, such as user_id:u_123, or copy it from marts.bridge_identities.",
        )
    return text


def _person(published: Published, person_id: str) -> Person:
    if published.count_members(person_id) or published.devices_of(person_id, limit=1):
        return Person(person_id)
    raise UserError(
        f"There is no person {person_id} in the published copy.",
        why="A person_id changes when its person is merged or split: marts.ops_identity_changes"
        " has those of old.",
        fix="Ask by an identifier instead: throughline explain user_id:…",
    )


def _event(published: Published, text: str) -> Event | None:
    found = published.events(text, limit=_LISTED)
    if len(found) > 1:
        raise UserError(
            f"{len(found)} events have this id.",
            why="An id is unique within its producer only: "
            + ", ".join(f"{each.event_key} ({each.source})" for each in found),
            fix=f"Name one by its key: throughline explain event:{found[0].event_key}",
        )
    return found[0] if found else None


def _no_event() -> Event:
    raise UserError(
        "There is no event with this id in the published copy.",
        why="It takes an event_key or an event_id of marts.fct_events. Events without a lawful"
        " basis, duplicates and quarantined records are not there.",
        fix="Look for it: select event_key, event_id from marts.fct_events",
    )


def _of_kind(published: Published, identifier: NamedIdentifier) -> NamedIdentifier:
    if published.named([(identifier.kind, identifier.value)]):
        return identifier
    raise _unknown(published, identifier.kind, identifier.value)


def _bare(published: Published, keys: Keys, text: str) -> Subject:
    forms = _forms(keys, text)
    found = published.named(forms)
    if len(found) > 1:
        raise UserError(
            f"{len(found)} identifiers have this value.",
            why=", ".join(map(str, found[:_LISTED])) + (", …" if len(found) > _LISTED else ""),
            fix=f"Say which: throughline explain {found[0]}",
        )
    if found:
        return found[0]
    stored = forms[0][1]
    event = _event(published, text) if stored == text else None
    if event:
        return event
    raise _unknown(published, "", stored)


def _forms(keys: Keys, text: str) -> list[tuple[str, str]]:
    """The value as ingestion stores it under each kind."""
    identifiers = Identifiers(keys)
    stored = identifiers.identifier(text, "") or ""
    forms = [(kind, stored) for kind in KINDS]
    for kind, token in (
        ("email", identifiers.email(text, "")),
        ("phone", identifiers.phone(text, "")),
    ):
        if token:
            forms.append((kind, token))
    return forms


def _unknown(published: Published, kind: str, value: str) -> UserError:
    written = f"{kind}:{value}" if kind else value
    similar = _similar(published, kind, value)
    lost = published.lost()
    where = "It was never seen with a lawful basis, or is misspelt."
    if lost and (lost.stripped or lost.quarantined):
        where += (
            f" Of {lost.stripped:,} stripped and {lost.quarantined:,} quarantined records no"
            " identifier is kept: marts.rpt_pipeline has them by source and hour."
        )
    return UserError(
        f"{written} is not in the published copy.",
        why=where,
        fix=f"Did you mean {' or '.join(map(str, similar))}?"
        if similar
        else "throughline status says whether files wait to be loaded.",
    )


def _similar(published: Published, kind: str, value: str) -> list[NamedIdentifier]:
    """Identifiers of the same kind that are spelt nearly so; tokens resemble nothing."""
    if value.startswith("tok_"):
        return []
    near = published.near(kind, value, limit=_CANDIDATES)
    spelt = get_close_matches(value, dict.fromkeys(each.value for each in near), n=_SIMILAR)
    return [each for text in spelt for each in near if each.value == text][:_SIMILAR]
