"""The closed, typed model of ``throughline.yml``: what a company configures and the defaults.

Frozen, and unknown keys are errors. Rules between keys are in ``governance.config.rules``.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from governance.config.mapping import Csv, Mapping, Table
from governance.config.scalars import (
    DatabaseUrl,
    Duration,
    Moment,
    Schedule,
    Secret,
    Size,
    TimeZone,
    Wanted,
    fault,
)
from governance.consent import LawfulBasis, Purpose
from governance.home import Home
from governance.masking import looks_direct, unwrapped

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Count = Annotated[int, Field(ge=1, strict=True)]
Share = Annotated[float, Field(gt=0, le=1)]
Switch = Annotated[bool, Field(strict=True)]
Surface = Literal["web", "mobile", "backend", "other"]
Trust = Literal["public", "server", "signed"]
Kind = Literal["landing", "event_dumps", "webhook_logs", "app_database"]
Format = Literal[
    "native", "segment", "mapped", "amplitude", "combined_log", "stripe", "github", "shopify"
]
RowIdentity = Literal["position", "content"]
FunnelMode = Literal["ordered", "strict", "any"]
SessionScope = Literal["person", "device", "client"]

# What filters and breakdowns of funnels may name besides ``properties.<name>``; the macro
# ``funnel_fields`` holds the same list. Identifiers are left out: a breakdown is published.
# fmt: off
FUNNEL_FIELDS = (
    "event_type", "schema_version", "contract_status", "source", "trust", "surface",
    "platform", "app_version", "library", "library_version", "page_path", "page_title",
    "referrer_host", "screen", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "click_id_kind", "locale", "time_zone", "country", "device_class",
    "is_interactive", "is_key_event", "currency", "channel",
)
# fmt: on

LATER_KINDS = ("kafka", "rest_api")
MIB = 2**20


def _known_kind(value: object) -> object:
    if value in LATER_KINDS:
        raise fault(
            f"sources of kind {value!r} are not supported yet.",
            "Land their events as JSON lines and use kind: landing.",
        )
    return value


def is_address(path: str) -> bool:
    """Whether a path is an fsspec address (``s3://…``) and not a folder of this machine."""
    return "://" in path


def _without_user(path: str) -> str:
    """Refuse ``scheme://user:password@host``; what was given is never repeated."""
    if any("@" in rest.partition("/")[0] for rest in path.split("://")[1:]):
        raise fault(
            "an address must not hold a user or a password.",
            "Leave them out and set FSSPEC_<SCHEME>_USERNAME and …_PASSWORD in the environment.",
        )
    return path


Location = Annotated[Text, AfterValidator(_without_user)]


def _no_direct_identifier(user: str) -> str:
    """Refuse an e-mail address or a phone number; what was given is never repeated."""
    if looks_direct(unwrapped(user)):
        raise fault(
            "must not be an e-mail address or a phone number: events hold tokens of those.",
            "Write the user's id, as in the column user_id.",
        )
    return user


UserId = Annotated[Text, AfterValidator(_no_direct_identifier)]


class Section(BaseModel):
    """What all parts of the configuration have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sessions(Section):
    """How bursts of a person's events become sessions.

    Attributes:
        timeout: a longer pause ends a session.
        scope: whose events make one: the person's, or one device's or client's of theirs.
        max_length: what is longer is cut into pieces of this length.
        heartbeat_event: the event a client sends while somebody looks; without it engaged time is
            estimated.
    """

    timeout: Duration = timedelta(minutes=30)
    scope: SessionScope = "person"
    max_length: Duration | None = None
    heartbeat_event: Text | None = None


class Identity(Section):
    """The guards of identity stitching.

    Attributes:
        handover_gap: a pause after which a device may have changed hands.
        hub_limit: identifiers with more counterparts link nobody.
        kiosk_limit: a device with more people is nobody's.
        largest_share: of all identifiers; a person with more stops the build.
        nobody: identifiers that name nobody, besides those known everywhere ("undefined", zeros).
    """

    handover_gap: Duration = timedelta(minutes=30)
    hub_limit: Count = 50
    kiosk_limit: Count = 10
    largest_share: Share = 0.05
    nobody: tuple[UserId, ...] = ()


class Source(Section):
    """A feed of records: what it is, where it lies, how it is read and what may be done with it.

    Attributes:
        kind: ``landing`` and ``webhook_logs`` are append-only JSON lines, ``event_dumps`` whole
            files, ``app_database`` the tables of a database.
        format: a known one, or ``mapped`` by ``mapping``.
        path: folder or address; ``landing/<name>/`` unless said. For a database, where the rows
            that were read are kept.
        url: of a database, as SQLAlchemy writes it.
    """

    name: Slug
    kind: Annotated[Kind, BeforeValidator(_known_kind)] = "landing"
    format: Format | None = None
    path: Location | None = None
    url: DatabaseUrl | None = None
    tables: tuple[Table, ...] = ()
    mapping: Mapping | None = None
    csv: Csv = Csv()
    surface: Surface
    trust: Trust
    lawful_basis: LawfulBasis
    consent_map: dict[Purpose, Text] = {}
    row_identity: RowIdentity | None = None
    dedupe_group: Slug | None = None
    earliest: Moment = datetime(2000, 1, 1, tzinfo=UTC)
    occurred_from: Moment | None = None
    occurred_until: Moment | None = None
    live: Switch | None = None

    @property
    def group(self) -> str:
        """The group whose producers' ids are compared; the source itself unless it shares one."""
        return self.dedupe_group or self.name

    @property
    def is_live(self) -> bool:
        """Whether more is expected: a dump is history unless it says otherwise."""
        return self.kind != "event_dumps" if self.live is None else self.live

    @property
    def is_appended(self) -> bool:
        """Whether its files grow; all others are whole files, read once."""
        return self.kind in ("landing", "webhook_logs")

    @property
    def shape(self) -> Format:
        """What its records look like: the format, or what follows from the other keys."""
        if self.format is not None:
            return self.format
        return "mapped" if self.mapping is not None or self.kind == "app_database" else "native"

    @property
    def folder(self) -> str:
        """Its folder below the home, or an address."""
        return self.path or f"landing/{self.name}/"

    def location(self, home: Home) -> str:
        """The absolute folder of its segments, or their fsspec address."""
        return self.folder if is_address(self.folder) else str(home.root / self.folder)


class Step(Section):
    """One step of a funnel."""

    event: Text
    where: dict[Text, Wanted] = {}


class Exclusion(Section):
    """An event that voids an entry when it lies strictly between two steps (counted from 1)."""

    event: Text
    where: dict[Text, Wanted] = {}
    after: Count
    before: Count


class Funnel(Section):
    """A funnel over steps of one person."""

    name: Slug
    steps: tuple[Step, ...] = Field(min_length=2, max_length=10)
    window: Duration
    mode: FunnelMode = "ordered"
    exclusions: tuple[Exclusion, ...] = ()
    breakdowns: tuple[Text, ...] = Field(default=(), max_length=3)
    top_breakdowns: Annotated[int, Field(ge=1, le=100, strict=True)] = 20

    @property
    def version(self) -> str:
        """As ``version_with``, where it names no dimension."""
        return self.version_with({})

    def version_with(self, dimensions: dict[str, str]) -> str:
        """A short hash of the definition; ``dimensions``: name -> the property each is read from.

        Another definition is another version, also where only a dimension it names changed.
        """
        definition = self.model_dump(mode="json", exclude={"name"})
        named = {*self.breakdowns, *(n for p in (*self.steps, *self.exclusions) for n in p.where)}
        if meant := {name: path for name, path in dimensions.items() if name in named}:
            definition["dimensions"] = meant
        text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


class Feature(Section):
    """A part of the product whose use is one event.

    Attributes:
        eligible: the event from which a person could use it; without it everybody can, from the
            first active moment on.
    """

    name: Slug
    event: Text
    where: dict[Text, Wanted] = {}
    eligible: Step | None = None


class Revenue(Section):
    """Which source is believed about money; several may be where their times do not overlap."""

    source: Slug | None = None
    sources: tuple[Slug, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The sources that are believed."""
        return self.sources or ((self.source,) if self.source else ())


class Dimension(Section):
    """A property of events that reports can be cut by."""

    name: Slug
    from_: Text = Field(alias="from")


def _as_target(value: object) -> object:
    """An address alone stands for a target at that address."""
    return {"address": value} if isinstance(value, str) else value


def _is_ours_to_replace(schema: str) -> str:
    if schema == "public" or schema.startswith("pg_") or schema == "information_schema":
        raise fault(
            f"the schema {schema} is not one to replace as a whole.",
            "Name a schema that holds nothing but the published marts, such as analytics.",
        )
    return schema


class Target(Section):
    """Where published versions go besides ``published/``: an address or a PostgreSQL schema."""

    given_name: Slug | None = Field(default=None, alias="name")
    address: Location | None = None
    postgres: Secret | None = None
    schema_: Annotated[Slug, AfterValidator(_is_ours_to_replace)] = Field(
        default="analytics", alias="schema"
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> Target:
        if (self.address is None) == (self.postgres is None):
            raise fault(
                "is one place: an address or a PostgreSQL schema.",
                "Write s3://bucket/folder, or {postgres: env:NAME, schema: analytics}.",
            )
        if self.address is not None and not is_address(self.address):
            raise fault(
                f"{self.address!r} is not an address.",
                "Write s3://bucket/folder or file:///folder.",
            )
        return self

    @property
    def name(self) -> str:
        """What commands and messages call it: as configured, else its kind (``s3``)."""
        kind = "postgres" if self.address is None else self.address.partition("://")[0].lower()
        return self.given_name or re.sub(r"[^a-z0-9_]", "_", kind)


def _named_apart(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise fault(
                f"two targets are called {name!r}.", "Give each its own: {name: bi, address: …}."
            )
    return targets


class Publish(Section):
    """How many published versions are kept, and where they go besides ``published/``."""

    keep_hourly: Count = 7
    keep_daily: Count = 7
    max_bytes: Size | None = None
    to: Annotated[
        tuple[
            Annotated[Target, BeforeValidator(_as_target, json_schema_input_type=str | Target)], ...
        ],
        AfterValidator(_named_apart),
    ] = ()


class Schedules(Section):
    """When the jobs run, in ``time_zone`` (the reporting one unless named)."""

    hourly: Schedule = "0 * * * *"
    nightly: Schedule = "30 3 * * *"
    time_zone: TimeZone | None = None


class Alerts(Section):
    """Where failures and recoveries are told, and the address called after every success."""

    webhook: Secret | None = None
    heartbeat: Secret | None = None


class Limits(Section):
    """What the parser accepts; 200 levels are the most that jiter reads."""

    line_bytes: Size = MIB
    depth: Annotated[int, Field(ge=1, le=200, strict=True)] = 32
    batch_events: Count = 1000
    string_chars: Count = 65536
    load_bytes: Size = 2 * 10**9
    """Of dumps, as they lie: what one load reads at most. The next one goes on."""


class Storage(Section):
    """What DuckDB may use; memory defaults to 1.2 GB, or 60 % of what is there if less."""

    memory_limit: (
        Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)? ?([KMGT]i?B)$")] | None
    ) = None
    threads: Count | None = None


class Config(Section):
    """The configuration of a home."""

    company: Text
    time_zone: TimeZone = "UTC"
    currency: Currency = "EUR"
    sessions: Sessions = Sessions()
    identity: Identity = Identity()
    sources: tuple[Source, ...] = Field(min_length=1)
    funnels: tuple[Funnel, ...] = ()
    features: tuple[Feature, ...] = Field(default=(), max_length=50)
    revenue: Revenue | None = None
    key_events: tuple[Text, ...] = ()
    sign_up_event: Text = "sign_up"
    internal_users: tuple[UserId, ...] = ()
    dimensions: tuple[Dimension, ...] = Field(default=(), max_length=20)
    exchange_rates: Location | None = None
    publish: Publish = Publish()
    schedules: Schedules = Schedules()
    alerts: Alerts = Alerts()
    limits: Limits = Limits()
    storage: Storage = Storage()

    def source(self, name: str) -> Source:
        """The source of that name.

        Raises:
            KeyError: there is none.
        """
        for source in self.sources:
            if source.name == name:
                return source
        raise KeyError(name)
