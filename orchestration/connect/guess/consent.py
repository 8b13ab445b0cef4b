"""What the person of a row agreed to, where the row says so itself."""

from __future__ import annotations

from typing import Any

from orchestration.connect import words as w
from orchestration.connect.guess.booleans import flag_of, with_counterparts, yes_or_no
from orchestration.connect.guess.matching import Matcher
from orchestration.connect.guess.predicates import is_text


def map_flags(matcher: Matcher) -> None:
    """Columns of a row that say what its person agreed to."""
    found: dict[str, Any] = {}
    for purpose, known in (("analytics", w.ANALYTICS), ("marketing", w.MARKETING)):
        column = matcher.find(lambda c, k=known: w.has(c.words, k) and yes_or_no(c) is not None)
        if column is not None:
            matcher.used.add(column.name)
            found[purpose] = flag_of(column)
    if found:
        matcher.guess.mapping["consent"] = found
        matcher.guess.notes["consent"] = "true, false, or nothing said: is that what they mean?"


def map_consents(matcher: Matcher) -> None:
    """One column per purpose, or a column of purposes beside one of answers."""
    map_flags(matcher)
    if "consent" in matcher.guess.mapping:
        return
    purpose = matcher.find(lambda c: w.has(c.words, w.PURPOSE) and is_text(c))
    answer = matcher.find(
        lambda c: w.has(c.words, w.GRANTED) and c.kind != "time" and bool(yes_or_no(c))
    )
    if purpose is None or answer is None:
        return
    matcher.used |= {purpose.name, answer.name}
    template = f"{{{purpose.name}}}={{{answer.name}}}"
    found: dict[str, Any] = {}
    for name, known in (("analytics", w.ANALYTICS), ("marketing", w.MARKETING)):
        meant = sorted(text for text in purpose.texts if w.has(w.pieces(text), known))
        answers = with_counterparts(yes_or_no(answer) or {}).items()
        if meant:
            table = {f"{text}={said}": flag for text in meant for said, flag in answers}
            found[name] = {"template": template, "map": table}
    if found:
        matcher.guess.mapping["consent"] = found
