"""What happens on each device over time, and which of it nobody could attribute afterwards.

The truth is who acted; ``why_not`` is written while the scene is played, from what the people
did, never from running the identity rules. Scenes that a correct implementation must get right:

- a personal device is its owner's, from the first page before the first log-in to the last;
- on a shared device a visit begins after a log-out or a pause of more than 45 minutes, and whoever
  logs in during the visit made all of it up to the log-out.

Scenes that no rule could decide, each with its reason:

- ``never_identified_visit``: somebody used a shared device and told it nothing;
- ``after_logout_on_shared_device``: went on browsing there after logging out;
- ``under_anothers_login``: took over without a pause while another person was still logged in;
- ``handover_without_pause``: the same, with the other person's log-in forgotten by the site;
- ``kiosk_without_login``: used the terminal in the store before, after or without a log-in;
- ``after_last_logout``: on one's own device after the last log-out, when no log-in ever follows;
- ``nil_identifiers``: the wire carries only null-like ids;
- ``second_account_never_merged``: one person, two accounts, and nobody ever told.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from ingestion.sample.clock import MINUTE
from ingestion.sample.events import Event, Movement
from ingestion.sample.people import REGISTERED_BEFORE, Account, Actor, Device
from ingestion.sample.visits import Visit

# More than identity.handover_gap (30 min) by a margin that clock correction cannot eat up.
APART = 45 * MINUTE

Ending = Literal["proper", "silent", "lingering", "forgotten", "handover"]


class DeviceLog:
    """Everything done on one device, in true order, and the money spent there."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.events: list[Event] = []
        self.movements: list[Movement] = []

    def is_free(self, at: int) -> bool:
        """Whether a new visit may begin: the last one ended long enough ago."""
        return not self.events or at >= self.events[-1].at + APART

    def add(self, visit: Visit) -> None:
        """Append a finished visit."""
        self.events += visit.events
        self.movements += visit.movements


def personal_log(
    rng: Random,
    actor: Actor,
    device: Device,
    starts: list[int],
    *,
    signs_up_here: bool,
    victim: str | None = None,
) -> DeviceLog:
    """The life of a device that one person uses; ``victim`` is a user id they claim to be, once."""
    log = DeviceLog(device)
    account = actor.account_on(device) if actor.accounts else None
    remembered = account is not None and actor.signed_up_at == REGISTERED_BEFORE
    user_id = account.user_id if account and remembered and rng.random() < 0.5 else None
    for start in starts:
        if not log.is_free(start):
            continue
        visit = Visit(rng, actor, device, start, user_id)
        visit.browse(rng.randint(3, 12) if actor.role == "bot" else rng.randint(1, 5))
        if account:
            _act_as_customer(rng, visit, account, signs_up_here=signs_up_here)
        if victim and visit.user_id and device.source == "web":
            visit.merge_claim(victim)
            victim = None
        _add_quirks(rng, visit)
        log.add(visit)
        user_id = visit.user_id
        if user_id and rng.random() < 0.04:
            user_id = None  # the site forgot its user; nobody logged out
    _judge_personal(log.events, actor, device)
    if account and len(actor.accounts) > 1 and account is actor.accounts[1]:
        _judge_second_account(log.events, actor)
    return log


def _act_as_customer(rng: Random, visit: Visit, account: Account, *, signs_up_here: bool) -> None:
    actor = visit.actor
    offline = visit.device.offline_until is not None and visit.at < visit.device.offline_until
    if visit.user_id is None and not offline:
        wants = actor.wants_account_at
        if actor.signed_up_at is None and signs_up_here and wants and visit.at >= wants:
            visit.sign_up(account)
        elif actor.has_account(visit.at) and rng.random() < 0.62:
            visit.log_in(account)
    visit.browse(rng.randint(1, 6))
    if visit.user_id is None or offline:
        return
    if actor.role != "staff" and rng.random() < 0.2:
        visit.buy(account)
    if rng.random() < 0.07:
        visit.log_out(names_user=rng.random() < 0.8)
        if rng.random() < 0.4:
            visit.browse(rng.randint(1, 3))


def _add_quirks(rng: Random, visit: Visit) -> None:
    """Bugs of real SDKs: "undefined" as a user, or an all-zero anonymous id."""
    for event in visit.events:
        draw = rng.random()
        if draw < 0.004 and event.user_id is None:
            event.quirk = "undefined_user"
        elif 0.004 <= draw < 0.007:
            event.quirk = "nil_anonymous"


def _judge_personal(events: list[Event], actor: Actor, device: Device) -> None:
    """One's own device: the actor, or the device where the actor never told it who they are.

    Only what happens after the last log-out is lost, and only when no later event names the actor.
    """
    named_at = [event.at for event in events if event.names_somebody]
    last = named_at[-1] if named_at else None
    actor.device_outcomes.append("anonymous" if last is None else "merged")
    logged_out = False
    for event in events:
        if event.fate != "accepted":
            continue
        ends_it = event.name == "logout" and last is not None and event.at >= last
        if event.user_id:
            event.expected = actor.key
        elif event.quirk == "nil_anonymous":
            event.why_not = "nil_identifiers"
        elif ends_it:
            event.expected = actor.key
        elif last is None:
            event.expected = device.key
        elif logged_out:
            event.why_not = "after_last_logout"
        else:
            event.expected = actor.key
        logged_out = logged_out or ends_it


def _judge_second_account(events: list[Event], actor: Actor) -> None:
    if actor.merges_accounts:
        return
    for event in events:
        if event.fate == "accepted":
            event.expected, event.why_not = None, "second_account_never_merged"


def shared_log(rng: Random, device: Device, visits: list[tuple[int, Actor]]) -> DeviceLog:
    """The life of a laptop or tablet in a household; ``visits`` are sorted starts and visitors."""
    log = DeviceLog(device)
    for start, actor in visits:
        if not log.is_free(start):
            continue
        if not actor.has_account(start):
            if rng.random() < 0.6:
                continue  # whoever has no account prefers a device of their own
            log.add(_unnamed_visit(rng, actor, device, start, "never_identified_visit"))
            continue
        ending: Ending = rng.choices(
            ("proper", "silent", "lingering", "forgotten", "handover"), (40, 12, 8, 25, 15)
        )[0]
        if ending == "silent":
            log.add(_unnamed_visit(rng, actor, device, start, "never_identified_visit"))
            continue
        log.add(_named_visit(rng, actor, device, start, ending))
        others = [other for _, other in visits if other is not actor]
        nexts = [other for other in others if other.has_account(log.events[-1].at)]
        if ending == "handover" and nexts:
            _take_over(rng, log, rng.choice(nexts))
    return log


def _named_visit(rng: Random, actor: Actor, device: Device, start: int, ending: Ending) -> Visit:
    """A visit with a log-in; what came before it since the pause is the same person's."""
    visit = Visit(rng, actor, device, start, None)
    visit.browse(rng.choice((0, 0, 1, 2, 3)))
    visit.log_in(actor.accounts[0])
    visit.browse(rng.randint(1, 8))
    if rng.random() < 0.15:
        visit.buy(actor.accounts[0])
    if ending in ("proper", "lingering"):
        visit.log_out()
    if ending == "lingering":
        visit.why_not = "after_logout_on_shared_device"
        visit.browse(rng.randint(1, 3))
    _expect_actor(visit)
    return visit


def _unnamed_visit(rng: Random, actor: Actor, device: Device, start: int, why_not: str) -> Visit:
    visit = Visit(rng, actor, device, start, None)
    visit.why_not = why_not
    visit.browse(rng.randint(1, 6))
    return visit


def _take_over(rng: Random, log: DeviceLog, actor: Actor) -> None:
    """Somebody else goes on within minutes: properly, under the other's login, or after a lapse."""
    last = log.events[-1]
    start = last.at + rng.randint(1 * MINUTE, 8 * MINUTE)
    how = rng.choice(("proper", "under_anothers_login", "handover_without_pause"))
    assert last.actor is not None
    if how == "proper":
        leaving = Visit(rng, last.actor, log.device, last.at, last.user_id)
        leaving.log_out()
        _expect_actor(leaving)
        log.add(leaving)
        log.add(_named_visit(rng, actor, log.device, leaving.at + 2 * MINUTE, "proper"))
        return
    visit = Visit(rng, actor, log.device, start, last.user_id if how.startswith("under") else None)
    visit.why_not = how
    visit.browse(rng.randint(1, 4))
    visit.log_in(actor.accounts[0])
    visit.browse(rng.randint(1, 5))
    visit.log_out()
    _expect_actor(visit)
    log.add(visit)


def kiosk_visit(rng: Random, actor: Actor, device: Device, start: int) -> Visit:
    """A visit to the terminal in the store; only events that carry the user id say who it was."""
    visit = Visit(rng, actor, device, start, None)
    visit.why_not = "kiosk_without_login"
    visit.browse(rng.randint(1, 3))
    if actor.has_account(start) and rng.random() < 0.8:
        visit.log_in(actor.accounts[0])
        visit.browse(rng.randint(1, 4))
        if rng.random() < 0.7:
            visit.log_out()
            visit.why_not = "kiosk_without_login"
            visit.browse(rng.choice((0, 1)))
    _expect_actor(visit)
    return visit


def _expect_actor(visit: Visit) -> None:
    for event in visit.events:
        if event.why_not is None:
            event.expected = visit.actor.key
