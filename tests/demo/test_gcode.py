"""The G-code that keeps a virtual printer busy."""

from __future__ import annotations

import re

import pytest

from demo.gcode import print_lasting


@pytest.mark.parametrize("minutes", [1, 5, 20])
def test_the_dwells_alone_last_as_long_as_asked(minutes: int):
    """The virtual printer runs moves too fast, so the dwells carry the time; the last layer may add a little."""
    dwelt_s = sum(int(ms) for ms in re.findall(r"^G4 P(\d+)$", print_lasting(minutes), re.M)) / 1000
    assert minutes * 60 <= dwelt_s <= minutes * 60 + 10


def test_it_extrudes_from_the_first_layer_and_never_waits_for_heat():
    """Filament advances with every line; heating is set without waiting, so the print begins at once."""
    gcode = print_lasting(1)
    advances = [float(e) for e in re.findall(r"^G1 X\S+ Y\S+ E(\S+)", gcode, re.M)]
    assert advances == sorted(set(advances))
    assert not re.search(r"^M1(09|90)", gcode, re.M)
    assert gcode.index("G28") < gcode.index("G1 X")
