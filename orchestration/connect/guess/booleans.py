"""Columns of yes and no in the languages companies write them in."""

from __future__ import annotations

from orchestration.connect import words as w
from orchestration.connect.columns import Column

_YES = w.words("1 true t y yes j ja oui o si sí s sim on ok granted accepted optin opt_in")
_NO = w.words("0 false f n no nein non não nao nej nie off denied rejected optout opt_out")
_PAIRS = (
    ("1", "0"),
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("y", "n"),
    ("ja", "nein"),
    ("j", "n"),
    ("oui", "non"),
    ("si", "no"),
    ("granted", "denied"),
)


def yes_or_no(column: Column) -> dict[str, bool] | None:
    """What each text of a column means; None when some are neither yes nor no."""
    if column.kind == "unknown":
        return {}
    if column.kind not in ("boolean", "number", "text"):
        return None
    meant = {
        text: text.strip().lower() in _YES
        for text in column.texts
        if text.strip().lower() in _YES | _NO
    }
    return meant if meant.keys() == column.texts else None


def flag_of(column: Column) -> object:
    """The mapping of a column of yes and no: its name alone where it holds booleans."""
    if all(isinstance(value, bool) for value in column.samples):
        return column.name
    return {"from": column.name, "map": with_counterparts(yes_or_no(column) or {})}


def with_counterparts(meant: dict[str, bool]) -> dict[str, bool]:
    """With the other half of each pair, which may not have been seen yet."""
    found = dict(meant)
    for yes, no in _PAIRS:
        for text, other, flag in ((yes, no, False), (no, yes, True)):
            if text in meant and other not in meant and len(set(meant.values())) == 1:
                found.setdefault(other, flag)
    return dict(sorted(found.items(), key=lambda pair: not pair[1]))
