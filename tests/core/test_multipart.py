"""Pictures out of an MJPEG stream, however it is cut into pieces and whatever the camera leaves out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.errors import PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES
from octoprint_spaghetti.core.multipart import Parts

PICTURES = [b"\xff\xd8" + bytes([number]) * 100 * number + b"--\r\n" + b"\xff\xd9" for number in (1, 2, 3)]
#: Each is more than any head.
LARGE = [picture.replace(b"--", b"--" * 3000) for picture in PICTURES]


def with_length(picture: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture)


def without_length(picture: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n"


def boundary_behind(picture: bytes) -> bytes:
    return b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n--frame\r\n" % (len(picture), picture)


ESP32 = b"".join(map(boundary_behind, LARGE))
STREAMS = {
    "as an ESP32-CAM sends it": ESP32,
    "as mjpg-streamer sends it": b"".join(map(with_length, PICTURES)) + b"--frame",
    "without lengths": b"".join(map(without_length, PICTURES)) + b"--frame",
    "with a line before the first boundary": b"\r\n" + b"".join(map(with_length, PICTURES)),
    "as ffmpeg spells it": b"".join(map(with_length, PICTURES)).replace(b"Content-Length", b"Content-length"),
}


@pytest.mark.parametrize(
    ("stream", "pictures"), [(stream, LARGE if stream == ESP32 else PICTURES) for stream in STREAMS.values()], ids=list(STREAMS)
)
@given(size=st.integers(1, 400))
def test_every_picture_comes_out_whole(stream: bytes, pictures: list[bytes], size: int) -> None:
    """In pieces of any size, with and without a length in the header."""
    parts = Parts()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [picture for piece in pieces for picture in parts.feed(piece)] == pictures


def test_a_picture_that_never_ends_is_refused() -> None:
    """Neither its size nor the time to look for its end grows without bound."""
    parts = Parts()
    list(parts.feed(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"))
    with pytest.raises(PictureUnusable, match="10 MB"):
        for _ in range(MOST_BYTES // (1 << 16) + 2):
            list(parts.feed(bytes(1 << 16)))


def test_a_length_that_cannot_be_is_refused_at_once() -> None:
    """A camera that announces a gigabyte is not listened to."""
    with pytest.raises(PictureUnusable, match="10 MB"):
        list(Parts().feed(b"--frame\r\nContent-Length: 999999999\r\n\r\n"))


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_whatever_comes_is_a_picture_or_ours_to_refuse(pieces: list[bytes]) -> None:
    """Random bytes raise nothing but our own error."""
    parts = Parts()
    try:
        for piece in pieces:
            for picture in parts.feed(piece):
                assert len(picture) <= MOST_BYTES
    except PictureUnusable:
        pass
