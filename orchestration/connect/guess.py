"""A mapping guessed from the names and first values of columns; its owner corrects the YAML.

Never guessed: a lawful basis, and columns that may name people and were not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.config.mapping import RecordKind
from orchestration.connect import words as w
from orchestration.connect.columns import Column

MAX_PROPERTIES = 12
EMAIL_SHAPE = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_YES = w.words("1 true t y yes j ja oui o si sí s sim on ok granted accepted optin opt_in")
_NO = w.words("0 false f n no nein non não nao nej nie off denied rejected optout opt_out")
_PAIRS = (
    ("1", "0"),
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("y", "n"),
    ("ja", "nein"),
    ("j", "n"),
    ("oui", "non"),
    ("si", "no"),
    ("granted", "denied"),
)
_TABLES: tuple[tuple[RecordKind, frozenset[str]], ...] = (
    ("consents", w.CONSENT),
    ("subscriptions", w.SUBSCRIPTION),
    ("orders", w.ORDER),
    ("events", w.EVENT),
    ("persons", w.PERSON),
    ("accounts", w.ACCOUNT),
)
_WHO = ("user_id", "anonymous_id", "device_id", "account_id", "email", "phone", "external_ids")

Test = Callable[[Column], bool]


@dataclass(slots=True)
class Guess:
    """What a table seems to be.

    Attributes:
        as_: what a row stands for; None when nothing fits.
        mapping: as YAML holds it, in the order of writing.
        notes: key of the mapping -> what its owner should know, one line.
        key: columns that identify a row, where the database does not say.
        cursor: the column that grows when a row is written.
        missing: fields this kind of row needs and no column seems to hold.
    """

    as_: RecordKind | None
    mapping: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    cursor: str | None = None
    missing: tuple[str, ...] = ()


def guess_table(
    table: str,
    columns: Sequence[Column],
    *,
    primary_key: Sequence[str],
    currency: str,
    as_: RecordKind | None = None,
) -> Guess:
    """What a table of a database holds, and where.

    Args:
        table: its name.
        columns: with their first values.
        primary_key: as the database declares it.
        currency: of amounts without one.
        as_: what its rows are, when its owner said so.
    """
    chosen = as_ or _kind_of_table(table, columns)
    if chosen is None:
        return Guess(None)
    guesser = _Guesser(columns, currency, w.pieces(table.rpartition(".")[2]))
    guess = guesser.rows(chosen, primary_key)
    if not primary_key:
        guess.key = guesser.own_key()
    return guess


def guess_records(
    name: str, columns: Sequence[Column], *, currency: str, receipt: bool = False
) -> Guess:
    """What records of files or webhooks hold: each is an event.

    Args:
        name: of the file or the source; names events that carry no name.
        columns: with their first values; dotted paths of JSON.
        currency: of amounts without one.
        receipt: whether the receiver's own stamp travels around the record.
    """
    guesser = _Guesser(columns, currency, w.pieces(name))
    return guesser.events_of_files(name, receipt=receipt)


def _kind_of_table(table: str, columns: Sequence[Column]) -> RecordKind | None:
    """By the last word of the name that says anything, else by what the columns hold."""
    name = w.pieces(table.rpartition(".")[2])
    if name and name[-1] in w.PARTS:
        return None
    for word in reversed(name):
        for kind, known in _TABLES:
            if word in known:
                return kind
    mail = any(_is_mail(column) for column in columns)
    money = any(_is_amount(column) for column in columns)
    times = any(column.kind == "time" for column in columns)
    named = any(w.has(column.words, w.EVENT_NAME) and _is_text(column) for column in columns)
    person = any(_is_id(column, w.PERSON) for column in columns)
    if money and times and person:
        return "orders"
    if mail and not money:
        return "persons"
    return "events" if named and times and person else None


class _Guesser:
    def __init__(self, columns: Sequence[Column], currency: str, name: tuple[str, ...]) -> None:
        self._columns = columns
        self._currency = currency
        self._name = name
        self._used: set[str] = set()
        self._guess = Guess(None)

    def rows(self, kind: RecordKind, primary_key: Sequence[str]) -> Guess:
        """The guess of a table's rows."""
        guess = self._guess
        guess.as_ = kind
        own = tuple(primary_key)
        self._identifiers(kind, own)
        self._times(kind)
        if kind == "events":
            self._event_name(None)
        if kind == "consents":
            self._consents()
        else:
            self._flags()
        if kind == "orders":
            self._money(own)
        if kind in ("persons", "accounts", "events"):
            self._take("country", lambda c: w.has(c.words, w.COUNTRY))
            self._take("locale", lambda c: w.has(c.words, w.LOCALE))
        if kind in ("events", "orders", "subscriptions"):
            self._page()
            self._properties((*own, *((guess.cursor,) if guess.cursor else ())))
        guess.missing = tuple(_missing(kind, guess.mapping))
        return guess

    def events_of_files(self, name: str, *, receipt: bool) -> Guess:
        """The guess of records that are events each."""
        guess = self._guess
        guess.as_ = "events"
        persons = w.has(self._name, w.PERSON)
        if not persons:
            self._take("event_id", _is_event_id)
        self._identifiers("persons" if persons else "events", ())
        self._times("events")
        self._money(())
        self._event_name("identify" if persons else self._constant(name))
        if persons:
            guess.mapping["event_type"] = {"value": "identify"}
        self._flags()
        self._take("country", lambda c: w.has(c.words, w.COUNTRY))
        self._take("locale", lambda c: w.has(c.words, w.LOCALE))
        self._page()
        if not persons:
            self._properties(())
        if not any(key in guess.mapping for key in _WHO):
            guess.mapping["anonymous_id"] = {"value": None}
            guess.notes["anonymous_id"] = "nobody is named here: counted, but nobody's"
        if receipt and "occurred_at" not in guess.mapping:
            guess.mapping["occurred_at"] = "received_at"
            guess.notes["occurred_at"] = "the body says no time: when it was received"
        guess.missing = tuple(_missing("events", guess.mapping))
        first = ("event_name", "occurred_at", "event_id")
        guess.mapping = {k: guess.mapping[k] for k in first if k in guess.mapping} | guess.mapping
        return guess

    def own_key(self) -> tuple[str, ...]:
        """A column whose values name rows, of a table without a primary key."""
        named = [c for c in self._columns if w.has(c.words, w.ID) and c.is_unique]
        return (named[0].name,) if named else ()

    def _take(self, target: str, *tests: Test, note: str = "") -> Column | None:
        """Map the first column that passes the first test that any passes."""
        column = self._find(*tests)
        if column is not None:
            self._used.add(column.name)
            self._guess.mapping[target] = column.name
            if note:
                self._guess.notes[target] = note
        return column

    def _find(self, *tests: Test) -> Column | None:
        free = [column for column in self._columns if column.name not in self._used]
        for test in tests:
            for column in free:
                if test(column):
                    return column
        return None

    def _identifiers(self, kind: RecordKind, own: tuple[str, ...]) -> None:
        entity = {"persons": w.PERSON, "accounts": w.ACCOUNT}.get(kind)
        target = {"persons": "user_id", "accounts": "account_id"}.get(kind)
        if entity is not None and target is not None:
            is_own: list[Test] = [lambda c: len(own) == 1 and c.name == own[0]]
            self._take(target, lambda c: _is_id(c, entity), *is_own, _is_bare_id)
        if kind != "persons":
            self._take("user_id", lambda c: _is_id(c, w.PERSON))
        if kind != "accounts":
            self._take("account_id", lambda c: _is_id(c, w.ACCOUNT))
        if kind in ("events", "persons", "consents"):
            self._take("anonymous_id", lambda c: w.has(c.words, w.VISITOR) and _is_word(c))
        if kind == "events":
            self._take("device_id", lambda c: _is_id(c, w.DEVICE))
            self._take("session_id", lambda c: _is_id(c, w.SESSION))
        self._external(kind)
        if kind in ("events", "persons", "orders", "subscriptions"):
            self._take(
                "email_verified",
                lambda c: w.has(c.words, w.EMAIL, w.VERIFIED) and c.kind in ("boolean", "unknown"),
            )
            self._take("email", _is_mail, note="stored as a token only")
            phone = lambda c: w.has(c.words, w.PHONE) and not w.has(c.words, w.VERIFIED)  # noqa: E731
            self._take("phone", phone, note="stored as a token only")

    def _external(self, kind: RecordKind) -> None:
        """Ids of the same person elsewhere: what joins a webhook's customer to a row's."""
        found: dict[str, str] = {}
        for provider in w.PROVIDERS:
            column = self._find(
                lambda c, p=provider: (
                    p in c.words
                    and (w.has(c.words, w.PERSON) or (kind == "persons" and len(c.words) > 1))
                    and _is_word(c)
                )
            )
            if column is not None:
                self._used.add(column.name)
                found[provider] = column.name
        if found:
            self._guess.mapping["external_ids"] = found

    def _times(self, kind: RecordKind) -> None:
        refund, ended, updated = (
            lambda c: w.has(c.words, w.REFUNDED),
            lambda c: w.has(c.words, w.ENDED),
            lambda c: w.has(c.words, w.UPDATED),
        )
        if kind == "orders":
            self._time("refunded_at", refund)
        if kind == "subscriptions":
            self._time("ended_at", ended)
        plain: Test = lambda c: not (refund(c) or ended(c) or updated(c))  # noqa: E731
        created: Test = lambda c: w.has(c.words, w.CREATED) and plain(c)  # noqa: E731
        occurred: Test = lambda c: w.has(c.words, w.OCCURRED) and plain(c)  # noqa: E731
        if kind in ("persons", "accounts"):
            self._time("occurred_at", created)
        else:
            certain: Test = lambda c: c.kind == "time" and plain(c)  # noqa: E731
            self._time("occurred_at", occurred, created, certain, updated)
        cursor = self._find_time(updated)
        mapped = self._guess.mapping.get("occurred_at")
        if cursor is not None:
            self._guess.cursor = cursor.name
            self._used.add(cursor.name)
        elif kind == "events" and isinstance(mapped, str):
            self._guess.cursor = mapped  # events are written once

    def _find_time(self, *tests: Test) -> Column | None:
        return self._find(*((lambda c, t=test: t(c) and c.is_time) for test in tests))

    def _time(self, target: str, *tests: Test) -> None:
        column = self._find_time(*tests)
        if column is None:
            return
        self._used.add(column.name)
        self._guess.mapping[target] = column.name
        if column.time_unit:
            self._guess.mapping[target] = {"from": column.name, "unit": column.time_unit}
            return
        formats = column.time_formats
        if formats:
            self._guess.mapping[target] = {"from": column.name, "time_format": formats[0]}
            if len(formats) > 1:
                self._guess.notes[target] = f"or is it {formats[1]}? the first rows do not say"
                return
        if column.is_naive:
            zone = "names no zone, so UTC; else {from: …, time_zone: Europe/Berlin}"
            self._guess.notes[target] = zone

    def _event_name(self, constant: str | None) -> None:
        text: Test = lambda c: w.has(c.words, w.EVENT_NAME) and _is_text(c)  # noqa: E731
        exact: Test = lambda c: text(c) and w.has(c.words, w.EVENT)  # noqa: E731
        if constant == "identify":
            self._guess.mapping["event_name"] = {"value": constant}
        elif not self._take("event_name", exact, text) and constant is not None:
            self._guess.mapping["event_name"] = {"value": constant}
            note = "no column names the event: choose the name of what a record is"
            self._guess.notes["event_name"] = note

    def _constant(self, name: str) -> str:
        """How records without a name are called: sales, else after the file."""
        order = self._guess.mapping.get("order_id")
        if "amount" in self._guess.mapping and isinstance(order, str):
            unique = any(c.name == order and c.is_unique for c in self._columns)
            return "order_completed" if unique else "order_line"
        return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "event"

    def _money(self, own: tuple[str, ...]) -> None:
        mapping, notes = self._guess.mapping, self._guess.notes
        refund = self._find(lambda c: _is_amount(c) and w.has(c.words, w.REFUNDED))
        if refund is not None and "refunded_at" in mapping:
            self._used.add(refund.name)
            mapping["refunded_amount"] = _amount(refund)
        elif refund is not None:
            self._used.add(refund.name)
        elif "refunded_at" in mapping:
            del mapping["refunded_at"]
        quantity = self._find(lambda c: w.has(c.words, w.QUANTITY) and c.kind == "number")
        price = self._find(lambda c: w.has(c.words, w.UNIT_PRICE) and c.kind == "number")
        best: Test = lambda c: _is_amount(c) and w.has(c.words, _TOTAL)  # noqa: E731
        if quantity is not None and price is not None:
            self._used.add(price.name)
            mapping["amount"] = {"from": price.name, "times": quantity.name}
        elif (column := self._find(best, _is_amount)) is not None:
            self._used.add(column.name)
            mapping["amount"] = _amount(column)
        is_own: Test = lambda c: len(own) == 1 and c.name == own[0]  # noqa: E731
        bare: Test = lambda c: bool(own) and _is_bare_id(c)  # noqa: E731
        self._take("order_id", lambda c: _is_id(c, w.ORDER), is_own, bare)
        if "amount" in mapping and not self._take("currency", _is_currency):
            mapping["currency"] = {"value": self._currency}
            notes["currency"] = "no column names it: is everything sold in this one?"

    def _flags(self) -> None:
        """Columns of a row that say what its person agreed to."""
        found: dict[str, Any] = {}
        for purpose, known in (("analytics", w.ANALYTICS), ("marketing", w.MARKETING)):
            column = self._find(lambda c, k=known: w.has(c.words, k) and _yes_or_no(c) is not None)
            if column is not None:
                self._used.add(column.name)
                found[purpose] = _flag(column)
        if found:
            self._guess.mapping["consent"] = found
            self._guess.notes["consent"] = "true, false, or nothing said: is that what they mean?"

    def _consents(self) -> None:
        """One column per purpose, or a column of purposes beside one of answers."""
        self._flags()
        if "consent" in self._guess.mapping:
            return
        purpose = self._find(lambda c: w.has(c.words, w.PURPOSE) and _is_text(c))
        answer = self._find(
            lambda c: w.has(c.words, w.GRANTED) and c.kind != "time" and bool(_yes_or_no(c))
        )
        if purpose is None or answer is None:
            return
        self._used |= {purpose.name, answer.name}
        template = f"{{{purpose.name}}}={{{answer.name}}}"
        found: dict[str, Any] = {}
        for name, known in (("analytics", w.ANALYTICS), ("marketing", w.MARKETING)):
            meant = sorted(text for text in purpose.texts if w.has(w.pieces(text), known))
            answers = _both(_yes_or_no(answer) or {}).items()
            if meant:
                table = {f"{text}={said}": flag for text in meant for said, flag in answers}
                found[name] = {"template": template, "map": table}
        if found:
            self._guess.mapping["consent"] = found

    def _page(self) -> None:
        self._take("page_url", lambda c: w.has(c.words, w.URL) and _is_text(c))
        self._take("referrer", lambda c: w.has(c.words, w.REFERRER) and _is_text(c))
        self._take("user_agent", lambda c: w.has(c.words, w.USER_AGENT) and _is_text(c))

    def _properties(self, besides: Sequence[str]) -> None:
        """What is left and names nobody, as properties: nothing is copied that nobody chose."""
        found: dict[str, str] = {}
        for column in self._columns:
            if column.name in self._used or column.name in besides or not _is_harmless(column):
                continue
            name = "_".join(column.words[-2:] if "." in column.name else column.words)
            found.setdefault(name, column.name)
            if len(found) == MAX_PROPERTIES:
                break
        if found:
            self._guess.mapping["properties"] = found


_TOTAL = w.words("total gesamt gesamtbetrag gesamtsumme grandtotal totale totaal summe")


def _is_id(column: Column, entity: frozenset[str]) -> bool:
    """``kunden_nr`` of (kunden, nr), or the entity alone where its values are single words."""
    names = column.words
    if not w.has(names, entity) or column.kind in ("time", "boolean", "other"):
        return False
    return w.has(names, w.ID) or (set(names) <= entity and _is_word(column))


def _is_bare_id(column: Column) -> bool:
    return bool(column.words) and set(column.words) <= w.ID


def _is_event_id(column: Column) -> bool:
    bare = _is_bare_id(column) or (set(column.words) <= w.ID | w.EVENT_ID | {"body"})
    return bare and w.has(column.words, w.ID) and column.is_unique


def _is_word(column: Column) -> bool:
    """Whether no value has a blank in it, as ids have none."""
    return column.kind in ("number", "text", "unknown") and not any(
        " " in str(value).strip() for value in column.samples
    )


def _is_text(column: Column) -> bool:
    return column.kind in ("text", "unknown")


def _is_mail(column: Column) -> bool:
    if w.has(column.words, w.VERIFIED) or column.kind not in ("text", "unknown"):
        return False
    shaped = [bool(EMAIL_SHAPE.fullmatch(str(value).strip())) for value in column.samples]
    if not shaped:
        return w.has(column.words, w.EMAIL)
    return sum(shaped) > len(shaped) / 2


def _is_amount(column: Column) -> bool:
    shaped = column.kind in ("number", "unknown") or column.has_decimal_comma
    return w.has(column.words, w.AMOUNT) and shaped


def _is_currency(column: Column) -> bool:
    shaped = all(_CURRENCY.fullmatch(str(value).strip()) for value in column.samples)
    return w.has(column.words, w.CURRENCY) and shaped


def _is_harmless(column: Column) -> bool:
    if w.has(column.words, w.PRIVATE | w.EMAIL | w.PHONE) or column.kind in ("other", "unknown"):
        return False
    return not any("@" in str(value) for value in column.samples)


def _amount(column: Column) -> object:
    if w.has(column.words, w.MINOR):
        return {"from": column.name, "unit": "minor"}
    if column.has_decimal_comma:
        return {"from": column.name, "decimal": ","}
    return column.name


def _yes_or_no(column: Column) -> dict[str, bool] | None:
    """What each text of a column means; None when some are neither yes nor no."""
    if column.kind == "unknown":
        return {}
    if column.kind not in ("boolean", "number", "text"):
        return None
    meant = {
        text: text.strip().lower() in _YES
        for text in column.texts
        if text.strip().lower() in _YES | _NO
    }
    return meant if meant.keys() == column.texts else None


def _flag(column: Column) -> object:
    if all(isinstance(value, bool) for value in column.samples):
        return column.name
    return {"from": column.name, "map": _both(_yes_or_no(column) or {})}


def _both(meant: dict[str, bool]) -> dict[str, bool]:
    """With the other half of each pair, which may not have been seen yet."""
    found = dict(meant)
    for yes, no in _PAIRS:
        for text, other, flag in ((yes, no, False), (no, yes, True)):
            if text in meant and other not in meant and len(set(meant.values())) == 1:
                found.setdefault(other, flag)
    return dict(sorted(found.items(), key=lambda pair: not pair[1]))


def _missing(kind: RecordKind, mapping: dict[str, Any]) -> list[str]:
    """The groups of fields a kind of row needs and the mapping does not have."""
    from governance.config.kinds import NEEDED

    missing = [" or ".join(group) for group in NEEDED[kind] if not mapping.keys() & set(group)]
    if kind == "events" and not mapping.keys() & set(_WHO):
        missing.append(" or ".join(_WHO[:2]))
    return missing
