"""The camera's pictures: a rendered print, calm or failed as the story wants it, never the same file twice in a row."""

from __future__ import annotations

from inference_server.scene import Scene

#: Frames of each kind. They come round again; nobody is told that they have, but for the last layer that becomes the first.
_CALM, _FAILED = 40, 40
#: The rendered failure begins small; what a pause is ordered for is drawn from here on.
_GROWN = 20
_SIZE_WH = (640, 480)


class StoryFrames:
    """A frame source (see ``demo.frames``) that shows a calm print, or a failed one while ``failed`` is set."""

    def __init__(self, count: int, seed: int = 3) -> None:
        """Draw the pictures, which takes some seconds; the camera may ask for ``count`` of them, in turn."""
        self._count = count
        scene = Scene(seed=seed, size=_SIZE_WH, frames=_CALM + _GROWN + _FAILED, failure_at=_CALM)
        self._calm = tuple(scene.jpeg(number) for number in range(_CALM))
        self._failed = tuple(scene.jpeg(_CALM + _GROWN + number) for number in range(_FAILED))
        self.failed = False

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return self._count

    def jpeg(self, position: int) -> bytes:
        """Return the picture at ``position``."""
        shown = self._failed if self.failed else self._calm
        return shown[position % len(shown)]

    def number(self, position: int) -> int:
        """Return the position."""
        return position

    def close(self) -> None:
        """Hold nothing that must be let go."""
