"""The whole print as a curve: what was thought when, bounded however long it lasts. A fold over the statuses of the watch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core.words import Status, Verdict

#: Points of the curve: twice as many as a chart is wide. When they are reached, each two become one.
MOST_POINTS = 1200
#: Stretches and layers that are kept, the newest; nobody reads more in one chart.
MOST_STRETCHES, MOST_LAYERS = 200, 400

_STANDING = frozenset({"PAUSING", "PAUSED"})
_ALARMED = frozenset({Verdict.SUSPECT, Verdict.FAILING})


@dataclass(frozen=True)
class Point:
    """What was thought at one moment: ``at`` seconds since the print began, the rest as in :class:`Status`."""

    at: float
    evidence: float
    score: float | None
    suspect_at: float
    failing_at: float


@dataclass(frozen=True)
class Stretch:
    """From ``since`` to ``until`` (None: it lasts) the print was ``kind``: ``burst`` (being verified), ``paused`` or ``blind``."""

    kind: str
    since: float
    until: float | None = None


@dataclass(frozen=True)
class History:
    """The curve of the print that runs, or of the last one.

    ``began`` monotonic seconds, None before the first print; ``step`` the least seconds between two points;
    ``layers`` pairs of (seconds, layer).
    """

    began: float | None = None
    over: bool = True
    step: float = 0.0
    points: tuple[Point, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    layers: tuple[tuple[float, int], ...] = ()

    def after(self, status: Status, now: float) -> History:
        """Return the history with a status of monotonic second ``now``; a print that begins begins a new one."""
        if status.verdict is Verdict.OFF:
            return self if self.over else replace(self._told("", now - (self.began or 0.0)), over=True)
        if self.over or self.began is None:
            return History(began=now, over=False).after(status, now)
        at = now - self.began
        told = self._told(_kind(status), at)._layered(status.layer, at)
        if status.printer_state in _STANDING:
            return told
        return told._with(Point(at, status.evidence, status.score, status.suspect_at, status.failing_at))

    def preceded_by(self, earlier: History) -> History:
        """Return the curve with what came before a restart in front of it; in between nobody saw the print."""
        began = self.points[0].at if self.points else None
        ended = max((*(point.at for point in earlier.points), *(one.since for one in earlier.stretches)), default=0.0)
        closed = tuple(one if one.until is not None else replace(one, until=ended) for one in earlier.stretches)
        gap = () if began is None or not earlier.points else (Stretch("blind", ended, began),)
        points = (*earlier.points, *self.points)
        while len(points) > MOST_POINTS:
            points = _halved(points)
        return replace(
            self,
            points=points,
            stretches=(*closed, *gap, *self.stretches)[-MOST_STRETCHES:],
            layers=(*earlier.layers, *self.layers)[-MOST_LAYERS:],
        )

    def seconds(self, now: float) -> float | None:
        """Return how long the print has lasted at monotonic second ``now``; None when there was none."""
        return None if self.began is None else now - self.began

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types; a point is ``[seconds, evidence, score, suspect_at, failing_at]``."""
        return {
            "over": self.over,
            "points": [
                [
                    round(point.at, 1),
                    round(point.evidence, 3),
                    None if point.score is None else round(point.score, 3),
                    round(point.suspect_at, 3),
                    round(point.failing_at, 3),
                ]
                for point in self.points
            ],
            "stretches": [
                {"kind": one.kind, "since": round(one.since, 1), "until": None if one.until is None else round(one.until, 1)}
                for one in self.stretches
            ],
            "layers": [[round(at, 1), layer] for at, layer in self.layers],
        }

    def _with(self, point: Point) -> History:
        """Return the history with one more point; of two that are too close the one with more evidence stays."""
        points = self.points
        if points and point.at - points[-1].at < self.step:
            return replace(self, points=(*points[:-1], _stronger(points[-1], point)))
        points = (*points, point)
        if len(points) <= MOST_POINTS:
            return replace(self, points=points)
        return replace(self, points=_halved(points), step=max(self.step, point.at / MOST_POINTS * 2.0))

    def _told(self, kind: str, at: float) -> History:
        last = self.stretches[-1] if self.stretches else None
        lasting = last if last is not None and last.until is None else None
        if (lasting.kind if lasting is not None else "") == kind:
            return self
        ended = self.stretches if lasting is None else (*self.stretches[:-1], replace(lasting, until=at))
        return replace(self, stretches=(*ended, Stretch(kind, at))[-MOST_STRETCHES:] if kind else ended)

    def _layered(self, layer: int | None, at: float) -> History:
        if layer is None or (self.layers and self.layers[-1][1] == layer):
            return self
        layers = (*self.layers, (at, layer))
        return replace(self, layers=layers if len(layers) <= MOST_LAYERS else layers[::2])


def _kind(status: Status) -> str:
    if status.printer_state in _STANDING:
        return "paused"
    if status.verdict is Verdict.BLIND:
        return "blind"
    return "burst" if status.verdict in _ALARMED else ""


def _halved(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the stronger of each two; a last one without a second stays."""
    return (*(_stronger(a, b) for a, b in zip(points[::2], points[1::2])), *(points[-1:] if len(points) % 2 else ()))


def _stronger(a: Point, b: Point) -> Point:
    return b if b.evidence > a.evidence else a
