"""Pictures out of an MJPEG stream, as cameras and ffmpeg send it: a header, a JPEG, a boundary, and so on; nothing is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from octoprint_spaghetti.core.errors import PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES, too_large
from octoprint_spaghetti.core.sentence import say

_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,9})[ \t]*\r?$")
#: Where a part ends that does not say its length: behind the JPEG's own end, before the next boundary.
_NEXT = re.compile(rb"\xff\xd9[\r\n\x00]*--")
#: Some cameras send the boundary behind each part, and none before the first: ESP32-CAM, in one of its two widespread programs.
_HEAD_ALONE = re.compile(rb"(?i)[\r\n]*content-")
#: More than any camera's header.
_LONGEST_HEAD = 4096


class Parts:
    """Takes a stream in pieces of any size and gives back the pictures in it."""

    def __init__(self) -> None:
        """Begin anywhere in front of a boundary, or at the head of a part."""
        self._waiting = bytearray()
        self._begun = False  # the first part has been read
        self._searched = 0  # up to here there is no end of a part without a length

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the pictures that ``piece`` makes whole; raises :class:`PictureUnusable` for one that never ends."""
        self._waiting += piece
        while True:
            picture = self._next()
            if picture is None:
                break
            yield picture
        if len(self._waiting) > MOST_BYTES + _LONGEST_HEAD:
            raise PictureUnusable(too_large(len(self._waiting)))

    def _next(self) -> bytes | None:
        headed = not self._begun and _HEAD_ALONE.match(self._waiting)
        start = 0 if headed else self._waiting.find(b"--")
        head_end = self._waiting.find(b"\r\n\r\n", max(0, start), max(0, start) + _LONGEST_HEAD)
        if start < 0 or head_end < 0:
            if len(self._waiting) > _LONGEST_HEAD:
                raise PictureUnusable(say("The camera's stream is not MJPEG; check its address."))
            return None
        body = head_end + 4
        length = _LENGTH.search(self._waiting, start, head_end + 2)
        end = body + int(length.group(1)) if length else self._end_of_part(body)
        if end < 0 or end > len(self._waiting):
            if end - body > MOST_BYTES:
                raise PictureUnusable(too_large(end - body))
            return None
        picture = bytes(self._waiting[body:end])
        del self._waiting[:end]
        self._searched = 0
        self._begun = True
        return picture

    def _end_of_part(self, body: int) -> int:
        found = _NEXT.search(self._waiting, max(body, self._searched))
        self._searched = max(body, len(self._waiting) - 64)  # an end may be cut in two by the pieces
        return -1 if found is None else found.start() + 2
