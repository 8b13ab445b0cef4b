"""The envelope of an event: native form read strictly, masked, tokenised, as groups of columns.

Each method gives one group of columns of ``raw_schema.EVENTS``, in its order. Types are strict: a
string where a boolean belongs is a refusal, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from governance.classes import FieldClass
from governance.contracts import Contracts
from governance.masking import mask_json, mask_text, reduce_url, reduce_urls
from ingestion.identifiers import Identifiers
from ingestion.money import amount
from ingestion.parser import JsonObject, dump, object_at
from ingestion.refusals import Reason, Refusal, child
from ingestion.user_agent import classify
from ingestion.web import UTM, Address, read_address, shortened

Columns = tuple[Any, ...]

_CAMPAIGN = ("source", "medium", "campaign", "term", "content")
# What one client says the same of in all its events, in the order of the columns.
_CLIENT = (
    "platform",
    "app_version",
    "library",
    "library_version",
    "locale",
    "timezone",
    "country",
    "user_agent",
)
_IDENTIFIERS = tuple(
    (name, f"/subject/{name}") for name in ("user_id", "anonymous_id", "device_id", "account_id")
)
_REMEMBERED = 1 << 16
_SHORT = 128
_NAMESPACES = 20
_NO_ADDRESS = Address(None, None, None, {}, None, 0)
is_namespace = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}").fullmatch
_is_code = re.compile(r"[A-Za-z]{2}").fullmatch


class Envelope:
    """Reads the parts of one source's events; ``masked`` counts masks since it was set to 0."""

    def __init__(
        self, identifiers: Identifiers, contracts: Contracts, *, string_chars: int
    ) -> None:
        self._identifiers = identifiers
        self._contracts = contracts
        self._longest = string_chars
        self._texts: dict[str, str] = {}  # those that need no mask, with their URLs reduced
        self._pages: dict[Columns, Columns] = {}
        self._clients: dict[Columns, tuple[Columns, Columns]] = {}
        self.masked = 0

    def text(self, value: object, pointer: str) -> str | None:
        """A free string with its patterns masked; an empty one is none."""
        if value is None:
            return None
        if type(value) is not str:
            raise Refusal(Reason.INVALID_FIELD, pointer, "must be a string")
        try:
            return self._texts[value] or None
        except KeyError:
            return self._clean(value, pointer)

    def who(self, subject: JsonObject, context: JsonObject, previous: object) -> Columns:
        """From ``user_id`` to ``client_session_id``."""
        identifier = self._identifiers.identifier
        verified = subject.get("email_verified")
        if verified is not None and type(verified) is not bool:
            raise Refusal(Reason.INVALID_FIELD, "/subject/email_verified", "must be true or false")
        session = context.get("session_id")
        return (
            *[
                None if (value := subject.get(name)) is None else identifier(value, pointer)
                for name, pointer in _IDENTIFIERS
            ],
            self._external_ids(subject.get("external_ids")),
            self._identifiers.email(subject.get("email"), "/subject/email"),
            verified,
            self._identifiers.phone(subject.get("phone"), "/subject/phone"),
            identifier(previous, "/properties/previous_id"),
            identifier(session, "/context/session_id"),
        )

    def where(self, context: JsonObject) -> Columns:
        """From ``platform`` to ``is_bot``. The IP address is dropped."""
        get = context.get
        told = tuple(map(get, _CLIENT))
        try:
            client = self._clients.get(told)
        except TypeError:  # a list or an object where a string belongs: refused below
            client = None
        library, place = client or self._client(told)
        correlation = self.text(get("correlation_id"), "/context/correlation_id")
        return (*library, correlation, *self._page(context), *place)

    def _client(self, told: Columns) -> tuple[Columns, Columns]:
        """What all events of one client say alike: the columns before and after the page's."""
        before = self.masked
        said = [
            self.text(value, f"/context/{name}") for value, name in zip(told, _CLIENT, strict=True)
        ]
        platform, app_version, library, library_version, locale, time_zone, country, _ = said
        agent = told[-1]
        device_class, is_bot = classify(agent) if agent else (None, False)
        client = (
            (platform, app_version, library, library_version),
            (locale, time_zone, _country(country), device_class, is_bot),
        )
        if self.masked == before:  # what was masked must be counted each time
            if len(self._clients) >= _REMEMBERED:
                self._clients.clear()
            self._clients[told] = client
        return client

    def money(self, revenue: object) -> Columns:
        """``revenue``, ``currency`` and ``order_id``."""
        if revenue is None:
            return (None, None, None)
        if type(revenue) is not dict:
            raise Refusal(Reason.INVALID_FIELD, "/revenue", "must be an object")
        written = revenue.get("amount")
        currency = self.text(revenue.get("currency"), "/revenue/currency")
        order = revenue.get("order_id")
        return (
            None if written is None else amount(written, "/revenue/amount"),
            currency and currency.strip().upper(),
            self._identifiers.identifier(order, "/revenue/order_id"),
        )

    def properties(
        self, event_name: str, properties: JsonObject, classes: Mapping[str, FieldClass]
    ) -> tuple[str | None, str | None]:
        """Reviewed and unreviewed properties as JSON, direct identifiers as tokens, masked."""
        if not properties:
            return None, None
        split = self._contracts.split(event_name, properties, classes)
        reviewed = split.reviewed
        for name, value in split.direct.items():
            if value is not None and value != "":
                reviewed[name] = self._identifiers.property(name, value)
        return self._masked_json(reviewed), self._masked_json(split.unreviewed)

    def _clean(self, value: str, pointer: str) -> str | None:
        if len(value) > self._longest:
            raise Refusal(Reason.INVALID_FIELD, pointer, "longer than limits.string_chars")
        reduced, found = reduce_urls(value)
        masked, hits = mask_text(reduced)
        hits += found
        # DuckDB's JSON functions and many a reader stop at a NUL.
        masked = masked.replace("\x00", "\ufffd")
        if hits:
            self.masked += hits
        else:
            self._learn(value)
        return masked or None

    def _external_ids(self, given: object) -> str | None:
        if not given:
            return None
        if type(given) is not dict:
            raise Refusal(Reason.INVALID_FIELD, "/subject/external_ids", "must be an object")
        if len(given) > _NAMESPACES:
            raise Refusal(
                Reason.INVALID_FIELD, "/subject/external_ids", f"more than {_NAMESPACES} namespaces"
            )
        found: dict[str, str] = {}
        for written, value in given.items():
            namespace = written.lower()
            if not is_namespace(namespace) or namespace in found or mask_text(namespace)[1]:
                # The pointer stops above it: a key may be anybody's address.
                raise Refusal(
                    Reason.INVALID_FIELD,
                    "/subject/external_ids",
                    "a namespace is a name of a-z, 0-9, _, . and -, once whatever its case",
                )
            stored = self._identifiers.identifier(value, child("/subject/external_ids", namespace))
            if stored is not None:
                found[namespace] = stored
        return dump(found).decode() if found else None

    def _page(self, context: JsonObject) -> Columns:
        """From ``page_url`` to ``click_id_kind``."""
        page = object_at(context, "page", "/context")
        campaign = object_at(context, "campaign", "/context")
        screen = context.get("screen")
        if type(screen) is dict:
            screen = screen.get("name")
        url = page.get("url")
        if type(url) is str:
            url = shortened(url)
        if campaign:
            return self._read_page(url, page, screen, campaign)
        get = page.get
        told = (url, get("referrer"), get("path"), get("title"), screen)
        try:
            return self._pages[told]
        except (KeyError, TypeError):  # new; or something unhashable, which is refused below
            before = self.masked
            columns = self._read_page(url, page, screen, campaign)
        if self.masked == before:  # what was masked must be counted each time
            if len(self._pages) >= _REMEMBERED:
                self._pages.clear()
            self._pages[told] = columns
        return columns

    def _read_page(
        self, url: object, page: JsonObject, screen: object, campaign: JsonObject
    ) -> Columns:
        address = self._address(url, "/context/page/url")
        referrer = self._address(page.get("referrer"), "/context/page/referrer")
        path = address.path
        if path is None and page.get("path") is not None:
            path = self._address(page.get("path"), "/context/page/path").path
        return (
            address.url,
            path,
            self.text(page.get("title"), "/context/page/title"),
            referrer.url,
            referrer.host,
            self.text(screen, "/context/screen"),
            *self._campaign(campaign, address),
            address.click_id,
        )

    def _campaign(self, campaign: JsonObject, address: Address) -> Columns:
        """The ``utm_`` columns: what the producer names, else what the page's address says."""
        utm = address.utm
        if not campaign:
            return tuple(map(utm.get, UTM)) if utm else (None, None, None, None, None)
        if "campaign" not in campaign and "name" in campaign:  # Segment's word for it
            campaign = {**campaign, "campaign": campaign["name"]}
        return tuple(
            self.text(campaign.get(key), f"/context/campaign/{key}") or utm.get(column)
            for key, column in zip(_CAMPAIGN, UTM, strict=True)
        )

    def _address(self, url: object, pointer: str) -> Address:
        if url is None or url == "":
            return _NO_ADDRESS
        text = _string(url, pointer)
        if len(text) > self._longest:
            raise Refusal(Reason.INVALID_FIELD, pointer, "longer than limits.string_chars")
        address = read_address(text.replace("\x00", "\ufffd"))
        self.masked += address.masked
        return address

    def _masked_json(self, properties: dict[str, object]) -> str | None:
        if not properties:
            return None
        masked: object = properties
        if not self._is_clean(properties):
            masked, hits = mask_json(properties)
            self.masked += hits
        text = dump(masked).decode()
        if "://" in text or '"?' in text or '"/' in text:
            text = dump(_reduced(masked)).decode()
        return text

    def _is_clean(self, properties: dict[str, object]) -> bool:
        """Whether all keys and values are plain and were found to need no mask before."""
        texts = self._texts
        for name, value in properties.items():
            if name not in texts:
                self._learn(name)
                return False
            kind = type(value)
            if kind is str:
                if value not in texts:
                    self._learn(cast("str", value))
                    return False
            elif kind is dict or kind is list:
                return False
        return True

    def _learn(self, text: str) -> None:
        """Remember a text that needs no mask."""
        if len(text) <= _SHORT and not mask_text(text)[1] and "\x00" not in text:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            reduced, hits = reduce_urls(text)
            if not hits:
                self._texts[text] = reduced


def _string(value: object, pointer: str) -> str:
    if type(value) is not str:
        raise Refusal(Reason.INVALID_FIELD, pointer, "must be a string")
    return value


def _country(said: str | None) -> str | None:
    """ISO 3166 codes in capitals; a producer's own name of a country stays as it is."""
    return said.upper() if said is not None and _is_code(said) else said


def _reduced(value: object) -> object:
    """The value with every URL in it reduced to what may be stored."""
    if isinstance(value, str):
        # A query on its own, or a path with one, can hold what a whole URL can.
        is_address = value[:2] == "//" or (value[:1] in ("?", "/") and "?" in value)
        return (reduce_url(value) if is_address else reduce_urls(value))[0]
    if isinstance(value, dict):
        return {key: _reduced(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_reduced(member) for member in value]
    return value
