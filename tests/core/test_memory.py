"""Memory that runs out, and memory that grows: told once each, from planted readings."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.memory import ENOUGH_MB, SETTLED_S, SHORT_MB, Memory, Reading, advance, is_short, remarks


def after(*readings: tuple[float, float | None, float | None], printing: bool = True) -> Memory:
    """Return what is thought after readings of (second, own MB, available MB)."""
    memory = Memory()
    for at, own_mb, available_mb in readings:
        memory = advance(memory, Reading(own_mb, available_mb), printing, at)
    return memory


def test_memory_that_is_there_is_not_spoken_of() -> None:
    """A print of a day that grows by a page visit, on a computer with room."""
    memory = after(*((60.0 * minute, 130.0 + 50.0 * (minute > 600), 500.0) for minute in range(1440)))
    assert remarks(memory) == ()


def test_a_computer_that_runs_out_of_memory_is_told_until_there_is_enough_again() -> None:
    """What letting our own detector go gives back is not yet enough: it would come and go."""
    short = after((0.0, 130.0, 500.0), (30.0, 130.0, SHORT_MB - 1.0))
    assert "59 MB left" in remarks(short)[0]
    for available_mb, still in ((SHORT_MB + 90.0, True), (ENOUGH_MB - 1.0, True), (ENOUGH_MB, False)):
        assert bool(remarks(advance(short, Reading(130.0, available_mb), True, 60.0))) is still


def test_a_small_computer_is_well_again_with_less() -> None:
    """The remark goes when the detector looks again, not with the next computer."""
    short = advance(Memory(), Reading(130.0, 50.0, 440.0), True, 0.0)
    assert remarks(short) != ()
    assert remarks(advance(short, Reading(130.0, 140.0, 440.0), True, 30.0)) != ()
    assert remarks(advance(short, Reading(130.0, 160.0, 440.0), True, 60.0)) == ()


@pytest.mark.parametrize(
    ("came_to", "told"), [(250.0, False), (299.0, False), (320.0, True)], ids=["by 100 MB", "not doubled", "doubled"]
)
def test_octoprint_that_doubled_during_a_print_is_told_with_both_numbers(came_to: float, told: bool) -> None:
    """What counts is what it took when the print had settled, and whose the memory is is not claimed."""
    said = remarks(after((0.0, 100.0, 900.0), (SETTLED_S, 150.0, 900.0), (9000.0, came_to, 900.0)))
    assert bool(said) is told
    assert not told or "from 150 to 320 MB" in said[0]


def test_what_a_small_process_doubles_by_is_not_told() -> None:
    """From 60 to 130 MB is a page that was opened."""
    assert remarks(after((0.0, 60.0, 900.0), (SETTLED_S, 60.0, 900.0), (9000.0, 130.0, 900.0))) == ()


def test_the_number_that_is_told_stays_and_the_next_print_begins_anew() -> None:
    """One sentence for one print, not a new one with each reading."""
    grown = after((0.0, 100.0, 900.0), (SETTLED_S, 150.0, 900.0), (9000.0, 320.0, 900.0))
    later = advance(grown, Reading(500.0, 900.0), True, 9030.0)
    assert remarks(later) == remarks(grown)
    idle = advance(later, Reading(500.0, 900.0), False, 9060.0)
    assert remarks(idle) == ()
    assert remarks(advance(idle, Reading(500.0, 900.0), True, 9090.0)) == ()


def test_a_system_that_tells_nothing_is_not_judged() -> None:
    """There is no /proc on a Mac."""
    assert remarks(after(*((60.0 * minute, None, None) for minute in range(100)))) == ()
    assert not is_short(None, was_short=True)
