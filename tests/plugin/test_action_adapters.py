"""OctoPrint's scripts, its printer and PSU Control, as the actions use them; stand-ins for OctoPrint's objects."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from octoprint_spaghetti.action_problems import action_problems
from octoprint_spaghetti.adapters.octoprint_printer import OctoPrintPrinter, scripts_missing
from octoprint_spaghetti.adapters.pause_scripts import PauseScripts
from octoprint_spaghetti.adapters.psu_control import PsuControl
from octoprint_spaghetti.core.checkup import Facts, examine
from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.pause_script import Counting, Wishes
from octoprint_spaghetti.core.settings import Settings


class StandInPrinter:
    """OctoPrint's printer, as far as it is used here."""

    def __init__(self, state: str = "PRINTING", connection: dict[str, str] | None = None) -> None:
        self.state = state
        self.tool0 = {"actual": 209.0, "target": 210.0, "offset": 0}
        self.ordered: list[str] = []
        if connection is not None:
            self.connection_state = connection

    def get_state_id(self) -> str:
        return self.state

    def get_current_temperatures(self) -> dict[str, dict[str, float]]:
        return {"tool0": self.tool0, "bed": {"actual": 60.0, "target": 60.0, "offset": 0}, "chamber": {}}

    def pause_print(self, tags: set[str]) -> None:
        self.ordered.append("pause")

    def cancel_print(self, tags: set[str]) -> None:
        self.ordered.append("cancel")


class StandInComm:
    """OctoPrint's connection, which recorded where the tool stood."""

    class Position:
        def as_dict(self) -> dict[str, float]:
            return {"x": 1.0, "y": 2.0, "z": 3.0, "e": 4.0, "f": 1200.0, "t": 0}

    pause_position = Position()


def scripts(printer: StandInPrinter) -> PauseScripts:
    profile = {"extruder": {"count": 1, "sharedNozzle": False}, "volume": {"height": 180.0}}
    return PauseScripts(printer, lambda: profile, Counting, logging.getLogger("test"))


def test_only_the_pause_that_was_ordered_here_and_its_resume_get_lines() -> None:
    """The next pause and the next resume are somebody else's; other scripts are not ours at all."""
    printer = StandInPrinter()
    ours = scripts(printer)
    watched = OctoPrintPrinter(printer, scripts=ours, wishes=lambda: Wishes(hotends_off=True, lift=1.0))
    assert ours.lines(StandInComm(), "afterPrintPaused") is None
    watched.pause()
    assert printer.ordered == ["pause"]
    assert ours.lines(StandInComm(), "beforePrintStarted") is None
    assert ours.lines(StandInComm(), "afterPrintPaused") == (
        ["G90", "M83", "G1 Z4 F600", "G90", "M82", "G1 F1200"],
        ["M104 S0"],
    )
    printer.tool0 = {"actual": 25.0, "target": 0.0, "offset": 0}
    assert ours.lines(StandInComm(), "beforePrintResumed") == (
        ["M104 S210", "M109 S210"],
        ["G90", "M83", "G1 Z3 F600", "G90", "M82", "G1 F1200"],
    )
    assert ours.lines(StandInComm(), "afterPrintPaused") is None
    assert ours.lines(StandInComm(), "beforePrintResumed") is None


def test_a_resume_after_somebody_elses_pause_undoes_nothing() -> None:
    """Heights of an earlier pause would drive the nozzle into the part."""
    printer = StandInPrinter()
    ours = scripts(printer)
    ours.arm(Wishes(lift=1.0))
    assert ours.lines(StandInComm(), "afterPrintPaused")
    assert ours.lines(StandInComm(), "afterPrintPaused") is None
    assert ours.lines(StandInComm(), "beforePrintResumed") is None


@pytest.mark.parametrize("state", ["PAUSING", "PAUSED"])
def test_a_pause_that_is_on_its_way_already_is_somebody_elses(state: str) -> None:
    """The owner was a moment faster: a plain pause."""
    printer = StandInPrinter(state)
    ours = scripts(printer)
    OctoPrintPrinter(printer, scripts=ours, wishes=lambda: Wishes(hotends_off=True)).pause()
    assert ours.lines(StandInComm(), "afterPrintPaused") is None


def test_pauses_that_are_ordered_from_outside_are_plain() -> None:
    """A button in Home Assistant is a pause of the owner's."""
    printer = StandInPrinter()
    plain = OctoPrintPrinter(printer)
    plain.pause()
    assert (printer.ordered, plain.withdraw()) == (["pause"], False)


def test_a_new_job_knows_nothing_of_the_pause_of_the_last() -> None:
    """Neither what was to be done nor what was to be undone."""
    ours = scripts(StandInPrinter())
    ours.arm(Wishes(hotends_off=True))
    assert ours.lines(StandInComm(), "afterPrintPaused")
    ours.arm(Wishes(hotends_off=True))
    ours.forget()
    assert ours.lines(StandInComm(), "beforePrintResumed") is None
    assert ours.lines(StandInComm(), "afterPrintPaused") is None


def test_a_printer_that_resumed_and_paused_by_itself_is_not_driven_to_an_old_height() -> None:
    """OctoPrint asks for no script then, so the pause before it is still to be undone: layers lower, but as cold as it left it."""
    ours = scripts(StandInPrinter())
    ours.arm(Wishes(hotends_off=True, lift=1.0))
    assert ours.lines(StandInComm(), "afterPrintPaused")
    ours.resumed()
    ours.paused()
    ours.resumed()
    assert ours.lines(StandInComm(), "beforePrintResumed") == (["M104 S210", "M109 S210"], [])


@pytest.mark.parametrize("late", [False, True])
def test_a_resume_undoes_our_pause_whenever_its_events_arrive(late: bool) -> None:
    """OctoPrint's events come on a thread of their own, before its scripts are asked for or after that."""
    ours = scripts(StandInPrinter())
    for _ in range(2):
        ours.arm(Wishes(lift=1.0))
        if not late:
            ours.paused()
        assert ours.lines(StandInComm(), "afterPrintPaused")
        if late:
            ours.paused()
        if not late:
            ours.resumed()
        assert ours.lines(StandInComm(), "beforePrintResumed")
        if late:
            ours.resumed()


def test_a_connection_that_recorded_no_position_moves_nothing() -> None:
    """The heaters are seen to all the same."""
    ours = scripts(StandInPrinter())
    ours.arm(Wishes(hotends_off=True, retract=1.0, lift=1.0))
    assert ours.lines(object(), "afterPrintPaused") == ([], ["M104 S0"])


def test_a_cancel_is_ordered_from_octoprint() -> None:
    """By its own interface, whatever the connection."""
    printer = StandInPrinter()
    OctoPrintPrinter(printer).cancel()
    assert printer.ordered == ["cancel"]


@pytest.mark.parametrize(
    ("connection", "works"),
    [(None, True), ({"state": "Offline"}, True), ({"connector": "serial"}, True), ({"connector": "moonraker"}, False)],
)
def test_a_connection_without_scripts_is_named(connection: dict[str, str] | None, works: bool) -> None:
    """OctoPrint 1.x has one connection; of those of 2.0 the serial one alone runs scripts."""
    problem = scripts_missing(StandInPrinter(connection=connection))
    assert (problem == "") if works else ("moonraker" in problem)


class StandInPlugins:
    """OctoPrint's plugin manager, with the helpers of one plugin, or none (None: not installed)."""

    def __init__(self, **helpers: object) -> None:
        self.helpers = helpers or None

    def get_helpers(self, name: str, *wanted: str) -> dict[str, object] | None:
        assert name == "psucontrol"
        return None if self.helpers is None else {key: value for key, value in self.helpers.items() if key in wanted}


def test_power_is_switched_by_psu_control() -> None:
    """Its helpers say what it is, and do it."""
    on = [True]
    control = PsuControl(StandInPlugins(turn_psu_off=on.clear, get_psu_state=lambda: bool(on)))
    assert (control.missing(), control.is_off()) == ("", False)
    control.switch_off()
    assert control.is_off() is True


def test_without_psu_control_there_is_a_sentence_that_says_so() -> None:
    """Not installed: nothing is tried, nothing is known."""
    control = PsuControl(StandInPlugins())
    assert "PSU Control is not installed" in control.missing()
    assert control.is_off() is None
    with pytest.raises(PrinterError, match="not installed"):
        control.switch_off()


def test_a_switch_that_breaks_is_an_error_with_a_sentence() -> None:
    """Any plugin's code may be behind it."""
    control = PsuControl(StandInPlugins(turn_psu_off=lambda: 1 / 0))
    with pytest.raises(PrinterError, match="PSU Control failed"):
        control.switch_off()


def test_what_this_installation_cannot_do_of_the_action_is_said() -> None:
    """Without PSU Control, and through a connection without scripts; what the action does not need is not asked for."""
    everything = Settings(pause_hotends_off=True, power_off=True)
    moonraker, nothing = StandInPrinter(connection={"connector": "moonraker"}), StandInPlugins()
    problems = action_problems(everything, moonraker, nothing)
    assert ["moonraker" in problems[0], "PSU Control" in problems[1]] == [True, True]
    assert action_problems(replace(everything, action="cancel"), moonraker, nothing) == problems[1:]
    assert action_problems(replace(everything, action="notify"), moonraker, nothing) == ()
    assert action_problems(Settings(), moonraker, nothing) == ()
    answers = {finding.question: finding for finding in examine(Facts(everything, status={}, undone=problems))}
    assert answers["Can everything be done that a failure asks for?"].well is False
