"""The G-code of a pause and of the resume after it: which lines for which wishes, on which machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octoprint_spaghetti.core.pause_script import Counting, Heater, Machine, Plan, Position, Wishes, plan

PRINTING = Machine(
    position=Position(z=12.2, e=345.67, f=3000.0),
    counting=Counting(),
    hotends={0: Heater(209.8, 210.0)},
    bed=Heater(59.7, 60.0),
    height=200.0,
)
TWO_TOOLS = replace(PRINTING, hotends={0: Heater(209.8, 210.0), 1: Heater(239.5, 240.0)}, own_heaters=True)
EVERYTHING = Wishes(hotends_off=True, bed_off=True, retract=6.5, lift=2.5)


def test_everything_is_undone_in_reverse() -> None:
    """Back and up, then the heaters off; warm bed, hot nozzle, down, forward, and every mode as the print had it."""
    assert plan(EVERYTHING, PRINTING) == Plan(
        pause_first=("G90", "M83", "G1 E-6.5 F1800", "G1 Z14.7 F600", "G90", "M82", "G1 F3000"),
        pause_last=("M104 S0", "M140 S0"),
        resume_first=("M140 S60", "M190 S60", "M104 S210", "M109 S210"),
        resume_last=("G90", "M83", "G1 Z12.2 F600", "G1 E6.5 F1800", "G92 E345.67", "G90", "M82", "G1 F3000"),
    )


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        pytest.param(Wishes(), Plan(), id="nothing"),
        pytest.param(
            Wishes(hotends_off=True),
            Plan(pause_last=("M104 S0",), resume_first=("M104 S210", "M109 S210")),
            id="hotends off",
        ),
        pytest.param(Wishes(bed_off=True), Plan(pause_last=("M140 S0",), resume_first=("M140 S60", "M190 S60")), id="bed off"),
        pytest.param(
            Wishes(retract=1.0),
            Plan(
                pause_first=("G90", "M83", "G1 E-1 F1800", "G90", "M82", "G1 F3000"),
                resume_last=("G90", "M83", "G1 E1 F1800", "G92 E345.67", "G90", "M82", "G1 F3000"),
            ),
            id="retraction",
        ),
        pytest.param(
            Wishes(lift=5.0),
            Plan(
                pause_first=("G90", "M83", "G1 Z17.2 F600", "G90", "M82", "G1 F3000"),
                resume_last=("G90", "M83", "G1 Z12.2 F600", "G90", "M82", "G1 F3000"),
            ),
            id="lift",
        ),
    ],
)
def test_each_wish_by_itself(wishes: Wishes, expected: Plan) -> None:
    """Nothing is sent that was not asked for."""
    assert plan(wishes, PRINTING) == expected


@pytest.mark.parametrize(
    ("counting", "modes"),
    [
        (Counting(absolute=True, absolute_e=False), ("G90", "M83")),
        (Counting(absolute=False, absolute_e=True), ("G91", "M82")),
        (Counting(absolute=False, absolute_e=False), ("G91", "M83")),
    ],
)
def test_the_modes_of_the_print_are_restored_extrusion_last(counting: Counting, modes: tuple[str, str]) -> None:
    """Marlin lets G90 and G91 change the extruder's mode, so that one is set after them; moves need no relative axes."""
    worked_out = plan(EVERYTHING, replace(PRINTING, counting=counting))
    for moves in (worked_out.pause_first, worked_out.resume_last):
        assert moves[:2] == ("G90", "M83")
        assert moves[-3:] == (*modes, "G1 F3000")


@pytest.mark.parametrize(
    ("z", "height", "top"),
    [
        pytest.param(12.2, 200.0, "G1 Z14.7 F600", id="room above"),
        pytest.param(199.0, 200.0, "G1 Z200 F600", id="little room above"),
        pytest.param(200.0, 200.0, None, id="at the top"),
        pytest.param(210.0, 200.0, None, id="above what the profile says"),
        pytest.param(12.2, 0.0, None, id="a height that is not known"),
    ],
)
def test_the_nozzle_is_never_lifted_above_the_print_volume(z: float, height: float, top: str | None) -> None:
    """Up to the volume's height and no further; from there nothing is moved, neither up nor back."""
    worked_out = plan(Wishes(lift=2.5), replace(PRINTING, position=Position(z, 345.67, 3000.0), height=height))
    assert [line for line in worked_out.pause_first if "Z" in line] == ([top] if top else [])
    assert bool(worked_out.resume_last) == bool(top)


@pytest.mark.parametrize("missing", [{"position": None}, {"counting": None}])
def test_nothing_is_moved_when_it_is_not_known_where_or_how(missing: dict[str, None]) -> None:
    """A print from the SD card has neither position nor modes: the heaters alone are seen to."""
    worked_out = plan(EVERYTHING, replace(PRINTING, **missing))
    assert (worked_out.pause_first, worked_out.resume_last) == ((), ())
    assert worked_out.pause_last == ("M104 S0", "M140 S0")


@pytest.mark.parametrize("heater", [Heater(120.0, 210.0), Heater(None, 210.0), Heater(25.0, 0.0)])
def test_filament_that_is_not_soft_is_not_drawn_back(heater: Heater) -> None:
    """Below 170 °C Marlin refuses to extrude; the lift is done all the same."""
    worked_out = plan(Wishes(retract=6.5, lift=2.5), replace(PRINTING, hotends={0: heater}))
    moves = worked_out.pause_first + worked_out.resume_last
    assert any("Z" in line for line in moves)
    assert not any("E" in line for line in moves)


def test_heaters_that_were_off_stay_off() -> None:
    """A cold bed and a cold second tool are neither switched off nor heated on resume."""
    cold = replace(TWO_TOOLS, hotends={0: Heater(209.8, 210.0), 1: Heater(24.0, 0.0)}, bed=Heater(24.0, 0.0))
    worked_out = plan(EVERYTHING, cold)
    assert worked_out.pause_last == ("M104 T0 S0",)
    assert worked_out.resume_first == ("M104 T0 S210", "M109 T0 S210")


def test_a_heater_that_nothing_is_known_of_is_left_alone() -> None:
    """What cannot be restored is not switched off."""
    unknown = replace(PRINTING, hotends={0: Heater()}, bed=Heater())
    assert plan(Wishes(hotends_off=True, bed_off=True), unknown) == Plan()


def test_every_tool_gets_its_own_temperature_back() -> None:
    """All hotends heat at once, then each is waited for by its number."""
    worked_out = plan(Wishes(hotends_off=True), TWO_TOOLS)
    assert worked_out.pause_last == ("M104 T0 S0", "M104 T1 S0")
    assert worked_out.resume_first == ("M104 T0 S210", "M104 T1 S240", "M109 T0 S210", "M109 T1 S240")


def test_the_tool_in_use_says_whether_filament_can_be_drawn_back() -> None:
    """With two heaters the one of the active tool counts."""
    waiting = replace(TWO_TOOLS, hotends={0: Heater(209.8, 210.0), 1: Heater(120.0, 120.0)})
    second = replace(waiting, position=Position(12.2, 345.67, 3000.0, tool=1))
    assert any("E-" in line for line in plan(Wishes(retract=1.0), waiting).pause_first)
    assert plan(Wishes(retract=1.0), second) == Plan()


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"x": 1.0, "y": 2.0, "z": 0.3, "e": 4.5, "f": 1500.0, "t": 1}, Position(0.3, 4.5, 1500.0, 1)),
        ({"z": 0.3, "e": 4.5, "f": 1500.0, "t": None}, Position(0.3, 4.5, 1500.0, 0)),
        ({"z": None, "e": None, "f": None, "t": None}, None),
        ({"z": 0.3, "e": 4.5, "f": None, "t": 0}, None),
        ({"z": 0.3, "e": None, "f": 1500.0, "t": 0}, None),
        ({}, None),
    ],
)
def test_a_position_is_known_whole_or_not_at_all(record: dict[str, float | None], expected: Position | None) -> None:
    """OctoPrint leaves out what it could not find."""
    assert Position.read(record) == expected
