"""From settings to the parts that do the work. Libraries are imported here, late, so that the plugin loads without them."""

from __future__ import annotations

from octoprint_spaghetti.core.errors import DetectorMissing
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.ports import Detector, Parts


def build_parts(settings: Settings) -> Parts:
    """Return the camera and the detector that ``settings`` ask for.

    Raises :class:`DetectorMissing` with a sentence when a library, a model file or a certificate is not there.
    """
    from octoprint_spaghetti.adapters.octoprint_camera import OctoPrintCamera

    return Parts(camera=OctoPrintCamera(settings.camera), detector=build_detector(settings))


def build_detector(settings: Settings) -> Detector:
    """Return the detector that ``settings`` ask for; raises :class:`DetectorMissing`."""
    if settings.detector == "local":
        from octoprint_spaghetti.adapters.local import LocalDetector

        return LocalDetector(settings.local_model)
    try:
        from octoprint_spaghetti.adapters.triton import TritonDetector
    except ImportError as error:
        raise DetectorMissing(
            f"grpcio or protobuf is missing or broken ({error}); install the plugin again, or use the local detector."
        ) from error
    return TritonDetector(settings)
