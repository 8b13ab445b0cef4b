"""Names of columns in messages."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from governance.masking import mask_text

_SHOWN = 20


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """The fix of a name nobody knows: the nearest one, else all there are."""
    # A file without a header has data where its names should be.
    known = [mask_text(name)[0] for name in known]
    close = get_close_matches(given, known, 1)
    if close:
        return f"Did you mean {close[0]!r}?"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"The columns are: {', '.join(known[:_SHOWN])}{more}."
