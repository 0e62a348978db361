"""Pictures that a person can judge from bed: with boxes where the failure is, and the way to it as a clip.

ffmpeg draws them, on demand and bounded in time; where it is not installed, or not fast enough, the plain picture is good
enough. What was made is kept beside the incident's pictures. Never called on the watch's thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from octoprint_spaghetti.adapters import ffmpeg
from octoprint_spaghetti.adapters.ffmpeg import Marked, View
from octoprint_spaghetti.adapters.incidents import CLIP_FILE, IncidentFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Detection, Frame

#: A picture with a score from here on shows the failure.
_SHOWS_IT = 0.5


class Pictures:
    """Makes them for the incidents in ``folder``; may be called by any thread, and blocks for twice ffmpeg's bounds at most.

    ``program`` returns the path of ffmpeg, or None while it is not installed; ``view_of`` how the camera of a name is shown.
    """

    def __init__(
        self,
        folder: IncidentFolder,
        program: Callable[[], str | None],
        view_of: Callable[[str], View] = lambda camera: View(),
        logger: logging.Logger | None = None,
    ) -> None:
        """Use ``folder`` and ffmpeg."""
        self._folder = folder
        self._program = program
        self._view_of = view_of
        self._logger = logger or logging.getLogger(__name__)
        self._one_clip = threading.Lock()  # a Pi has other things to do than to make two clips at once
        self._one_drawing = threading.Lock()  # however many pictures are asked for at once
        self._slow = False  # drawing failed last time

    @property
    def makes_clips(self) -> bool:
        """Return whether there is a program that makes clips."""
        return self._program() is not None

    def drawn(self, jpeg: bytes, detections: Iterable[Detection]) -> bytes:
        """Return the picture with boxes where something was detected, or as it is when nothing can draw."""
        return self._boxed(Marked(jpeg, _marked(detections)))

    def shown(self, frame: Frame, detections: Iterable[Detection]) -> bytes:
        """Return the picture of a frame with boxes, the way up in which its camera is shown."""
        return self._boxed(Marked(frame.jpeg, _marked(detections), self._view_of(frame.camera)))

    def telling(self, incident_id: str) -> bytes | None:
        """Return the picture that tells most of an incident, with boxes where they can be drawn; None when there is none."""
        try:
            frame = telling_frame(self._folder.read(incident_id)["frames"])
            if frame is None:
                return None
            name = boxed_name(frame["file"])
            kept = self._folder.kept_file(incident_id, name)
            if kept is not None:
                return kept
            plain = self._folder.picture(incident_id, frame["file"])
        except EvidenceError:
            return None  # the disk was full, or the incident is pruned: the words go without
        made = self._boxed(self._marked(frame, plain))
        if made is not plain:
            self._folder.keep(incident_id, name, made)
        return made

    def clip(self, incident_id: str) -> bytes:
        """Return the incident's pictures with boxes as a GIF, made now if it was not before.

        Never waits for another clip: OctoPrint has few threads for requests. Raises :class:`EvidenceError`.
        """
        kept = self._folder.kept_file(incident_id, CLIP_FILE)
        if kept is not None:
            return kept
        program = self._program()
        if program is None:
            raise EvidenceError(say("Clips are made by ffmpeg, which is not installed; run: sudo apt install ffmpeg"))
        if not self._one_clip.acquire(blocking=False):
            raise EvidenceError(say("Another clip is being made; try again in a moment."))
        try:
            frames = self._folder.read(incident_id)["frames"]
            made = ffmpeg.clip(program, [self._marked(one, self._folder.picture(incident_id, one["file"])) for one in frames])
        finally:
            self._one_clip.release()
        self._folder.keep(incident_id, CLIP_FILE, made)
        return made

    def _marked(self, frame: dict[str, Any], jpeg: bytes) -> Marked:
        camera = frame.get("camera")
        return Marked(jpeg, _marks(frame), self._view_of(camera) if isinstance(camera, str) else View())

    def _boxed(self, picture: Marked) -> bytes:
        program = self._program()
        if program is None or not self._one_drawing.acquire(timeout=ffmpeg.PICTURE_S):
            return picture.jpeg
        try:
            made = ffmpeg.boxed(program, picture)
        except EvidenceError as error:
            if not self._slow:  # once when it begins
                self._logger.warning("Pictures go out without boxes: %s", error)
            self._slow = True
            return picture.jpeg
        finally:
            self._one_drawing.release()
        self._slow = False
        return made


def _marked(detections: Iterable[Detection]) -> tuple[tuple[Box, float], ...]:
    return tuple((one.box, one.confidence) for one in detections)


def boxed_name(file: str) -> str:
    """Return under which name the copy of a picture with boxes lies beside it: ``012-boxed.jpg`` for ``012.jpg``."""
    return f"{file.rpartition('.')[0]}-boxed.jpg"


def telling_frame(frames: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the newest frame that shows the failure, or the one with the highest score, None where there is none."""
    showing = [frame for frame in frames if (frame["score"] or 0.0) >= _SHOWS_IT]
    return showing[-1] if showing else max(frames, key=lambda frame: frame["score"] or 0.0, default=None)


def _marks(frame: dict[str, Any]) -> tuple[tuple[Box, float], ...]:
    marks = []
    for seen in frame["detections"]:
        try:
            marks.append((Box(*seen["xyxy"]), float(seen["confidence"])))
        except ValueError:  # a file may come from a stranger
            continue
    return tuple(marks)
