"""Several cameras on one print: real judge and real settings, fakes at the ports, one camera and one score for each place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from octoprint_spaghetti.core.errors import CameraError, CameraTooSlow, CameraUnreachable, ServerUnreachable
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.toolhead import Tool
from octoprint_spaghetti.core.words import Answer, Frame, Notice, NoticeKind, ProtectionLevel, Status, Verdict
from octoprint_spaghetti.ports import Parts, Records
from octoprint_spaghetti.testing import (
    FakeBaselines,
    FakeBeliefs,
    FakeClock,
    FakeDetector,
    FakeIncidents,
    FakePrinter,
    FakeTraces,
    answer,
)
from octoprint_spaghetti.watch import Watch

SETTINGS = Settings.read(
    {"camera": "front", "also_watched": ["garage"], "interval": 5.0, "suspect_interval": 2.0, "warm_up": 20.0}
)[0]
PLACE = Box(0.3, 0.3, 0.5, 0.5)
#: What a camera that hangs takes until it is given up, seconds.
DEADLINE_S = 6.0


@dataclass
class Lens:
    """A camera called ``name``, whose pictures show spaghetti at ``score`` in ``box``; it takes ``holds`` seconds."""

    name: str
    clock: FakeClock
    score: float = 0.0
    box: Box | None = PLACE
    holds: float = 0.0
    trouble: CameraError | None = None
    at: list[float] = field(default_factory=list)
    closed: int = 0

    def capture(self) -> Frame:
        """Return a new picture."""
        self.at.append(self.clock())
        self.clock.forward(self.holds)
        if self.trouble is not None:
            raise self.trouble
        return Frame(b"\xff\xd8%s %d\xff\xd9" % (self.name.encode(), len(self.at)), self.at[-1], self.name)

    def close(self) -> None:
        """Count it."""
        self.closed += 1


class Table(FakeDetector):
    """Answers for a frame as the lens says that took it."""

    def __init__(self, lenses: list[Lens]) -> None:
        super().__init__()
        self.lenses = lenses

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Answer, or raise the trouble."""
        super().look(frame, roi)
        lens = next(one for one in self.lenses if one.name == frame.camera)
        return answer(lens.score, box=lens.box)


class Bench:
    """A watch over one print with several cameras, and all it said."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.clock = FakeClock()
        self.front, self.garage = Lens("front", self.clock), Lens("garage", self.clock)
        self.detector = Table([self.front, self.garage])
        self.printer = FakePrinter()
        self.incidents = FakeIncidents()
        self.notices: list[Notice] = []
        self.published: list[Status] = []
        self.kept: dict[str, Records] = {}
        self.watch = self.new_watch(settings)

    def new_watch(self, settings: Settings) -> Watch:
        """Return another watch over the same printer, as after a restart."""
        return Watch(
            settings,
            build=lambda now: Parts(self.front, self.detector, (self.garage,)[: len(now.also_watched)]),
            printer=self.printer,
            incidents=self.incidents,
            records=lambda camera: self.kept.setdefault(camera, Records(FakeTraces(), FakeBaselines(), FakeBeliefs())),
            publish=self.published.append,
            notify=self.notices.append,
            monotonic=self.clock,
            wall=lambda: 1_800_000_000.0,
        )

    def print(self) -> None:
        """Let a job begin, and extrude at once."""
        self.printer.printer_state = "PRINTING"
        self.watch.begin()
        self.watch.extruding(self.clock())

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, looking whenever a look is due."""
        end = self.clock() + seconds
        while self.watch.due_at <= end and not until():
            self.clock.now = max(self.clock.now, self.watch.due_at)
            self.watch.tick()
        self.clock.now = max(self.clock.now, end) if not until() else self.clock.now

    def pause(self) -> None:
        """Let an ordered pause come true."""
        self.printer.printer_state = "PAUSED"
        self.watch.paused()

    def resume(self) -> None:
        """Let the print go on."""
        self.printer.printer_state = "PRINTING"
        self.watch.resumed(self.clock())

    def kinds(self) -> list[NoticeKind]:
        """Return the kinds of all notices, but for those of a print's beginning and end."""
        return [notice.kind for notice in self.notices if notice.kind not in (NoticeKind.PRINT_STARTED, NoticeKind.PRINT_ENDED)]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.print()
    bench.run(60.0)
    return bench


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in zip(times, times[1:])]


def test_each_camera_is_looked_at_as_often_as_one_alone(bench: Bench) -> None:
    """Two cameras make twice the pictures, each at the interval of the settings, and the status says so."""
    bench.run(600.0)
    for lens in (bench.front, bench.garage):
        assert gaps(lens.at[1:]) == pytest.approx([5.0] * (len(lens.at) - 2))
    cameras = bench.watch.status.cameras
    assert [(one.name, one.verdict, one.every_s) for one in cameras] == [
        ("front", Verdict.WATCHING, 5.0),
        ("garage", Verdict.WATCHING, 5.0),
    ]
    assert bench.watch.status.answers == len(bench.front.at) + len(bench.garage.at)


def test_a_failure_that_only_the_second_camera_sees_pauses_the_print(bench: Bench) -> None:
    """The sentence, the notice and the incident name the camera, and the pictures kept are its own."""
    bench.garage.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1
    (incident,) = bench.incidents.opened
    assert incident.camera == "garage"
    assert {exhibit.frame.camera for exhibit in incident.exhibits} == {"garage"}
    assert incident.explanation.startswith("garage: Spaghetti in")
    (notice,) = [one for one in bench.notices if one.kind is NoticeKind.FAILURE]
    assert (notice.camera, notice.as_json()["camera"]) == ("garage", "garage")
    bench.pause()
    bench.watch.report()
    status = bench.watch.status
    assert (status.verdict, status.camera) == (Verdict.FAILING, 2)
    assert "garage: Spaghetti" in status.sentence
    assert bench.watch.picture is not None
    assert bench.watch.picture.camera == "garage"
    assert status.cameras[0].verdict is Verdict.WATCHING


def test_a_failure_that_both_cameras_see_is_one_incident(bench: Bench) -> None:
    """One pause and one incident, and after the resume one cooldown for both."""
    bench.front.score = bench.garage.score = 0.95
    bench.run(60.0)
    assert (bench.printer.pauses, len(bench.incidents.opened)) == (1, 1)
    bench.pause()
    bench.resume()
    bench.run(600.0)
    assert (bench.printer.pauses, len(bench.incidents.opened)) == (1, 1)


def test_what_is_forgiven_to_one_camera_is_not_forgiven_to_the_other(bench: Bench) -> None:
    """A false alarm of the garage camera forgives that place of its picture; the same place of the other picture still counts."""
    bench.garage.score = 0.95
    bench.run(60.0)
    bench.pause()
    bench.watch.false_alarm()
    assert bench.printer.resumes == 1
    bench.resume()
    bench.run(1200.0)
    assert bench.printer.pauses == 1  # beyond the cooldown: forgiven
    assert bench.watch.status.verdict is Verdict.WATCHING
    bench.front.score = 0.95
    bench.run(60.0)
    assert [incident.camera for incident in bench.incidents.opened] == ["garage", "front"]
    alarms = {camera: PrintEvent.FALSE_ALARM in records.traces.events for camera, records in bench.kept.items()}  # type: ignore[attr-defined]
    assert alarms == {"": False, "garage": True}


@pytest.mark.parametrize("heats", [0.0, 180.0])
def test_who_called_a_false_alarm_is_not_asked_again_by_the_other_camera(bench: Bench, heats: float) -> None:
    """The front camera sees the same thing a moment later, also after a resume that heats first: it is forgiven there too."""
    bench.garage.score = 0.95
    bench.run(60.0)
    bench.pause()
    bench.run(600.0)
    bench.watch.false_alarm()
    bench.front.score = 0.95
    bench.printer.at = Tool(busy="heating" if heats else "")
    bench.resume()
    bench.run(heats)
    bench.printer.at = Tool()
    bench.run(3600.0)
    assert bench.printer.pauses == 1
    assert bench.watch.status.verdict is Verdict.WATCHING
    assert NoticeKind.SUSPICION not in bench.kinds()
    bench.front.box = Box(0.7, 0.7, 0.9, 0.9)
    bench.run(60.0)
    assert bench.printer.pauses == 2


@pytest.mark.parametrize("later", [10.0, 45.0])
@pytest.mark.parametrize("before", ["nothing", "an incident of the other camera"])
def test_a_failure_right_after_a_false_alarm_is_no_false_alarm(bench: Bench, later: float, before: str) -> None:
    """What the camera sees that was answered for, elsewhere in its picture and a moment later, is judged as ever."""
    paused = 0
    if before != "nothing":
        bench.garage.score = 0.95
        bench.run(60.0)
        bench.pause()
        bench.garage.score = 0.0
        bench.resume()
        bench.run(3600.0)
        paused = 1
    bench.front.score = 0.6
    bench.run(600.0, until=lambda: bench.watch.status.verdict is Verdict.SUSPECT)
    bench.watch.false_alarm()
    bench.front.score = 0.0
    bench.run(later)
    bench.front.box, bench.front.score = Box(0.7, 0.7, 0.9, 0.9), 0.95
    bench.run(120.0, until=lambda: bench.printer.pauses > paused)
    assert bench.printer.pauses == paused + 1


@pytest.mark.parametrize("lens", ["front", "garage"])
def test_one_lost_picture_of_a_slow_detector_is_told_to_nobody(bench: Bench, lens: str) -> None:
    """This computer's detector rests between two looks: each camera's turn comes after two of its rests."""
    bench.detector.earliest_s = 8.0
    bench.run(120.0)
    camera = getattr(bench, lens)
    looked = len(camera.at)
    camera.trouble = CameraUnreachable("lost")
    bench.run(60.0, until=lambda: len(camera.at) > looked)
    camera.trouble = None
    bench.run(120.0)
    assert bench.kinds() == []


def test_zones_belong_to_one_camera() -> None:
    """What lies in the garage camera's ignore zone is not held against the print; in the other picture it is."""
    zones = [[[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]]
    settings = replace(
        SETTINGS, also_watched=Settings.read({"also_watched": [{"camera": "garage", "zones": zones}]})[0].also_watched
    )
    bench = Bench(settings)
    bench.print()
    bench.garage.score = 0.95
    bench.run(300.0)
    assert bench.printer.pauses == 0
    bench.front.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1


def test_one_camera_that_goes_blind_is_named_while_the_other_sees(bench: Bench) -> None:
    """Protected still, and not plainly so: the reason and the sentence say which camera sees nothing; its return is told too."""
    bench.garage.trouble = CameraUnreachable("The camera answered with status 500.")
    bench.run(60.0)
    status = bench.watch.status
    assert (status.verdict, status.protection.level) == (Verdict.WATCHING, ProtectionLevel.REMOTE)
    said = "1 of 2 cameras sees nothing: garage: The camera answered with status 500."
    assert status.protection.reason == said
    assert status.sentence.startswith(said)
    assert [one.verdict for one in status.cameras] == [Verdict.WATCHING, Verdict.BLIND]
    assert bench.kinds() == [NoticeKind.CAMERA_LOST]
    assert bench.notices[-1].camera == "garage"
    bench.garage.trouble = None
    bench.run(60.0)
    assert bench.kinds() == [NoticeKind.CAMERA_LOST, NoticeKind.CAMERA_BACK]
    assert (bench.watch.status.protection.reason, bench.watch.status.cameras[1].trouble) == ("", "")


def test_only_when_no_camera_sees_is_the_print_unprotected(bench: Bench) -> None:
    """Both blind: the verdict is blind, each camera's cause is said, and the first to see again ends it."""
    bench.garage.trouble = CameraUnreachable("The garage is dark.")
    bench.run(30.0)
    bench.front.trouble = CameraUnreachable("Its cable is out.")
    bench.run(30.0)
    status = bench.watch.status
    assert (status.verdict, status.protection.level) == (Verdict.BLIND, ProtectionLevel.UNPROTECTED)
    assert status.sentence == "front: Its cable is out. garage: The garage is dark."
    assert bench.kinds() == [NoticeKind.CAMERA_LOST, NoticeKind.BLIND]
    bench.garage.trouble = None
    bench.run(40.0)
    status = bench.watch.status
    assert (status.verdict, status.protection.level, status.camera) == (Verdict.WATCHING, ProtectionLevel.REMOTE, 2)
    assert status.sentence.startswith("1 of 2 cameras sees nothing: front: Its cable is out.")
    assert bench.kinds()[-1] is NoticeKind.SEEING


def test_a_server_that_is_gone_is_said_once_for_all_cameras(bench: Bench) -> None:
    """Nobody looks at any picture: one sentence, one notice."""
    bench.detector.trouble = ServerUnreachable("Nothing answers at 192.0.2.7.")
    bench.run(60.0)
    assert bench.watch.status.sentence == "Nothing answers at 192.0.2.7."
    assert bench.kinds() == [NoticeKind.BLIND]


def test_a_camera_that_hangs_keeps_the_other_waiting_for_one_deadline_at_most(bench: Bench) -> None:
    """The first camera's pictures come late by what one picture of the hanging one takes, and that in a quarter of the time only."""
    bench.garage.trouble, bench.garage.holds = CameraTooSlow("The camera takes too long."), DEADLINE_S
    before, hung = len(bench.front.at), len(bench.garage.at)
    bench.run(600.0)
    waits = gaps(bench.front.at[before:])
    assert max(waits) <= 5.0 + DEADLINE_S
    assert sum(waits) / len(waits) <= 5.0 / 0.75
    assert (len(bench.garage.at) - hung) * DEADLINE_S <= 600.0 / 4.0 + DEADLINE_S


def test_a_camera_that_hangs_does_not_keep_a_failure_from_being_seen(bench: Bench) -> None:
    """With the other one hanging, a failure that one camera sees is paused for within the goal of 45 s, and one wait."""
    bench.garage.trouble, bench.garage.holds = CameraTooSlow("The camera takes too long."), DEADLINE_S
    bench.run(120.0)
    bench.front.score, began = 0.95, bench.clock()
    bench.run(120.0, until=lambda: bench.printer.pauses > 0)
    assert bench.printer.pauses == 1
    assert bench.clock() - began <= 45.0 + DEADLINE_S


def test_cameras_take_turns_where_the_detector_needs_its_rest(bench: Bench) -> None:
    """A detector that may look every eight seconds looks at each of two cameras every sixteen, and that is what is said."""
    bench.detector.earliest_s = 8.0
    bench.run(600.0)
    assert gaps(bench.front.at[-10:]) == pytest.approx([16.0] * 9)
    assert gaps(bench.garage.at[-10:]) == pytest.approx([16.0] * 9)
    assert [one.every_s for one in bench.watch.status.cameras] == pytest.approx([16.0, 16.0])


def test_one_camera_that_cannot_be_named_as_broken_lets_the_other_see(bench: Bench) -> None:
    """An error that nobody could name costs one turn; the other camera has the next."""

    class Broken(Lens):
        def capture(self) -> Frame:
            self.at.append(self.clock())
            raise ZeroDivisionError

    bench.watch._parts = Parts(bench.front, bench.detector, (Broken("garage", bench.clock),))
    before = len(bench.front.at)
    for _ in range(24):
        bench.clock.now = max(bench.clock.now, bench.watch.due_at)
        try:
            bench.watch.tick()
        except ZeroDivisionError:
            bench.watch.stumbled("The watch met an unexpected error.")
    assert len(bench.front.at) - before >= 10
    assert bench.watch.status.verdict is Verdict.WATCHING
    assert "garage: The watch met an unexpected error." in bench.watch.status.sentence


def test_muting_and_its_end_are_the_prints_whichever_camera_sees(bench: Bench) -> None:
    """Muted, no camera's failure is acted on."""
    bench.watch.mute(True)
    bench.garage.score = 0.95
    bench.run(120.0)
    assert bench.printer.pauses == 0
    bench.watch.mute(False)
    bench.run(30.0)
    assert bench.printer.pauses == 1


def test_a_print_is_seen_while_any_camera_sees_it(bench: Bench) -> None:
    """The coverage of the print counts what anybody saw; each camera's own is told beside it."""
    bench.garage.trouble = CameraUnreachable("The garage is dark.")
    bench.run(600.0)
    assert bench.watch.status.seen == pytest.approx(1.0)
    assert bench.watch.status.cameras[1].seen < 0.2
    bench.watch.end(done=True)
    assert bench.watch.status.coverage.startswith("Protected 100 %")


def test_what_is_usual_is_learned_for_each_camera(bench: Bench) -> None:
    """A lattice that only one camera sees becomes usual there and nowhere else."""
    bench.garage.score, bench.garage.box = 0.2, None
    bench.run(3600.0)
    bench.watch.end(done=True)
    usual = {camera: records.baselines.load().printer for camera, records in bench.kept.items()}
    assert usual[""] == pytest.approx(0.0)
    assert usual["garage"] > 0.15


def test_a_restart_in_mid_print_keeps_what_each_camera_believes(bench: Bench) -> None:
    """What was forgiven to the garage camera is still forgiven to it after a restart."""
    bench.garage.score = 0.95
    bench.run(60.0)
    bench.pause()
    bench.watch.false_alarm()
    bench.resume()
    bench.run(120.0)
    bench.watch = bench.new_watch(SETTINGS)
    bench.run(1200.0)
    assert bench.printer.pauses == 1
    assert bench.watch.status.verdict is Verdict.WATCHING


def test_a_camera_that_joins_in_mid_print_sees_at_once(bench: Bench) -> None:
    """Chosen while a print runs it needs no warm-up of its own; one that is no longer chosen is let go."""
    alone = replace(SETTINGS, also_watched=())
    bench.watch.configure(alone)
    bench.run(60.0)
    assert bench.watch.status.cameras == ()
    assert bench.kept["garage"].traces.ended == 1  # type: ignore[attr-defined]
    taken = len(bench.garage.at)
    bench.run(60.0)
    assert len(bench.garage.at) == taken
    bench.watch.configure(SETTINGS)
    bench.garage.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1


def test_a_suspicion_that_lasts_in_two_cameras_is_told_once(bench: Bench) -> None:
    """Who looks at the print because of one of them sees what the other saw."""
    bench.front.score = 0.45
    bench.run(20.0)
    bench.garage.score = 0.45
    bench.run(600.0)
    assert bench.kinds() == [NoticeKind.SUSPICION]


def test_no_picture_of_a_camera_that_is_no_longer_chosen_is_shown(bench: Bench) -> None:
    """Another camera, or none, stands in its place now."""
    assert set(bench.watch.pictures) == {1, 2}
    bench.watch.configure(replace(SETTINGS, also_watched=()))
    bench.run(30.0)
    assert set(bench.watch.pictures) == {1}


def test_who_takes_the_only_camera_away_that_sees_is_told_that_nobody_does(bench: Bench) -> None:
    """And once a camera is added that sees, that somebody does again: not before it has seen anything."""
    bench.front.trouble = CameraUnreachable("Its cable is out.")
    bench.run(60.0)
    bench.watch.configure(replace(SETTINGS, also_watched=()))
    bench.run(30.0)
    assert bench.kinds() == [NoticeKind.CAMERA_LOST, NoticeKind.BLIND]
    bench.garage.trouble = CameraUnreachable("It is dark.")
    bench.watch.configure(SETTINGS)
    bench.run(30.0)
    assert bench.kinds()[2:] == []
    bench.garage.trouble = None
    bench.run(60.0)
    assert bench.kinds()[2:] == [NoticeKind.SEEING]


def test_all_cameras_are_let_go_at_the_end(bench: Bench) -> None:
    """No camera and no trace stays open behind a print."""
    bench.watch.end()
    assert (bench.front.closed, bench.garage.closed) == (1, 1)
    assert [records.traces.ended for records in bench.kept.values()] == [1, 1]  # type: ignore[attr-defined]
