"""The latent people of the sample: who exists, what they own, and what they agreed to.

Nothing here knows how identities are stitched. A household is the unit of generation, because
only the members of one household share devices (the kiosk in the store is the exception and needs
no neighbours to be judged).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from ingestion.sample import catalogue
from ingestion.sample.catalogue import Country
from ingestion.sample.clock import DAY, HOUR, MINUTE, SECOND, Window

Role = Literal["customer", "visitor", "bot", "staff", "former"]
Use = Literal["personal", "shared", "kiosk"]
Choice = Literal["granted", "missing", "denied", "unreadable", "withdrawn", "granted_late"]

_WITHDRAWAL_SHARE = 0.3
REGISTERED_BEFORE = -1  # signed up before the window: no sign-up event in it


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to, and from or until when (``changes_at``, ms)."""

    choice: Choice
    changes_at: int
    marketing: bool

    def allows(self, at: int) -> bool:
        """Whether analytics is allowed at ``at``."""
        if self.choice == "withdrawn":
            return at < self.changes_at
        if self.choice == "granted_late":
            return at >= self.changes_at
        return self.choice == "granted"

    def strip_reason(self, at: int) -> str | None:
        """Why an event at ``at`` may not be kept, or None."""
        if self.allows(at):
            return None
        return self.choice if self.choice in ("missing", "unreadable") else "denied"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A no told to support, which only the shop's ledger knows: banner and app go on saying yes.

    From ``since`` (ms, inclusive) to ``until`` (exclusive; None: never taken back).
    """

    since: int
    until: int | None

    def covers(self, at: int) -> bool:
        """Whether what the person does at ``at`` under their name must not be used."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Account:
    """One registration at the shop, with the identifiers the backend knows it by."""

    user_id: str
    customer_id: str  # at the payment provider
    email: str
    phone: str


@dataclass(slots=True)
class Device:
    """A browser or an app installation."""

    key: str
    source: Literal["web", "mobile"]
    platform: str
    use: Use
    anonymous_id: str
    hardware_id: str | None
    user_agent: str
    skew: int  # how far its clock is ahead, ms
    states_sent_at: bool
    offline_until: int | None = None


@dataclass(slots=True)
class Actor:
    """A person or bot; ``signed_up_at`` is REGISTERED_BEFORE, None, or the true time, once past."""

    key: str
    role: Role
    country: Country
    name: str
    consent: Consent
    accounts: list[Account]
    wants_account_at: int | None
    devices: list[Device]
    visits: int
    signed_up_at: int | None = None
    merges_accounts: bool = False
    is_business: bool = False
    withdrawal: Withdrawal | None = None
    kiosk_slot: int | None = None
    device_outcomes: list[str] = field(default_factory=list)  # merged | anonymous, per device

    def account_on(self, device: Device) -> Account:
        """The account this person uses on a device: a second one lives on the second device."""
        if len(self.accounts) > 1 and device is self.devices[1]:
            return self.accounts[1]
        return self.accounts[0]

    def has_account(self, at: int) -> bool:
        """Whether this person can log in at ``at``."""
        return self.signed_up_at is not None and self.signed_up_at <= at


@dataclass(slots=True)
class Household:
    """People under one roof and, perhaps, the device they share."""

    rng: Random
    members: list[Actor]
    shared: Device | None = None


def uuid(rng: Random) -> str:
    """A random UUID-shaped identifier (version 4)."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def households(persons: int, seed: int, window: Window) -> Iterator[Household]:
    """Everybody, in a fixed order; each household draws from its own generator."""
    made = 0
    number = 0
    while made < persons:
        rng = Random(f"{seed}/{number}")  # noqa: S311  # a sample, not a secret
        size = min(rng.choices((1, 2, 3, 4), (60, 25, 10, 5))[0], persons - made)
        shares = size > 1 and rng.random() < 0.85
        members = [
            _person(rng, made + index, shares=shares, window=window) for index in range(size)
        ]
        shared = _device(rng, f"d_{number:06d}s", "shared") if shares else None
        yield Household(rng, members, shared)
        made += size
        number += 1


def kiosk(seed: int) -> Device:
    """The terminal in the store, used by anybody."""
    rng = Random(f"{seed}/kiosk")  # noqa: S311  # a sample, not a secret
    agent = catalogue.BROWSERS[0]
    return Device("d_kiosk", "web", "web", "kiosk", uuid(rng), None, agent, 0, states_sent_at=True)


def _person(rng: Random, number: int, *, shares: bool, window: Window) -> Actor:
    role: Role = "customer" if rng.random() < 0.64 else "visitor"
    if number == 0:
        role = "staff"
    elif not shares and rng.random() < 0.025:
        role = "bot"
    country = catalogue.pick_country(rng)
    given, family = rng.choice(catalogue.GIVEN_NAMES), rng.choice(catalogue.FAMILY_NAMES)
    actor = Actor(
        key=f"a_{number:06d}",
        role=role,
        country=country,
        name=f"{given} {family}",
        consent=_consent(rng, window, forced=shares or role == "staff", bot=role == "bot"),
        accounts=[],
        wants_account_at=None,
        devices=[],
        visits=1 + min(int(rng.lognormvariate(1.25, 0.7)), 40),
        is_business=role == "customer" and rng.random() < 0.12,
    )
    _give_devices(rng, actor, number, window)
    if role in ("customer", "staff"):
        _give_accounts(rng, actor, number, window)
    return actor


def _consent(rng: Random, window: Window, *, forced: bool, bot: bool) -> Consent:
    """A choice; who shares a device always agrees, since that choice belongs to the device."""
    changes_at = window.start + int(rng.uniform(0.2, 0.8) * (window.end - window.start))
    choices: tuple[Choice, ...] = (
        "granted",
        "missing",
        "denied",
        "unreadable",
        "withdrawn",
        "granted_late",
    )
    weights = (50, 50, 0, 0, 0, 0) if bot else (885, 25, 40, 8, 25, 17)
    choice = rng.choices(choices, weights)[0]
    return Consent("granted" if forced else choice, changes_at, rng.random() < 0.45)


def _give_devices(rng: Random, actor: Actor, number: int, window: Window) -> None:
    if actor.role == "bot":
        device = _device(rng, f"d_{number:06d}w", "personal", source="web")
        device.user_agent = rng.choice(catalogue.BOTS)
        actor.devices = [device]
        actor.visits = rng.randint(2, 8)
        return
    count = rng.choices((1, 2, 3), (30, 50, 20))[0]
    actor.devices = [
        _device(rng, f"d_{number:06d}{'wmx'[index]}", "personal") for index in range(count)
    ]
    for device in actor.devices:
        if device.source == "mobile" and actor.consent.choice == "granted" and rng.random() < 0.04:
            length = window.end - window.start
            device.offline_until = window.start + int(rng.uniform(0.1, 0.7) * length)


def _device(
    rng: Random, key: str, use: Use, source: Literal["web", "mobile"] | None = None
) -> Device:
    source = source or ("web" if rng.random() < 0.62 else "mobile")
    skewed = rng.random() < 0.12
    skew = int(rng.choice((-1, 1)) * rng.uniform(20 * SECOND, 5 * HOUR)) if skewed else 0
    anonymous_id = uuid(rng)
    states_sent_at = skewed or rng.random() < 0.95
    if source == "web":
        agent = rng.choice(catalogue.BROWSERS)
        return Device(key, "web", "web", use, anonymous_id, None, agent, skew, states_sent_at)
    platform = "ios" if rng.random() < 0.5 else "android"
    # A phone that limits tracking reports the same all-zero identifier as a million others.
    limits = platform == "ios" and rng.random() < 0.2
    hardware_id = catalogue.NIL_ID if limits else uuid(rng).upper()
    agent = catalogue.APP_AGENTS[platform]
    return Device(
        key, "mobile", platform, use, anonymous_id, hardware_id, agent, skew, states_sent_at
    )


def _give_accounts(rng: Random, actor: Actor, number: int, window: Window) -> None:
    if actor.role == "staff" or rng.random() < 0.55:
        actor.signed_up_at = REGISTERED_BEFORE
    else:
        actor.wants_account_at = window.start + int(
            rng.uniform(0, 0.8) * (window.end - window.start)
        )
    actor.accounts = [_account(rng, actor, number, "")]
    if actor.role == "staff":
        return
    doubles = len(actor.devices) > 1 and actor.signed_up_at == REGISTERED_BEFORE
    if doubles and rng.random() < 0.05:
        actor.accounts.append(_account(rng, actor, number, "b"))
        actor.merges_accounts = rng.random() < 0.7


def _account(rng: Random, actor: Actor, number: int, suffix: str) -> Account:
    local = f"{actor.name.lower().replace(' ', '.')}{number}{suffix}"
    email = f"{local}@{rng.choice(catalogue.MAIL_DOMAINS)}"
    user_id = f"u_{number:06d}{suffix}"
    if actor.role == "staff":
        user_id = catalogue.STAFF_USER_ID
    elif not suffix and rng.random() < 0.015:
        user_id = email  # an old integration logs people in under their address
    phone = f"{actor.country.phone_prefix}{number % 10_000_000:07d}"
    return Account(user_id, f"cus_{number:06d}{suffix}", email, phone)


def withdrawal(rng: Random, actor: Actor, window: Window, busy: list[int]) -> Withdrawal | None:
    """The no of a few who said yes in the browser; taken back days later by one in four.

    It begins at five in the morning where they live, hours from anything they do, so that no
    clock and no retry decides on which side of it an event lies; ``busy`` is when visits begin at
    other hours. Only who uses their devices alone and under one account is asked.
    """
    able = (
        actor.role == "customer"
        and actor.signed_up_at == REGISTERED_BEFORE
        and len(actor.accounts) == 1
        and actor.consent.choice == "granted"
    )
    if not able or rng.random() > _WITHDRAWAL_SHARE:
        return None
    five = window.start + (5 - actor.country.utc_offset_hours) * HOUR
    mornings = [
        at
        for at in range(five, window.end, DAY)
        if not any(-HOUR < at - other < 3 * HOUR for other in busy)
    ]
    if not mornings:
        return None
    first = rng.randrange(len(mornings))
    later = mornings[first + 1 :]
    until = rng.choice(later) if later and rng.random() < 0.25 else None
    return Withdrawal(mornings[first], until)


def visit_times(rng: Random, country: Country, count: int, first: int, last: int) -> list[int]:
    """Sorted starts (ms) of visits from ``first`` to ``last``, in the country's waking hours."""
    days = max(1, (last - first) // DAY)
    starts = []
    for _ in range(count):
        hour = rng.triangular(7.5, 22.5, 19) - country.utc_offset_hours
        start = first + rng.randrange(days) * DAY + int(hour * HOUR) + rng.randrange(MINUTE)
        if first <= start < last:
            starts.append(start)
    return sorted(starts)
