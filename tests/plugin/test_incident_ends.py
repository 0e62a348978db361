"""The end of an incident is told once, whatever comes after it: programs on the bus count."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.words import NoticeKind
from tests.plugin.test_watch import Bench


@pytest.fixture
def paused() -> Bench:
    """Return a watch over a print that failed and was paused."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(60.0)
    bench.detector.score = 0.0
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    return bench


def ends(bench: Bench) -> list[str]:
    return [notice.detail for notice in bench.notices if notice.kind is NoticeKind.INCIDENT_ENDED]


def resume(bench: Bench) -> None:
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(30.0)


def test_a_print_that_was_resumed_and_ends_later_ended_its_incident_once(paused: Bench) -> None:
    """The resume was its end."""
    resume(paused)
    paused.watch.end(done=True)
    assert ends(paused) == ["resumed"]


def test_a_false_alarm_that_is_called_again_is_no_second_end(paused: Bench) -> None:
    """Pressed twice, resumed, and printed to its end: one false alarm."""
    paused.watch.false_alarm()
    paused.watch.false_alarm()
    resume(paused)
    paused.watch.end(done=True)
    assert ends(paused) == ["false_alarm"]


def test_a_print_that_ends_while_it_stands_still_ends_its_incident(paused: Bench) -> None:
    """Cancelled after the pause."""
    paused.watch.end()
    assert ends(paused) == ["print_ended"]


def test_a_second_incident_has_an_end_of_its_own(paused: Bench) -> None:
    """Hours later the next failure is another story."""
    resume(paused)
    paused.run(3600.0)
    paused.detector.score = 0.95
    paused.run(120.0)
    assert len(paused.incidents.opened) == 2
    paused.watch.end()
    assert ends(paused) == ["resumed", "print_ended"]
