"""Amounts, refunds and currencies, and the order they belong to."""

from __future__ import annotations

from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.guess.matching import Matcher
from orchestration.connect.guess.predicates import is_amount, is_bare_id, is_currency, is_id

_TOTAL = w.words("total gesamt gesamtbetrag gesamtsumme grandtotal totale totaal summe")


def map_money(matcher: Matcher, own: tuple[str, ...], currency: str) -> None:
    """The amount, its currency and order, what was paid back; ``own`` is the table's key."""
    mapping, notes = matcher.guess.mapping, matcher.guess.notes
    refund = matcher.find(lambda c: is_amount(c) and w.has(c.words, w.REFUNDED))
    if refund is not None and "refunded_at" in mapping:
        matcher.used.add(refund.name)
        mapping["refunded_amount"] = _amount(refund)
    elif refund is not None:
        matcher.used.add(refund.name)
    elif "refunded_at" in mapping:
        del mapping["refunded_at"]
    quantity = matcher.find(lambda c: w.has(c.words, w.QUANTITY) and c.kind == "number")
    price = matcher.find(lambda c: w.has(c.words, w.UNIT_PRICE) and c.kind == "number")

    def best(c: Column) -> bool:
        return is_amount(c) and w.has(c.words, _TOTAL)

    if quantity is not None and price is not None:
        matcher.used.add(price.name)
        mapping["amount"] = {"from": price.name, "times": quantity.name}
    elif (column := matcher.find(best, is_amount)) is not None:
        matcher.used.add(column.name)
        mapping["amount"] = _amount(column)

    def is_own(c: Column) -> bool:
        return len(own) == 1 and c.name == own[0]

    def bare(c: Column) -> bool:
        return bool(own) and is_bare_id(c)

    matcher.take("order_id", lambda c: is_id(c, w.ORDER), is_own, bare)
    if "amount" in mapping and not matcher.take("currency", is_currency):
        mapping["currency"] = {"value": currency}
        notes["currency"] = "no column names it: is everything sold in this one?"


def _amount(column: Column) -> object:
    if w.has(column.words, w.MINOR):
        return {"from": column.name, "unit": "minor"}
    if column.has_decimal_comma:
        return {"from": column.name, "decimal": ","}
    return column.name
