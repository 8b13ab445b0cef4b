"""On a crowded shared device people keep the distance that makes their visits decidable."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from random import Random

from ingestion.sample.clock import MINUTE, window_of
from ingestion.sample.devices import shared_log
from ingestion.sample.people import REGISTERED_BEFORE, households

WINDOW = window_of(date(2026, 4, 1), 30)
SCENES = {"handover_without_pause", "under_anothers_login"}


def crowded_log():
    """A shared device that somebody of its household wants every five minutes."""
    home = next(
        h for h in households(50, 1, WINDOW) if h.shared and all(m.accounts for m in h.members)
    )
    for member in home.members:
        member.signed_up_at = REGISTERED_BEFORE
    visits = [
        (WINDOW.start + turn * 5 * MINUTE, home.members[turn % len(home.members)])
        for turn in range(4000)
    ]
    return shared_log(Random(1), home.shared, visits)


def test_people_change_only_after_a_log_out_a_long_pause_or_in_a_handover_scene():
    changes = 0
    for before, here in pairwise(crowded_log().events):
        if before.actor is not here.actor:
            changes += 1
            pause = timedelta(milliseconds=here.at - before.at)
            assert (
                before.name == "logout" or pause > timedelta(minutes=30) or here.why_not in SCENES
            )
    assert changes > 50


def test_no_pause_is_near_the_handover_gap():
    """Correcting a clock moves events by less than a second: 16 and 45 minutes are far off."""
    pauses = [here.at - before.at for before, here in pairwise(crowded_log().events)]
    assert [pause for pause in pauses if 16 * MINUTE < pause < 45 * MINUTE] == []
    assert max(pauses) >= 45 * MINUTE
