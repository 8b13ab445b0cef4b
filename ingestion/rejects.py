"""Rejected bytes: encrypted in ``rejects/<source>/<load>.bin``, found by file, offset, length.

Each reject is one AES-256-GCM message ``nonce (12) | ciphertext | tag (16)``; file and offset are
its associated data, so a message cannot be moved to stand for another.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from ingestion.refusals import Reason, Refusal

__all__ = ["Reason", "Refusal", "RejectFile", "Stored", "delete_unreferenced", "read_reject"]

_NONCE = 12
_TAG = 16


class Stored(NamedTuple):
    """Where the bytes of a reject lie."""

    stored_in: str
    stored_at: int
    length: int


class RejectFile:
    """The rejects of one source in one load; made with the first of them (mode 0600)."""

    def __init__(self, home: Home, keys: Keys, source: str, load: str) -> None:
        self._path = home.rejects / source / f"{load}.bin"
        self._name = f"{source}/{load}.bin"
        self._cipher = AESGCM(keys.rejects_key)
        self._file: BinaryIO | None = None
        self._end = 0

    def append(self, data: bytes) -> Stored:
        """Encrypt and write; not on disk before ``sync``."""
        if self._file is None:
            self._file = self._open()
        nonce = secrets.token_bytes(_NONCE)
        at = self._end
        sealed = nonce + self._cipher.encrypt(nonce, data, _place(self._name, at))
        self._file.write(sealed)
        self._end += len(sealed)
        return Stored(self._name, at, len(data))

    def sync(self) -> None:
        """Force what was appended to disk; must come before the load commits."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, synced."""
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return os.fdopen(handle, "wb")


def read_reject(home: Home, keys: Keys, stored_in: str, stored_at: int, length: int) -> bytes:
    """The bytes of one reject.

    Args:
        home: whose rejects.
        keys: the home's keys.
        stored_in: as in ``raw.rejects``.
        stored_at: as in ``raw.rejects``.
        length: ``bytes_length`` of ``raw.rejects``.

    Raises:
        UserError: the file is gone, damaged, or was written with another key.
    """
    try:
        with (home.rejects / stored_in).open("rb") as file:
            file.seek(stored_at)
            sealed = file.read(_NONCE + length + _TAG)
        return AESGCM(keys.rejects_key).decrypt(
            sealed[:_NONCE], sealed[_NONCE:], _place(stored_in, stored_at)
        )
    except FileNotFoundError:
        why = "Its retention has ended, or the file was moved away."
    except (InvalidTag, ValueError):
        why = "The file is damaged, or was written with another rejects.key."
    raise UserError(
        f"The bytes of the reject at {stored_in}:{stored_at} cannot be read.",
        why=why,
        fix="Restore rejects/ and .keys/rejects.key from the same backup.",
    )


def delete_unreferenced(home: Home, referenced: set[str]) -> int:
    """Delete reject files of loads that never committed; their records are still in landing."""
    deleted = 0
    for path in home.rejects.glob("*/*.bin"):
        if path.relative_to(home.rejects).as_posix() not in referenced:
            path.unlink()
            deleted += 1
    return deleted


def _place(stored_in: str, stored_at: int) -> bytes:
    return f"{Path(stored_in).as_posix()}:{stored_at}".encode()
