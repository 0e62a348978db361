"""G-code that keeps OctoPrint's virtual printer printing for as long as a demonstration needs.

The virtual printer runs moves ten times too fast, but dwells (``G4``) take their time. Short dwells keep
the way from "pause" to "paused" short, because a pause waits for the command in flight.
"""

from __future__ import annotations

import math

#: The dwell after each extruded line, in milliseconds.
DWELL_MS = 250
#: Extruded lines on one layer; a layer then takes about 6 s.
LINES_PER_LAYER = 24
LAYER_HEIGHT_MM = 0.2
#: A small ring in the middle of a 200 mm bed.
CENTRE_MM, RADIUS_MM = 100.0, 20.0
#: Millimetres of 1.75 mm filament for each line of a 0.4 mm nozzle (5.2 mm x 0.4 mm x 0.2 mm / 2.4 mm2).
EXTRUSION_MM = 0.17

_START = """\
; a ring, layer upon layer
M140 S60 ; warm up without waiting
M104 S210
G28
G90
M82
G92 E0
"""
_END = """\
M104 S0
M140 S0
M84
"""


def print_lasting(minutes: float) -> str:
    """Return G-code that extrudes for about ``minutes`` minutes: heating without waiting, homing, a ring in layers."""
    layers = max(1, math.ceil(minutes * 60_000 / (DWELL_MS * LINES_PER_LAYER)))
    return _START + "".join(_layer(layer) for layer in range(layers)) + _END


def _layer(layer: int) -> str:
    lines = [f";LAYER:{layer}", f"G1 Z{(layer + 1) * LAYER_HEIGHT_MM:.2f} F600"]
    for step in range(LINES_PER_LAYER):
        angle = 2 * math.pi * step / LINES_PER_LAYER
        x, y = CENTRE_MM + RADIUS_MM * math.cos(angle), CENTRE_MM + RADIUS_MM * math.sin(angle)
        filament = (layer * LINES_PER_LAYER + step + 1) * EXTRUSION_MM
        lines += [f"G1 X{x:.2f} Y{y:.2f} E{filament:.3f} F3000", f"G4 P{DWELL_MS}"]
    return "\n".join(lines) + "\n"
