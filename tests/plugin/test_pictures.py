"""The pictures that a person judges by: the telling one with boxes, and the clip, each made once."""

from __future__ import annotations

import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters import ffmpeg
from octoprint_spaghetti.adapters.ffmpeg import View, find_ffmpeg
from octoprint_spaghetti.adapters.incident_files import zipped
from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Detection, Exhibit, Frame, Incident
from octoprint_spaghetti.pictures import Pictures, telling_frame
from octoprint_spaghetti.testing import answer
from tests.plugin.test_ffmpeg import decoded, grey, is_red, needs_ffmpeg

BOX = Box(0.25, 0.5, 0.5, 0.75)
ONE = "20270115T080000Z-000"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a drawing take its time: nothing here is about the speed of this computer."""
    monkeypatch.setattr(ffmpeg, "PICTURE_S", 60.0)


@pytest.fixture
def folder(tmp_path: Path) -> IncidentFolder:
    """Return a folder with one incident: three pictures, the second of which shows the failure."""
    kept = IncidentFolder(tmp_path / "incidents", 5)
    scores = (0.1, 0.9, 0.2)
    exhibits = tuple(
        Exhibit(Frame(grey(100 + 20 * number), float(number), "classic"), answer(score, box=BOX if score > 0.5 else None))
        for number, score in enumerate(scores)
    )
    kept.open(Incident(ONE, 1_800_000_000.0, "benchy.gcode", "pause", "because", 0.6, 0.55, exhibits))
    return kept


@needs_ffmpeg
def test_the_picture_of_a_message_shows_where_the_failure_is(folder: IncidentFolder) -> None:
    """The newest one that shows it, with its box; the plain one stays beside it."""
    picture = Pictures(folder, lambda: find_ffmpeg(None)).telling(ONE)
    assert picture is not None
    assert abs(float(decoded(picture)[5, 5].mean()) - 120.0) < 5.0
    assert is_red(decoded(picture)[290, 161])
    assert folder.picture(ONE, "002.jpg") == grey(120)


@needs_ffmpeg
def test_an_owner_sees_their_camera_the_right_way_up(folder: IncidentFolder) -> None:
    """A webcam that hangs head down is turned in OctoPrint, and so in messages and clips; the evidence stays as it was taken."""
    pictures = Pictures(folder, lambda: find_ffmpeg(None), lambda camera: View(flip_v=camera == "classic"))
    picture = pictures.telling(ONE)
    assert picture is not None
    assert is_red(decoded(picture)[480 - 290, 161])
    latest = pictures.shown(Frame(grey(), 0.0, "classic"), [Detection(BOX, 0.9, "spaghetti")])
    assert is_red(decoded(latest)[480 - 290, 161])
    assert is_red(decoded(pictures.drawn(grey(), [Detection(BOX, 0.9, "spaghetti")]))[290, 161])
    assert folder.picture(ONE, "002.jpg") == grey(120)


@needs_ffmpeg
def test_what_was_made_once_is_not_made_again(folder: IncidentFolder) -> None:
    """The message, the bus and the page ask for the same picture; ffmpeg draws it once."""
    pictures = Pictures(folder, lambda: find_ffmpeg(None))
    picture, clip = pictures.telling(ONE), pictures.clip(ONE)
    gone = Pictures(folder, lambda: None)
    assert (gone.telling(ONE), gone.clip(ONE)) == (picture, clip)
    assert folder.made_files(ONE) == ["002-boxed.jpg", "clip.gif"]


def test_without_ffmpeg_the_plain_picture_goes_and_the_clip_says_why_not(folder: IncidentFolder) -> None:
    """A message without a box is better than none."""
    pictures = Pictures(folder, lambda: None)
    assert not pictures.makes_clips
    assert pictures.telling(ONE) == grey(120)
    assert pictures.drawn(grey(), [Detection(BOX, 0.9, "spaghetti")]) == grey()
    with pytest.raises(EvidenceError, match="ffmpeg, which is not installed"):
        pictures.clip(ONE)
    assert folder.made_files(ONE) == []


def test_a_program_that_fails_costs_the_boxes_and_one_line(folder: IncidentFolder, caplog: pytest.LogCaptureFixture) -> None:
    """Not one line for each picture of a night."""
    pictures = Pictures(folder, lambda: "/bin/false")
    assert [pictures.telling(ONE) for _ in range(3)] == [grey(120)] * 3
    assert caplog.text.count("Pictures go out without boxes") == 1
    assert folder.made_files(ONE) == []


def test_many_who_ask_for_a_picture_do_not_start_many_programs(folder: IncidentFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is drawn at a time, next to the print; who waits too long gets the plain picture."""
    drawing, go_on = threading.Lock(), threading.Event()
    overlapped: list[bool] = []
    made: list[bytes] = []

    def slow(program: str, picture: object) -> bytes:
        overlapped.append(not drawing.acquire(blocking=False))
        assert go_on.wait(60.0)
        time.sleep(0.02)
        drawing.release()
        return b"boxed"

    def ask() -> list[threading.Thread]:
        asking = [threading.Thread(target=lambda: made.append(pictures.drawn(grey(), ()))) for _ in range(6)]
        for one in asking:
            one.start()
        return asking

    monkeypatch.setattr(ffmpeg, "boxed", slow)
    monkeypatch.setattr(ffmpeg, "PICTURE_S", 0.2)
    pictures = Pictures(folder, lambda: "ffmpeg")
    impatient = ask()
    end = time.monotonic() + 30.0
    while len(made) < 5 and time.monotonic() < end:
        time.sleep(0.02)
    assert made == [grey()] * 5
    monkeypatch.setattr(ffmpeg, "PICTURE_S", 60.0)
    waiting = ask()
    go_on.set()
    for one in (*impatient, *waiting):
        one.join(30.0)
    assert made[5:] == [b"boxed"] * 7
    assert overlapped == [False] * 7


def test_two_clips_are_not_made_at_once(folder: IncidentFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is told so at once instead of holding one of OctoPrint's threads; later it works."""
    making, go_on = threading.Event(), threading.Event()

    def slow(program: str, given: object) -> bytes:
        making.set()
        assert go_on.wait(60.0)
        return b"GIF89a"

    monkeypatch.setattr(ffmpeg, "clip", slow)
    pictures = Pictures(folder, lambda: "ffmpeg")
    first = threading.Thread(target=pictures.clip, args=(ONE,))
    first.start()
    try:
        assert making.wait(30.0)
        with pytest.raises(EvidenceError, match="Another clip is being made"):
            pictures.clip(ONE)
    finally:
        go_on.set()
        first.join(30.0)
    assert pictures.clip(ONE) == b"GIF89a"


def test_an_incident_that_is_gone_has_neither(folder: IncidentFolder) -> None:
    """Pruned while its message waited: the words go without."""
    folder.delete(ONE)
    pictures = Pictures(folder, lambda: "/bin/false")
    assert pictures.telling(ONE) is None
    with pytest.raises(EvidenceError, match="no incident"):
        pictures.clip(ONE)
    for name in ("../..", "", ".", ".."):
        assert pictures.telling(name) is None


@needs_ffmpeg
def test_the_zip_holds_what_was_made_too(folder: IncidentFolder) -> None:
    """Who takes an incident along takes its clip along."""
    Pictures(folder, lambda: find_ffmpeg(None)).clip(ONE)
    names = zipfile.ZipFile(BytesIO(zipped(folder, ONE))).namelist()
    assert names == [f"{ONE}/{name}" for name in ("state.json", "001.jpg", "002.jpg", "003.jpg", "clip.gif")]


def test_of_faint_pictures_the_strongest_tells_most() -> None:
    """Obico's rule may act on frames that are all below one half."""
    frames = [{"file": f"{number:03d}.jpg", "score": score} for number, score in enumerate((0.2, 0.4, 0.3), 1)]
    assert telling_frame(frames) == frames[1]
    assert telling_frame([{**frames[0], "score": None}, *frames]) == frames[1]
    assert telling_frame([]) is None
