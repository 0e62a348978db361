"""Orders over MQTT do what the buttons do, and nothing that makes no sense."""

from __future__ import annotations

import logging

import pytest

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.home_assistant import COMMANDS
from octoprint_spaghetti.orders import Orders
from octoprint_spaghetti.testing import FakePrinter
from octoprint_spaghetti.watcher import Watcher
from tests.plugin.test_watch import Bench


@pytest.mark.parametrize(
    ("state", "word", "pauses", "resumes"),
    [
        ("PRINTING", "pause", 1, 0),
        ("PAUSED", "pause", 0, 0),
        ("OPERATIONAL", "pause", 0, 0),
        ("PAUSED", "resume", 0, 1),
        ("PRINTING", "resume", 0, 0),
        ("PAUSING", "resume", 0, 0),
        ("PRINTING", "explode", 0, 0),
    ],
)
def test_the_printer_moves_only_when_it_can(state: str, word: str, pauses: int, resumes: int) -> None:
    """A pause is for a print that runs, a resume for one that stands still."""
    printer = FakePrinter(state)
    Orders(printer, Watcher(Bench().watch), logging.getLogger()).obey(word)
    assert (printer.pauses, printer.resumes) == (pauses, resumes)


def test_a_printer_that_refuses_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The thread of the notices goes on."""
    printer = FakePrinter("PRINTING", trouble=PrinterError("OctoPrint could not order the pause."))
    Orders(printer, Watcher(Bench().watch), logging.getLogger()).obey("pause")
    assert "could not order" in caplog.text


def test_every_command_that_is_announced_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """Home Assistant shows a button for each; each must do something."""
    orders = Orders(FakePrinter("PRINTING"), Watcher(Bench().watch), logging.getLogger())
    assert set(orders._known) == set(COMMANDS)


def test_mute_and_false_alarm_reach_the_watch() -> None:
    """They go the way of the REST routes: posted, and done on the watcher's thread."""
    bench = Bench()
    watcher = Watcher(bench.watch)
    orders = Orders(bench.printer, watcher, logging.getLogger())
    bench.print()
    orders.obey("mute")
    watcher._step()
    assert bench.watch.status.muted
    orders.obey("unmute")
    watcher._step()
    assert not bench.watch.status.muted
