"""What cameras send: JPEG files and MJPEG streams, whole, damaged and made up."""

from __future__ import annotations

from contextlib import suppress

import cv2
import numpy as np
from hypothesis import strategies as st

from inference_server.pixels import BadPicture, parse_region, prepare
from octoprint_spaghetti.core.errors import PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES, check_jpeg, size_wh, without_trailer
from octoprint_spaghetti.core.multipart import Parts
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import damaged, pieces

#: Of the square that a detector looks at.
SIDE = 416


def _jpeg(width: int, height: int, *parameters: int) -> bytes:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", noise, parameters)[1].tobytes())


SMALL = _jpeg(16, 8)
_PICTURES = [
    SMALL,
    _jpeg(64, 48),
    _jpeg(65, 33, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    _jpeg(48, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    b"\xff\xd8\xff\xd9",
    b"<html><body>401</body></html>",
    b"\x89PNG\r\n\x1a\n" + bytes(20),
]
#: Damage in the middle of a file that still ends as one reaches further than damage anywhere.
JPEGS = damaged(_PICTURES) | damaged([picture[2:-2] for picture in _PICTURES]).map(lambda body: b"\xff\xd8" + body + b"\xff\xd9")


def on_the_pi(data: bytes) -> None:
    """A picture is taken as it is or refused; its size is two numbers or not known; what a phone appended is cut off."""
    with suppress(PictureUnusable):
        assert check_jpeg(data) is data
    assert data.startswith(without_trailer(data) or b"")
    size = size_wh(data)
    assert size is None or all(0 <= side <= 0xFFFF for side in size)


def on_the_server(question: tuple[bytes, str]) -> None:
    """A picture and a region become the network's input, or are refused."""
    data, region = question
    with suppress(BadPicture):
        prepared = prepare(data, parse_region(region) if region else None, size=SIDE)
        assert prepared.image.shape == (3, SIDE, SIDE)
        assert np.isfinite(prepared.scene).all()
        assert ((prepared.window >= 0.0) & (prepared.window <= 1.0)).all()


_REGIONS = (
    st.just("")
    | st.text("0123456789.,-+einfa _", max_size=24)
    | st.lists(st.floats(), min_size=4, max_size=4).map(lambda four: ",".join(map(str, four)))
    | st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).map(lambda four: ",".join(map(str, four)))
)


def _part(picture: bytes, with_length: bool) -> bytes:
    length = b"Content-Length: %d\r\n" % len(picture) if with_length else b""
    return b"--frame\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + picture + b"\r\n"


_STREAMS = [
    _part(SMALL, True) * 3,
    _part(SMALL, False) * 3 + b"--frame--\r\n",
    _part(b"", True) + _part(SMALL, True),
    b"--frame\r\nContent-Length: 999999999\r\n\r\n" + SMALL,
    b"\r\n\r\n" + b"-" * 5000,
]


def out_of_a_stream(stream: list[bytes]) -> None:
    """Pictures come out of a stream, or it is refused; nothing comes out that did not go in, and little is kept."""
    parts, gone_in, come_out = Parts(), 0, 0
    with suppress(PictureUnusable):
        for piece in stream:
            gone_in += len(piece)
            come_out += sum(len(picture) for picture in parts.feed(piece))
            assert come_out <= gone_in
            assert len(parts._waiting) <= min(gone_in, MOST_BYTES + 4096)


TARGETS = (
    Target("JPEG files on the Pi", JPEGS | st.binary(max_size=300), on_the_pi, 5.0),
    Target("JPEG files on the server", st.tuples(JPEGS, _REGIONS), on_the_server, 1.8),
    Target("camera streams", pieces(damaged(_STREAMS)), out_of_a_stream, 2.0),
)
