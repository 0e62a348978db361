"""The tool, read from the lines that are sent: layer, position, and what keeps it from printing."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.pause_script import Counting
from octoprint_spaghetti.core.toolhead import Tool, Toolhead


def after(*lines: str) -> Tool:
    """Send lines, each of which begins with its code, and return what is known then."""
    head = Toolhead()
    for line in lines:
        head.follow(line, line.split()[0])
    return head.tool


def test_a_layer_begins_with_extrusion_higher_up() -> None:
    """Three heights with extrusion are three layers."""
    tool = after("G1 Z0.2", "G1 X10 E1", "G1 Z0.4", "G1 X20 E2", "G1 Z0.6", "G1 X30 E3")
    assert tool == Tool((30.0, 0.0, 0.6), 3, "")


def test_a_hop_is_no_layer() -> None:
    """The tool lifts to travel and comes down again: still the first layer."""
    assert after("G1 Z0.2", "G1 X10 E1", "G1 Z0.8", "G0 X50", "G1 Z0.2", "G1 X60 E2").layer == 1


def test_a_retraction_is_no_extrusion() -> None:
    """Pulling filament back, or pushing it in place, prints nothing."""
    head = Toolhead()
    assert not head.follow("G1 E-2 F1800", "G1")
    assert not head.follow("G1 E5", "G1")
    assert not head.follow("G1 X10 E4", "G1")
    assert head.follow("G1 X20 E4.5", "G1")


def test_relative_extrusion_and_relative_moves_are_followed() -> None:
    """After M83 and G91 each number is a step."""
    tool = after("M83", "G1 Z0.2", "G1 X10 E0.5", "G1 X20 E0.5", "G91", "G1 X5 Z0.2 E0.5")
    assert tool == Tool((25.0, 0.0, pytest.approx(0.4)), 2, "")


def test_a_position_that_is_set_is_believed() -> None:
    """G92 E0 starts the count of filament anew, as slicers do at every layer."""
    head = Toolhead()
    head.follow("G1 X10 E100", "G1")
    head.follow("G92 E0", "G92")
    assert head.follow("G1 X20 E0.4", "G1")


@pytest.mark.parametrize(
    ("line", "busy"),
    [("M109 S210", "heating"), ("M190 S60", "heating"), ("G28", "homing"), ("G29", "homing"), ("M600", "filament change")],
)
def test_what_is_no_printing_lasts_until_the_next_extrusion(line: str, busy: str) -> None:
    """Heating, homing and a filament change are named until filament is laid down again; a travel does not end them."""
    head = Toolhead()
    head.follow(line, line.split()[0])
    head.follow("G0 X5", "G0")
    assert head.tool.busy == busy
    head.follow("G1 X10 E1", "G1")
    assert head.tool.busy == ""


def test_another_job_counts_its_layers_from_one() -> None:
    """Position and the way of counting go on, the layers begin anew."""
    head = Toolhead()
    for line in ("M83", "G1 Z5", "G1 X10 E1"):
        head.follow(line, line.split()[0])
    head.restart()
    assert head.tool == Tool((10.0, 0.0, 5.0), None, "")
    head.follow("G1 Z0.2", "G1")
    head.follow("G1 X20 E0.5", "G1")
    assert head.tool.layer == 1


def test_a_job_whose_lines_are_not_seen_is_not_busy() -> None:
    """A print from the printer's own card sends no lines: homing it before must not stand for the whole print."""
    head = Toolhead()
    head.follow("G1 X10 E1", "G1")
    head.follow("G28", "G28")
    head.restart(seen=False)
    assert head.tool == Tool()
    assert not head.follow("M109 S210", "M109")
    assert head.tool.busy == ""
    head.restart()
    head.follow("M109 S210", "M109")
    assert head.tool.busy == "heating"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), Counting()),
        (("G90", "M82"), Counting()),
        (("G90", "M83"), Counting(absolute_e=False)),
        (("M83", "G91", "M83"), Counting(False, False)),
        (("G91", "G90"), Counting()),
        (("M83", "G90"), None),
        (("G91",), None),
        (("G20",), None),
        (("G20", "G21"), Counting()),
    ],
)
def test_how_a_print_counts_is_known_where_all_firmware_agrees(lines: tuple[str, ...], expected: Counting | None) -> None:
    """Marlin lets G90 and G91 change the extruder's mode, others do not: what they differ in is not known, nor are inches."""
    head = Toolhead()
    for line in lines:
        head.follow(line, line)
    assert head.counting == expected


def test_how_a_print_from_the_sd_card_counts_is_not_known() -> None:
    """No line of it is sent."""
    head = Toolhead()
    head.restart(seen=False)
    assert head.counting is None
