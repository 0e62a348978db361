"""The fire drill: every link is tried, what is broken is named, and nobody's print is touched."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from octoprint_spaghetti.core.errors import CameraUnreachable, ModelMissing, ServerRefused
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Frame, Notice, NoticeKind, Scene
from octoprint_spaghetti.core.zones import Zone
from octoprint_spaghetti.drill import DrillReport, Link, run_drill, why_not_paused
from octoprint_spaghetti.drill_schedule import DrillSchedule, is_time_for_drill
from octoprint_spaghetti.ports import Parts
from octoprint_spaghetti.testing import FakeCamera, FakeClock, FakeDetector, answer

PLACE = Box(0.3, 0.4, 0.7, 0.8)


class DrilledDetector(FakeDetector):
    """Sees nothing in a picture, and ``tangle`` in one that a tangle was drawn into."""

    tangle = 0.97

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        calm = super().look(frame, roi)
        return answer(self.tangle, box=PLACE, scene=self.scene) if frame.drill else calm


@dataclass
class Place:
    """Everything a drill needs, as it should be; a test breaks one part."""

    settings: Settings = Settings()
    detector: DrilledDetector = field(default_factory=lambda: DrilledDetector(score=0.02))
    camera: FakeCamera = field(default_factory=lambda: FakeCamera(FakeClock()))
    unpausable: str = ""
    failed_channels: str = ""
    notices: list[Notice] = field(default_factory=list)

    def drill(self) -> DrillReport:
        def notify(notice: Notice) -> str:
            self.notices.append(notice)
            return self.failed_channels

        return run_drill(
            self.settings,
            lambda settings: Parts(self.camera, self.detector),
            may_pause=lambda: self.unpausable,
            notify=notify,
            wall=lambda: 1_800_000_000.0,
        )


@pytest.mark.parametrize(("detector", "deadline"), [("local", 10.0), ("server", 5.0)])
def test_a_small_computer_is_not_asked_to_rest_in_a_drill(detector: str, deadline: float) -> None:
    """Some looks in a row are more than its share; in a print they are an interval apart, and the drill must not fail for that."""
    asked: list[Settings] = []
    place = Place()

    def build(settings: Settings) -> Parts:
        asked.append(settings)
        return Parts(place.camera, place.detector)

    run_drill(Settings(detector=detector), build, may_pause=str, notify=lambda notice: "", wall=lambda: 1_800_000_000.0)
    assert [(one.local_share, one.deadline) for one in asked] == [(100.0, deadline)]


def broken(report: DrillReport) -> list[str]:
    return [link.name for link in report.links if link.problem]


def test_a_drill_that_passes_says_how_soon_a_pause_would_come() -> None:
    """From the camera to the message every link is there, and the judge would have paused within 45 s."""
    place = Place()
    report = place.drill()
    assert (report.passed, broken(report)) == (True, [])
    names = [link.name for link in report.links]
    assert names == ["set up", "camera", "server", "picture", *["tangle"] * 3, "judge", "pause (dry)", "messages"]
    assert report.seconds_to_pause is not None
    assert 20.0 < report.seconds_to_pause <= 45.0
    assert (place.detector.closed, place.camera.closed) == (1, 1)
    assert [notice.kind for notice in place.notices] == [NoticeKind.DRILL]
    assert "nothing is wrong with your print" in place.notices[0].sentence


def test_the_rule_that_the_settings_let_decide_is_the_one_that_is_tried() -> None:
    """With Obico's rule the report says so, and how long that one would have taken; ours says nothing about it."""
    ours, obicos = (Place(settings=Settings(policy=policy)).drill() for policy in ("spaghetti", "obico"))
    found = {
        name: next(link.found for link in report.links if link.name == "judge")
        for name, report in (("ours", ours), ("obicos", obicos))
    }
    assert "Obico" not in found["ours"]
    assert "by Obico's rule" in found["obicos"]
    assert obicos.passed
    assert obicos.seconds_to_pause != ours.seconds_to_pause


def test_a_tangle_that_obicos_rule_lets_pass_is_a_failed_drill() -> None:
    """It asks for more than ours does of a faint one; the sentence says whose rule that was."""
    place = Place(settings=Settings(policy="obico"))
    place.detector.tangle = 0.55
    report = place.drill()
    assert broken(report) == ["judge"]
    assert "by Obico's rule" in report.sentence()


@pytest.mark.parametrize(
    ("place", "link", "said"),
    [
        pytest.param(Place(camera=FakeCamera(FakeClock(), CameraUnreachable("It is off."))), "camera", "It is off.", id="camera"),
        pytest.param(
            Place(detector=DrilledDetector(trouble=ServerRefused("Wrong token."))), "server", "Wrong token.", id="token"
        ),
        pytest.param(Place(detector=DrilledDetector(trouble=ModelMissing("No model."))), "server", "No model.", id="model"),
        pytest.param(
            Place(detector=DrilledDetector(scene=Scene(0.01, 0.3, 0.3))), "picture", "too dark", id="too dark to see it"
        ),
        pytest.param(Place(unpausable="Not connected."), "pause (dry)", "Not connected.", id="pause not possible"),
        pytest.param(Place(failed_channels="ntfy://…: 403"), "messages", "403", id="a channel"),
        pytest.param(
            Place(settings=replace(Settings(), zones=(Zone(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),))),
            "judge",
            "ignore zone",
            id="everything ignored",
        ),
    ],
)
def test_a_broken_link_is_named(place: Place, link: str, said: str) -> None:
    """The report and the message say which link is broken, in its own words; the messages are tried whatever else broke."""
    report = place.drill()
    assert broken(report) == [link]
    assert said in report.sentence()
    assert report.links[-1].name == "messages"
    assert link == "messages" or said in place.notices[0].sentence


def test_a_tangle_that_nobody_sees_is_a_failed_drill() -> None:
    """A server that knows no drills, or a model that is blind, must not look well."""
    place = Place()
    place.detector.tangle = 0.05
    report = place.drill()
    assert (broken(report), report.seconds_to_pause) == (["tangle"], None)


@pytest.mark.parametrize(
    ("settings", "state", "said"),
    [
        (Settings(), "OPERATIONAL", ""),
        (Settings(enabled=False), "OPERATIONAL", "switched off"),
        (Settings(shadow=True), "OPERATIONAL", "Shadow"),
        (Settings(action="notify"), "OPERATIONAL", "notify"),
        (Settings(), "OFFLINE", "not connected"),
    ],
)
def test_what_would_keep_a_pause_from_happening_is_said(settings: Settings, state: str, said: str) -> None:
    """The dry run asks everything that a real pause would need."""
    reason = why_not_paused(settings, state)
    assert (said in reason) if said else not reason


DAY = 86_400.0


@dataclass
class Calendar:
    """A schedule with a clock to turn."""

    folder: Path
    now: float = 1_800_000_000.0
    held: int = 0

    def __post_init__(self) -> None:
        self.schedule = DrillSchedule(self.folder / "drill.json", self.hold, lambda: self.now)

    def hold(self) -> DrillReport:
        self.held += 1
        return DrillReport(self.now, (Link("camera", 1.0),), 30.0)

    def days(self, count: int, every: float) -> int:
        """Let days pass, asking each hour; return how many drills there were."""
        before = self.held
        for _ in range(count * 24):
            self.now += DAY / 24
            self.schedule.hold_if_due(every)
        return self.held - before


def test_a_drill_is_held_every_week_and_not_on_the_first_day(tmp_path: Path) -> None:
    """The first comes a day after the installation, then one each week; none when it is switched off."""
    calendar = Calendar(tmp_path)
    assert calendar.days(0, 7.0) == 0
    assert calendar.days(2, 7.0) == 1
    assert calendar.days(28, 7.0) == 4
    assert calendar.days(100, 0.0) == 0


def test_a_restart_does_not_begin_the_week_anew(tmp_path: Path) -> None:
    """The last report is on the disk; damaged, it counts as none."""
    Calendar(tmp_path).schedule.hold()
    again = Calendar(tmp_path)
    assert again.days(6, 7.0) == 0
    (tmp_path / "drill.json").write_text("{")
    assert again.schedule.last() is None


def test_only_one_drill_is_held_at_a_time(tmp_path: Path) -> None:
    """The button while a drill runs starts no second one."""
    calendar = Calendar(tmp_path)
    inner: list[object] = []
    calendar.hold = lambda: inner.append(calendar.schedule.hold()) or DrillReport(1.0, ())  # type: ignore[method-assign, func-returns-value]
    calendar.schedule = DrillSchedule(tmp_path / "drill.json", lambda: calendar.hold(), lambda: 0.0)
    assert calendar.schedule.hold() is not None
    assert inner == [None]


def test_a_report_that_cannot_be_saved_is_not_a_drill_every_few_seconds(tmp_path: Path) -> None:
    """With a disk that is full or read-only the week is remembered all the same: every drill rings on somebody's phone."""
    (tmp_path / "file").write_text("no folder")
    calendar = Calendar(tmp_path / "file")
    assert calendar.days(14, 7.0) == 2
    assert calendar.schedule.last() is not None


def test_a_drill_that_ends_in_an_error_is_not_tried_every_few_seconds(tmp_path: Path) -> None:
    """What nobody could name is in the log once a day, not twelve times a minute."""
    calendar = Calendar(tmp_path)
    tried: list[float] = []

    def fail() -> DrillReport:
        tried.append(calendar.now)
        raise RuntimeError("a bug")

    calendar.schedule._hold = fail
    for _ in range(3 * 24):
        calendar.now += DAY / 24
        with contextlib.suppress(RuntimeError):
            calendar.schedule.hold_if_due(7.0)
    assert len(tried) == 3


def test_a_clock_that_went_ahead_does_not_end_the_drills(tmp_path: Path) -> None:
    """A report from the future, of a computer without a clock of its own, does not count."""
    ahead = Calendar(tmp_path, now=4_000_000_000.0)
    ahead.schedule.hold()
    assert Calendar(tmp_path).days(7, 7.0) == 1


@pytest.mark.parametrize(
    ("settings", "state", "minute", "held"),
    [
        (Settings(), "OPERATIONAL", 12 * 60, True),
        (Settings(enabled=False), "OPERATIONAL", 12 * 60, False),
        (Settings(), "OFFLINE", 12 * 60, False),
        (Settings(quiet_hours="22:00-07:00"), "OPERATIONAL", 23 * 60, False),
        (Settings(quiet_hours="22:00-07:00"), "OPERATIONAL", 8 * 60, True),
    ],
    ids=["at noon", "watching is switched off", "the printer is switched off", "at night", "in the morning"],
)
def test_a_drill_of_its_own_accord_waits_for_a_good_moment(settings: Settings, state: str, minute: int, held: bool) -> None:
    """It rings on somebody's phone: not at night, not for a printer that is off, and never where nobody wants to be watched."""
    assert is_time_for_drill(settings, state, minute) is held
