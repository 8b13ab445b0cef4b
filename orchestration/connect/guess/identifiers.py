"""Whom a row is about: ids of persons, accounts, visitors and devices, email and phone."""

from __future__ import annotations

from governance.config.mapping import RecordKind
from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.guess.matching import Matcher, Test
from orchestration.connect.guess.predicates import is_bare_id, is_id, is_mail, is_word


def map_identifiers(matcher: Matcher, kind: RecordKind, own: tuple[str, ...]) -> None:
    """The ids that this kind of row can have; ``own`` is the key of its table."""
    entity = {"persons": w.PERSON, "accounts": w.ACCOUNT}.get(kind)
    target = {"persons": "user_id", "accounts": "account_id"}.get(kind)
    if entity is not None and target is not None:
        is_own: list[Test] = [lambda c: len(own) == 1 and c.name == own[0]]
        matcher.take(target, lambda c: is_id(c, entity), *is_own, is_bare_id)
    if kind != "persons":
        matcher.take("user_id", lambda c: is_id(c, w.PERSON))
    if kind != "accounts":
        matcher.take("account_id", lambda c: is_id(c, w.ACCOUNT))
    if kind in ("events", "persons", "consents"):
        matcher.take("anonymous_id", lambda c: w.has(c.words, w.VISITOR) and is_word(c))
    if kind == "events":
        matcher.take("device_id", lambda c: is_id(c, w.DEVICE))
        matcher.take("session_id", lambda c: is_id(c, w.SESSION))
    _external(matcher, kind)
    if kind in ("events", "persons", "orders", "subscriptions"):
        matcher.take(
            "email_verified",
            lambda c: w.has(c.words, w.EMAIL, w.VERIFIED) and c.kind in ("boolean", "unknown"),
        )
        matcher.take("email", is_mail, note="stored as a token only")

        def phone(c: Column) -> bool:
            return w.has(c.words, w.PHONE) and not w.has(c.words, w.VERIFIED)

        matcher.take("phone", phone, note="stored as a token only")


def own_key(matcher: Matcher) -> tuple[str, ...]:
    """A column whose values name rows, of a table without a primary key."""
    named = [c for c in matcher.columns if w.has(c.words, w.ID) and c.is_unique]
    return (named[0].name,) if named else ()


def _external(matcher: Matcher, kind: RecordKind) -> None:
    """Ids of the same person elsewhere: what joins a webhook's customer to a row's."""
    found: dict[str, str] = {}
    for provider in w.PROVIDERS:
        column = matcher.find(
            lambda c, p=provider: (
                p in c.words
                and (w.has(c.words, w.PERSON) or (kind == "persons" and len(c.words) > 1))
                and is_word(c)
            )
        )
        if column is not None:
            matcher.used.add(column.name)
            found[provider] = column.name
    if found:
        matcher.guess.mapping["external_ids"] = found
