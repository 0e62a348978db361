"""From settings to the parts that do the work. Libraries are imported here, late, so that the plugin loads without them."""

from __future__ import annotations

from dataclasses import replace

from octoprint_spaghetti.core.errors import CameraMissing, DetectorMissing
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.ports import Camera, Detector, Parts


def build_parts(settings: Settings) -> Parts:
    """Return the camera and the detector that ``settings`` ask for.

    Raises :class:`DetectorMissing` with a sentence when a library, a model file or a certificate is not there, and
    :class:`CameraMissing` when the camera has no address or lacks a program.
    """
    return Parts(camera=build_camera(settings), detector=build_protection(settings))


def build_camera(settings: Settings) -> Camera:
    """Return the camera that ``settings`` ask for; raises :class:`CameraMissing`."""
    if settings.camera_source == "octoprint":
        from octoprint_spaghetti.adapters.octoprint_camera import OctoPrintCamera

        return OctoPrintCamera(settings.camera)
    if not settings.camera_url:
        raise CameraMissing("The camera's address is empty; enter it in the settings, or choose a webcam that OctoPrint knows.")
    if settings.camera_source == "rtsp":
        from octoprint_spaghetti.adapters.cameras.rtsp import RtspCamera

        return RtspCamera(settings.camera_url)
    from octoprint_spaghetti.adapters.cameras.over_http import MjpegCamera, SnapshotCamera

    kind = SnapshotCamera if settings.camera_source == "snapshot" else MjpegCamera
    return kind(settings.camera_url, settings.camera_certificate)


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
    return Ladder(server, build_edge(replace(settings, deadline=(1.0 - SERVER_SHARE) * settings.deadline)))


def missing_here() -> str:
    """Return in a sentence why this computer cannot look by itself, or an empty string when it can be tried."""
    try:
        from octoprint_spaghetti.adapters.edge import why_missing
    except ImportError as error:
        return f"protobuf is missing or broken ({error}); install the plugin again."
    return why_missing()


def build_edge(settings: Settings) -> Detector:
    """Return the detector on this computer, in a process of its own; raises :class:`DetectorMissing`."""
    problem = missing_here()
    if problem:
        raise DetectorMissing(problem)
    from octoprint_spaghetti.adapters.edge import EdgeDetector

    return EdgeDetector(deadline=settings.deadline, share=settings.local_share / 100.0, model=settings.local_model)


def build_server(settings: Settings) -> Detector:
    """Return the detector behind ``settings.servers``; raises :class:`DetectorMissing`."""
    try:
        from octoprint_spaghetti.adapters.triton import TritonDetector
    except ImportError as error:
        raise DetectorMissing(
            f"grpcio or protobuf is missing or broken ({error}); install the plugin again, or use the local detector."
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
