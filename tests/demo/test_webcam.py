"""The webcam over real HTTP: what it shows when, how it misbehaves, and that nothing of it stays."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import requests

from demo.webcam import HUGE_BYTES, LOGIN_PAGE, Mode, Playback, Webcam


class Numbered:
    """Frames 10, 11, 12: small grey pictures whose brightness is their number."""

    def __len__(self) -> int:
        return 3

    def jpeg(self, position: int) -> bytes:
        return cv2.imencode(".jpg", np.full((48, 64, 3), self.number(position) * 10, np.uint8))[1].tobytes()

    def number(self, position: int) -> int:
        return 10 + position

    def close(self) -> None:
        pass


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that shows 100 s."""
    return Clock()


@pytest.fixture
def webcam(clock: Clock) -> Iterator[Webcam]:
    """Return a running webcam that shows each frame for 4 s."""
    with Webcam(Numbered(), interval_s=4.0, clock=clock) as camera:
        yield camera


def snapshot(webcam: Webcam, timeout: float = 30.0) -> requests.Response:
    """Take a picture as OctoPrint does."""
    return requests.get(f"{webcam.url}/snapshot", timeout=timeout)


def test_the_first_frame_is_shown_until_the_play_begins(webcam: Webcam, clock: Clock):
    """Time that passes before the print starts does not play any frames."""
    clock.now += 60
    assert webcam.shown().number == 10
    webcam.play()
    assert (webcam.shown().number, webcam.shown().since) == (10, 160.0)


@pytest.mark.parametrize(
    "after, number, since", [(0.0, 10, 100.0), (3.9, 10, 100.0), (4.0, 11, 104.0), (11.9, 12, 108.0), (600.0, 12, 108.0)]
)
def test_each_frame_is_shown_for_one_interval_and_the_last_for_ever(
    webcam: Webcam, clock: Clock, after: float, number: int, since: float
):
    """The clock alone decides which frame is shown, and the camera knows since when."""
    webcam.play()
    clock.now += after
    shown = webcam.shown()
    assert (shown.number, shown.since) == (number, since)


def test_the_play_has_ended_when_the_last_frame_was_shown_for_its_interval():
    """Three frames of 4 s end after 12 s, and never before they began."""
    playback = Playback(3, 4.0)
    assert not playback.ended(1e9)
    playback.start(0.0)
    assert (playback.ended(11.9), playback.ended(12.0)) == (False, True)


def test_a_playback_of_nothing_is_refused():
    """No frames, or no time for each, is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one frame"):
        Playback(0, 4.0)


def test_a_snapshot_is_the_frames_own_bytes(webcam: Webcam, clock: Clock):
    """What the source holds arrives untouched."""
    webcam.play()
    clock.now += 5
    answer = snapshot(webcam)
    assert answer.content == Numbered().jpeg(1)
    assert answer.headers["Content-Type"] == "image/jpeg"


def test_the_stream_sends_one_whole_jpeg_after_the_other(webcam: Webcam):
    """The MJPEG stream can be read as a browser reads it."""
    with requests.get(f"{webcam.url}/stream", stream=True, timeout=30) as answer:
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        received = b""
        for chunk in answer.iter_content(512):
            received += chunk
            if received.count(b"--frame") >= 3:
                break
    assert received.count(Numbered().jpeg(0)) >= 2


def test_a_server_error(webcam: Webcam):
    """Mode http500 answers status 500."""
    webcam.mode = Mode.HTTP500
    assert snapshot(webcam).status_code == 500


def test_a_login_page_with_status_200(webcam: Webcam):
    """Mode html200 answers a page of HTML as if all were well."""
    webcam.mode = Mode.HTML200
    answer = snapshot(webcam)
    assert (answer.status_code, answer.content) == (200, LOGIN_PAGE)


def test_a_picture_that_breaks_off(webcam: Webcam):
    """Mode truncate announces the whole picture and sends half of it."""
    webcam.mode = Mode.TRUNCATE
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        snapshot(webcam)


@pytest.mark.parametrize("mode", [Mode.HANG, Mode.TRICKLE])
def test_a_camera_that_does_not_finish(webcam: Webcam, mode: Mode):
    """Modes hang and trickle do not bring a whole picture within a second."""
    webcam.mode = mode
    ended = threading.Event()

    def take() -> None:
        snapshot(webcam, timeout=60)
        ended.set()

    reader = threading.Thread(target=lambda: pytest.raises(requests.RequestException, take))
    reader.start()
    assert not ended.wait(1.0)
    webcam.stop()
    reader.join(30.0)
    assert not reader.is_alive()


def test_a_picture_of_twenty_megabytes(webcam: Webcam):
    """Mode huge sends 20 MB that begin and end as a JPEG does."""
    webcam.mode = Mode.HUGE
    content = snapshot(webcam).content
    assert (len(content), content[:2], content[-2:]) == (HUGE_BYTES, b"\xff\xd8", b"\xff\xd9")


def test_a_black_picture_of_the_same_size(webcam: Webcam):
    """Mode black answers as a camera in the dark: same size, all black."""
    webcam.mode = Mode.BLACK
    picture = cv2.imdecode(np.frombuffer(snapshot(webcam).content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (48, 64, 3)
    assert picture.max() == 0


def test_a_frozen_camera_and_its_recovery(webcam: Webcam, clock: Clock):
    """Mode frozen holds the frame it was set at; ok shows what the clock says again."""
    webcam.play()
    webcam.mode = Mode.FROZEN
    clock.now += 8
    assert snapshot(webcam).content == Numbered().jpeg(0)
    webcam.mode = Mode.OK
    assert snapshot(webcam).content == Numbered().jpeg(2)


def test_modes_are_taken_by_name_and_unknown_ones_refused(webcam: Webcam):
    """A mode may be given as a word; a word that names none is an error."""
    webcam.mode = "black"
    assert webcam.mode is Mode.BLACK
    with pytest.raises(ValueError, match="sideways"):
        webcam.mode = "sideways"


def test_nothing_of_the_camera_stays(clock: Clock):
    """After the end no thread is left and the port is free, even with a stream and a silent client connected."""
    before = set(threading.enumerate())
    with Webcam(Numbered(), interval_s=4.0, clock=clock) as webcam:
        port = int(webcam.url.rpartition(":")[2])
        stream = requests.get(f"{webcam.url}/stream", stream=True, timeout=30)
        silent = socket.create_connection(("127.0.0.1", port))
    stream.close()
    silent.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
