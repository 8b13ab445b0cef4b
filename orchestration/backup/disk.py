"""Room on the disk that is written to, which need not be the home's."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.errors import UserError
from governance.warehouse import disk_full

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def require_room(folder: Path, needed: int) -> None:
    """Refuse to begin what cannot fit.

    Raises:
        UserError: the disk of ``folder`` has less than ``needed`` bytes left.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"The disk of {folder} has too little room: {needed:,} bytes needed, {free:,} free.",
            why="Nothing was written.",
            fix="Free some space, or name a folder on another disk.",
        )


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Say whose disk is full: it need not be the home's."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise disk_full(folder) from error
