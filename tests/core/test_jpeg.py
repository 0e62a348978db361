"""Pictures that are none: each is refused with the likely cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.errors import PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES, check_jpeg, size_wh, without_trailer
from tests.pictures import jpeg

WHOLE = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"<!DOCTYPE html><html>login</html>", "web page", id="a login page with status 200"),
        pytest.param(b"\r\n  <HTML>", "web page", id="a web page in capitals"),
        pytest.param(b"--frame\r\nContent-Type: image/jpeg", "video stream", id="an MJPEG stream"),
        pytest.param(b"\x89PNG\r\n\x1a\n....", "PNG", id="a PNG"),
        pytest.param(b"OK", "not a JPEG", id="two letters"),
        pytest.param(WHOLE[:-2], "cut off", id="half a picture"),
        pytest.param(b"\xff\xd8" + bytes(MOST_BYTES), "more than 10 MB", id="far too large"),
    ],
)
def test_what_is_no_whole_jpeg_is_refused_with_its_cause(data: bytes, said: str) -> None:
    """The sentence names what came instead, so that the owner knows where to look."""
    with pytest.raises(PictureUnusable, match=said):
        check_jpeg(data)


def test_padding_after_the_end_is_what_some_cameras_do() -> None:
    """Zeros and line ends behind the picture are allowed."""
    assert check_jpeg(WHOLE + b"\x00\x00\r\n") == WHOLE + b"\x00\x00\r\n"


@pytest.mark.parametrize("size", [(64, 48), (1280, 720), (33, 257)])
def test_the_size_is_read_without_decoding(size: tuple[int, int]) -> None:
    """Width and height stand in the frame header."""
    assert size_wh(jpeg(0, *size)) == size


@given(st.binary(max_size=200))
def test_the_size_of_anything_else_is_unknown_and_no_error(data: bytes) -> None:
    """Whatever follows the first two bytes, reading the size ends and raises nothing."""
    size_wh(b"\xff\xd8" + data)


def test_a_trailer_is_cut_at_the_end_of_the_picture() -> None:
    """Also when an end marker of something else stands in it; a webcam's picture with a trailer is refused as before."""
    appended = jpeg() + b"a film \xff\xd9 and more"
    assert without_trailer(appended) == jpeg()
    with pytest.raises(PictureUnusable, match="cut off"):
        check_jpeg(appended)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_half_a_picture_has_no_end(kept: float) -> None:
    """Wherever it was cut, no marker inside the compressed data is taken for the end."""
    assert without_trailer(jpeg()[: int(kept * len(jpeg()))]) is None


def test_a_picture_that_ends_as_one_is_left_alone() -> None:
    """Padding and all: nothing is changed that a webcam may send."""
    assert without_trailer(WHOLE + b"\x00\x00\r\n") == WHOLE + b"\x00\x00\r\n"


@given(st.binary(max_size=200))
def test_the_end_of_anything_else_is_no_error(data: bytes) -> None:
    """What comes back ends in an end marker, maybe padded, or there is none."""
    end = without_trailer(b"\xff\xd8" + data)
    assert end is None or end.rstrip(b"\x00\r\n").endswith(b"\xff\xd9")
