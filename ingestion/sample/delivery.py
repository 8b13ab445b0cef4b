"""How events reach the receiver: batched, late, twice, in contradiction, or broken on the way.

Every first copy is received before its repeats, except where a queue on the device holds a batch
back; then the copy in the later batch comes first, and both say the same time once the clock is
corrected. Nothing is received after the window.
"""

from __future__ import annotations

from random import Random
from typing import Any, get_args

from ingestion.sample import wire
from ingestion.sample.clock import DAY, HOUR, MINUTE, SECOND, Window
from ingestion.sample.events import DENIED_BY_LEDGER, PARSE_FAULTS, Event, Fault
from ingestion.sample.people import Device, uuid
from ingestion.sample.spool import Spool

_FAULTS: tuple[Fault, ...] = get_args(Fault)
_BATCH_PAUSE = 90 * SECOND  # an SDK flushes when its user rests
_FAULT_SHARE = 0.012  # of batches
_RETRY_SHARE = 0.012  # of batches: the answer got lost, so the same body is sent again
_RESEND_SHARE = 0.006  # of events: once more in the next batch
_CONFLICT_SHARE = 0.0012  # of events: once more with other content
_TWIN_SHARE = 0.0008  # of requests: the very same line is written twice


class Delivery:
    """Sends events to a spool and counts on each event how often it was delivered."""

    def __init__(self, rng: Random, spool: Spool, window: Window) -> None:
        self.rng = rng
        self.spool = spool
        self.window = window
        self.faulty: list[Event] = []  # broken events made on the way; nobody meant them

    def device(self, events: list[Event], device: Device) -> None:
        """Deliver everything of one device; ``events`` in true order."""
        again: list[tuple[Event, bool]] = []
        for batch in self._batches(events):
            again = self._request(batch, again, device)

    def server(self, events: list[Event]) -> None:
        """Deliver a server's events, one line each, through a queue that now and then repeats."""
        for event in events:
            late = self._server_delay(event)
            received = min(event.at + late, self.window.end - 2 * SECOND)
            self._put_server(event, received)
            draw = self.rng.random()
            if draw < 0.008:
                self._put_server(event, received + self.rng.randint(5 * SECOND, 20 * MINUTE))
            elif event.money and draw < 0.014:
                self._contradict_server(event, received + HOUR)
            if self.rng.random() < 0.002:
                self._break_server(event, received)

    def _batches(self, events: list[Event]) -> list[list[Event]]:
        batches: list[list[Event]] = []
        limit = 0
        for event in events:
            pauses = bool(batches) and event.at - batches[-1][-1].at > _BATCH_PAUSE
            if not batches or pauses or len(batches[-1]) >= limit:
                batches.append([])
                limit = self.rng.choice((1, 2, 4, 6, 10))
            batches[-1].append(event)
        return batches

    def _request(
        self, batch: list[Event], again: list[tuple[Event, bool]], device: Device
    ) -> list[tuple[Event, bool]]:
        """Send one batch and what must go again; returns what goes again with the next one."""
        rng = self.rng
        sent = self._sent_at(batch, device)
        received = sent + rng.randint(40, 900)
        load = [(event, False) for event in batch] + again
        broken = self._broken(batch) if rng.random() < _FAULT_SHARE else None
        if broken and broken.fault in PARSE_FAULTS:
            self._send([(broken, False)], device, sent, received)
        elif broken:
            load.append((broken, False))
        self._send(load, device, sent, received)
        if rng.random() < _RETRY_SHARE:
            later = received + rng.randint(2 * SECOND, 60 * SECOND)
            if later < self.window.end:
                self._send(load, device, sent, later)
        share = _RESEND_SHARE + _CONFLICT_SHARE
        chosen = [(event, rng.random()) for event in batch]
        return [(event, draw < _CONFLICT_SHARE) for event, draw in chosen if draw < share]

    def _sent_at(self, batch: list[Event], device: Device) -> int:
        """When a batch leaves the device, in true time."""
        last = batch[-1].at
        latest = self.window.end - 3 * SECOND
        if device.offline_until is not None and last < device.offline_until:
            lateness, sent = "offline", device.offline_until + self.rng.randint(0, 20 * SECOND)
        else:
            lateness, delay = self._delay()
            sent = last + delay
        for event in batch:
            event.lateness = lateness
        return max(last, min(sent, latest))

    def _delay(self) -> tuple[str, int]:
        draw = self.rng.random()
        if draw < 0.945:
            return "prompt", self.rng.randint(300, 25 * SECOND)
        if draw < 0.975:
            return "minutes", self.rng.randint(3 * MINUTE, 2 * HOUR)
        if draw < 0.992:
            return "hours", self.rng.randint(2 * HOUR, 20 * HOUR)
        return "days", self.rng.randint(1 * DAY, 12 * DAY)

    def _send(
        self, load: list[tuple[Event, bool]], device: Device, sent: int, received: int
    ) -> None:
        """One request, at true times; the device states its own clock."""
        stated = sent + device.skew if device.states_sent_at else None
        if device.source == "web":
            self._send_web(load, device, stated, received)
            return
        for number, (event, contradicts) in enumerate(load):
            at = received + number
            line = wire.app_line(
                _altered(event) if contradicts else event, received=at, sent=stated
            )
            self._put("mobile", at, wire.spoil(line, event), [(event, contradicts)])

    def _send_web(
        self, load: list[tuple[Event, bool]], device: Device, stated: int | None, received: int
    ) -> None:
        items: list[dict[str, Any]] = [
            wire.web_item(_altered(event) if contradicts else event) for event, contradicts in load
        ]
        receipt_id = f"rcp_{self.rng.getrandbits(80):020x}"
        line = wire.web_line(
            items, receipt_id=receipt_id, received=received, sent=stated, agent=device.user_agent
        )
        if len(load) == 1:
            line = wire.spoil(line, load[0][0])
        self._put("web", received, line, load)

    def _put(self, source: str, received: int, line: bytes, load: list[tuple[Event, bool]]) -> None:
        times = 2 if self.rng.random() < _TWIN_SHARE else 1
        for _ in range(times):
            self.spool.put(source, received, line)
        for event, contradicts in load:
            event.copies += times
            event.conflicts += times if contradicts else 0

    def _server_delay(self, event: Event) -> int:
        draw = self.rng.random()
        if draw < 0.97:
            event.lateness = "prompt"
            return self.rng.randint(120, 3_000)
        if draw < 0.996:
            event.lateness = "hours"
            return self.rng.randint(10 * MINUTE, 9 * HOUR)
        event.lateness = "days"
        return self.rng.randint(1 * DAY, 6 * DAY)

    def _put_server(self, event: Event, received: int) -> None:
        if received < self.window.end:
            line = wire.spoil(wire.server_line(event, received=received), event)
            self._put("backend", received, line, [(event, False)])

    def _contradict_server(self, event: Event, received: int) -> None:
        """An hour later the same id with another amount: the first copy's word stands."""
        if received < self.window.end:
            line = wire.server_line(event, received=received, cents_more=100)
            self._put("backend", received, line, [(event, True)])

    def _break_server(self, near: Event, received: int) -> None:
        fault = self.rng.choice(("truncated", "bad_timestamp", "future"))
        event = Event(
            event_id=f"evt_{self.rng.getrandbits(96):024x}",
            source="backend",
            name="email_sent",
            kind="track",
            at=near.at,
            actor=near.actor,
            user_id=near.user_id,
            properties={"template": "april_news"},
            subject=near.subject,
            fate="quarantined",
            fate_reason=fault,
            why_not="quarantined",
            fault=fault,
        )
        self.faulty.append(event)
        self._put_server(event, received)

    def _broken(self, batch: list[Event]) -> Event | None:
        """One more event of the batch's last actor, broken on the way; its neighbours are sound."""
        near = batch[-1]
        if near.fate != "accepted" and near.fate_reason != DENIED_BY_LEDGER:
            return None  # without consent it would be stripped before anything else is asked
        fault = self.rng.choice(_FAULTS)
        event = Event(
            event_id=uuid(self.rng),
            source=near.source,
            name="product_viewed",
            kind="track",
            at=near.at,
            actor=near.actor,
            device=near.device,
            user_id=near.user_id,
            properties={"sku": "LF-TE1", "category": "tents", "price": 189.1},
            place=near.place,
            fate="quarantined",
            fate_reason=fault,
            why_not="quarantined",
            fault=fault,
        )
        self.faulty.append(event)
        return event


def _altered(event: Event) -> Event:
    """The same event id with other content; who and when stay as they were."""
    return Event(
        event_id=event.event_id,
        source=event.source,
        name=event.name,
        kind=event.kind,
        at=event.at,
        actor=event.actor,
        device=event.device,
        user_id=event.user_id,
        properties=event.properties | {"note": "second telling"},
        place=event.place,
        money=event.money,
        campaign=event.campaign,
        quirk=event.quirk,
    )
