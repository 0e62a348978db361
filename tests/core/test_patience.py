"""The judge's numbers: each in its range, all moved by one slider."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.patience import (
    LEAST_SENSITIVE,
    MOST_SENSITIVE,
    USUAL,
    Numbers,
    Patience,
    check_number,
    describe_number,
    names,
)
from octoprint_spaghetti.core.settings import Settings


def test_each_number_has_a_range_a_sentence_and_a_default_inside() -> None:
    """A person who reads the page finds out what each number does; its default is one that would be accepted."""
    for name in names():
        _, sentence = describe_number(name)
        assert len(sentence.split()) > 4
        assert check_number(name, getattr(Patience(), name)) == getattr(Patience(), name)


@given(st.floats(LEAST_SENSITIVE, MOST_SENSITIVE), st.floats(LEAST_SENSITIVE, MOST_SENSITIVE))
def test_the_slider_moves_all_levels_one_way(one: float, other: float) -> None:
    """More sensitive means lower levels, and suspect stays below failing."""
    calm, eager = (Patience().at_sensitivity(step) for step in sorted((one, other)))
    for name in ("suspect_at", "failing_at", "hit_at"):
        assert getattr(eager, name) <= getattr(calm, name)
        assert check_number(name, getattr(eager, name)) > 0.0
    assert calm.suspect_at < calm.failing_at


def test_the_middle_of_the_slider_changes_nothing() -> None:
    """The numbers that stand in the code are those of the usual sensitivity."""
    assert Patience().at_sensitivity(USUAL) == Patience()


@pytest.mark.parametrize("value", ["nan", float("inf"), -1, "much", None, True, 2.0])
def test_a_number_out_of_range_is_refused(value: object) -> None:
    """What cannot be a level is refused, with the range in the sentence."""
    with pytest.raises(SettingRefused, match="from 0.05 to 0.98"):
        check_number("failing_at", value)


def test_a_count_is_a_whole_number() -> None:
    """Half a frame is refused and not cut off in silence."""
    with pytest.raises(SettingRefused, match="whole number"):
        check_number("distinct_frames", 5.7)


def test_a_number_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """A typing error is answered with the list."""
    with pytest.raises(SettingRefused, match="failing_at"):
        check_number("failling_at", 0.5)


@pytest.mark.parametrize("value", ["0.5", [1, 2], {"failing_at": "high"}, {"nonsense": 1}])
def test_what_is_no_table_of_numbers_is_refused(value: object) -> None:
    """Only a mapping of known names to values in range is stored."""
    with pytest.raises(SettingRefused):
        Numbers().check("numbers", value)


def test_a_number_that_a_person_changed_wins_over_the_slider() -> None:
    """The slider moves what was not set by hand."""
    settings, refused = Settings.read({"sensitivity": 9, "numbers": {"failing_at": 0.7}, "warm_up": 33})
    patience = settings.patience()
    assert (patience.failing_at, patience.warm_up, refused) == (0.7, 33.0, ())
    assert patience.suspect_at < Patience().suspect_at
    assert Settings.defaults()["numbers"] == []
