"""One spelling per identifier, so that the same person gets the same token everywhere."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers

_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_EMAIL_MAX = 254  # RFC 5321
_DIALLED = re.compile(r"00[1-9](?:[ ()./\-]{0,3}\d){6,14}")
_PHONE_DIGITS = range(7, 16)  # E.164 allows 15


def identifier(value: str) -> str:
    """An id as a producer means it: compatibility forms unified (NFKC) and trimmed.

    Case is kept: producers' ids are case-sensitive.
    """
    return value.strip() if value.isascii() else unicodedata.normalize("NFKC", value).strip()


def email(value: str) -> str | None:
    """An e-mail address trimmed, NFKC and in lower case; None when it is not an address."""
    address = identifier(value).lower()
    if len(address) > _EMAIL_MAX:
        return None
    if not address.isascii():
        local, _, domain = address.rpartition("@")
        return address if local and "." in domain.strip(".") and " " not in address else None
    return address if _EMAIL.fullmatch(address) else None


def phone(value: str, region: str | None = None) -> str | None:
    """A phone number in E.164; None when it cannot be one.

    Args:
        value: the number as typed.
        region: ISO 3166 country to read national numbers with. Without it a number without a
            country code keeps its national digits, so that two spellings of it still meet.
    """
    text = dialled(value) or identifier(value)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        digits = "".join(c for c in text if c.isdecimal() and c.isascii())
        return digits if "+" not in text and len(digits) in _PHONE_DIGITS else None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def dialled(value: str) -> str | None:
    """A number written with the 00 of international calls in E.164; None when it is no valid one.

    Valid and not merely possible: numbers padded with zeros are ids.
    """
    text = identifier(value)
    if not _DIALLED.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(f"+{text[2:]}", None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
