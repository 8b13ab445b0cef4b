"""Counting lines in memory, vectorised: the ledger's own count of what readers hand out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FEED, _RETURN, _SPACE, _TAB = 10, 13, 32, 9


def visible_lines(data: bytes) -> int:
    """Lines that hold anything; they end at a line feed, a carriage return or both."""
    codes = np.frombuffer(data, np.uint8)
    return _runs((codes != _FEED) & (codes != _RETURN))


def written_lines(data: bytes) -> int:
    """Lines that hold more than blanks; they end at a line feed alone."""
    codes = np.frombuffer(data, np.uint8)
    if not len(codes):
        return 0
    is_end = codes == _FEED
    visible = ~is_end & (codes != _SPACE) & (codes != _TAB) & (codes != _RETURN)
    line = np.cumsum(is_end)
    return len(np.unique(line[visible]))


def _runs(inside: npt.NDArray[np.bool_]) -> int:
    """How many runs of True there are."""
    if not len(inside):
        return 0
    return int(inside[0]) + int(np.count_nonzero(inside[1:] & ~inside[:-1]))
