"""Where the tool is and what the printer is busy with, read from the G-code that is sent to it.

Cheap enough for every line of a print. Prints from the printer's own SD card send no lines: then nothing is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from octoprint_spaghetti.core.pause_script import Counting
from octoprint_spaghetti.core.sentence import say

_WORD = re.compile(r"([XYZE])\s*([-+]?[0-9]*\.?[0-9]+)")
#: In mm, 1,000 km: more than is extruded in any print, and sums of it stay numbers.
_FARTHEST = 1e9
_MOVES = frozenset({"G0", "G1", "G2", "G3"})
#: Commands that keep the printer from printing until the next extruding move.
_BUSY = {
    "M109": say("heating"),
    "M190": say("heating"),
    "M191": say("heating"),
    "M116": say("heating"),
    "G28": say("homing"),
    "G29": say("homing"),
    "M600": say("filament change"),
    "M701": say("filament change"),
    "M702": say("filament change"),
}
#: A layer is new when extrusion begins this much higher, in mm: the thinnest layers are 0.04 mm, a hop is not extruded.
_THINNEST_LAYER = 0.03


@dataclass(frozen=True)
class Tool:
    """What is known of the tool just now.

    ``position`` last commanded x, y, z in mm (None before the first move); ``layer`` counted from 1 (None before the first
    extrusion); ``busy`` why nothing is printed just now, in a word or two, or empty.
    """

    position: tuple[float, float, float] | None = None
    layer: int | None = None
    busy: str = ""


class Toolhead:
    """Follows the lines of one job; :meth:`follow` belongs to the thread that sends them, ``tool`` may be read by any."""

    __slots__ = ("_absolute", "_absolute_e", "_at", "_extruded", "_layer", "_layer_z", "_metric", "_said_e", "_seen", "tool")

    def __init__(self) -> None:
        """Know nothing yet; printers start in absolute coordinates."""
        self.tool = Tool()
        self._at = {"X": 0.0, "Y": 0.0, "Z": 0.0}
        self._extruded = 0.0
        self._absolute = self._absolute_e = self._said_e = self._metric = True
        self._layer = 0
        self._layer_z = 0.0
        self._seen = True

    @property
    def counting(self) -> Counting | None:
        """Return how the print counts, or None when that is not known: from the SD card, in inches, or as firmware differs.

        To Marlin G90 and G91 mean the extruder too, to Klipper and RepRapFirmware they do not: known is what both agree on.
        """
        known = self._seen and self._metric and self._absolute_e == self._said_e
        return Counting(self._absolute, self._absolute_e) if known else None

    def restart(self, *, seen: bool = True) -> None:
        """Count layers from 1 again: another job begins. Where the tool is, and how it counts, goes on.

        Of a job whose lines are not ``seen`` nothing is known until the next one: no extrusion would end what the last line
        that was sent, a G28 before the print, keeps the printer busy with.
        """
        self._layer, self._layer_z, self._seen = 0, 0.0, seen
        self.tool = Tool(self.tool.position, None, self.tool.busy) if seen else Tool()

    def follow(self, command: str, gcode: str | None) -> bool:
        """Take a line that was sent, and its code such as ``G1``; return whether it extrudes while moving."""
        extrudes = self._followed(command, gcode)
        if self._seen:
            return extrudes
        self.tool = Tool()
        return False

    def _followed(self, command: str, gcode: str | None) -> bool:
        if gcode in _MOVES:
            return self._move(command)
        if gcode in _BUSY:
            self.tool = Tool(self.tool.position, self.tool.layer, _BUSY[gcode])
        elif gcode in ("G90", "G91"):
            self._absolute = self._absolute_e = gcode == "G90"
        elif gcode in ("M82", "M83"):
            self._absolute_e = self._said_e = gcode == "M82"
        elif gcode in ("G20", "G21"):
            self._metric = gcode == "G21"
        elif gcode == "G92":
            self._set(command)
        return False

    def _move(self, command: str) -> bool:
        words = _numbers(command)
        for axis in ("X", "Y", "Z"):
            if axis in words:
                self._at[axis] = words[axis] if self._absolute else self._at[axis] + words[axis]
        extrudes = self._extrude(words) and ("X" in words or "Y" in words)
        if extrudes and (not self._layer or self._at["Z"] > self._layer_z + _THINNEST_LAYER):
            self._layer += 1
            self._layer_z = self._at["Z"]
        position = (self._at["X"], self._at["Y"], self._at["Z"])
        self.tool = Tool(position, self._layer or None, "" if extrudes else self.tool.busy)
        return extrudes

    def _extrude(self, words: dict[str, float]) -> bool:
        if "E" not in words:
            return False
        value = words["E"]
        pushed = value - self._extruded if self._absolute_e else value
        self._extruded = value if self._absolute_e else self._extruded + value
        return pushed > 0.0

    def _set(self, command: str) -> None:
        for axis, value in _numbers(command).items():
            if axis == "E":
                self._extruded = value
            else:
                self._at[axis] = value


def _numbers(command: str) -> dict[str, float]:
    """Return the numbers of a line by axis, in mm; one that no printer can mean is left out."""
    found = ((axis, float(number)) for axis, number in _WORD.findall(command))
    return {axis: number for axis, number in found if abs(number) <= _FARTHEST}
