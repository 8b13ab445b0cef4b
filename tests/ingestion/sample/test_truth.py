"""The truth never calls decidable what two people could have done."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby, pairwise

import pytest

GAP = timedelta(minutes=30)
COLUMNS = (
    "actor, device, stated_user_id, occurred_at, event_name, decidable, expected_person, quirk"
)


@pytest.fixture(scope="module")
def owners(sample):
    """Which actor each user id belongs to."""
    return dict(sample.rows("select unnest(user_ids), actor from {actors}"))


@pytest.fixture(scope="module")
def devices(sample):
    """Kept events of every device in true order."""
    rows = sample.rows(
        f"select {COLUMNS} from {{events}} where device is not null"
        " and disposition = 'accepted' order by device, occurred_at"
    )
    return {device: list(log) for device, log in groupby(rows, key=lambda row: row[1])}


def of_kind(devices, suffix):
    return {device: log for device, log in devices.items() if device.endswith(suffix)}


def test_a_user_id_belongs_to_one_actor(sample, owners):
    assert len(owners) == sample.one("select sum(len(user_ids)) from {actors}")


def test_a_decidable_event_names_nobody_but_its_actor(sample, owners):
    stated = sample.rows(
        "select distinct stated_user_id, actor from {events}"
        " where decidable and stated_user_id is not null"
    )
    assert stated
    assert [pair for pair in stated if owners[pair[0]] != pair[1]] == []


def test_an_event_is_decidable_or_has_a_reason_and_never_both(sample):
    assert (
        sample.one(
            "select count(*) from {events} where decidable <> (expected_person is not null)"
            " or decidable <> (undecidable_reason is null)"
            " or (disposition <> 'accepted' and decidable)"
        )
        == 0
    )


def test_the_expected_person_is_the_actor_or_a_device_only_they_use(sample):
    assert (
        sample.one(
            "select count(*) from {events} where decidable"
            " and expected_person <> actor and expected_person <> device"
        )
        == 0
    )
    shared = sample.rows(
        "select expected_person from {events} where decidable and expected_person = device"
        " group by all having count(distinct actor) > 1"
    )
    assert shared == []


def test_personal_devices_are_used_by_one_person(devices):
    personal = {
        device: log
        for device, log in devices.items()
        if not device.endswith("s") and device != "d_kiosk"
    }
    assert len(personal) > 400
    assert all(len({row[0] for row in log}) == 1 for log in personal.values())


def test_a_device_that_never_learns_its_user_is_its_own_person(devices):
    for device, log in devices.items():
        kept = {row[6] for row in log if row[5] and row[2] is None}
        if device in kept:
            assert kept == {device}
            assert all(row[2] is None or row[7] == "nil_anonymous" for row in log)


def test_on_the_kiosk_only_events_with_a_user_id_are_decidable(devices):
    log = devices["d_kiosk"]
    assert len({row[0] for row in log if row[2]}) > 10
    assert all(row[5] == (row[2] is not None) for row in log)


def test_shared_devices_are_really_shared(devices):
    shared = of_kind(devices, "s")
    assert sum(len({row[0] for row in log}) > 1 for log in shared.values()) > 10


def test_unnamed_events_of_a_shared_device_are_decidable_only_between_a_break_and_the_own_log_in(
    devices,
):
    checked = 0
    for log in of_kind(devices, "s").values():
        for index, row in enumerate(log):
            if not row[5] or row[2] is not None:
                continue
            following = next(later for later in log[index + 1 :] if later[2] is not None)
            assert following[0] == row[0]
            assert following[4] == "login"
            begin = index
            while begin and log[begin - 1][0] == row[0] and not is_break(log, begin):
                begin -= 1
            assert begin == 0 or is_break(log, begin)
            checked += 1
    assert checked > 20


def is_break(log, index):
    before, here = log[index - 1], log[index]
    return before[4] == "logout" or here[3] - before[3] > GAP


def test_two_people_follow_each_other_without_a_break_only_in_the_handover_scenes(sample, devices):
    reasons = {
        (device, at): reason
        for device, at, reason in sample.rows(
            "select device, occurred_at, undecidable_reason from {events} where device like '%s'"
        )
    }
    seen = set()
    for log in of_kind(devices, "s").values():
        for index, (before, here) in enumerate(pairwise(log), start=1):
            if before[0] != here[0] and not is_break(log, index):
                seen.add(reasons[here[1], here[3]])
    assert seen == {"handover_without_pause", "under_anothers_login"}


def test_no_two_events_of_a_device_are_so_close_that_the_network_could_swap_them(devices):
    least = min(
        later[3] - earlier[3] for log in devices.values() for earlier, later in pairwise(log)
    )
    assert least >= timedelta(seconds=4)


def test_nothing_of_a_person_is_kept_without_their_consent(sample):
    wrong = sample.one(
        "select count(*) from {events} e join {actors} a using (actor)"
        " where e.source in ('web', 'mobile') and e.disposition = 'accepted' and not ("
        "   a.consent = 'granted' and not (a.withdrawn_from is not null"
        "     and e.stated_user_id is not null and e.occurred_at >= a.withdrawn_from"
        "     and (a.withdrawn_until is null or e.occurred_at < a.withdrawn_until))"
        "   or (a.consent = 'withdrawn' and e.occurred_at < a.consent_changes_at)"
        "   or (a.consent = 'granted_late' and e.occurred_at >= a.consent_changes_at))"
    )
    assert wrong == 0


def test_the_ledger_denies_what_browser_and_app_still_allow_and_nothing_else(sample):
    denied = sample.rows(
        "select e.source, a.consent, a.role, e.stated_user_id is not null,"
        " e.occurred_at >= a.withdrawn_from, coalesce(e.occurred_at < a.withdrawn_until, true)"
        " from {events} e join {actors} a using (actor)"
        " where disposition_reason = 'denied_by_ledger'"
    )
    assert len(denied) > 20
    assert {row[0] for row in denied} == {"web", "mobile"}
    assert {row[1:] for row in denied} == {("granted", "customer", True, True, True)}


def test_no_event_lies_so_near_a_withdrawal_that_a_clock_could_decide(sample):
    least = sample.one(
        "select min(abs(epoch(e.occurred_at - w.at))) from {events} e join"
        " (select actor, unnest([withdrawn_from, withdrawn_until]) as at from {actors}) w"
        " using (actor) where w.at is not null and e.device is not null"
    )
    assert least > 600


def test_a_withdrawal_may_be_taken_back(sample):
    assert sample.one("select count(*) from {actors} where withdrawn_until is not null") > 0
    assert sample.one(
        "select count(*) from {events} e join {actors} a using (actor) where e.disposition"
        " = 'accepted' and e.device is not null and e.stated_user_id is not null"
        " and e.occurred_at >= a.withdrawn_until"
    )


def test_who_signs_up_in_the_window_does_it_once_and_on_record(sample):
    told = dict(
        sample.rows(
            "select actor, min(occurred_at) from {events} where event_name = 'sign_up' group by 1"
        )
    )
    known = dict(
        sample.rows("select actor, signed_up_at from {actors} where signed_up_at is not null")
    )
    assert told == known
    assert sample.one("select count(*) from {events} where event_name = 'sign_up'") == len(told)


def test_device_outcomes_say_whether_the_device_ever_learned_its_user(sample):
    outcomes = dict(
        sample.rows(
            "select d, e from (select unnest(devices) d, unnest(expected) e from {actors})"
            " where e in ('merged', 'anonymous')"
        )
    )
    named = {
        row[0]
        for row in sample.rows(
            "select distinct device from {events} where disposition = 'accepted'"
            " and stated_user_id is not null and quirk is distinct from 'nil_anonymous'"
        )
    }
    assert {device for device, outcome in outcomes.items() if outcome == "merged"} == {
        device for device in named if device in outcomes
    }
