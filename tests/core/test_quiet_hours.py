"""Quiet hours: what is typed, and which minutes of a day lie in them."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.quiet_hours import QuietHours


@pytest.mark.parametrize(
    ("typed", "quiet", "loud"),
    [
        pytest.param("22:00-07:00", ["22:00", "23:59", "0:00", "6:59"], ["21:59", "7:00", "12:00"], id="over midnight"),
        pytest.param("13:00-14:30", ["13:00", "14:29"], ["12:59", "14:30", "0:00"], id="within a day"),
        pytest.param(" 9:05 - 9:06 ", ["9:05"], ["9:04", "9:06"], id="one minute, typed with blanks"),
    ],
)
def test_the_hours_begin_with_their_first_minute_and_end_before_their_last(typed: str, quiet: list[str], loud: list[str]) -> None:
    """A span over midnight covers the evening and the morning."""
    hours = QuietHours.parse(typed)
    assert hours is not None
    assert all(hours.cover(minute(text)) for text in quiet)
    assert not any(hours.cover(minute(text)) for text in loud)


@pytest.mark.parametrize("typed", ["", "  ", "08:00-08:00"])
def test_no_time_at_all_is_never_quiet(typed: str) -> None:
    """An empty field, or a span that ends where it begins, means that every message goes at once."""
    assert QuietHours.parse(typed) is None


@pytest.mark.parametrize("typed", ["22-7", "25:00-07:00", "22:60-07:00", "22:00", "night"])
def test_what_is_no_span_is_refused(typed: str) -> None:
    """Nonsense raises instead of keeping messages back at hours nobody chose."""
    with pytest.raises(ValueError, match=typed):
        QuietHours.parse(typed)


def minute(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)
