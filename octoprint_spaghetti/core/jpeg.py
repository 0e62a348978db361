"""What can be known of a JPEG without decoding it: that it is one, whole, and not something else with status 200."""

from __future__ import annotations

import re

from octoprint_spaghetti.core.errors import PictureUnusable
from octoprint_spaghetti.core.sentence import say

#: Webcams send 20 to 500 kB; a stream set as the snapshot address never ends.
MOST_BYTES = 10_000_000

_START, _END = b"\xff\xd8", b"\xff\xd9"
_PADDING = b"\x00\r\n"
#: SOF0 to SOF15 without the tables (DHT, JPG, DAC) between them: ITU T.81, table B.1.
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: A marker that is none inside compressed data: there a zero follows 0xFF, or one of the restart markers stands.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


def check_jpeg(data: bytes) -> bytes:
    """Return ``data`` when it is a whole JPEG file; raise :class:`PictureUnusable` with the likely cause otherwise."""
    if not data:
        raise PictureUnusable(say("The camera sent an empty picture; check its snapshot address."))
    if len(data) > MOST_BYTES:
        raise PictureUnusable(too_large(len(data)))
    if data[:2] != _START:
        raise PictureUnusable(_what_it_is(data))
    if not _ends_whole(data):
        raise PictureUnusable(say("The camera's picture was cut off in the middle; check its cable or network."))
    return data


def without_trailer(data: bytes) -> bytes | None:
    """Return a JPEG file up to the end of its picture, or None when it was cut off before.

    Phones append notes and short films to what they take. A camera that watches a print does not, so :func:`check_jpeg` takes
    no such file. One that ends as a picture does is returned as it is. A thumbnail lies in a segment of the header, whose length
    is known: its end is passed over (ITU T.81, annex B).
    """
    if _ends_whole(data):
        return data
    at = len(_START)
    while found := _MARKER.search(data, at):
        at = found.end()
        if found[1] == _END[1:]:
            return data[:at]
        at += int.from_bytes(data[at : at + 2], "big")
    return None


def size_wh(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels from a JPEG's frame header, or None when it has none that can be read."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_HEADERS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + max(length, 2)
    return None


def too_large(size: int) -> str:
    """Return the sentence about a picture of ``size`` bytes or more."""
    return say(
        "The camera sent more than %(megabytes)d MB for one picture; use its snapshot address (one "
        "JPEG), not its stream, or a lower resolution.",
        megabytes=min(size, MOST_BYTES) // 1_000_000,
    )


def _ends_whole(data: bytes) -> bool:
    return data.rstrip(_PADDING)[-2:] == _END


def _what_it_is(data: bytes) -> str:
    head = data[:200].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return say("The camera answered with a web page instead of a picture; its address may need a login or be wrong.")
    if head.startswith(b"--"):
        return say("The camera answered with a video stream instead of a picture; use its snapshot address.")
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return say("The camera sent a PNG; set it to JPEG.")
    return say("The camera sent something that is not a JPEG; check its snapshot address.")
