"""From settings to the parts that do the work. Libraries are imported here, late, so that the plugin loads without them."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from octoprint_spaghetti import __version__
from octoprint_spaghetti.adapters.installation import version_on_disk
from octoprint_spaghetti.core.errors import CameraMissing, DetectorMissing, anew
from octoprint_spaghetti.core.further_cameras import FurtherCamera
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame
from octoprint_spaghetti.ports import Camera, Detector, Parts

if TYPE_CHECKING:
    from octoprint_spaghetti.adapters.edge import EdgeDetector

#: What is imported late, here and by the settings page. Before the first look of a print all of it is, for when the plugin is
#: upgraded in mid-print: old code that runs must not import new code beside it.
LATE = (
    "octoprint_spaghetti.adapters.octoprint_camera",
    "octoprint_spaghetti.adapters.cameras.over_http",
    "octoprint_spaghetti.adapters.cameras.rtsp",
    "octoprint_spaghetti.adapters.edge",
    "octoprint_spaghetti.adapters.ladder",
    "octoprint_spaghetti.settings_page",
)
#: This one loads gRPC, some 20 MB for nothing where no server is used; it is refused after an upgrade instead.
_SERVER = "octoprint_spaghetti.adapters.triton"


def load_late_parts() -> None:
    """Import whatever other settings may ask for, as far as its libraries are installed; does nothing the second time."""
    if _is_upgraded():
        return
    for name in LATE:
        with suppress(ImportError):  # the part that needs it says so, in words
            import_module(name)


def build_parts(settings: Settings) -> Parts:
    """Return the camera and the detector that ``settings`` ask for.

    Raises :class:`DetectorMissing` with a sentence when a library, a model file or a certificate is not there, and
    :class:`CameraMissing` when the only camera has no address or lacks a program; of several it says so at each of its pictures.
    """
    load_late_parts()
    further = tuple(build_further(one, settings) for one in settings.also_watched)
    camera = build_camera(settings) if not further else _camera_or_absent(settings)
    return Parts(camera, build_protection(settings), further)


def build_camera(settings: Settings) -> Camera:
    """Return the camera that ``settings`` ask for; raises :class:`CameraMissing`."""
    if settings.camera_source == "octoprint":
        from octoprint_spaghetti.adapters.octoprint_camera import OctoPrintCamera

        return OctoPrintCamera(settings.camera)
    if not settings.camera_url:
        raise CameraMissing(
            say("The camera's address is empty; enter it in the settings, or choose a webcam that OctoPrint knows.")
        )
    if settings.camera_source == "rtsp":
        from octoprint_spaghetti.adapters.cameras.rtsp import RtspCamera

        return RtspCamera(settings.camera_url)
    from octoprint_spaghetti.adapters.cameras.over_http import MjpegCamera, SnapshotCamera

    kind = SnapshotCamera if settings.camera_source == "snapshot" else MjpegCamera
    return kind(settings.camera_url, settings.camera_certificate)


def build_further(further: FurtherCamera, settings: Settings) -> Camera:
    """Return a further camera; one that cannot be had says so at each picture, for the others see nevertheless."""
    if not further.is_address:
        return build_camera(replace(settings, camera_source="octoprint", camera=further.camera))
    source = "rtsp" if further.camera.lower().startswith("rtsp:") else "mjpeg"  # which takes an address of one picture as well
    return _camera_or_absent(replace(settings, camera_source=source, camera_url=further.camera))


def _camera_or_absent(settings: Settings) -> Camera:
    try:
        return build_camera(settings)
    except CameraMissing as error:
        return AbsentCamera(error)


class AbsentCamera:
    """Stands for a camera that cannot even be asked, such as an RTSP one without ffmpeg."""

    def __init__(self, problem: CameraMissing) -> None:
        """Remember why."""
        self._problem = problem

    def capture(self) -> Frame:
        """Raise the problem."""
        raise anew(self._problem)

    def close(self) -> None:
        """Hold nothing."""


def build_protection(settings: Settings) -> Detector:
    """Return who looks while a print is watched: the server with this computer below it, or one of them.

    Raises :class:`DetectorMissing` when neither can be used.
    """
    from octoprint_spaghetti.adapters.ladder import SERVER_SHARE, AbsentDetector, Ladder

    if settings.detector == "local":
        return build_edge(settings)
    if not settings.fallback or missing_here():
        return build_server(settings)
    server: Detector
    try:
        server = build_server(replace(settings, deadline=SERVER_SHARE * settings.deadline))
    except DetectorMissing as error:
        server = AbsentDetector(error)
    here = build_edge(replace(settings, deadline=(1.0 - SERVER_SHARE) * settings.deadline))
    return Ladder(server, here, spare_memory=here.spare_memory)


def missing_here() -> str:
    """Return in a sentence why this computer cannot look by itself, or an empty string when it can be tried."""
    try:
        from octoprint_spaghetti.adapters.edge import why_missing
    except ImportError as error:
        return say("protobuf is missing or broken (%(error)s); install the plugin again.", error=str(error))
    return why_missing()


def build_edge(settings: Settings) -> EdgeDetector:
    """Return the detector on this computer, in a process of its own; raises :class:`DetectorMissing`."""
    problem = missing_here()
    if problem:
        raise DetectorMissing(problem)
    from octoprint_spaghetti.adapters.edge import EdgeDetector

    return EdgeDetector(deadline=settings.deadline, share=settings.local_share / 100.0, model=settings.local_model)


def build_server(settings: Settings) -> Detector:
    """Return the detector behind ``settings.servers``; raises :class:`DetectorMissing`."""
    if _SERVER not in sys.modules and _is_upgraded():
        raise DetectorMissing(say("The plugin was upgraded; restart OctoPrint before you switch to a server."))
    try:
        from octoprint_spaghetti.adapters.triton import TritonDetector
    except ImportError as error:
        raise DetectorMissing(
            say(
                "grpcio or protobuf is missing or broken (%(error)s); install the plugin again, or use the local detector.",
                error=str(error),
            )
        ) from error
    return TritonDetector(settings)


def build_detector(settings: Settings) -> Detector:
    """Return the detector for a shell: a server, or this computer in this process, as fast as it can.

    Raises :class:`DetectorMissing`.
    """
    if settings.detector == "server":
        return build_server(settings)
    from octoprint_spaghetti.adapters.local import LocalDetector

    return LocalDetector(settings.local_model)


def _is_upgraded() -> bool:
    return version_on_disk() not in ("", __version__)
