"""Identifiers on their way in: direct ones become tokens, their clear values go to the vault."""

from __future__ import annotations

from governance import normalise
from governance.keys import Keys
from governance.masking import is_suspect, looks_direct, mask_text, unwrapped
from ingestion.refusals import Reason, Refusal

Secret = tuple[str, str, str]
"""A token, its kind and the normalised clear value it stands for."""

_REMEMBERED = 1 << 16


class Identifiers:
    """Turns identifiers into what may be stored and collects what the vault must remember.

    ``pending`` holds the tokens not handed to the vault yet; whoever drains it must do so before
    the load commits, or a token could outlive its meaning.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.pending: dict[str, Secret] = {}
        self._known: dict[str, str | None] = {}
        self._told: set[str] = set()  # tokens the vault has from this load

    def identifier(self, value: object, pointer: str) -> str | None:
        """An id as producers give it; one that is or holds a direct identifier becomes a token.

        Integers are ids too (databases have them); an empty one is none.

        Raises:
            Refusal: neither a string nor an integer.
        """
        if value is None:
            return None
        if type(value) is not str:
            if type(value) is not int:
                raise Refusal(Reason.INVALID_FIELD, pointer, "must be a string")
            value = str(value)
        try:
            return self._known[value]
        except KeyError:
            return self._learn(value)

    def email(self, value: object, pointer: str) -> str | None:
        """The token of an e-mail address; None when the value is none."""
        address = normalise.email(_string(value, pointer)) if value is not None else None
        return self.token("email", address) if address else None

    def phone(self, value: object, pointer: str) -> str | None:
        """The token of a phone number; None when the value is none."""
        number = normalise.phone(_string(value, pointer)) if value is not None else None
        return self.token("phone", number) if number else None

    def property(self, name: str, value: object) -> str:
        """The token of a property its contract classes as a direct identifier."""
        text = normalise.identifier(value if type(value) is str else str(value))
        return self._direct(text) or self.token(name, text)

    def token(self, kind: str, value: str) -> str:
        """The token of a normalised value, noted for the vault."""
        token = self._keys.token(kind, value)
        if token not in self._told:
            self.pending[token] = (token, kind, value)
        return token

    def drain(self) -> list[Secret]:
        """What the vault must remember before this load commits."""
        pending = list(self.pending.values())
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.update(self.pending)
        self.pending.clear()
        return pending

    def _learn(self, value: str) -> str | None:
        text = normalise.identifier(value).replace("\x00", "\ufffd")
        stored = (self._direct(text) or self._holding(text) or text) if text else None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[value] = stored
        return stored

    def _direct(self, text: str) -> str | None:
        if "%" in text or ":" in text:
            text = normalise.identifier(unwrapped(text))
        kind = looks_direct(text)
        if kind == "email":
            address = normalise.email(text)
            return self.token("email", address) if address else None
        if kind == "phone":
            number = normalise.phone(text)
            return self.token("phone", number) if number else None
        return None

    def _holding(self, text: str) -> str | None:
        """The token of an id with a direct identifier somewhere in it."""
        bare = unwrapped(text) if "%" in text else text
        held = any(is_suspect(t) and mask_text(t)[1] for t in (text, bare))
        return self.token("id", text) if held else None


def _string(value: object, pointer: str) -> str:
    if type(value) is not str:
        raise Refusal(Reason.INVALID_FIELD, pointer, "must be a string")
    return value
