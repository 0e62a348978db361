"""What our pause does besides pausing, and what the resume after it does first: as lines of G-code, worked out from plain facts.

Both halves are worked out at the moment of the pause, so that a resume restores exactly what the pause changed. They embrace
what the owner's own scripts say there: the filament is drawn back and the nozzle lifted before those, the heaters go off after
them; on the way back the heaters are waited for first, and the nozzle is lowered last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Marlin refuses to extrude below this by default (EXTRUDE_MINTEMP); retracting cold only grinds the filament.
COLDEST_RETRACTION_C = 170.0
#: Feed rates in mm/min: a brisk retraction and a calm lift; firmware that cannot keep up goes slower by itself.
_RETRACTING, _LIFTING = 1800, 600


@dataclass(frozen=True)
class Wishes:
    """What a pause of ours is to do besides: heaters off, and how far to draw the filament back and to lift the nozzle, in mm."""

    hotends_off: bool = False
    bed_off: bool = False
    retract: float = 0.0
    lift: float = 0.0

    def __bool__(self) -> bool:
        """Return whether anything is wished for."""
        return self.hotends_off or self.bed_off or self.retract > 0.0 or self.lift > 0.0


@dataclass(frozen=True)
class Heater:
    """A heater at this moment: where it is and where it is to be, °C; a target of 0 is off, None is not known."""

    actual: float | None = None
    target: float | None = None

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Heater:
        """Return what OctoPrint's ``{"actual": ..., "target": ...}`` says."""
        return cls(_number(record.get("actual")), _number(record.get("target")))

    @property
    def heats(self) -> bool:
        """Return whether it is known to be switched on."""
        return self.target is not None and self.target > 0.0


@dataclass(frozen=True)
class Counting:
    """How the print counts: absolute axes (G90) or relative ones (G91), absolute extrusion (M82) or relative one (M83)."""

    absolute: bool = True
    absolute_e: bool = True


@dataclass(frozen=True)
class Position:
    """Where the tool stands: height and extruded length in mm, feed rate in mm/min, and the number of the tool."""

    z: float
    e: float
    f: float
    tool: int = 0

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Position | None:
        """Return what OctoPrint recorded at a pause, or None when it is not all known (a print from the SD card, no M114)."""
        z, e, f, tool = (_number(record.get(name)) for name in ("z", "e", "f", "t"))
        return None if z is None or e is None or not f else cls(z, e, f, int(tool or 0))


@dataclass(frozen=True)
class Machine:
    """The printer at the moment of the pause.

    ``position`` and ``counting`` are None where they are not known: then nothing is moved. ``hotends`` by number of the tool:
    several when ``own_heaters`` tells that each tool has one, which is addressed by that number, else that of tool 0 alone.
    ``height`` is that of the print volume in mm.
    """

    position: Position | None = None
    counting: Counting | None = None
    hotends: Mapping[int, Heater] = field(default_factory=dict)
    bed: Heater = Heater()
    own_heaters: bool = False
    height: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Lines of G-code before and after the owner's own script, at the pause and at the resume that follows it."""

    pause_first: tuple[str, ...] = ()
    pause_last: tuple[str, ...] = ()
    resume_first: tuple[str, ...] = ()
    resume_last: tuple[str, ...] = ()


def plan(wishes: Wishes, machine: Machine) -> Plan:
    """Return the lines; what cannot be done or undone safely on this machine at this moment is left out."""
    away, back = _moves(wishes, machine)
    hotends = {number: heater for number, heater in machine.hotends.items() if wishes.hotends_off and heater.heats}
    bed = machine.bed.target if wishes.bed_off and machine.bed.heats else None
    return Plan(
        pause_first=away,
        pause_last=(*(f"M104{_tool(machine, number)} S0" for number in sorted(hotends)), *(("M140 S0",) if bed else ())),
        resume_first=(*_bed_back(bed), *_hotends_back(machine, hotends)),
        resume_last=back,
    )


def _moves(wishes: Wishes, machine: Machine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the moves away from the print and back to it, each in the modes it needs and leaving those of the print."""
    at, counting = machine.position, machine.counting
    if at is None or counting is None:
        return (), ()
    retract = wishes.retract if _is_soft(machine, at.tool) else 0.0
    top = min(at.z + wishes.lift, machine.height)
    away, back = [], []
    if retract > 0.0:
        away.append(f"G1 E{_mm(-retract)} F{_RETRACTING}")
    if top > at.z:
        away.append(f"G1 Z{_mm(top)} F{_LIFTING}")
        back.append(f"G1 Z{_mm(at.z)} F{_LIFTING}")
    if retract > 0.0:
        # The count is set in the end: a script of the owner's may have set it before the filament was pushed forward again.
        back += [f"G1 E{_mm(retract)} F{_RETRACTING}", f"G92 E{_mm(at.e)}"]
    return _counted(away, counting, at.f), _counted(back, counting, at.f)


def _counted(moves: Iterable[str], counting: Counting, feed: float) -> tuple[str, ...]:
    """Return the moves with absolute axes and relative extrusion around them, and the modes and the feed rate of the print after.

    Of the two modes that of the extrusion comes last: to Marlin G90 and G91 change it too.
    """
    moves = tuple(moves)
    if not moves:
        return ()
    modes = ("G90" if counting.absolute else "G91", "M82" if counting.absolute_e else "M83")
    return ("G90", "M83", *moves, *modes, f"G1 F{_mm(feed)}")


def _is_soft(machine: Machine, tool: int) -> bool:
    """Return whether the filament in the tool can be moved."""
    heater = machine.hotends.get(tool if machine.own_heaters else 0)
    return heater is not None and heater.actual is not None and heater.actual >= COLDEST_RETRACTION_C


def _bed_back(target: float | None) -> tuple[str, ...]:
    """Return how the bed gets warm again, waited for before a hotend is heated: that would ooze onto the part meanwhile."""
    return () if target is None else (f"M140 S{_mm(target)}", f"M190 S{_mm(target)}")


def _hotends_back(machine: Machine, hotends: Mapping[int, Heater]) -> tuple[str, ...]:
    """Return how the hotends get hot again: all at once, then each is waited for."""
    words = [f"{_tool(machine, number)} S{_mm(heater.target or 0.0)}" for number, heater in sorted(hotends.items())]
    return (*(f"M104{word}" for word in words), *(f"M109{word}" for word in words))


def _tool(machine: Machine, number: int) -> str:
    return f" T{number}" if machine.own_heaters else ""


def _mm(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
