from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion import times
from ingestion.times import microseconds

MOMENT = st.datetimes(
    datetime(1900, 1, 2),
    datetime(2200, 1, 1),
    timezones=st.integers(-14 * 60, 14 * 60).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)


@given(MOMENT, st.sampled_from(["auto", "minutes", "seconds", "milliseconds", "microseconds"]))
def test_a_stamp_means_what_the_standard_library_says(moment, timespec):
    text = moment.isoformat(timespec=timespec)
    expected = (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    assert microseconds(text) == expected
    assert microseconds(text) == expected  # from memory


@given(MOMENT, st.integers(0, 32), st.sampled_from("0aZ:.+ -T"))
def test_what_was_read_before_never_makes_a_broken_stamp_readable(moment, position, character):
    """The pieces are remembered one by one: put together wrongly they must still be refused."""
    text = moment.isoformat(timespec="milliseconds")
    microseconds(text)
    broken = text[:position] + character + text[position:]
    remembered = _outcome(broken)
    for memory in (times._days, times._minutes, times._seconds, times._tails):
        memory.clear()
    assert _outcome(broken) == remembered


def _outcome(text):
    try:
        return microseconds(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-04-13",
        "20260413T100000Z",
        "2026-02-30T10:00:00Z",
        "2026-04-13T24:00:00Z",
        "2026-04-13T10:00:60Z",
        "2026-04-13T10:00:00+15:00",
        "2026-04-13T10:00:00.Z",
        "2026-W15-1T10:00:00Z",
        "0001-01-01T00:00:00Z",
        "２０26-04-13T10:00:00Z",
    ],
)
def test_anything_else_is_no_time(text):
    with pytest.raises(ValueError):
        microseconds(text)
