"""The keys of a home: made once by ``init`` or ``demo``, read by every other command.

Four files of 32 random bytes, hexadecimal, in ``.keys/`` (folder 0700, files 0600). Tokens and
person ids are keyed hashes under them, so a warehouse works only with the keys it was made with; it
remembers their public ``key_id``. None of them is ever rotated in place.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import NoReturn

from governance.errors import UserError
from governance.home import Home

TOKEN_KEY = "token.key"  # noqa: S105 - the name of a file
PERSON_SALT = "person.salt"
VAULT_KEY = "vault.key"
REJECTS_KEY = "rejects.key"
FILES = (TOKEN_KEY, PERSON_SALT, VAULT_KEY, REJECTS_KEY)

KEY_BYTES = 32
_SEPARATOR = "\x1f"
_OTHERS = 0o077


class _Mac:
    """HMAC-SHA256 (RFC 2104) under one key, its two pads hashed once: twice as fast per message."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.sha256(bytes(b ^ 0x5C for b in block))

    def __call__(self, message: bytes) -> str:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()[:32]


class Keys:
    """The keys of one home, in memory. Its repr shows the public ``key_id`` and nothing else."""

    __slots__ = (
        "_dedupe",
        "_digest",
        "_token",
        "key_id",
        "person_salt",
        "rejects_key",
        "vault_key",
    )

    def __init__(
        self, *, token_key: bytes, person_salt: bytes, vault_key: bytes, rejects_key: bytes
    ) -> None:
        self._token = _Mac(token_key)
        # Separate keys per purpose: a dedupe key can never collide with a token of the same text.
        self._dedupe = _Mac(derive(token_key, "dedupe"))
        self._digest = _Mac(derive(token_key, "digest"))
        self.person_salt = person_salt
        self.vault_key = vault_key
        self.rejects_key = rejects_key
        everything = token_key + person_salt + vault_key + rejects_key
        self.key_id = derive(everything, "key id").hex()[:16]

    def __repr__(self) -> str:
        return f"Keys({self.key_id})"

    def token(self, kind: str, normalised_value: str) -> str:
        """The pseudonym of a direct identifier: ``tok_<kind>_`` and 32 hexadecimal digits."""
        message = f"{kind}{_SEPARATOR}{normalised_value}".encode("utf-8", "surrogatepass")
        return f"tok_{kind}_{self._token(message)}"

    def dedupe_key(self, group: str, producer_id: str) -> str:
        """The key two copies of one event share: 32 hexadecimal digits."""
        message = f"{group}{_SEPARATOR}{producer_id}".encode("utf-8", "surrogatepass")
        return self._dedupe(message)

    def digest(self, data: bytes) -> str:
        """A keyed digest of bytes nobody may guess from a plain hash: 32 hexadecimal digits."""
        return self._digest(data)


def derive(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HMAC-SHA256 as the expand step of HKDF, RFC 5869)."""
    return hmac.digest(key, b"throughline\x1f" + purpose.encode() + b"\x01", hashlib.sha256)


def make_keys(home: Home) -> Keys:
    """Make the home's keys; only ``init`` and ``demo`` do.

    Raises:
        UserError: when there are keys already; replacing them would orphan every token.
    """
    if home.keys.exists():
        raise UserError(
            f"There are keys in {home.keys} already.",
            why="New keys would not fit the tokens and person ids already stored.",
            fix="Keep them; to start from nothing, make another home with: throughline init DIR",
        )
    # Written beside and renamed, so that a killed `init` leaves no half-made set of keys.
    draft = home.keys.with_name(f".keys.{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700)
    try:
        for name in FILES:
            write_private(draft / name, secrets.token_hex(KEY_BYTES) + "\n")
        draft.rename(home.keys)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return load_keys(home)


def load_keys(home: Home) -> Keys:
    """Read the home's keys.

    Raises:
        UserError: a key is missing, unreadable, damaged, or readable by other users of the machine.
    """
    if not home.keys.is_dir():
        raise UserError(
            f"There are no keys in {home.keys}.",
            why="Tokens and person ids are keyed hashes; keys are never made silently.",
            fix="Restore .keys from your backup, or make a new home with: throughline init DIR",
        )
    refuse_open_mode(home.keys)
    return Keys(
        token_key=_read_key(home.keys / TOKEN_KEY),
        person_salt=_read_key(home.keys / PERSON_SALT),
        vault_key=_read_key(home.keys / VAULT_KEY),
        rejects_key=_read_key(home.keys / REJECTS_KEY),
    )


def write_private(path: Path, text: str) -> None:
    """Write a new file only its owner can read (mode 0600), to disk.

    Raises:
        FileExistsError: the file exists; a secret is never overwritten.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def refuse_open_mode(path: Path) -> None:
    """Refuse a secret other users of the machine can reach.

    Raises:
        UserError: group or others have any right on ``path``.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        private = "700" if path.is_dir() else "600"
        raise UserError(
            f"{path} is open to other users (mode {mode:04o}).",
            why="Whoever reads a key can undo every pseudonym made with it.",
            fix=f"chmod {private} {path}",
        )


def _read_key(path: Path) -> bytes:
    try:
        refuse_open_mode(path)
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        _refuse(path, "is missing")
    except PermissionError:
        _refuse(path, "cannot be read by this user")
    except UnicodeDecodeError:
        _refuse(path, "is damaged")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        _refuse(path, "is damaged")
    if len(key) != KEY_BYTES:
        _refuse(path, "is damaged")
    return key


def _refuse(path: Path, what: str) -> NoReturn:
    raise UserError(
        f"The key {path} {what}.",
        why="What is stored can only be used with the keys it was made with.",
        fix=f"Restore {path.name} from your backup of {path.parent}.",
    ) from None
