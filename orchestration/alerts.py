"""Telling somebody: a JSON message to the configured webhook, a call to the heartbeat address.

The addresses are secrets (whoever has one can post to the channel), so neither they nor an
error's text that may hold them are logged. Tries are few and short: an alert must not hold up the
daemon.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import Literal

from governance.errors import UserError

TRIES = 3
TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """What the webhook gets as JSON; ``text`` is what chat programs show."""

    event: Literal["failed", "recovered"]
    company: str
    job: str
    run_id: str
    text: str


def post(
    address: str, message: Message, *, tries: int = TRIES, pause: float = _PAUSE_SECONDS
) -> bool:
    """POST the message; returns whether somebody took it.

    Raises:
        UserError: the address is none.
    """
    return _call(address, json.dumps(asdict(message)).encode(), tries=tries, pause=pause)


def beat(address: str, *, tries: int = TRIES, pause: float = _PAUSE_SECONDS) -> bool:
    """GET the heartbeat address: a watcher elsewhere alarms when the calls stop.

    Raises:
        UserError: the address is none.
    """
    return _call(address, None, tries=tries, pause=pause)


def _call(address: str, body: bytes | None, *, tries: int, pause: float) -> bool:
    if not address.startswith(("https://", "http://")):
        raise UserError(
            "The alert address is not an http(s) address.",
            fix="Look at the secret that alerts.webhook or alerts.heartbeat names.",
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        address, data=body, headers={"Content-Type": "application/json"} if body else {}
    )
    for attempt in range(1, tries + 1):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            reason = f"status {error.code}"
            error.close()
        except (OSError, ValueError) as error:
            reason = type(error).__name__
        _log.warning("The alert address did not answer (%s), try %d of %d.", reason, attempt, tries)
        if attempt < tries:
            time.sleep(pause * attempt)
    return False
