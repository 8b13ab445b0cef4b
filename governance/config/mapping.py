"""How a producer's records are read: which of their fields is which field of an event.

A mapping names fields of the native event; each is a path into the record, or a ``Field`` that says
more than a path can. It is data: nothing in it is evaluated.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from governance.classes import FieldClass
from governance.config.scalars import Duration, Scalar, TimeZone, fault

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Unit = Literal["s", "ms", "us", "minor"]
RecordKind = Literal["events", "persons", "accounts", "consents", "orders", "subscriptions"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldSpec(_Part):
    """One field of the event: from where in the record, and how it is read.

    Attributes:
        sources: paths into the record (``from``); the first that holds something counts.
        value: a constant.
        template: text with paths in braces, ``{InvoiceNo}-{Line}``; nothing when one is missing.
        map: what each value of the record means; a value it does not name is ``default``.
        default: what counts where the record says nothing.
        unit: ``s``, ``ms``, ``us`` of numbers that are times; ``minor`` of amounts in cents.
        time_zone: of times that name none.
        time_format: as in strptime, where times are not ISO 8601.
        decimal: the sign before the cents, of amounts written as text: ``12,50``.
        times: path of a number the value is multiplied with: a price times a quantity.
        negate: whether the sign is turned around.
        hash: whether only a keyed hash is kept, which nobody can turn back.
        class_: of a property: what may become of it (``class``).
    """

    sources: tuple[Text, ...] = Field(default=(), alias="from")
    value: Scalar = None
    template: Text | None = None
    map: dict[str, Scalar] | None = None
    default: Scalar = None
    unit: Unit | None = None
    time_zone: TimeZone | None = None
    time_format: Text | None = None
    decimal: Literal[".", ","] = "."
    times: Text | None = None
    negate: bool = False
    hash: bool = False
    class_: FieldClass | None = Field(default=None, alias="class")


def _field(given: object) -> object:
    """A bare text is a path; ``from`` may be one path or a list of them."""
    if isinstance(given, FieldSpec):
        return given
    if isinstance(given, str):
        return {"from": (given,)}
    if not isinstance(given, dict):
        raise fault(
            "must be a path into the record, or a mapping such as {value: …}.",
            "Write the name of the record's field, such as customer_id or body.data.object.id.",
        )
    said: dict[str, Any] = dict(given)
    if isinstance(said.get("from"), str):
        said["from"] = (said["from"],)
    if not {"from", "value", "template"} & said.keys():
        raise fault("says nowhere what to read.", "Add from: PATH, template: TEXT or value: TEXT.")
    return said


Mapped = Annotated[FieldSpec, BeforeValidator(_field)]


def _properties(given: object) -> object:
    """``"*"`` takes every field that is mapped nowhere else."""
    return {"*": {"from": ("*",)}} if given == "*" else given


class ConsentMapping(_Part):
    """Where a record says what its subject agreed to."""

    analytics: Mapped | None = None
    marketing: Mapped | None = None
    source: Mapped | None = None
    checked_at: Mapped | None = None
    version: Mapped | None = None


class CampaignMapping(_Part):
    """Where a record names its campaign."""

    source: Mapped | None = None
    medium: Mapped | None = None
    campaign: Mapped | None = None
    term: Mapped | None = None
    content: Mapped | None = None


class Mapping(_Part):
    """From a producer's record to a native event; every key is a field of the event."""

    event_id: Mapped | None = None
    event_name: Mapped | None = None
    event_type: Mapped | None = None
    occurred_at: Mapped | None = None
    sent_at: Mapped | None = None
    received_at: Mapped | None = None
    user_id: Mapped | None = None
    anonymous_id: Mapped | None = None
    device_id: Mapped | None = None
    account_id: Mapped | None = None
    email: Mapped | None = None
    email_verified: Mapped | None = None
    phone: Mapped | None = None
    external_ids: dict[Text, Mapped] = {}
    previous_id: Mapped | None = None
    session_id: Mapped | None = None
    consent: ConsentMapping = ConsentMapping()
    platform: Mapped | None = None
    app_version: Mapped | None = None
    page_url: Mapped | None = None
    page_path: Mapped | None = None
    page_title: Mapped | None = None
    referrer: Mapped | None = None
    screen: Mapped | None = None
    campaign: CampaignMapping = CampaignMapping()
    user_agent: Mapped | None = None
    locale: Mapped | None = None
    country: Mapped | None = None
    timezone: Mapped | None = None
    correlation_id: Mapped | None = None
    amount: Mapped | None = None
    refunded_amount: Mapped | None = None
    refunded_at: Mapped | None = None
    ended_at: Mapped | None = None
    currency: Mapped | None = None
    order_id: Mapped | None = None
    properties: Annotated[dict[Text, Mapped], BeforeValidator(_properties)] = {}


class Csv(_Part):
    """How CSV files are written; what is not said is found out from the first lines."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    encoding: Text = "utf-8"
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = '"'
    columns: tuple[Text, ...] = ()
    """Names, for files without a header."""


class Table(_Part):
    """One table of a database.

    Attributes:
        table: its name, with its schema where it is not the default one.
        as_: what a row stands for (``as``).
        key: the columns that identify a row; the table's primary key unless said.
        cursor: the column that grows when a row is written; without one all rows are compared.
        overlap: how far behind the cursor rows may still be committed.
        deletes: ``reconcile`` compares all keys at every load; ``ignore`` never looks.
        exclude: columns that are never read.
        mapping: the rest.
    """

    table: Text
    as_: RecordKind = Field(alias="as")
    key: tuple[Text, ...] = ()
    cursor: Text | None = None
    overlap: Duration | None = None
    deletes: Literal["reconcile", "ignore"] = "reconcile"
    exclude: tuple[Text, ...] = ()
    mapping: Mapping
