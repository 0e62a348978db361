"""The rules that can decide about a print, side by side: ours and Obico's, behind one interface.

A policy is fed what happened, in time order, and says after each frame what it thinks. It keeps its own memory, acts on
nothing, and knows no clock: the same rows give the same opinions, in a watched print, in a replay, in a simulation.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Protocol

from octoprint_spaghetti.core import judge, obico
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.obico import ObicoBelief
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Sighting, Verdict


class PrintEvent(str, enum.Enum):
    """What can happen to a print beside being looked at; the words stand in traces."""

    EXTRUSION_BEGAN = "extrusion_began"
    PAUSED = "paused"
    RESUMED = "resumed"
    FALSE_ALARM = "false_alarm"
    MUTED = "muted"
    UNMUTED = "unmuted"

    def __str__(self) -> str:
        """Return the bare word."""
        return self.value


@dataclass(frozen=True)
class Opinion:
    """What a policy thinks after a frame.

    ``evidence`` and its two levels share one scale, on which 1 is certain (Obico's may exceed it); ``act`` is true
    when the rule asks for its action now: it has not just taken one, and nobody told it to be silent.
    """

    verdict: Verdict
    evidence: float
    suspect_at: float
    failing_at: float
    act: bool


class Policy(Protocol):
    """A rule with its memory of one print."""

    name: str

    def tell(self, event: PrintEvent, at: float) -> None:
        """Take note of what happened at second ``at``."""

    def see(self, sighting: Sighting) -> Opinion:
        """Take one frame into account and return what is to be thought now."""


class SpaghettiPolicy:
    """Our own judge, for a print that began at second ``start``."""

    name = "spaghetti"

    def __init__(self, patience: Patience, start: float, belief: Belief | None = None) -> None:
        """Believe nothing yet, or go on with what is believed already."""
        self.patience = patience
        self.belief = judge.begin(start) if belief is None else belief
        self._asked = False  # for an action since the last resume: the pause that follows is taken to be ours

    def tell(self, event: PrintEvent, at: float) -> None:
        """Change the belief as the watch would."""
        if event is PrintEvent.EXTRUSION_BEGAN:
            self.belief = judge.extrusion_began(self.belief, at)
        elif event is PrintEvent.PAUSED:
            self.belief = judge.paused(self.belief)
        elif event is PrintEvent.RESUMED:
            self.belief = judge.resumed(self.belief, at, ours=self._asked)
            self._asked = False
        elif event is PrintEvent.FALSE_ALARM:
            self.belief = judge.false_alarm(self.belief, self.patience)
        else:
            self.belief = judge.muted(self.belief, event is PrintEvent.MUTED)

    def see(self, sighting: Sighting) -> Opinion:
        """Advance the belief; an action that is due counts as taken."""
        self.belief = belief = judge.advance(self.belief, sighting, self.patience)
        act = judge.may_act(belief, sighting.at, self.patience)
        if act:
            self.belief = judge.acted(belief, sighting.at)
            self._asked = True
        level = judge.failing_level(belief, sighting.at, self.patience)
        return Opinion(belief.verdict, belief.evidence, self.patience.suspect_at, level, act)


class ObicoPolicy:
    """Obico's rule, for a printer that it has never seen before; it acts once in a print."""

    name = "obico"

    def __init__(self) -> None:
        """Believe nothing yet."""
        self._belief = ObicoBelief()
        self._acted = self._muted = self._paused = False
        self._last_at = -math.inf

    def tell(self, event: PrintEvent, at: float) -> None:
        """Note a pause and a mute; the rule knows nothing else."""
        if event in (PrintEvent.PAUSED, PrintEvent.RESUMED):
            self._paused = event is PrintEvent.PAUSED
        elif event in (PrintEvent.MUTED, PrintEvent.UNMUTED):
            self._muted = event is PrintEvent.MUTED

    def see(self, sighting: Sighting) -> Opinion:
        """Advance the belief, unless the print stands still or the frame is no later than the one before."""
        if not self._paused and sighting.at > self._last_at:
            self._belief = obico.advance(self._belief, sighting)
            self._last_at = sighting.at
        act = self._belief.verdict is Verdict.FAILING and not (self._acted or self._muted or self._paused)
        self._acted = self._acted or act
        return Opinion(self._belief.verdict, self._belief.evidence, obico.LOW, obico.LOW * obico.PAUSE_DIVISOR, act)


def rules(patience: Patience, belief: Belief) -> tuple[Policy, ...]:
    """Return every rule there is, for a print of which so much is believed already."""
    return SpaghettiPolicy(patience, belief.started_at, belief), ObicoPolicy()
