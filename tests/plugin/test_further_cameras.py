"""What the parts around the watch do for cameras beside the first one: building, testing, records, metrics, messages."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from octoprint_spaghetti import parts
from octoprint_spaghetti.adapters.cameras.over_http import MjpegCamera
from octoprint_spaghetti.adapters.records import RecordFolder
from octoprint_spaghetti.chain import try_chain
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.errors import CameraMissing, CameraUnreachable
from octoprint_spaghetti.core.further_cameras import FurtherCamera
from octoprint_spaghetti.core.notice_rules import Desk, Wording, receive, release
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import CameraStatus, Notice, NoticeKind, Sighting, Status, Verdict
from octoprint_spaghetti.earlier import Earlier
from octoprint_spaghetti.metrics import exposition
from octoprint_spaghetti.ports import Parts
from octoprint_spaghetti.testing import FakeCamera, FakeClock, FakeDetector, answer
from octoprint_spaghetti.what_if import prints, what_if

SECRET = "http://admin:g3h3im@192.0.2.9/live.jpg"
LOST, BACK = NoticeKind.CAMERA_LOST, NoticeKind.CAMERA_BACK


def settings(*cameras: object, **others: Any) -> Settings:
    return Settings.read({"also_watched": list(cameras), "camera": "front", **others})[0]


def test_an_address_may_answer_a_picture_or_a_stream() -> None:
    """Nobody is asked which of the two it is."""
    assert isinstance(parts.build_further(FurtherCamera("http://192.0.2.9/live"), settings()), MjpegCamera)


def test_a_further_camera_that_cannot_be_had_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """RTSP without ffmpeg says so when a picture is wanted, not when the parts are built."""
    monkeypatch.setenv("PATH", "")
    camera = parts.build_further(FurtherCamera("rtsp://192.0.2.9/live"), settings())
    with pytest.raises(CameraMissing, match="ffmpeg"):
        camera.capture()
    camera.close()


def test_a_first_camera_that_cannot_be_had_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One print is seen by both, and a camera without its program must not blind the other; alone it is said at once."""
    monkeypatch.setenv("PATH", "")
    first = {"camera_source": "rtsp", "camera_url": "RTSP://192.0.2.9/live", "fallback": False}
    built = parts.build_parts(settings("http://192.0.2.9/live", **first))
    with pytest.raises(CameraMissing, match="ffmpeg"):
        built.camera.capture()
    assert isinstance(built.further[0], MjpegCamera)
    built.detector.close()
    with pytest.raises(CameraMissing, match="ffmpeg"):
        parts.build_parts(settings(**first))
    assert isinstance(parts.build_further(FurtherCamera("RTSP://192.0.2.9/live"), settings()), parts.AbsentCamera)


def test_the_test_button_asks_each_camera() -> None:
    """A step for each, also behind one that is broken, with their pictures; all are let go."""
    clock = FakeClock()
    front, garage, attic = FakeCamera(clock), FakeCamera(clock, CameraUnreachable("It is dark.")), FakeCamera(clock)
    now = settings("garage", "attic", fallback=False)
    report = try_chain(now, lambda given: Parts(front, FakeDetector(), (garage, attic)))
    assert [(step.name, step.problem) for step in report.steps[-2:]] == [("camera garage", "It is dark."), ("camera attic", "")]
    assert [frame is not None for frame in report.further] == [False, True]
    assert not report.passed
    assert (front.closed, garage.closed, attic.closed) == (1, 1, 1)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a folder in which two cameras have recorded a print."""
    folder = RecordFolder(tmp_path, 10, logging.getLogger("test"))
    for camera, score in (("", 0.0), (SECRET, 0.9)):
        records = folder.of(camera)
        records.traces.begin("benchy.gcode", 0.0, 1_800_000_000.0)
        records.traces.tell(PrintEvent.EXTRUSION_BEGAN, 0.0)
        for second in range(0, 200, 2):
            records.traces.add(Sighting(float(second), answer(score)))
        records.traces.end()
        records.beliefs.save("benchy", Belief(started_at=0.0, usual=score), 200.0, 1_800_000_200.0)
    return tmp_path


def test_each_camera_has_records_of_its_own_and_no_file_names_its_address(recorded: Path) -> None:
    """The first one's lie where they always did."""
    files = sorted(str(path.relative_to(recorded)) for path in recorded.rglob("*") if path.is_file())
    assert "belief.json" in files
    assert len([name for name in files if name.startswith("belief")]) == 2
    assert "g3h3im" not in str(files) + "".join((recorded / name).read_text() for name in files)
    again = RecordFolder(recorded, 10, logging.getLogger("test"))
    kept = [again.of(camera).beliefs.load("benchy", 210.0, 1_800_000_210.0) for camera in ("", SECRET, "attic")]
    assert [None if belief is None else belief.usual for belief in kept] == [0.0, 0.9, None]


def test_each_cameras_print_can_be_judged_again(recorded: Path) -> None:
    """The list names the further camera, and what if answers for each by itself."""
    listed = prints(recorded / "traces")
    assert [one["camera"] for one in listed] == ["", "192.0.2.9"]
    judged = {one["camera"]: what_if(recorded / "traces", one["id"], settings(SECRET), 5.0) for one in listed}
    assert (judged[""]["pauses"], len(judged["192.0.2.9"]["pauses"])) == ([], 1)


@pytest.mark.parametrize(("camera", "seconds"), [("", 100.0), (SECRET, 0.0)])
def test_the_curve_from_before_a_restart_is_the_first_cameras(tmp_path: Path, camera: str, seconds: float) -> None:
    """A further camera's trace is not taken for an earlier part of the print; one of the first camera is."""
    folder, restarted_at = RecordFolder(tmp_path, 10, logging.getLogger("test")), 1_800_000_000.0
    for whose, begun_at in ((camera, restarted_at - 100.0), ("", restarted_at)):
        traces = folder.of(whose).traces
        traces.begin("benchy.gcode", 0.0, begun_at)
        traces.end()
    before = min((tmp_path / "traces").iterdir())
    os.utime(before, (restarted_at - 10.0, restarted_at - 10.0))
    assert Earlier(tmp_path / "traces", 100.0, restarted_at).seconds == seconds


def test_prometheus_gets_each_camera_of_several() -> None:
    """One that sees nothing yet has no score; one camera alone has no metrics of its own."""
    cameras = (
        CameraStatus("front", Verdict.WATCHING, evidence=0.1, score=0.2, every_s=5.0),
        CameraStatus("garage", Verdict.BLIND),
    )
    text = exposition(Status(verdict=Verdict.WATCHING, cameras=cameras), "1")
    assert 'spaghetti_camera_sees{camera="front"} 1.0\nspaghetti_camera_sees{camera="garage"} 0.0\n' in text
    assert 'spaghetti_camera_score{camera="front"} 0.2\n' in text
    assert 'spaghetti_camera_score{camera="garage"}' not in text
    assert "spaghetti_camera_" not in exposition(Status(), "1")


def test_one_blind_camera_is_told_once_and_so_is_its_return() -> None:
    """After two minutes and not before; a camera that comes and goes is told no more often than nobody's sight."""
    desk = receive(Desk(), Notice(LOST, "garage: dark", camera="garage"), 0.0, Wording())
    assert release(desk, 119.0, quiet=False)[1] == ()
    desk, told = release(desk, 121.0, quiet=False)
    assert [message.title for message in told] == ["A camera sees nothing"]
    desk, told = release(receive(desk, Notice(BACK, "garage: sees", camera="garage"), 130.0, Wording()), 131.0, quiet=False)
    assert [message.title for message in told] == ["The camera sees again"]
    desk = receive(desk, Notice(LOST, "garage: dark", camera="garage"), 140.0, Wording())
    assert release(desk, 900.0, quiet=False)[1] == ()
    blind = receive(desk, Notice(NoticeKind.BLIND, "dark"), 150.0, Wording())
    assert [message.title for message in release(blind, 300.0, quiet=False)[1]] == ["Nobody sees the print"]
