"""Pages and campaigns: reduced URLs and what they say about where a visit came from."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_plus

from governance.masking import mask_text, reduce_url

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_UTM_SET = frozenset(UTM)


class Address(NamedTuple):
    """A URL as it may be stored, and its parts."""

    url: str | None
    host: str | None
    path: str | None
    utm: dict[str, str]
    click_id: str | None
    masked: int


@lru_cache(maxsize=1 << 14)
def read_address(url: str) -> Address:
    """Reduce a URL to what may be stored and read host, path, campaign and click id from that."""
    reduced, masked = reduce_url(url)
    before, _, query = reduced.partition("?")
    _, scheme, rest = before.partition("://")
    authority, slash, path = rest.partition("/") if scheme else ("", "", before)
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
