"""A webcam that OctoPrint knows: one snapshot, whole, in time, or a sentence that says why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import requests
from octoprint.webcams import get_snapshot_webcam, get_webcams

from octoprint_spaghetti.core.errors import CameraError, CameraMissing, CameraTooSlow, CameraUnreachable, PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES, check_jpeg, too_large
from octoprint_spaghetti.core.words import Frame

#: OctoPrint's camera plugins read with a time-out per read, not in total; this bounds the total.
WHOLE_PICTURE_S = 6.0


class OctoPrintCamera:
    """Takes snapshots with a webcam that a plugin provides to OctoPrint."""

    def __init__(self, name: str = "", *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Choose the webcam called ``name``, or OctoPrint's own snapshot camera when it is empty."""
        self._name = name
        self._monotonic = monotonic

    def capture(self) -> Frame:
        """Return one picture; blocks for ``WHOLE_PICTURE_S`` plus the camera plugin's own time-out at most.

        Raises :class:`CameraError` with a sentence for the owner.
        """
        camera = get_webcams().get(self._name) if self._name else get_snapshot_webcam()
        if camera is None:
            raise CameraMissing(
                f"OctoPrint has no webcam named {self._name!r}; choose one in the settings."
                if self._name
                else "OctoPrint has no webcam; add one in OctoPrint's webcam settings."
            )
        if not camera.config.canSnapshot:
            raise CameraMissing(
                f"The webcam {camera.config.name!r} has no snapshot address; enter one in OctoPrint's webcam settings."
            )
        captured_at = self._monotonic()
        jpeg = self._read(camera, captured_at + WHOLE_PICTURE_S)
        return Frame(check_jpeg(jpeg), captured_at, camera.config.name)

    def close(self) -> None:
        """Nothing is held between two snapshots."""

    def _read(self, camera: object, end: float) -> bytes:
        try:
            return self._collect(camera.providerPlugin.take_webcam_snapshot(camera.config.name), end)  # type: ignore[attr-defined]
        except CameraError:
            raise
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise CameraUnreachable(
                f"The camera answered with status {status}; look at it in OctoPrint's Control tab."
            ) from error
        except requests.Timeout as error:
            raise CameraTooSlow("The camera hangs: no picture before its time-out; restart it.") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise PictureUnusable("The camera broke off in the middle of a picture; check its cable or network.") from error
        except requests.RequestException as error:
            raise CameraUnreachable(
                "The camera cannot be reached; check its snapshot address in OctoPrint's webcam settings."
            ) from error
        except Exception as error:  # any webcam plugin may stand behind this call, and raise what it likes
            raise CameraUnreachable(f"The webcam plugin failed ({type(error).__name__}: {error}).") from error

    def _collect(self, chunks: Iterable[bytes], end: float) -> bytes:
        data = bytearray()
        for chunk in chunks:
            data += chunk or b""
            if len(data) > MOST_BYTES:
                raise PictureUnusable(too_large(len(data)))
            if self._monotonic() > end:
                raise CameraTooSlow(f"The camera needs more than {WHOLE_PICTURE_S:.0f} s for one picture; check its network.")
        return bytes(data)


def webcam_names() -> tuple[str, ...]:
    """Return the names of all webcams OctoPrint knows that can take snapshots."""
    return tuple(name for name, camera in get_webcams().items() if camera.config.canSnapshot)
