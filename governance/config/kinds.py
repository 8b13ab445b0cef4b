"""What each kind of source needs, and what has no place in it."""

from __future__ import annotations

from collections.abc import Iterator

from governance.config.mapping import FieldSpec, Mapping, RecordKind, Table
from governance.config.model import Source, is_address
from governance.config.source_text import Path_

Broken = Iterator[tuple[Path_, str, str]]

_ONLY_FOR = {
    "url": ("app_database",),
    "tables": ("app_database",),
    "csv": ("event_dumps",),
    "mapping": ("event_dumps", "webhook_logs", "landing"),
    "format": ("event_dumps", "webhook_logs", "landing"),
    "row_identity": ("event_dumps", "webhook_logs", "landing"),
}
FORMATS = {
    "landing": ("native", "segment", "mapped"),
    "event_dumps": ("native", "segment", "amplitude", "combined_log", "mapped"),
    "webhook_logs": ("stripe", "github", "shopify", "mapped"),
}
_WHO = ("user_id", "anonymous_id", "device_id", "account_id", "email", "phone", "external_ids")
# Every row of a group needs one key of each tuple.
NEEDED: dict[RecordKind, tuple[tuple[str, ...], ...]] = {
    "events": (("event_name",), ("occurred_at",)),
    "persons": (("user_id", "email", "phone", "external_ids"),),
    "accounts": (("account_id",),),
    "consents": (("occurred_at",), ("user_id", "anonymous_id"), ("consent",)),
    "orders": (("order_id",), ("occurred_at",), ("amount",)),
    "subscriptions": (("occurred_at",), _WHO),
}


def kind_rules(path: Path_, source: Source) -> Broken:
    """What is missing from a source of its kind, or does not belong to it."""
    for key, kinds in _ONLY_FOR.items():
        if key in source.model_fields_set and source.kind not in kinds:
            yield (
                (*path, key),
                f"does not belong to a source of kind {source.kind}.",
                f"It belongs to: {', '.join(kinds)}.",
            )
    if source.kind == "app_database":
        yield from _database(path, source)
        return
    yield from _files(path, source)


def _files(path: Path_, source: Source) -> Broken:
    allowed = FORMATS[source.kind]
    if source.kind == "event_dumps" and source.path is None:
        yield (*path, "path"), "is required.", "Name the folder or address of the files."
    if source.shape not in allowed:
        what = f"{source.shape!r} is no format of kind {source.kind}."
        if source.format is None:
            what = "is required: what do the deliveries look like?"
        yield (*path, "format"), what, f"One of {', '.join(allowed)}."
    if source.shape == "mapped" and source.mapping is None:
        yield (
            (*path, "mapping"),
            "is required: which field of a record is which field of an event?",
            "At least mapping: {event_name: …, occurred_at: …, user_id: …}",
        )
    if source.mapping is not None:
        if source.shape != "mapped":
            yield (
                (*path, "mapping"),
                f"the format {source.shape} is mapped already.",
                "Leave out format or mapping.",
            )
        yield from _mapping((*path, "mapping"), source.mapping, "events")


def _database(path: Path_, source: Source) -> Broken:
    if source.url is None:
        yield (
            (*path, "url"),
            "is required.",
            "Write url: env:SHOP_DB_URL and set postgresql://user:password@host/db in .env",
        )
    if not source.tables:
        yield (*path, "tables"), "is required.", "Name at least one table and what its rows are."
    if source.path is not None and is_address(source.path):
        yield (*path, "path"), "must be a folder of this machine.", "Leave it out."
    names = [table.table for table in source.tables]
    for j, table in enumerate(source.tables):
        here = (*path, "tables", j)
        if table.table in names[:j]:
            yield (*here, "table"), f"{table.table!r} stands here twice.", "Keep one of them."
        if table.overlap is not None and table.cursor is None:
            yield (*here, "overlap"), "means nothing without a cursor.", "Add cursor: COLUMN"
        yield from _excluded(here, table)
        yield from _own_ids(here, table)
        yield from _mapping((*here, "mapping"), table.mapping, table.as_)


def _own_ids(here: Path_, table: Table) -> Broken:
    """Of a row that is gone only the key is known: its event must be found by it."""
    spec = table.mapping.event_id
    if table.as_ != "events" or spec is None or table.deletes == "ignore":
        return
    if not (spec.sources and not spec.template and set(spec.sources) <= set(table.key)):
        yield (
            (*here, "mapping", "event_id"),
            "is not among the columns of key, so a deleted row could not be found again.",
            "Add key: [that column], leave event_id out, or say deletes: ignore.",
        )


def _excluded(here: Path_, table: Table) -> Broken:
    for name in (*table.key, *((table.cursor,) if table.cursor else ())):
        if name in table.exclude:
            yield (*here, "exclude"), f"{name!r} is a key or the cursor.", "It has to be read."


def _mapping(path: Path_, mapping: Mapping, kind: RecordKind) -> Broken:
    given = mapping.model_fields_set
    for choice in NEEDED[kind]:
        if not given.intersection(choice):
            yield path, f"{' or '.join(choice)} is required for {kind}.", ""
    if kind == "events" and not given.intersection(_WHO):
        yield (
            path,
            "names nobody: no identifier is mapped.",
            f"Map one of {', '.join(_WHO)}; for events of nobody: anonymous_id: {{value: null}}",
        )
    for key, other in (("refunded_at", "refunded_amount"), ("refunded_amount", "refunded_at")):
        if kind == "orders" and key in given and other not in given:
            yield (*path, key), f"needs {other} as well.", ""
    for key in ("refunded_amount", "refunded_at"):
        if key in given and kind != "orders":
            yield (*path, key), "belongs to orders.", "A refund elsewhere is a negative amount."
    if "ended_at" in given and kind != "subscriptions":
        yield (*path, "ended_at"), "belongs to subscriptions.", ""
    for name, field in mapping:
        if name != "properties" and isinstance(field, FieldSpec) and field.class_ is not None:
            yield (*path, name, "class"), "only properties have a class of their own.", ""
