"""What a camera can play: a folder of pictures or the rendered scene, as numbered JPEG files in time order."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from octoprint_spaghetti.recordings import frame_number, natural_order

if TYPE_CHECKING:
    from inference_server.scene import Scene

_SUFFIXES = {".jpg", ".jpeg"}
#: What every JPEG file begins with; a PNG that is called .jpg would be played as a camera that is broken.
_JPEG_START = b"\xff\xd8\xff"
#: Longest wait for a frame that is being rendered, in seconds; one takes about a tenth of that on a slow machine.
_RENDER_PATIENCE_S = 10.0


class NoFrames(ValueError):
    """The folder holds nothing that can be played; the message says what it should hold."""


class FrameSource(Protocol):
    """JPEG files in the order in which a camera saw them; positions count from 0."""

    def __len__(self) -> int:
        """Return how many frames there are."""
        ...

    def jpeg(self, position: int) -> bytes:
        """Return the JPEG file at ``position``."""
        ...

    def number(self, position: int) -> int:
        """Return the number by which people know the frame at ``position``."""
        ...

    def close(self) -> None:
        """Free what the source holds."""
        ...


class FolderFrames:
    """The JPEG files of one folder in natural order (``frame9`` before ``frame10``), their bytes untouched."""

    def __init__(self, folder: Path) -> None:
        """List ``folder``; raises :class:`NoFrames`."""
        if not folder.is_dir():
            raise NoFrames(f"{folder} is not a folder; name one that holds JPEG files in time order")
        self.paths = sorted((path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES), key=natural_order)
        if not self.paths:
            raise NoFrames(f"{folder} holds no .jpg file; name a folder of JPEG files in time order")
        others = [path for path in self.paths if not _begins_as_jpeg(path)]
        if others:
            more = f" (one of {len(others)} such files)" if len(others) > 1 else ""
            raise NoFrames(f"{others[0]} is not a JPEG file, whatever its name says{more}; convert or remove it")

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self.paths)

    def jpeg(self, position: int) -> bytes:
        """Read the file at ``position``."""
        return self.paths[position].read_bytes()

    def number(self, position: int) -> int:
        """Return the trailing digits of the file's name, or its place counted from 1 when it has none."""
        return frame_number(self.paths[position], position)

    def close(self) -> None:
        """Hold nothing, free nothing."""


def _begins_as_jpeg(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_JPEG_START)) == _JPEG_START


class SceneFrames:
    """The rendered scene, drawn ahead by a thread of its own, so that a camera never waits for the painter."""

    def __init__(self, scene: Scene, quality: int = 85) -> None:
        """Start drawing ``scene`` at JPEG ``quality`` (0 to 100); frames stay in memory, about 100 kB each."""
        self._scene = scene
        self._quality = quality
        self._drawn: dict[int, bytes] = {}
        self._news = threading.Condition()
        self._closed = False
        self._failure: Exception | None = None
        self._painter = threading.Thread(target=self._paint, name="scene-painter")
        self._painter.start()

    def __len__(self) -> int:
        """Return how many frames there are."""
        return self._scene.frames

    def jpeg(self, position: int) -> bytes:
        """Return the frame at ``position``, waiting for the painter when it is not drawn yet.

        Raises TimeoutError, or RuntimeError when the painter has failed.
        """
        with self._news:
            self._news.wait_for(lambda: position in self._drawn or self._closed or self._failure, _RENDER_PATIENCE_S)
            if self._failure is not None:
                raise RuntimeError(f"the scene could not be drawn: {self._failure}") from self._failure
            if position not in self._drawn:
                raise TimeoutError(f"frame {position} of the scene was not drawn in time")
            return self._drawn[position]

    def number(self, position: int) -> int:
        """Return the scene's own frame index, which is the position."""
        return position

    def close(self) -> None:
        """Stop drawing and wait for the painter to end (one frame's time)."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._painter.join()

    def _paint(self) -> None:
        try:
            for index in range(self._scene.frames):
                if self._closed:
                    return
                jpeg = self._scene.jpeg(index, self._quality)
                with self._news:
                    self._drawn[index] = jpeg
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001 - the thread's top: whoever waits for a frame is told, with the traceback
            with self._news:
                self._failure = error
                self._news.notify_all()
