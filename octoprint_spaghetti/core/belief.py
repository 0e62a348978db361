"""What the judge remembers of a print, and what it knows of the printer before the print begins."""

from __future__ import annotations

from dataclasses import dataclass, field

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.scene_health import SceneMemory
from octoprint_spaghetti.core.words import Verdict


@dataclass(frozen=True)
class Glance:
    """What is remembered of one recent frame: when, what was held against the print (0 to 1), and the places of its boxes.

    The strongest comes first, and the first ``sure`` of them are each more likely spaghetti than not.
    """

    at: float
    score: float
    places: tuple[Box, ...] = ()
    sure: int = 0


@dataclass(frozen=True)
class Background:
    """What is usual, from prints that ended well: ``printer`` mean score of its calm prints, ``layers`` of this file's."""

    printer: float = 0.0
    layers: tuple[tuple[int, float], ...] = ()

    def at_layer(self, layer: int | None) -> float:
        """Return the file's usual score at a layer: the highest of it and its neighbours, for layers are counted late; 0: unknown."""
        near = (score for number, score in self.layers if layer is not None and abs(number - layer) <= 1)
        return max(near, default=0.0)


@dataclass(frozen=True)
class Belief:
    """What the judge remembers of this print. Times are seconds of the clock that sightings carry.

    ``evidence`` smoothed score, 0 to 1; ``recent`` glances inside the window, oldest first; ``suspect_since`` when the
    evidence last rose above the lower level; ``acted_at`` when the printer was last to be moved; ``paused`` freezes all;
    ``forgiven`` places where spaghetti was a false alarm; ``muted``: watch, and do nothing about it. ``usual`` is the score
    that is normal here, learned while the print is calm; ``unfit`` why the last picture could not be judged, or empty;
    ``idle`` what else than printing the printer was doing, or empty. ``resume_heard_at`` is when the print was last resumed,
    ``resumed_at`` from when that counts: a resume may heat for minutes first.
    """

    started_at: float
    background: Background = Background()
    usual: float = 0.0
    extruding_at: float | None = None
    last_at: float | None = None
    layer: int | None = None
    evidence: float = 0.0
    recent: tuple[Glance, ...] = ()
    suspect_since: float | None = None
    resumed_at: float | None = None
    resume_heard_at: float | None = None
    acted_at: float | None = None
    paused: bool = False
    forgiven: tuple[Box, ...] = ()
    muted: bool = False
    verdict: Verdict = Verdict.WARMING_UP
    scene: SceneMemory = field(default_factory=SceneMemory)
    unfit: str = ""
    idle: str = ""
