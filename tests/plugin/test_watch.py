"""The watch over a print, step by step: real judge, real settings, fakes only at the four ports."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from octoprint_spaghetti.core.errors import CameraUnreachable, DetectorMissing, PrinterError, ServerUnreachable
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.stopping import ATTEMPTS, PATIENCE_S, UNDER_WAY_PATIENCE_S
from octoprint_spaghetti.core.words import Answer, Frame, Notice, NoticeKind, ProtectionLevel, Scene, Status, Verdict
from octoprint_spaghetti.job import EXHIBIT_BYTES
from octoprint_spaghetti.ports import Parts, Records
from octoprint_spaghetti.testing import (
    PLAIN_SCENE,
    FakeBaselines,
    FakeBeliefs,
    FakeCamera,
    FakeClock,
    FakeDetector,
    FakeIncidents,
    FakePrinter,
    FakeTraces,
)
from octoprint_spaghetti.view import FROZEN_AFTER_S
from octoprint_spaghetti.watch import Watch

SETTINGS = Settings(interval=5.0, suspect_interval=2.0, warm_up=20.0)


@dataclass
class Bench:
    """A watch with fakes at its ports, and all it said."""

    settings: Settings = SETTINGS
    clock: FakeClock = field(default_factory=FakeClock)
    detector: FakeDetector = field(default_factory=FakeDetector)
    printer: FakePrinter = field(default_factory=FakePrinter)
    incidents: FakeIncidents = field(default_factory=FakeIncidents)
    traces: FakeTraces = field(default_factory=FakeTraces)
    baselines: FakeBaselines = field(default_factory=FakeBaselines)
    beliefs: FakeBeliefs = field(default_factory=FakeBeliefs)
    notices: list[Notice] = field(default_factory=list)
    published: list[Status] = field(default_factory=list)
    built: int = 0

    def __post_init__(self) -> None:
        self.camera = FakeCamera(self.clock)
        self.watch = Watch(
            self.settings,
            build=self.build,
            printer=self.printer,
            incidents=self.incidents,
            records=lambda camera: Records(self.traces, self.baselines, self.beliefs),
            publish=self.published.append,
            notify=self.notices.append,
            monotonic=self.clock,
            wall=lambda: 1_800_000_000.0,
        )

    def build(self, settings: Settings) -> Parts:
        self.built += 1
        return Parts(self.camera, self.detector)

    def print(self) -> None:
        """Let a job begin, and extrude at once."""
        self.printer.printer_state = "PRINTING"
        self.watch.begin()
        self.watch.extruding(self.clock())

    def run(self, seconds: float) -> None:
        """Let time pass, looking whenever a look is due."""
        end = self.clock() + seconds
        while self.watch.due_at <= end:
            self.clock.now = max(self.clock.now, self.watch.due_at)
            self.watch.tick()
        self.clock.now = end

    def be_pausing(self) -> None:
        """Let a print fail after a calm minute, and OctoPrint take the order to pause it."""
        self.print()
        self.run(60.0)
        self.detector.score = 0.95
        self.run(50.0)
        self.printer.printer_state = "PAUSING"

    def kinds(self) -> list[NoticeKind]:
        """Return the kinds of all notices, but for those of a print's beginning and end."""
        return [notice.kind for notice in self.notices if notice.kind not in (NoticeKind.PRINT_STARTED, NoticeKind.PRINT_ENDED)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_idle_printer_is_not_looked_at(bench: Bench) -> None:
    """Without a job no picture is taken and no server is called."""
    bench.run(60.0)
    assert bench.camera.taken == 0
    assert bench.watch.status.verdict is Verdict.OFF


def test_a_good_print_is_watched_to_its_end_and_never_paused(bench: Bench) -> None:
    """An hour of calm frames: one every interval, no pause, no notice, and the line is hung up at the end."""
    bench.print()
    bench.run(3600.0)
    assert bench.watch.status.verdict is Verdict.WATCHING
    assert bench.watch.status.protection.level is ProtectionLevel.REMOTE
    assert bench.camera.taken == pytest.approx(720, abs=2)
    bench.watch.end()
    assert (bench.traces.begun, len(bench.traces.rows)) == (["benchy.gcode"], bench.watch.status.answers)
    assert (bench.printer.pauses, bench.kinds()) == (0, [])
    assert (bench.detector.closed, bench.camera.closed) == (1, 1)


def test_a_failing_print_is_paused_once_with_its_evidence(bench: Bench) -> None:
    """The printer is moved once, the frames that led to it are kept, and PAUSED is said only when OctoPrint says it."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1
    assert "Pausing" in bench.watch.status.sentence
    assert bench.kinds() == [NoticeKind.FAILURE]
    incident = bench.incidents.opened[0]
    assert bench.watch.status.incident == incident.id
    assert incident.exhibits[-1].answer is not None
    assert incident.exhibits[-1].answer.score == 0.95
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.PAUSED]
    assert bench.incidents.notes == [(incident.id, "acted")]


def test_after_a_resume_the_same_tangle_does_not_pause_again_at_once(bench: Bench) -> None:
    """The owner resumed: for the cooldown the watch goes on and the printer is left alone."""
    test_a_failing_print_is_paused_once_with_its_evidence(bench)
    bench.run(120.0)
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(600.0)
    assert bench.printer.pauses == 1
    assert bench.watch.status.answers > 100


def test_a_false_alarm_undoes_our_pause_and_is_noted(bench: Bench) -> None:
    """The owner's word is kept beside the evidence, the belief starts afresh, and the print goes on."""
    test_a_failing_print_is_paused_once_with_its_evidence(bench)
    bench.watch.false_alarm()
    bench.watch.report()
    assert bench.printer.resumes == 1
    assert bench.incidents.notes[-1] == (bench.watch.status.incident, "false_alarm")
    assert bench.watch.status.evidence == 0.0


def test_a_false_alarm_undoes_a_pause_that_is_still_on_its_way(bench: Bench) -> None:
    """Called while OctoPrint is pausing: no further order, no notice of a pause, and the print goes on once it has paused."""
    bench.be_pausing()
    bench.watch.false_alarm()
    bench.run(2 * PATIENCE_S)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    assert (bench.printer.pauses, bench.printer.resumes) == (1, 1)
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.INCIDENT_ENDED]


def test_a_false_alarm_said_twice_is_a_false_alarm(bench: Bench) -> None:
    """The impatient, or two who look, click again while OctoPrint is still pausing: the print goes on all the same."""
    bench.be_pausing()
    bench.watch.false_alarm()
    bench.watch.false_alarm()
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    assert (bench.printer.pauses, bench.printer.resumes) == (1, 1)


@pytest.mark.parametrize("heard", ["before the click", "after it"])
def test_a_false_alarm_waits_until_octoprint_can_resume(bench: Bench, heard: str) -> None:
    """A pause is heard of while its script still runs, and until that is through OctoPrint resumes nothing, and says nothing."""
    bench.be_pausing()
    if heard == "before the click":
        bench.watch.paused()
    bench.watch.false_alarm()
    bench.watch.paused()
    bench.run(30.0)
    assert bench.printer.resumes == 0
    bench.printer.printer_state = "PAUSED"
    bench.run(2.0)
    assert bench.printer.resumes == 1
    bench.run(60.0)
    assert bench.printer.resumes == 1


def test_a_pause_of_the_owners_after_a_false_alarm_stays(bench: Bench) -> None:
    """What was to be undone is undone once; whatever stops the print later is not."""
    test_a_false_alarm_waits_until_octoprint_can_resume(bench, "after it")
    bench.printer.printer_state = "PRINTING"
    bench.run(10.0)
    bench.printer.printer_state = "PAUSED"
    bench.run(60.0)
    assert bench.printer.resumes == 1


def test_who_pauses_by_hand_because_we_could_not_is_not_paused_again_after_the_resume(bench: Bench) -> None:
    """The order was given up, the owner stopped the print, looked and went on: the cooldown counts from there."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(50.0 + (ATTEMPTS + 1) * PATIENCE_S)
    assert bench.kinds()[-1] is NoticeKind.PAUSE_FAILED
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.run(1800.0)
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(850.0)
    assert bench.printer.pauses == ATTEMPTS
    bench.run(100.0)
    assert bench.printer.pauses > ATTEMPTS


def test_a_print_that_goes_on_is_not_suspect_for_minutes_at_once(bench: Bench) -> None:
    """The pause does not count: a message a second after the resume tells nobody anything new."""
    test_a_failing_print_is_paused_once_with_its_evidence(bench)
    bench.run(600.0)
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(50.0)
    assert bench.watch.status.verdict is Verdict.SUSPECT
    assert NoticeKind.SUSPICION not in bench.kinds()


def test_a_false_alarm_leaves_a_pause_of_somebody_else_alone(bench: Bench) -> None:
    """Forgiving a place does not set a print going that its owner paused, now or later."""
    bench.print()
    bench.run(60.0)
    bench.watch.false_alarm()
    bench.run(30.0)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.watch.false_alarm()
    assert bench.printer.resumes == 0


@pytest.mark.parametrize("answer", ["mute", "notify only"])
def test_no_pause_is_ordered_again_once_the_owner_has_answered(bench: Bench, answer: str) -> None:
    """Muted, or set to tell only, while an order is waited for: it is not repeated."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(50.0)
    if answer == "mute":
        bench.watch.mute(True)
    else:
        bench.watch.configure(Settings(action="notify"))
    bench.run(5 * PATIENCE_S)
    assert bench.printer.pauses == 1
    assert NoticeKind.PAUSE_FAILED not in bench.kinds()


def test_a_printer_that_is_pausing_is_believed(bench: Bench) -> None:
    """A heater that is waited for takes minutes: no second order, no alarm, and PAUSED is said when it comes."""
    bench.be_pausing()
    bench.run(4 * PATIENCE_S)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    assert bench.printer.pauses == 1
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.PAUSED]


@pytest.mark.parametrize("dropped_by", ["mute", "notify only", "patience"])
def test_a_pause_that_comes_although_it_is_waited_for_no_more_is_still_ours(bench: Bench, dropped_by: str) -> None:
    """Whoever then says that it was a false alarm gets the print to go on; and the owner hears that it stands still."""
    bench.be_pausing()
    if dropped_by == "mute":
        bench.watch.mute(True)
    elif dropped_by == "notify only":
        bench.watch.configure(Settings(action="notify"))
    else:
        bench.run(UNDER_WAY_PATIENCE_S + 60.0)
        assert bench.kinds()[-1] is NoticeKind.PAUSE_FAILED
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    assert bench.kinds()[-1] is NoticeKind.PAUSED
    bench.watch.false_alarm()
    assert bench.printer.resumes == 1


def test_a_pause_that_was_on_its_way_and_never_came_is_nobodys(bench: Bench) -> None:
    """The owner's own pause an hour later is not undone by a false alarm."""
    bench.be_pausing()
    bench.watch.mute(True)
    bench.printer.printer_state = "PRINTING"
    bench.run(60.0)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.watch.false_alarm()
    assert (bench.printer.resumes, bench.kinds().count(NoticeKind.PAUSED)) == (0, 0)


@pytest.mark.parametrize("state", ["CANCELLING", "FINISHING", "PAUSING", "PAUSED", "OPERATIONAL", "ERROR"])
def test_a_printer_that_does_not_print_is_not_paused(bench: Bench, state: str) -> None:
    """The state may have changed while a picture was looked at; then nothing is ordered and nothing told."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    original = bench.detector.look

    def look(frame: Frame) -> Answer:
        bench.printer.printer_state = state
        return original(frame)

    bench.run(20.0)
    bench.detector.look = look  # type: ignore[method-assign]
    bench.run(60.0)
    assert (bench.printer.pauses, bench.kinds()) == (0, [])


def test_nothing_is_ordered_before_the_news_are_heard(bench: Bench) -> None:
    """While events wait (another job may have begun) a failing frame orders nothing; once they are heard, it does."""
    bench.print()
    bench.run(60.0)
    bench.watch.outdated = lambda: True
    bench.detector.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 0
    bench.watch.outdated = lambda: False
    bench.run(5.0)
    assert bench.printer.pauses == 1


def test_a_night_between_pause_and_resume_does_not_use_up_the_cooldown(bench: Bench) -> None:
    """Paused at night and resumed in the morning, the same tangle does not pause the print a minute later."""
    test_a_failing_print_is_paused_once_with_its_evidence(bench)
    bench.run(8 * 3600.0)
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(800.0)
    assert bench.printer.pauses == 1


@pytest.mark.parametrize("interval", [0.5, 5.0, 15.0, 30.0, 60.0])
@pytest.mark.parametrize("suspect_interval", [0.5, 2.0, 10.0])
def test_with_any_interval_a_certain_failure_is_paused(interval: float, suspect_interval: float) -> None:
    """No setting that is allowed makes the watch harmless: at the slowest the pause comes within four minutes."""
    bench = Bench(settings=Settings(interval=interval, suspect_interval=suspect_interval))
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(240.0)
    assert bench.printer.pauses >= 1


def test_an_error_that_nobody_could_name_does_not_look_like_watching(bench: Bench) -> None:
    """A part that raises something foreign for minutes is blindness, and is told."""
    bench.print()
    bench.run(60.0)
    for _ in range(10):
        bench.clock.forward(5.0)
        bench.watch.stumbled("The watch met an unexpected error.")
    assert bench.watch.status.verdict is Verdict.BLIND
    assert bench.watch.status.protection.level is ProtectionLevel.UNPROTECTED
    assert bench.kinds() == [NoticeKind.BLIND]


def test_a_muted_print_is_not_paused(bench: Bench) -> None:
    """Muted, a failing print is shown as failing and goes on; the next print is not muted."""
    bench.print()
    bench.watch.mute(True)
    bench.detector.score = 0.95
    bench.run(120.0)
    assert bench.watch.status.verdict is Verdict.FAILING
    assert bench.watch.status.muted
    assert bench.printer.pauses == 0
    bench.watch.begin()
    bench.watch.report()
    assert not bench.watch.status.muted


def test_with_the_action_notify_the_printer_is_left_alone(bench: Bench) -> None:
    """The incident is kept and told, and no pause is ordered."""
    bench.watch.configure(Settings(action="notify"))
    bench.print()
    bench.detector.score = 0.95
    bench.run(120.0)
    assert bench.printer.pauses == 0
    assert bench.kinds() == [NoticeKind.FAILURE]
    assert len(bench.incidents.opened) == 1


def test_a_suspicion_is_looked_at_more_often(bench: Bench) -> None:
    """From suspect on a frame is taken every suspect interval."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.45
    bench.run(120.0)
    assert bench.watch.status.verdict is Verdict.SUSPECT
    before = bench.camera.taken
    bench.run(60.0)
    assert bench.camera.taken - before == pytest.approx(30, abs=1)


@pytest.mark.parametrize("who", ["camera", "detector"])
def test_when_nobody_sees_the_print_it_is_said_and_the_print_goes_on(bench: Bench, who: str) -> None:
    """A dead camera or server: one notice going, one returning, the cause in the status, and never a pause."""
    bench.print()
    bench.run(60.0)
    cause = CameraUnreachable("The camera is away.") if who == "camera" else ServerUnreachable("No server answers.")
    getattr(bench, who).trouble = cause
    bench.run(600.0)
    assert bench.watch.status.verdict is Verdict.BLIND
    assert bench.watch.status.protection.level is ProtectionLevel.UNPROTECTED
    assert bench.watch.status.sentence == str(cause)
    getattr(bench, who).trouble = None
    bench.run(30.0)
    assert bench.watch.status.verdict is Verdict.WATCHING
    assert bench.kinds() == [NoticeKind.BLIND, NoticeKind.SEEING]
    assert bench.printer.pauses == 0


def test_at_its_end_a_print_says_how_much_of_it_was_seen(bench: Bench) -> None:
    """An hour with the server away for a quarter of it: the share, the length, and what the rest was lost to."""
    bench.print()
    bench.run(1800.0)
    bench.detector.trouble = ServerUnreachable("No server answers.")
    bench.run(900.0)
    bench.detector.trouble = None
    bench.run(900.0)
    bench.watch.end()
    bench.watch.report()
    assert bench.watch.status.coverage == "Protected 75 % of 1 h 00 min; 15 min: No server answers."
    assert "75 %" in bench.watch.status.sentence


def test_one_lost_frame_is_not_blindness(bench: Bench) -> None:
    """A single failure shows its cause in the status and rings no bell."""
    bench.print()
    bench.run(60.0)
    bench.detector.trouble = ServerUnreachable("No server answers.")
    bench.run(5.0)
    assert bench.watch.status.sentence == "No server answers."
    bench.detector.trouble = None
    bench.run(30.0)
    assert bench.kinds() == []


def test_a_failure_that_was_under_way_survives_a_server_outage(bench: Bench) -> None:
    """Blind raises no evidence and forgets none: after the outage the failing print is paused soon."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(20.0)
    evidence = bench.watch.status.evidence
    bench.detector.trouble = ServerUnreachable("No server answers.")
    bench.run(300.0)
    assert bench.watch.status.evidence == evidence
    bench.detector.trouble = None
    bench.run(30.0)
    assert bench.printer.pauses == 1


def test_a_frozen_camera_is_blindness(bench: Bench) -> None:
    """The same file again and again is not evidence of a good print; after a minute it is said."""
    bench.print()
    bench.run(60.0)
    bench.camera.frozen = True
    bench.run(FROZEN_AFTER_S + 30.0)
    assert bench.watch.status.verdict is Verdict.BLIND
    assert "same picture" in bench.watch.status.sentence
    bench.camera.frozen = False
    bench.run(20.0)
    assert bench.watch.status.verdict is Verdict.WATCHING


def test_a_dark_picture_is_no_evidence_for_or_against(bench: Bench) -> None:
    """The lamp goes off in the middle of a failure: nothing is decided, it is said, and the light brings the pause."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(20.0)
    evidence = bench.watch.status.evidence
    bench.detector.scene = Scene(brightness=0.01, contrast=0.01, sharpness=0.1)
    bench.run(120.0)
    assert bench.watch.status.verdict is Verdict.BLIND
    assert "switch a light on" in bench.watch.status.sentence
    assert bench.watch.status.evidence == evidence
    assert bench.printer.pauses == 0
    bench.detector.scene = PLAIN_SCENE
    bench.run(30.0)
    assert bench.printer.pauses == 1


def test_the_same_file_twice_is_looked_at_once(bench: Bench) -> None:
    """A camera slower than the interval gives fewer frames, not the same evidence twice."""
    bench.print()
    bench.run(30.0)
    bench.camera.frozen = True
    before = len(bench.detector.looked)
    bench.run(30.0)
    assert len(bench.detector.looked) == before


def test_a_pause_that_does_not_happen_is_ordered_again_and_then_told_loudly(bench: Bench) -> None:
    """OctoPrint never confirms: a bounded number of orders, then the loudest notice there is."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(60.0 + (ATTEMPTS + 1) * PATIENCE_S)
    assert bench.printer.pauses == ATTEMPTS
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.PAUSE_FAILED]
    assert "DID NOT PAUSE" in bench.notices[-1].sentence


def test_a_pause_that_cannot_be_ordered_does_not_end_the_watch(bench: Bench) -> None:
    """A connector that raises is an error in the status; the frames go on."""
    bench.printer.trouble = PrinterError("OctoPrint could not order the pause.")
    bench.print()
    bench.detector.score = 0.95
    bench.run(120.0)
    before = bench.watch.status.answers
    bench.run(20.0)
    assert bench.watch.status.answers > before


def test_a_full_disk_does_not_keep_a_failing_print_from_being_paused(bench: Bench) -> None:
    """The printer is moved first; evidence that cannot be written is only a line in the log."""
    bench.incidents.full = True
    bench.traces.full = True
    bench.print()
    bench.detector.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1
    assert bench.watch.status.incident is not None
    assert bench.watch.status.incident_folder is None


def test_events_that_were_lost_are_found_by_the_printers_state(bench: Bench) -> None:
    """Without any event, a print that runs is watched, one that is paused is let be, one that ended is closed."""
    bench.printer.printer_state = "PRINTING"
    bench.run(30.0)
    assert bench.watch.status.answers > 0
    bench.printer.printer_state = "PAUSED"
    bench.run(10.0)
    before = bench.camera.taken
    bench.run(60.0)
    assert bench.camera.taken == before
    bench.printer.printer_state = "OPERATIONAL"
    bench.run(10.0)
    assert bench.watch.status.verdict is Verdict.OFF


def test_a_missing_library_is_said_and_tried_again(bench: Bench) -> None:
    """When the detector cannot be made the plugin lives, says what to install, and goes on when it is there."""
    bench.printer.printer_state = "PRINTING"

    def refuse(settings: Settings) -> Parts:
        raise DetectorMissing("grpcio is missing.")

    watch = Watch(
        SETTINGS,
        build=refuse,
        printer=bench.printer,
        incidents=bench.incidents,
        records=lambda camera: Records(bench.traces, bench.baselines, bench.beliefs),
        monotonic=bench.clock,
    )
    for _ in range(6):
        watch.tick()
        bench.clock.forward(5.0)
    assert watch.status.verdict is Verdict.BLIND
    assert watch.status.sentence == "grpcio is missing."


def test_new_settings_in_mid_print_keep_the_belief(bench: Bench) -> None:
    """Other settings mean other parts, not another print."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(20.0)
    evidence = bench.watch.status.evidence
    bench.watch.configure(Settings(interval=10.0))
    bench.watch.report()
    assert bench.watch.status.evidence == evidence
    bench.run(5.0)
    assert bench.built == 2


def test_switched_off_it_watches_nothing(bench: Bench) -> None:
    """The switch in the settings ends a running watch and keeps the next print from being watched."""
    bench.print()
    bench.run(30.0)
    bench.watch.configure(Settings(enabled=False))
    before = bench.camera.taken
    bench.run(60.0)
    assert bench.camera.taken == before
    assert "switched off" in bench.watch.status.sentence


def test_the_frames_kept_for_an_incident_are_bounded(bench: Bench) -> None:
    """A day of large pictures never takes more memory than the bound."""
    bench.print()
    big = b"\xff\xd8" + bytes(EXHIBIT_BYTES // 3)
    original = bench.camera.capture
    bench.camera.capture = lambda: type(original())(big + b"%d\xff\xd9" % bench.camera.taken, bench.clock(), "fake")  # type: ignore[method-assign]
    bench.detector.score = 0.95
    bench.run(120.0)
    exhibits = bench.incidents.opened[0].exhibits
    assert 1 <= len(exhibits) <= 3
    assert sum(len(exhibit.frame.jpeg) for exhibit in exhibits) <= EXHIBIT_BYTES


def test_the_status_is_plain_json(bench: Bench) -> None:
    """What goes to the browser holds only JSON types, and says all that the page shows."""
    bench.print()
    bench.run(60.0)
    status = bench.watch.status.as_json()
    assert status["verdict"] == "watching"
    assert status["protection"]["level"] == "remote"
    assert status["printer_state"] == "PRINTING"
    assert set(status["timings_ms"]) == {"capture", "look"}


def test_a_pause_that_is_heard_of_twice_is_one_pause(bench: Bench) -> None:
    """The state is asked before the event arrives: the pause stays ours, so a false alarm still undoes it."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(50.0)
    bench.printer.printer_state = "PAUSED"
    bench.run(5.0)
    bench.watch.paused()
    assert bench.kinds() == [NoticeKind.FAILURE, NoticeKind.PAUSED]
    bench.watch.false_alarm()
    assert bench.printer.resumes == 1


def test_a_resume_that_is_heard_of_twice_is_one_resume(bench: Bench) -> None:
    """The event that comes after the state has told it changes nothing, in the trace neither."""
    test_a_pause_that_is_heard_of_twice_is_one_pause(bench)
    bench.printer.printer_state = "PRINTING"
    bench.run(5.0)
    events = list(bench.traces.events)
    bench.watch.resumed(bench.clock())
    assert bench.traces.events == events


def test_a_pause_is_not_ordered_again_before_the_news_are_heard(bench: Bench) -> None:
    """The failing job may have ended, and the one that prints now may be another: the order is not repeated to that one."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(50.0)
    bench.watch.outdated = lambda: True
    bench.run(5 * PATIENCE_S)
    assert bench.printer.pauses == 1
    assert NoticeKind.PAUSE_FAILED not in bench.kinds()


@pytest.mark.parametrize("state", ["CANCELLING", "FINISHING"])
def test_a_pause_is_not_ordered_again_while_the_job_ends(bench: Bench, state: str) -> None:
    """Who has cancelled the failing print is not told that it did not pause."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(50.0)
    bench.printer.printer_state = state
    bench.run(5 * PATIENCE_S)
    assert bench.printer.pauses == 1
    assert NoticeKind.PAUSE_FAILED not in bench.kinds()


def test_extrusion_tells_of_a_job_that_nobody_told_of(bench: Bench) -> None:
    """Switched on in mid-print, the first extruding move is heard before the state was asked: warm-up ends by it all the same."""
    bench.printer.printer_state = "PRINTING"
    bench.watch.extruding(bench.clock())
    bench.run(30.0)
    assert bench.watch.status.verdict is Verdict.WATCHING


@pytest.mark.parametrize("word", ["acted", "mute", "false alarm"])
def test_what_a_restart_must_not_forget_is_written_at_once(bench: Bench, word: str) -> None:
    """After a pause no picture is judged any more, so the cooldown, a mute and a false alarm are kept when they happen."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    while not bench.printer.pauses and bench.clock() < 1200.0:
        bench.run(0.5)
    assert bench.printer.pauses == 1
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    if word == "mute":
        bench.watch.mute(True)
    elif word == "false alarm":
        bench.watch.false_alarm()
    kept = bench.beliefs.kept
    assert kept is not None
    assert kept.acted_at is not None
    assert kept.muted is (word == "mute")
    assert (kept.evidence == 0.0) is (word == "false alarm")
