"""A webcam plugin for OctoPrint, as a file of its own in its plugin folder: a second camera, read from an address."""

import os

import octoprint.plugin
import requests
from octoprint.schema.webcam import Webcam

__plugin_name__ = "Garage webcam"
__plugin_pythoncompat__ = ">=3.7,<4"


class GarageWebcam(octoprint.plugin.WebcamProviderPlugin):
    """Provides one webcam that takes snapshots and streams nothing."""

    def get_webcam_configurations(self):
        """Describe it: it hangs upside down."""
        return [Webcam(name="garage", displayName="Garage camera", canSnapshot=True, flipV=True, snapshotDisplay="the garage")]

    def take_webcam_snapshot(self, name):
        """Yield the picture."""
        answer = requests.get(os.environ["GARAGE_WEBCAM"], timeout=5)
        answer.raise_for_status()
        return [answer.content]


__plugin_implementation__ = GarageWebcam()
