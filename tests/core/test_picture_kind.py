"""What the first bytes of a file tell, and what they do not."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.picture_kind import header_size_wh, kind_of


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        pytest.param(b"\xff\xd8\xff\xe0", "JPEG", id="JPEG"),
        pytest.param(b"MM\x00*", "TIFF", id="a TIFF of the other byte order"),
        pytest.param(b"II+\x00", "TIFF", id="BigTIFF"),
        pytest.param(b"\x00\x00\x00\x20ftypavif", "AVIF", id="AVIF"),
        pytest.param(b"\x00\x00\x00\x20ftypmif1", "HEIC", id="HEIF of any coding"),
        pytest.param(b"\x00\x00\x00\x20ftypmp42", "", id="a film"),
        pytest.param(b"\r\n <HTML>", "web page", id="a web page in capitals"),
        pytest.param(b"BMW, a manual", "", id="a text that begins like a BMP"),
        pytest.param(b"", "", id="nothing"),
    ],
)
def test_a_file_is_known_by_how_it_begins(head: bytes, kind: str) -> None:
    """Whatever it is called."""
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    ("head", "size"),
    [
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 640, 480), (640, 480), id="PNG"),
        pytest.param(b"GIF89a" + struct.pack("<HH", 640, 480), (640, 480), id="GIF"),
        pytest.param(b"BM" + bytes(12) + struct.pack("<Iii", 40, 640, -480), (640, 480), id="a BMP stored from the top"),
        pytest.param(b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 640, 480, 1, 24), None, id="a BMP of OS/2"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", None, id="cut off"),
        pytest.param(b"\xff\xd8\xff", None, id="a JPEG, which takes more reading"),
    ],
)
def test_the_size_is_read_where_it_stands_in_the_header(head: bytes, size: tuple[int, int] | None) -> None:
    """Width and height in pixels, without decoding."""
    assert header_size_wh(head) == size


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF87a", b"BM", b""]), st.binary(max_size=40))
def test_whatever_follows_is_no_error(beginning: bytes, rest: bytes) -> None:
    """Both questions have an answer for any bytes."""
    kind_of(beginning + rest)
    header_size_wh(beginning + rest)
