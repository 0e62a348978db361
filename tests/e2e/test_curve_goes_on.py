"""The curve of a real print, of which the plugin is made to believe that OctoPrint was restarted in its middle."""

from __future__ import annotations

import pytest

from demo.octoprint_server import OctoPrintServer
from tests.e2e.conftest import a_print, eventually

HISTORY = "/plugin/spaghetti/history"


def test_the_curve_goes_on_when_a_watched_print_is_found_again(any_octoprint: OctoPrintServer) -> None:
    """The watch ends and begins anew with what a kill would leave on the disk: the points of before are there, in front.

    The virtual printer forgets its job with OctoPrint, so watching is switched off and on instead.
    """
    belief = any_octoprint.base / "data" / "spaghetti" / "belief.json"
    with a_print(any_octoprint):
        eventually(lambda: is_drawn(any_octoprint) and belief.is_file(), 60.0, "a curve, and a belief on the disk")
        before, left_behind = points(any_octoprint), belief.read_bytes()
        switch(any_octoprint, on=False)
        eventually(
            lambda: any_octoprint.plugin_status()["verdict"] == "off" and not belief.exists(), 60.0, "the end of the watch"
        )
        belief.write_bytes(left_behind)
        switch(any_octoprint, on=True)
        eventually(lambda: len(points(any_octoprint)) > len(before) + 3, 60.0, "the curve going on")
        history = any_octoprint.api("GET", HISTORY).json()
    ats = [point[0] for point in history["points"]]
    assert ats == sorted(ats)
    assert ats[0] == pytest.approx(before[0][0], abs=5.0)
    assert len([at for at in ats if at <= before[-1][0]]) >= len(before) - 2
    assert "blind" in [one["kind"] for one in history["stretches"]]
    with a_print(any_octoprint):
        eventually(lambda: begins_before(points(any_octoprint), ats[-1]), 30.0, "a curve of its own for another print")


def is_drawn(octoprint: OctoPrintServer) -> bool:
    """Return whether there is a curve of the print that runs; until it is seen, the one of the last print is answered."""
    history = octoprint.api("GET", HISTORY).json()
    return not history["over"] and len(history["points"]) >= 6


def begins_before(curve: list[list[float]], at: float) -> bool:
    """Return whether there is a curve, and all of it lies before a second."""
    return bool(curve) and curve[-1][0] < at


def points(octoprint: OctoPrintServer) -> list[list[float]]:
    return list(octoprint.api("GET", HISTORY).json()["points"])


def switch(octoprint: OctoPrintServer, *, on: bool) -> None:
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"enabled": on}}})
