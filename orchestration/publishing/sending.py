"""What every kind of target has in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Sent:
    """What a delivery did.

    ``changed`` is false when the target had this version already. ``rows`` counts rows loaded into
    a database; ``files`` those uploaded, ``reused`` those the target copied from an older version;
    ``removed`` are old versions taken away, ``notes`` what its owner should know.
    """

    changed: bool
    rows: int = 0
    files: int = 0
    reused: int = 0
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret, and the password inside a secret address, replaced by stars."""
    hidden: set[str] = set()
    for secret in secrets:
        hidden.add(secret)
        try:
            password = urlsplit(secret).password or ""
        except ValueError:
            password = ""
        hidden |= {password, unquote(password)}
        # libpq's other form: key=value pairs
        hidden |= {
            part.partition("=")[2].strip("'") for part in secret.split() if "password=" in part
        }
    for part in sorted(hidden, key=len, reverse=True):
        if part:
            text = text.replace(part, "***")
    return text
