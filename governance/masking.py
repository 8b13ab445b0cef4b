"""Masks e-mail, phone, payment card and IP patterns in free strings, and reduces URLs.

Runs over every free string of every event, so a cheap test comes first and short strings are
remembered. Every pattern is linear in the text: a hostile string of 64 KiB costs what a long one
costs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

import phonenumbers

from governance import normalise

EMAIL = "[email]"
PHONE = "[phone]"
CARD = "[card]"
IP = "[ip]"
TOO_DEEP = "[too deep]"

MAX_DEPTH = 32
_REMEMBERED_CHARS = 64
_PASSES = 4

# The cheap test: digits among phone or card punctuation, or the beginning of a dotted quad. Every
# branch starts with a digit, so the search skips at the speed of a character class.
_DIGITS = re.compile(r"\d(?:(?:[ ()./\-]{0,3}\d){6}|\.\d{1,3}\.\d)")
# The lookbehind lets a match start only where a run of address characters starts: without it a long
# run would be scanned once from each of its characters.
_EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.+%'-]+(?:[@＠]|%(?:25)*40)[\w-]++(?:\.[\w-]++)+", re.IGNORECASE
)
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f:.]{2,45}(?![0-9A-Za-z:])")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"(?<![\d.]){_OCTET}(?:\.{_OCTET}){{3}}(?!\.?\d)")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)")
_PHONE = re.compile(
    r"(?<![\w+])\+\d(?:[ ()./\-]{0,3}\d){6,14}(?!\d)"  # +49 30 1234567
    r"|(?<![\w(])\(\d{2,5}\)[ -]?\d(?:[ -]?\d){4,9}(?!\d)"  # (030) 123-4567
    r"|(?<![\w.-])\d{3}([-. ])\d{3}\1\d{4}(?![\w-])"  # 555-123-4567
)

_URL = re.compile(r"[a-z][a-z0-9+.-]{0,15}://\S+", re.IGNORECASE)
_WRAPPER = re.compile(r"\s*(?:mailto|tel|sms|callto):", re.IGNORECASE)

# Issuer prefixes with their lengths. Luhn alone is passed by one number in ten, among them
# timestamps in milliseconds; no issuer starts with the 1 of today's timestamps.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]|2[2-7])\d{14}"
    r"|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"
    r"|35\d{14,17}"
    r"|6\d{15,18}"
    r"|5[0678]\d{14,17}"
)

_KEPT_PARAMETERS = frozenset(
    [
        "gclid",
        "gbraid",
        "wbraid",
        "dclid",
        "fbclid",
        "msclkid",
        "ttclid",
        "twclid",
        "li_fat_id",
        "rdt_cid",
        "sccid",
        "yclid",
        "epik",
    ]
)


def mask_text(text: str) -> tuple[str, int]:
    """The text with every pattern replaced by its label, and how many were; idempotent."""
    if len(text) <= _REMEMBERED_CHARS:
        return _mask_short(text)
    return _mask(text)


def is_suspect(text: str) -> bool:
    """Whether the text can hold a pattern at all: what nearly every string of an event fails."""
    return (
        "@" in text
        or "＠" in text
        or ("%" in text and "40" in text)
        or text.count(":") > 1
        or _DIGITS.search(text) is not None
    )


def mask_json(value: object, depth: int = MAX_DEPTH) -> tuple[object, int]:
    """A JSON value with all strings masked, keys included, and how many patterns were.

    What lies deeper than ``depth`` levels is replaced, not passed through unseen.
    """
    hits: list[int] = []
    return _walk(value, depth, hits), sum(hits)


def reduce_url(url: str) -> tuple[str, int]:
    """A URL without what can name a person, and how many patterns were masked.

    Keeps scheme, host, port and path, and of the query only campaign parameters and click ids;
    drops user:password and the fragment. Pieces of the path, and kept values, are masked like any
    free string.
    """
    text = url.strip()
    text = text.partition("#")[0]
    text, _, query = text.partition("?")
    # A browser reads //host/path as a host too.
    start, found, rest = ("", "//", text[2:]) if text.startswith("//") else text.partition("://")
    if not found:
        start, rest = "", text
    authority, slash, path = rest.partition("/") if found else ("", "", rest)
    authority, hits = mask_text(authority.rpartition("@")[2])
    path, path_hits = _mask_path(path)
    query, query_hits = _reduce_query(query)
    prefix = f"{start}{found}{authority}{slash}" if found else ""
    return f"{prefix}{path}{query}".strip(), hits + path_hits + query_hits


def reduce_urls(text: str) -> tuple[str, int]:
    """A free string with every URL in it reduced, and how many patterns of theirs were masked."""
    if "://" not in text:
        return text, 0
    hits = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal hits
        reduced, found = reduce_url(match.group())
        hits += found
        return reduced

    return _URL.sub(replace, text), hits


def unwrapped(value: str) -> str:
    """What is inside a ``mailto:`` or ``tel:`` address, percent-encoded or not."""
    for _ in range(_PASSES):
        if "%" not in value:
            break
        value = unquote(value)
    return _WRAPPER.sub("", value, count=1)


def looks_direct(value: str) -> Literal["email", "phone"] | None:
    """The kind of direct identifier this id is shaped like, if any.

    Plain digits are never a phone number (order and user ids are digits): it takes a leading + with
    a possible number, the 00 of international calls with a valid one, or the punctuation people
    write phone numbers with.
    """
    text = value.strip()
    if "@" in text or "＠" in text:
        return "email" if normalise.email(text) else None
    if len(text) < 8:
        return None
    if text.startswith("00"):
        return "phone" if normalise.dialled(text) else None
    if text.isdigit():
        return None
    match = _PHONE.fullmatch(text)
    return "phone" if match and _is_phone(match) else None


def _mask(text: str) -> tuple[str, int]:
    if not is_suspect(text):
        return text, 0
    total = 0
    # Masking one pattern can lay another free (a label ends the run that hid it): repeat to the
    # fixed point.
    for _ in range(_PASSES):
        text, hits = _mask_once(text)
        if not hits:
            break
        total += hits
    return text, total


_mask_short = lru_cache(maxsize=1 << 16)(_mask)


def _mask_once(text: str) -> tuple[str, int]:
    text, emails = _EMAIL.subn(EMAIL, text)
    text, six = _sub_if(_IPV6, _is_ipv6, IP, text) if ":" in text else (text, 0)
    text, four = _IPV4.subn(IP, text)
    text, cards = _sub_if(_CARD, _is_card, CARD, text)
    text, phones = _sub_if(_PHONE, _is_phone, PHONE, text)
    return text, emails + six + four + cards + phones


def _sub_if(
    pattern: re.Pattern[str], accept: Callable[[re.Match[str]], bool], label: str, text: str
) -> tuple[str, int]:
    hits = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal hits
        if not accept(match):
            return match.group()
        hits += 1
        return label

    return pattern.sub(replace, text), hits


def _is_ipv6(match: re.Match[str]) -> bool:
    text = match.group().rstrip(".")
    if text.count(":") < 2 or not any(c.isdigit() for c in text):
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_card(match: re.Match[str]) -> bool:
    digits = [int(c) for c in match.group() if c.isdecimal()]
    if not _ISSUERS.fullmatch("".join(map(str, digits))):
        return False
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    if (sum(digits[-1::-2]) + sum(doubled)) % 10:
        return False
    return not _inside_hexadecimal(match)


def _inside_hexadecimal(match: re.Match[str]) -> bool:
    """Whether the digits are part of a longer hexadecimal word: a hash, not a card."""
    text, start, end = match.string, match.start(), match.end()
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    word = text[start:end]
    return not word.isdecimal() and re.fullmatch(r"[0-9A-Fa-f]{24,}", word) is not None


def _is_phone(match: re.Match[str]) -> bool:
    text = match.group()
    if not text.startswith("+"):
        return True
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return False


def _walk(value: object, depth: int, hits: list[int]) -> object:
    if isinstance(value, str):
        masked, count = mask_text(value)
        if count:
            hits.append(count)
        return masked
    if not isinstance(value, dict | list):
        return value
    if depth <= 0:
        hits.append(1)
        return TOO_DEEP
    if isinstance(value, list):
        return [_walk(item, depth - 1, hits) for item in value]
    return _walk_object(value, depth, hits)


def _walk_object(value: dict[str, object], depth: int, hits: list[int]) -> dict[str, object]:
    masked: dict[str, object] = {}
    for key, item in value.items():
        name, count = mask_text(key)
        if count:
            hits.append(count)
            # Two masked keys may meet on one label; both values stay.
            stem, number = name, 2
            while name in masked or name in value:
                name, number = f"{stem}#{number}", number + 1
        masked[name] = _walk(item, depth - 1, hits)
    return masked


def _mask_path(path: str) -> tuple[str, int]:
    if "%" not in path and not is_suspect(path):
        return path, 0
    pieces, total = [], 0
    for piece in path.split("/"):
        masked, hits = mask_text(unquote(piece) if "%" in piece else piece)
        pieces.append(masked if hits else piece)
        total += hits
    return "/".join(pieces), total


def _reduce_query(query: str) -> tuple[str, int]:
    kept, total = [], 0
    for parameter in query.replace(";", "&").split("&") if query else ():
        name, _, value = parameter.partition("=")
        lowered = name.lower()
        if not (lowered.startswith("utm_") or lowered in _KEPT_PARAMETERS):
            continue
        masked, hits = mask_text(unquote(value) if "%" in value else value)
        kept.append(f"{name}={masked if hits else value}")
        total += hits
    return ("?" + "&".join(kept) if kept else ""), total
