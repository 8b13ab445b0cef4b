"""Pages and campaigns: reduced URLs and what they say about where a visit came from."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_plus

from governance.masking import mask_text, reduce_url

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_UTM_SET = frozenset(UTM)

# Wider than what governance keeps of a query: only there to tell that nothing of it can be kept.
_PERHAPS_KEPT = re.compile(r"utm_|clid|braid|cid|_id|epik", re.IGNORECASE)


class Address(NamedTuple):
    """A URL as it may be stored, and its parts."""

    url: str | None
    host: str | None
    path: str | None
    utm: dict[str, str]
    click_id: str | None
    masked: int


def shortened(url: str) -> str:
    """The URL without what can surely not be kept: queries make almost every URL a new one."""
    before, _, query = url.partition("#")[0].partition("?")
    if not query or not _PERHAPS_KEPT.search(query):
        return before
    kept = [p for p in query.replace(";", "&").split("&") if _PERHAPS_KEPT.search(p)]
    return f"{before}?{'&'.join(kept)}"


def read_address(url: str) -> Address:
    """A URL as it may be stored, with host, path, campaign and click id."""
    return _read(shortened(url))


@lru_cache(maxsize=1 << 14)
def _read(url: str) -> Address:
    reduced, masked = reduce_url(url)
    before, _, query = reduced.partition("?")
    _, found, rest = before.partition("//" if before.startswith("//") else "://")
    authority, slash, path = rest.partition("/") if found else ("", "", before)
    host = authority.rpartition("@")[2].partition(":")[0].lower() or None
    utm: dict[str, str] = {}
    click_id = None
    for parameter in query.split("&") if query else ():
        name, _, value = parameter.partition("=")
        name = name.lower()
        if name in _UTM_SET:
            if value and name not in utm:
                utm[name] = mask_text(unquote_plus(value))[0]
        elif click_id is None and not name.startswith("utm_") and value:
            click_id = name
    return Address(
        reduced, host, (f"{slash}{path}" or "/") if host else path or None, utm, click_id, masked
    )
