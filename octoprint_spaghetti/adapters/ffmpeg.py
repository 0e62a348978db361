"""Boxes drawn into pictures, and pictures joined to a clip, by the program ffmpeg: OctoPrint needs it for time-lapses anyway.

The plugin decodes no picture itself and needs no library for it. Each call is one short-lived process, low in priority, with one
thread, that reads its pictures from a pipe, writes to a pipe, and is killed when its time is over.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.jpeg import size_wh
from octoprint_spaghetti.core.sentence import say

#: Bound on a picture: 0.05 s on a PC, a few tenths on a Raspberry Pi. A message waits for it, so it may not take longer.
PICTURE_S = 1.5
#: Bound on a clip: 0.5 s on a PC for 16 pictures of 720p, several seconds on a Raspberry Pi that prints.
CLIP_S = 30.0
#: Both sides of a clip fit into so many pixels: 16 pictures are 2 MB at most then, which every messenger takes.
CLIP_SIDE = 480
#: Pictures a second, as the page plays them, and how long the last one stays.
CLIP_FPS, CLIP_HOLD_S = 4, 1.5
#: Weaker boxes are noise to the detector; from ``STRONG`` on one counts as spaghetti, weaker ones are drawn thin. As on the page.
WEAKEST_DRAWN, STRONG = 0.35, 0.5
#: Boxes drawn per picture, strongest first.
_MOST_BOXES = 8
_COLOUR, _RIM = "0xff5c4d", "black"
#: A line is this share of the picture's width, so that it is seen on a phone.
_LINE_SHARE = 1 / 160
_QUALITY = "3"
#: No camera of a printer has more; a picture that claims to would take the memory of a Pi.
_MOST_PIXELS = "50000000"


@dataclass(frozen=True)
class View:
    """How a camera's picture is shown: flipped left to right, flipped upside down, then turned by 90 degrees counter-clockwise."""

    flip_h: bool = False
    flip_v: bool = False
    turned: bool = False


@dataclass(frozen=True)
class Marked:
    """A JPEG file's bytes, where to draw (boxes with their confidences, before it is turned), and how it is shown."""

    jpeg: bytes
    boxes: tuple[tuple[Box, float], ...] = ()
    view: View = View()


def find_ffmpeg(configured: str | None) -> str | None:
    """Return the program: the one ``configured`` in OctoPrint for time-lapses, or the one on the path, or None."""
    return (shutil.which(configured) if configured else None) or shutil.which("ffmpeg")


def boxed(ffmpeg: str, picture: Marked) -> bytes:
    """Return the JPEG with its boxes drawn and the right way up, or the very same where there is nothing to be done.

    Blocks for ``PICTURE_S`` at most. Raises :class:`EvidenceError`.
    """
    drawing = [*_boxes(picture), *_turns(picture.view)]
    if not drawing:
        return picture.jpeg
    output = ("-frames:v", "1", "-c:v", "mjpeg", "-q:v", _QUALITY, "-f", "image2pipe", "pipe:1")
    return _run(_command(ffmpeg, ",".join(drawing), output), picture.jpeg, PICTURE_S)


def clip(ffmpeg: str, pictures: Sequence[Marked]) -> bytes:
    """Return the pictures, boxes drawn and the right way up, as a GIF that is played for ever; blocks for ``CLIP_S`` at most.

    Pictures of another size, or to be shown in another way, than the last one are left out. Raises :class:`EvidenceError`.
    """
    if not pictures:
        raise EvidenceError(say("This incident has no pictures to make a clip of."))
    size, view = size_wh(pictures[-1].jpeg), pictures[-1].view
    alike = [one for one in pictures if size_wh(one.jpeg) == size and one.view == view]
    command = _command(ffmpeg, _clip_filters(alike), ("-f", "gif", "pipe:1"))
    return _run(command, b"".join(one.jpeg for one in alike), CLIP_S)


def _clip_filters(pictures: Sequence[Marked]) -> str:
    drawing = [line for number, one in enumerate(pictures) for line in _boxes(one, f":enable='eq(n,{number})'")]
    smaller = f"scale=w='min({CLIP_SIDE},iw)':h='min({CLIP_SIDE},ih)':force_original_aspect_ratio=decrease:flags=area"
    held = f"tpad=stop_mode=clone:stop_duration={CLIP_HOLD_S}"
    palette = "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
    return ",".join([*drawing, *_turns(pictures[-1].view), smaller, held, palette])


def _turns(view: View) -> list[str]:
    steps = ((view.flip_h, "hflip"), (view.flip_v, "vflip"), (view.turned, "transpose=cclock"))
    return [name for wanted, name in steps if wanted]


def _boxes(picture: Marked, when: str = "") -> Iterable[str]:
    """Yield a filter for each line to be drawn; a dark rim first, so that it is seen on any ground."""
    width = (size_wh(picture.jpeg) or (640, 480))[0]
    shown = sorted((one for one in picture.boxes if one[1] >= WEAKEST_DRAWN), key=lambda one: -one[1])
    for box, confidence in shown[:_MOST_BOXES]:
        line = max(2, round(width * _LINE_SHARE * (1.0 if confidence >= STRONG else 0.5)))
        for colour, thickness in ((_RIM, line + max(1, line // 3)), (_COLOUR, line)):
            place = f"x=iw*{box.left:.4f}:y=ih*{box.top:.4f}:w=iw*{box.right - box.left:.4f}:h=ih*{box.bottom - box.top:.4f}"
            yield f"drawbox={place}:color={colour}:t={thickness}{when}"


def _command(ffmpeg: str, filters: str, output: tuple[str, ...]) -> list[str]:
    return [
        *(("nice", "-n", "10") if os.name == "posix" else ()),
        *(ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "pipe"),
        *("-threads", "1", "-noautorotate", "-max_pixels", _MOST_PIXELS),
        *("-f", "image2pipe", "-framerate", str(CLIP_FPS), "-c:v", "mjpeg", "-i", "pipe:0"),
        *("-filter_threads", "1", "-vf", filters, "-threads", "1", *output),
    ]


def _run(command: list[str], given: bytes, seconds: float) -> bytes:
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=True)
    except subprocess.TimeoutExpired as error:  # it is killed and waited for by then
        raise EvidenceError(say("ffmpeg took longer than %(seconds).1f s and was ended.", seconds=seconds)) from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode("utf-8", "replace").strip().splitlines()
        raise EvidenceError(
            say("ffmpeg could not read the pictures (%(reason)s).", reason=said[-1][:200] if said else error.returncode)
        ) from error
    except OSError as error:
        raise EvidenceError(say("ffmpeg could not be started (%(reason)s).", reason=error.strerror)) from error
    if not done.stdout:
        raise EvidenceError(say("ffmpeg could not read the pictures (%(reason)s).", reason="nothing came out"))
    return done.stdout
