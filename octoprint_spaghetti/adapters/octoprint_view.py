"""Which way up OctoPrint shows a webcam: its snapshots come as the camera takes them."""

from __future__ import annotations

from octoprint.webcams import get_webcams

from octoprint_spaghetti.adapters.ffmpeg import View


def view_of(name: str) -> View:
    """Return how OctoPrint shows the webcam called ``name``; as it comes when OctoPrint knows none of that name."""
    webcam = get_webcams().get(name)
    if webcam is None:
        return View()
    return View(bool(webcam.config.flipH), bool(webcam.config.flipV), bool(webcam.config.rotate90))
