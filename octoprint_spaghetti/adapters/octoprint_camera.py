"""A webcam that OctoPrint knows: one snapshot, whole, in time, or a sentence that says why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import requests
from octoprint.webcams import get_snapshot_webcam, get_webcams

from octoprint_spaghetti.adapters.cameras.bounded_reads import TOO_SLOW, BoundedReads, TooLate
from octoprint_spaghetti.core.errors import CameraError, CameraMissing, CameraTooSlow, CameraUnreachable, PictureUnusable
from octoprint_spaghetti.core.jpeg import MOST_BYTES, check_jpeg, too_large
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Frame

#: OctoPrint asks every webcam plugin for its whole configuration to find one of them, which costs as much as half of a
#: snapshot: what was found is used for this long, or until the camera fails. The plugin reads its settings for each snapshot.
_FOUND_FOR_S = 30.0


class OctoPrintCamera:
    """Takes snapshots with a webcam that a plugin provides to OctoPrint."""

    def __init__(self, name: str = "", *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Choose the webcam called ``name``, or OctoPrint's own snapshot camera when it is empty."""
        self._name = name
        self._monotonic = monotonic
        self._reads = BoundedReads(monotonic)
        self._found: Any = None  # what OctoPrint calls a ProvidedWebcam
        self._find_at = 0.0  # monotonic seconds

    def capture(self) -> Frame:
        """Return one picture; blocks for ``WHOLE_PICTURE_S`` at most.

        Raises :class:`CameraError` with a sentence for the owner.
        """
        captured_at = self._monotonic()
        if self._found is None or captured_at >= self._find_at:
            self._found, self._find_at = self._find(), captured_at + _FOUND_FOR_S
        camera = self._found
        try:
            jpeg = check_jpeg(self._reads.run(lambda too_late: _snapshot(camera, too_late)))
        except CameraError:
            self._found = None
            raise
        return Frame(jpeg, captured_at, camera.config.name)

    def _find(self) -> Any:
        """Return the webcam as OctoPrint knows it now; raises :class:`CameraMissing`."""
        camera = get_webcams().get(self._name) if self._name else get_snapshot_webcam()
        if camera is None:
            raise CameraMissing(
                say("OctoPrint has no webcam named %(camera)s; choose one in the settings.", camera=repr(self._name))
                if self._name
                else say("OctoPrint has no webcam; add one in OctoPrint's webcam settings.")
            )
        if not camera.config.canSnapshot:
            raise CameraMissing(
                say(
                    "The webcam %(camera)s has no snapshot address; enter one in OctoPrint's webcam settings.",
                    camera=repr(camera.config.name),
                )
            )
        return camera

    def close(self) -> None:
        """Wait a moment for reads that are still under way."""
        self._reads.close()


def _snapshot(camera: Any, too_late: TooLate) -> bytes:
    """Collect one snapshot from the plugin that provides the camera; foreign errors become ours here."""
    try:
        return _collect(camera.providerPlugin.take_webcam_snapshot(camera.config.name), too_late)
    except CameraError:
        raise
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else say("an error")
        raise CameraUnreachable(
            say("The camera answered with status %(status)s; look at it in OctoPrint's Control tab.", status=status)
        ) from error
    except requests.Timeout as error:
        raise CameraTooSlow(TOO_SLOW) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise PictureUnusable(say("The camera broke off in the middle of a picture; check its cable or network.")) from error
    except requests.RequestException as error:
        raise CameraUnreachable(
            say("The camera cannot be reached; check its snapshot address in OctoPrint's webcam settings.")
        ) from error
    except Exception as error:  # noqa: BLE001 - any webcam plugin may stand behind this call, and raise what it likes
        raise CameraUnreachable(
            say("The webcam plugin failed (%(kind)s: %(error)s).", kind=type(error).__name__, error=error)
        ) from error


def _collect(chunks: Iterable[bytes], too_late: TooLate) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk or b""
        if len(data) > MOST_BYTES:
            raise PictureUnusable(too_large(len(data)))
        if too_late():
            raise CameraTooSlow(TOO_SLOW)
    return bytes(data)


def snapshot_webcam_name() -> str:
    """Return the name of the webcam that OctoPrint takes snapshots with, or an empty string when there is none."""
    camera = get_snapshot_webcam()
    return "" if camera is None else str(camera.config.name)


def webcam_names() -> tuple[str, ...]:
    """Return the names of all webcams OctoPrint knows that can take snapshots."""
    return tuple(name for name, camera in get_webcams().items() if camera.config.canSnapshot)
