"""One question: what was typed is found, then explained alone or against the other."""

from __future__ import annotations

from collections.abc import Sequence

from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from ingestion.identity_overrides import read_overrides, what_counts
from orchestration.explain.answers import Answer, Between, Evidence
from orchestration.explain.naming import Subject, find, is_clear
from orchestration.explain.one import explain_one
from orchestration.explain.reading import Published, open_published
from orchestration.explain.reasons import Reasons
from orchestration.explain.statements import Statements
from orchestration.explain.surroundings import surroundings
from orchestration.explain.two import explain_two

_MOST = 2


def explain(
    home: Home, keys: Keys, typed: Sequence[str], *, kept: bool = False, pictured: bool = False
) -> tuple[Answer, list[Evidence]]:
    """The answer, and the evidence around it when a picture is wanted.

    Args:
        home: whose published copy is asked.
        keys: its keys, for the tokens of addresses and numbers in clear.
        typed: one identifier, or two.
        kept: whether what was typed is kept somewhere, so that it must not be in clear.
        pictured: whether the evidence is wanted.

    Raises:
        UserError: nothing is published, nothing is known by this name, or neither one nor two were
            named.
    """
    if not 1 <= len(typed) <= _MOST:
        raise UserError(
            "One identifier can be explained, or two compared.",
            fix="throughline explain user_id:u_123 [email:…]",
        )
    if kept and any(map(is_clear, typed)):
        raise UserError(
            "An identifier is written in clear, and this configuration is kept with the run.",
            why="E-mail addresses and phone numbers are stored as tokens only.",
            fix="Delete this run, ask on the command line (throughline explain email:…), which"
            " prints the token, and name that here.",
        )
    with open_published(home) as published:
        subjects = [find(published, keys, text) for text in typed]
        said = Statements(published, what_counts(read_overrides(home, keys)).values())
        answer = _answer(published, said, subjects)
        if not pictured:
            return answer, []
        path = [step.evidence for step in answer.path] if isinstance(answer, Between) else []
        return answer, list(dict.fromkeys([*path, *surroundings(published, subjects)]))


def _answer(published: Published, said: Statements, subjects: list[Subject]) -> Answer:
    reasons = Reasons(published)
    if len(subjects) == 1:
        return explain_one(published, reasons, said, subjects[0])
    return explain_two(published, reasons, said, subjects[0], subjects[1])
