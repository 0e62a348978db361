"""What the watch does about a failing print: the cancel, what a pause does besides, the power; and all that it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.notice_rules import Desk, Wording, receive, release
from octoprint_spaghetti.core.pause_script import Heater
from octoprint_spaghetti.core.power import COOLING_PATIENCE_S, SETTLING_S, SWITCHING_PATIENCE_S
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.stopping import ATTEMPTS, PATIENCE_S
from octoprint_spaghetti.core.words import NoticeKind, Verdict
from octoprint_spaghetti.drill import DrillReport, Link, why_not_paused
from octoprint_spaghetti.ports import Records
from octoprint_spaghetti.testing import FakePower
from octoprint_spaghetti.watch import Watch
from tests.plugin.test_watch import SETTINGS, Bench

CANCEL = replace(SETTINGS, action="cancel")
HOT, COOL = Heater(210.0, 0.0), Heater(45.0, 0.0)
EVERYTHING = {"pause_hotends_off": True, "pause_bed_off": True, "pause_retract": 6.5, "pause_lift": 2.5, "power_off": True}


@dataclass
class Workshop(Bench):
    """A bench with a switch for the printer's power."""

    power: FakePower = field(default_factory=FakePower)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.watch = Watch(
            self.settings,
            build=self.build,
            printer=self.printer,
            incidents=self.incidents,
            records=lambda camera: Records(self.traces, self.baselines, self.beliefs),
            publish=self.published.append,
            notify=self.notices.append,
            power=self.power,
            monotonic=self.clock,
            wall=lambda: 1_800_000_000.0,
        )

    def fail(self, seconds: float = 50.0) -> None:
        """Print well for a minute, then badly."""
        self.print()
        self.run(60.0)
        self.detector.score = 0.95
        self.run(seconds)

    def said(self, kind: NoticeKind) -> list[str]:
        """Return the sentences, and words for programs, of all notices of a kind."""
        return [notice.detail or notice.sentence for notice in self.notices if notice.kind is kind]


def workshop(**settings: object) -> Workshop:
    return Workshop(settings=replace(SETTINGS, **settings))  # type: ignore[arg-type]


# -- the cancel -----------------------------------------------------------------------------------------------------------


def test_a_failing_print_is_cancelled_and_told_so_when_it_is_true() -> None:
    """Ordered once; "cancelled" is said, noted and summed up only when OctoPrint is done; and nothing speaks of a pause."""
    bench = workshop(action="cancel")
    bench.fail()
    assert (bench.printer.cancels, bench.printer.pauses) == (1, 0)
    assert bench.watch.status.sentence.startswith("Cancelling the print: ")
    assert bench.kinds() == [NoticeKind.FAILURE]
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end()
    bench.watch.report()
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.CANCELLED, NoticeKind.INCIDENT_ENDED]
    assert [state for _, state in bench.incidents.notes] == ["acted", "closed"]
    assert bench.incidents.opened[0].action == "cancel"
    assert "It was cancelled because it failed. Protected" in bench.watch.status.sentence
    assert bench.watch.status.verdict is Verdict.OFF
    assert not any("paus" in notice.sentence.lower() for notice in bench.notices)


def test_a_cancelled_print_teaches_nothing() -> None:
    """What is usual for the file stays as it was."""
    bench = workshop(action="cancel")
    before = bench.baselines.kept
    bench.fail()
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end()
    assert bench.baselines.kept == before


def test_a_cancel_whose_event_is_lost_is_found_by_the_state() -> None:
    """The printer's own state is always right."""
    bench = workshop(action="cancel")
    bench.fail()
    bench.printer.printer_state = "OPERATIONAL"
    bench.run(10.0)
    assert NoticeKind.CANCELLED in bench.kinds()


def test_a_cancel_that_does_not_happen_is_ordered_again_and_then_told_loudly() -> None:
    """OctoPrint never confirms: a bounded number of orders, then the loudest notice there is."""
    bench = workshop(action="cancel")
    bench.fail(60.0 + (ATTEMPTS + 1) * PATIENCE_S)
    assert bench.printer.cancels == ATTEMPTS
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.CANCEL_FAILED]
    assert "WAS NOT CANCELLED" in bench.notices[-1].sentence
    assert ("failed") in [state for _, state in bench.incidents.notes]


def test_a_printer_that_is_lost_during_the_cancel_is_told_loudly() -> None:
    """Nobody knows whether it still heats and moves."""
    bench = workshop(action="cancel", power_off=True)
    bench.fail()
    bench.printer.printer_state = "OFFLINE"
    bench.watch.end()
    assert NoticeKind.CANCEL_FAILED in bench.kinds()
    assert NoticeKind.CANCELLED not in bench.kinds()
    assert bench.said(NoticeKind.POWER) == []


def test_a_print_that_is_done_before_its_cancel_came_was_not_cancelled() -> None:
    """The last lines were in the buffer; it ended by itself."""
    bench = workshop(action="cancel")
    bench.fail()
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end(done=True)
    assert NoticeKind.CANCELLED not in bench.kinds()


def test_a_failing_print_that_its_owner_has_paused_is_not_cancelled() -> None:
    """The owner is there; the order is not repeated, and the pause is not ours."""
    bench = workshop(action="cancel")
    bench.fail()
    bench.printer.printer_state = "PAUSED"
    bench.run(5 * PATIENCE_S)
    assert bench.printer.cancels == 1
    assert NoticeKind.PAUSED not in bench.kinds()


def test_a_false_alarm_cannot_take_a_cancel_back_but_orders_it_no_more() -> None:
    """Nothing is resumed, for nothing was paused."""
    bench = workshop(action="cancel")
    bench.fail()
    bench.watch.false_alarm()
    bench.run(5 * PATIENCE_S)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    assert (bench.printer.cancels, bench.printer.resumes) == (1, 0)


# -- what a pause does besides --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["false alarm", "mute", "notify only", "cancelled by hand", "given up"])
def test_a_pause_that_is_no_longer_wanted_does_nothing_besides(answer: str) -> None:
    """Should it come yet, or the owner pause instead, then no heater goes off and nothing moves."""
    bench = workshop(**EVERYTHING)
    bench.fail()
    assert bench.printer.armed
    if answer == "false alarm":
        bench.watch.false_alarm()
    elif answer == "mute":
        bench.watch.mute(True)
    elif answer == "notify only":
        bench.watch.configure(replace(bench.settings, action="notify"))
    elif answer == "cancelled by hand":
        bench.printer.printer_state = "OPERATIONAL"
        bench.watch.end()
    else:
        bench.run((ATTEMPTS + 1) * PATIENCE_S)
    assert not bench.printer.armed


def test_a_connection_that_ran_no_script_is_told() -> None:
    """The pause is true and the heaters are on: that is said once, and not left for the next pause to do."""
    bench = workshop(**EVERYTHING)
    bench.fail()
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.run(20.0)
    assert ["ran no script" in sentence for sentence in bench.said(NoticeKind.PAUSED)] == [False, True]
    assert not bench.printer.armed


def test_a_script_that_has_run_is_not_spoken_of() -> None:
    """OctoPrint asked for the lines: nothing is left to be done."""
    bench = workshop(**EVERYTHING)
    bench.fail()
    bench.printer.printer_state, bench.printer.armed = "PAUSED", False
    bench.watch.paused()
    bench.run(20.0)
    assert len(bench.said(NoticeKind.PAUSED)) == 1


@pytest.mark.parametrize("harmless", [{"shadow": True}, {"action": "notify"}, {"shadow": True, "action": "cancel"}])
def test_shadow_mode_and_telling_do_none_of_it(harmless: dict[str, object]) -> None:
    """Everything is switched on, the print fails for ten minutes, and neither printer nor power is touched."""
    bench = workshop(**{**EVERYTHING, **harmless})
    bench.fail(600.0)
    assert len(bench.incidents.opened) == 1
    assert (bench.printer.pauses, bench.printer.cancels, bench.printer.armed) == (0, 0, False)
    bench.printer.heaters = (COOL,)
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end()
    bench.run(COOLING_PATIENCE_S)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (0, [])


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_muted_print_is_left_alone(action: str) -> None:
    """Neither paused nor cancelled, and its power stays on."""
    bench = workshop(**{**EVERYTHING, "action": action})
    bench.print()
    bench.watch.mute(True)
    bench.detector.score = 0.95
    bench.run(600.0)
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end()
    bench.run(60.0)
    assert (bench.printer.pauses, bench.printer.cancels, bench.printer.armed, bench.power.switched) == (0, 0, False, 0)


# -- the power ------------------------------------------------------------------------------------------------------------


def cancelled(**power: object) -> Workshop:
    """Return a workshop whose failing print has just been cancelled, with a hot nozzle."""
    bench = Workshop(settings=replace(CANCEL, power_off=True), power=FakePower(**power))  # type: ignore[arg-type]
    bench.fail()
    bench.printer.heaters = (HOT,)
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end()
    return bench


def test_the_power_goes_off_after_a_cancel_once_the_hotend_is_cool() -> None:
    """Told before and after; switched once."""
    bench = cancelled()
    bench.run(300.0)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (0, ["waiting"])
    bench.printer.heaters = (COOL,)
    bench.run(20.0)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (1, ["waiting", "off"])


@pytest.mark.parametrize(("hotends_off", "switched"), [(True, 1), (False, 0)])
def test_the_power_goes_off_after_a_pause_only_with_the_hotends_off(hotends_off: bool, switched: int) -> None:
    """A hotend that stays hot needs its fan."""
    bench = workshop(power_off=True, pause_hotends_off=hotends_off)
    bench.fail()
    bench.printer.printer_state, bench.printer.heaters, bench.printer.armed = "PAUSED", (COOL,), False
    bench.watch.paused()
    bench.run(60.0)
    assert bench.power.switched == switched


def test_a_pause_that_came_although_it_was_withdrawn_keeps_the_power() -> None:
    """It is ours, and told; but the owner has answered, and its script, which cools the hotend, was taken back."""
    bench = workshop(**EVERYTHING)
    bench.fail()
    bench.printer.printer_state = "PAUSING"
    bench.watch.mute(True)
    bench.printer.printer_state = "PAUSED"
    bench.printer.heaters = (COOL,)
    bench.watch.paused()
    bench.run(600.0)
    assert (bench.power.switched, bench.kinds()[-1]) == (0, NoticeKind.PAUSED)


def test_a_print_that_goes_on_keeps_its_power() -> None:
    """The owner resumes while the nozzle cools."""
    bench = workshop(power_off=True, pause_hotends_off=True)
    bench.fail()
    bench.printer.printer_state, bench.printer.heaters = "PAUSED", (HOT,)
    bench.watch.paused()
    bench.run(10.0)
    bench.detector.score = 0.0
    bench.printer.printer_state = "RESUMING"
    bench.run(10.0)
    bench.printer.heaters = (COOL,)
    bench.run(60.0)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (0, ["waiting", "kept"])


@pytest.mark.parametrize(
    ("state", "heater", "seconds"),
    [
        pytest.param("PRINTING", COOL, 10.0, id="another print"),
        pytest.param("OPERATIONAL", Heater(180.0, 200.0), SETTLING_S + 10.0, id="somebody heats"),
        pytest.param("OFFLINE", COOL, 10.0, id="disconnected"),
        pytest.param("OPERATIONAL", HOT, COOLING_PATIENCE_S + 10.0, id="it never cools"),
    ],
)
def test_the_power_stays_on_when_somebody_wants_the_printer_or_it_does_not_cool(
    state: str, heater: Heater, seconds: float
) -> None:
    """Told once, and given up for good."""
    bench = cancelled()
    bench.detector.score = 0.0
    bench.printer.printer_state, bench.printer.heaters = state, (heater,)
    bench.run(seconds)
    bench.printer.printer_state, bench.printer.heaters = "OPERATIONAL", (COOL,)
    bench.run(60.0)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (0, ["waiting", "kept"])


def test_who_switches_the_setting_off_keeps_the_power() -> None:
    """Also while the nozzle cools."""
    bench = cancelled()
    bench.watch.configure(replace(bench.settings, power_off=False))
    bench.printer.heaters = (COOL,)
    bench.run(60.0)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (0, ["waiting", "kept"])


@pytest.mark.parametrize("answer", ["mute", "false alarm"])
def test_who_answers_a_pause_keeps_the_power(answer: str) -> None:
    """A print that somebody cares for is not lost by it."""
    bench = workshop(power_off=True, pause_hotends_off=True)
    bench.fail()
    bench.printer.printer_state, bench.printer.heaters, bench.printer.armed = "PAUSED", (HOT,), False
    bench.watch.paused()
    bench.watch.mute(True) if answer == "mute" else bench.watch.false_alarm()
    bench.printer.heaters = (COOL,)
    bench.run(60.0)
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (0, ["waiting", "kept"])


def test_power_that_does_not_go_off_is_switched_again_and_then_told_loudly() -> None:
    """The switch says that it is on."""
    bench = cancelled(stuck=True)
    bench.printer.heaters = (COOL,)
    bench.run((ATTEMPTS + 2) * (SWITCHING_PATIENCE_S + 5.0))
    assert (bench.power.switched, bench.said(NoticeKind.POWER)) == (3, ["waiting", "failed"])


@pytest.mark.parametrize("broken", [{"problem": "not installed"}, {"trouble": PrinterError("it burnt")}])
def test_power_that_cannot_be_switched_is_told(broken: dict[str, object]) -> None:
    """Without PSU Control, or when its switch fails, the owner hears why."""
    bench = cancelled(**broken)
    bench.printer.heaters = (COOL,)
    bench.run(60.0)
    told = [notice for notice in bench.notices if notice.kind is NoticeKind.POWER][-1]
    assert told.detail == "failed"
    assert "not installed" in told.sentence or "it burnt" in told.sentence


@pytest.mark.parametrize(
    ("settings", "action", "cuts"),
    [
        (Settings(power_off=True), "cancel", True),
        (Settings(power_off=True), "pause", False),
        (Settings(power_off=True, pause_hotends_off=True), "pause", True),
        (Settings(power_off=True, pause_hotends_off=True), "notify", False),
        (Settings(power_off=True, pause_hotends_off=True), "shadow", False),
        (Settings(pause_hotends_off=True), "cancel", False),
    ],
)
def test_when_an_action_takes_the_power_off(settings: Settings, action: str, cuts: bool) -> None:
    """Only when it is wished, and never while a hotend is left hot."""
    assert settings.cuts_power(action) is cuts


def test_a_plain_pause_is_the_default() -> None:
    """A pause script of the owner's may do it all already."""
    assert not Settings().wishes()
    assert (Settings().action, Settings().power_off) == ("pause", False)


# -- what is said of it elsewhere -----------------------------------------------------------------------------------------


def test_a_cancelled_print_is_one_message_and_its_end_no_second_one() -> None:
    """The failure waits for the cancel it ordered; the print's end, which comes with it, says nothing new."""
    bench = workshop(action="cancel")
    bench.fail()
    bench.printer.printer_state = "OPERATIONAL"
    bench.watch.end()
    desk = Desk()
    for notice in bench.notices:
        desk = receive(desk, notice, 0.0, Wording())
    _, messages = release(desk, 60.0, quiet=False)
    assert [message.title for message in messages] == ["Print cancelled: benchy.gcode"]
    assert (messages[0].pictured, messages[0].incident) == (True, bench.incidents.opened[0].id)


def test_a_cancel_that_failed_wakes_the_owner() -> None:
    """The printer goes on with the failure."""
    bench = workshop(action="cancel")
    bench.fail(60.0 + (ATTEMPTS + 1) * PATIENCE_S)
    desk = receive(Desk(), bench.notices[-1], 0.0, Wording())
    _, messages = release(desk, 0.0, quiet=True)
    assert [message.title for message in messages] == ["THE PRINT WAS NOT CANCELLED: benchy.gcode"]


@pytest.mark.parametrize(("state", "problem"), [("OPERATIONAL", ""), ("OFFLINE", "not connected")])
def test_a_drill_knows_that_a_failure_is_cancelled(state: str, problem: str) -> None:
    """As good as a pause, and said as what it is."""
    said = why_not_paused(Settings(action="cancel"), state)
    assert (problem in said) if problem else not said
    report = DrillReport(0.0, (Link("cancel (dry)", 0.1),), 30.0)
    assert "would have been cancelled 30 s" in report.sentence()
