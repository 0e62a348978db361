"""From what lies on a disk, a folder of pictures, a video or the trace of a print, to what the policies can replay."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.remembering import RememberingDetector
from octoprint_spaghetti.adapters.trace_reader import recorded
from octoprint_spaghetti.adapters.video import Pick, video_frames
from octoprint_spaghetti.checking import find_pictures, is_picture, read_jpeg
from octoprint_spaghetti.core import second_look
from octoprint_spaghetti.core.errors import AnswerInvalid, DetectorError, PictureRefused, PictureUnusable
from octoprint_spaghetti.core.jpeg import size_wh
from octoprint_spaghetti.core.kinds import Switch
from octoprint_spaghetti.core.patience import Patience, check_number, describe_number, names
from octoprint_spaghetti.core.recording import Recording, Seen, of_pictures
from octoprint_spaghetti.core.words import Answer, Frame, Sighting

#: Read at a time when a video is told from another by its bytes.
_CHUNK = 1 << 20
#: Under which what was said of a frame of a video is remembered.
_FIRST, _BOTH = "first look", "both looks"
#: What a person may type for a switch.
_WORDS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Reading:
    """How pictures are taken: ``interval`` seconds between two; which frames of a video; who is told of a problem, in words,
    and of each picture that was looked at.

    A video picked by its own clock (``pick.every_s``) keeps that clock. With ``twice`` pictures are looked at again, enlarged,
    where something is, as the watch does while it is suspicious.
    """

    interval: float
    pick: Pick
    problem: Callable[[str], None]
    looked: Callable[[], None]
    twice: bool = True


def open_recording(path: Path, detector: RememberingDetector, reading: Reading) -> Recording:
    """Return what ``path`` holds, looking at its pictures where they were not looked at before.

    Raises :class:`EvidenceError`, :class:`PictureUnusable` and :class:`DetectorError` with a sentence; what was looked at until
    then is remembered.
    """
    if path.is_dir():
        return of_pictures(_of_folder(path, detector, reading))
    if is_picture(path):
        raise PictureUnusable(f"{path} is one picture; a replay needs a folder of them. Look at it with: spaghetti check {path}")
    if _begins_like_json(path):
        return recorded(path)
    return of_pictures(_of_video(path, detector, reading))


def _of_folder(folder: Path, detector: RememberingDetector, reading: Reading) -> Iterator[Seen]:
    """Look at every picture; one that cannot be looked at leaves a gap in time, as it would have in the print."""
    for place, file in enumerate(sorted(find_pictures([folder]), key=natural_order)):
        number = frame_number(file, place)
        try:
            jpeg = read_jpeg(file)
        except OSError as error:
            reading.problem(f"{file} cannot be read ({error.strerror}).")
        except PictureUnusable as error:
            reading.problem(f"{file}: {error}")
        else:
            yield from _seen(number, place * reading.interval, jpeg, detector, reading)


def _seen(number: int, at: float, jpeg: bytes, detector: RememberingDetector, reading: Reading) -> Iterator[Seen]:
    """Yield what is seen in a picture, or nothing when it is refused; raises :class:`DetectorError` when nobody can look."""
    reading.looked()
    try:
        answer = detector.look(Frame(jpeg, at, ""))
    except (PictureRefused, AnswerInvalid) as error:
        reading.problem(f"frame {number}: {error}")
        return
    yield Seen(number, Sighting(at, answer), _closer(jpeg, answer, detector) if reading.twice else None)


def _closer(jpeg: bytes, answer: Answer, detector: RememberingDetector) -> Answer | None:
    """Return what a second look adds, None where there is nothing to be seen closer."""
    roi = second_look.region(answer, size_wh(jpeg))
    if roi is None:
        return None
    try:
        return second_look.combined(answer, detector.look(Frame(jpeg, 0.0, ""), roi), roi)
    except DetectorError:  # as in a print: the first look counts
        return None


def _of_video(file: Path, detector: RememberingDetector, reading: Reading) -> list[Seen]:
    """Look at the picked frames; a video that was looked at before is not even decoded."""
    name = f"video {_digest(file)} {reading.pick} {reading.twice}"
    known = _remembered(name, detector)
    if known is None:
        known = list(_looked_at(file, name, detector, reading))
        plan = [(seen.number, seen.at, seen.closer is not None) for seen in known]
        detector.cache.put_bytes(detector.key(name.encode()), json.dumps(plan).encode())
    if reading.pick.every_s is not None:
        return known
    return [_at(seen, (seen.number - 1) // reading.pick.nth * reading.interval) for seen in known]


def _at(seen: Seen, at: float) -> Seen:
    return Seen(seen.number, Sighting(at, seen.sighting.answer), seen.closer)


def _looked_at(file: Path, name: str, detector: RememberingDetector, reading: Reading) -> Iterator[Seen]:
    for frame in video_frames(file, reading.pick):
        for seen in _seen(frame.number, frame.at, frame.jpeg, detector, reading):
            for look, said in ((_FIRST, seen.sighting.answer), (_BOTH, seen.closer)):
                if said is not None:
                    detector.cache.put(_frame_key(detector, name, frame.number, look), said)
            yield seen


def _remembered(name: str, detector: RememberingDetector) -> list[Seen] | None:
    """Return the frames of a video that was looked at before, None when anything is missing or damaged."""
    frames = []
    for number, at, has_closer in _plan(detector.cache.get_bytes(detector.key(name.encode()))):
        answer = detector.cache.get(_frame_key(detector, name, number, _FIRST))
        closer = detector.cache.get(_frame_key(detector, name, number, _BOTH)) if has_closer else None
        if answer is None or (has_closer and closer is None):
            return None
        frames.append(Seen(number, Sighting(at, answer), closer))
    return frames or None


def _plan(kept: bytes | None) -> list[tuple[int, float, bool]]:
    """Return number, second and whether there was a second look of each frame; nothing where what was kept is no such list."""
    try:
        return [(int(number), float(at), bool(closer)) for number, at, closer in json.loads(kept or b"[]")]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return []


def _frame_key(detector: RememberingDetector, video: str, number: int, look: str) -> str:
    return detector.key(f"{video} frame {number} {look}".encode())


def _digest(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _begins_like_json(file: Path) -> bool:
    """Return whether a file can only be a trace; what is no JSON may still be a video."""
    with file.open("rb") as stream:
        return stream.read(1) in (b"{", b"[")


def changed_patience(changes: Iterable[str]) -> Patience:
    """Return the judge's numbers with ``name=value`` changes; raises :class:`SettingRefused`."""
    stored: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        stored[name] = check_number(name, _typed(name, value))
    return Patience(**stored)


def _typed(name: str, value: str) -> object:
    """Return a word for a switch as what it means; anything else is checked as it is."""
    if name in names() and isinstance(describe_number(name)[0], Switch):
        return _WORDS.get(value.lower(), value)
    return value


def frame_number(file: Path, place: int) -> int:
    """Return the digits at the end of a file's name as a number, or its ``place`` (from 0) counted from 1 when it has none."""
    digits = re.search(r"(\d+)$", file.stem)
    return int(digits[1]) if digits else place + 1


def natural_order(file: Path) -> list[tuple[int, str]]:
    """Return a sort key that compares runs of digits by value: ``frame9`` comes before ``frame10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(file).lower()) if part]
