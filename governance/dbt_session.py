"""A dbt-duckdb plugin that hands the person salt to the session, never to SQL text.

HMAC-SHA256 (RFC 2104) hashes ``(key ^ opad) || sha256((key ^ ipad) || message)``. The two pads are
session variables ``tl_ipad`` and ``tl_opad`` (BLOB, 64 bytes each), so the ``hmac_hex`` macro
computes keyed hashes in plain SQL while compiled models, logs and profiles never hold the key.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from governance.home import HOME_VARIABLE, Home, find_home
from governance.keys import load_keys

_BLOCK = 64  # bytes of a SHA-256 block


def hmac_pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer pad of HMAC-SHA256 for ``key``, 64 bytes each."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


class Plugin(BasePlugin):
    """Sets the session variables on every cursor dbt opens."""

    def configure_cursor(self, cursor: Any) -> None:
        if not os.environ.get(HOME_VARIABLE):
            return  # `dbt parse` and unit tests outside a home need no key
        inner, outer = _pads_of(find_home())
        cursor.execute("set variable tl_ipad = $1::blob", [inner])
        cursor.execute("set variable tl_opad = $1::blob", [outer])


@cache
def _pads_of(home: Home) -> tuple[bytes, bytes]:
    """The pads of a home's person salt: dbt opens a cursor for every model and test."""
    return hmac_pads(load_keys(home).person_salt)
