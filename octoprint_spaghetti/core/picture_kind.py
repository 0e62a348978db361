"""What the first bytes of a file tell: whether it is a picture, of which kind, and how large. Nothing is decoded here."""

from __future__ import annotations

import re
import struct

#: So many first bytes of a file are enough for all that is asked here.
HEAD_BYTES = 200

JPEG, HEIC, WEB_PAGE = "JPEG", "HEIC", "web page"
#: What a file of each kind begins with. A TIFF may be a BigTIFF; a HEIC has one of several brands.
_BEGINNINGS = {
    kind: re.compile(pattern, re.DOTALL | re.IGNORECASE if kind == WEB_PAGE else re.DOTALL)
    for kind, pattern in {
        JPEG: rb"\xff\xd8\xff",
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "WebP": rb"RIFF....WEBP",
        "BMP": rb"BM....\0\0\0\0",
        "TIFF": rb"II[*+]\0|MM\0[*+]",
        "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n",
        "GIF": rb"GIF8[79]a",
        "AVIF": rb"....ftypavi[fs]",
        HEIC: rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)",
        WEB_PAGE: rb"\s*<(?:!doctype|html|head|body)",
    }.items()
}
#: Kinds that every OpenCV reads, or turns into a JPEG.
PICTURES = frozenset({JPEG, "PNG", "WebP", "BMP", "TIFF", "JPEG 2000"})
#: Pictures that OpenCV does not read, or not everywhere; a GIF is a film as a rule, and those are for ``spaghetti replay``.
FOREIGN = frozenset({HEIC, "AVIF", "GIF"})
#: Where the header has width and height: how they are packed, and from which byte on. Headers of other kinds take more reading.
_SIZES = {"PNG": (">II", 16), "BMP": ("<ii", 18), "GIF": ("<HH", 6)}
#: Older BMP headers are shorter than this, and pack the size otherwise.
_BMP_HEADER = 40


def kind_of(head: bytes) -> str:
    """Return what a file is that begins with ``head``, such as ``"PNG"``; empty when that is not known."""
    return next((kind for kind, beginning in _BEGINNINGS.items() if beginning.match(head)), "")


def header_size_wh(head: bytes) -> tuple[int, int] | None:
    """Return the width and height in pixels that a PNG, BMP or GIF claims to have; None where they are not known so cheaply."""
    kind = kind_of(head)
    if kind not in _SIZES or (kind == "BMP" and int.from_bytes(head[14:18], "little") < _BMP_HEADER):
        return None
    packing, at = _SIZES[kind]
    try:
        width, height = struct.unpack_from(packing, head, at)
    except struct.error:  # it was cut off in its header
        return None
    return abs(width), abs(height)  # rows of a BMP may be stored from the top: its height is negative then
