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
from octoprint_spaghetti.checking import check_picture, find_pictures, is_picture
from octoprint_spaghetti.core.errors import DetectorError, PictureUnusable
from octoprint_spaghetti.core.kinds import Switch
from octoprint_spaghetti.core.patience import Patience, check_number, describe_number, names
from octoprint_spaghetti.core.recording import Recording, Seen, of_pictures
from octoprint_spaghetti.core.words import Frame, Sighting

#: Read at a time when a video is told from another by its bytes.
_CHUNK = 1 << 20
#: What a person may type for a switch.
_WORDS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Reading:
    """How pictures are taken: ``interval`` seconds between two; which frames of a video; who is told of a problem, in words.

    A video picked by its own clock (``pick.every_s``) keeps that clock.
    """

    interval: float
    pick: Pick
    problem: Callable[[str], None]


def open_recording(path: Path, detector: RememberingDetector, reading: Reading) -> Recording:
    """Return what ``path`` holds, looking at its pictures where they were not looked at before.

    Raises :class:`EvidenceError`, :class:`PictureUnusable` and :class:`DetectorMissing` with a sentence.
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
        checked = check_picture(file, detector)
        if checked.answer is None:
            reading.problem(checked.problem)
        else:
            yield Seen(frame_number(file, place), Sighting(place * reading.interval, checked.answer))


def _of_video(file: Path, detector: RememberingDetector, reading: Reading) -> list[Seen]:
    """Look at the picked frames; a video that was looked at before is not even decoded."""
    name = f"video {_digest(file)} {reading.pick}"
    known = _remembered(name, detector)
    if known is None:
        known = list(_looked_at(file, name, detector, reading))
        plan = [(seen.number, seen.at) for seen in known]
        detector.cache.put_bytes(detector.key(name.encode()), json.dumps(plan).encode())
    if reading.pick.every_s is not None:
        return known
    return [_at(seen, (seen.number - 1) // reading.pick.nth * reading.interval) for seen in known]


def _at(seen: Seen, at: float) -> Seen:
    return Seen(seen.number, Sighting(at, seen.sighting.answer))


def _looked_at(file: Path, name: str, detector: RememberingDetector, reading: Reading) -> Iterator[Seen]:
    for frame in video_frames(file, reading.pick):
        try:
            answer = detector.look(Frame(frame.jpeg, frame.at, file.name))
        except DetectorError as error:
            reading.problem(f"frame {frame.number}: {error}")
            continue
        detector.cache.put(detector.key(_frame_name(name, frame.number)), answer)
        yield Seen(frame.number, Sighting(frame.at, answer))


def _remembered(name: str, detector: RememberingDetector) -> list[Seen] | None:
    """Return the frames of a video that was looked at before, None when anything is missing."""
    plan = detector.cache.get_bytes(detector.key(name.encode()))
    if plan is None:
        return None
    frames = []
    for number, at in json.loads(plan):
        answer = detector.cache.get(detector.key(_frame_name(name, number)))
        if answer is None:
            return None
        frames.append(Seen(number, Sighting(at, answer)))
    return frames


def _frame_name(video: str, number: int) -> bytes:
    return f"{video} frame {number}".encode()


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
