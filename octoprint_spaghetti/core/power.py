"""When the printer's power may go off after a stop: once every hotend is cool, and only while nobody wants the printer.

A fan without power cools nothing: a hotend that is switched off hot melts filament where it must stay cold, and clogs.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from octoprint_spaghetti.core.pause_script import Heater

#: Below this no filament softens, and Marlin's automatic fans stop (EXTRUDER_AUTO_FAN_TEMPERATURE), °C.
COOL_C = 50.0
#: A hotend falls from 250 °C to that in ten to fifteen minutes as a rule; after twice the time something is wrong, seconds.
COOLING_PATIENCE_S = 1800.0
#: The stop's own commands need a moment, and temperatures are reported every few seconds: until then a target tells nothing.
SETTLING_S = 30.0
#: A relay and what senses it need seconds; then it is switched again.
SWITCHING_PATIENCE_S, ATTEMPTS = 15.0, 3
#: In these the printer is wanted again: the owner let the print go on, or began another one.
_WANTED = frozenset({"STARTING", "PRINTING", "RESUMING"})


class Step(enum.Enum):
    """What is to be done about power that is to go off."""

    WAIT = "wait"
    SWITCH_OFF = "switch off"
    OFF = "it is off"
    WANTED = "somebody prints"
    HEATED = "somebody heats"
    LOST = "the connection is gone"
    NOT_COOL = "it does not cool"
    FAILED = "it does not go off"


@dataclass(frozen=True)
class PowerCut:
    """Power that is to go off: since when (seconds of the watch's clock), when last it was switched, and how often."""

    since: float
    switched_at: float | None = None
    attempts: int = 0


def next_step(cut: PowerCut, state: str, connected: bool, hotends: Collection[Heater], off: bool | None, now: float) -> Step:
    """Return what is to be done; ``off`` is what the switch says of itself, None when it cannot tell."""
    heated = any(heater.heats for heater in hotends)
    if cut.switched_at is not None:
        step = _after_switching(cut, cut.switched_at, off, now)
        if step is Step.SWITCH_OFF and (heated or state in _WANTED):
            return Step.WANTED if state in _WANTED else Step.HEATED  # it is on because somebody switched it on again
        return step
    if state in _WANTED:
        return Step.WANTED
    if not connected:
        return Step.LOST
    if now - cut.since >= SETTLING_S and heated:
        return Step.HEATED
    if hotends and all(heater.actual is not None and heater.actual < COOL_C and not heater.heats for heater in hotends):
        return Step.SWITCH_OFF
    return Step.NOT_COOL if now - cut.since >= COOLING_PATIENCE_S else Step.WAIT


def _after_switching(cut: PowerCut, switched_at: float, off: bool | None, now: float) -> Step:
    if off is not False:
        return Step.OFF
    if now - switched_at < SWITCHING_PATIENCE_S:
        return Step.WAIT
    return Step.FAILED if cut.attempts >= ATTEMPTS else Step.SWITCH_OFF
