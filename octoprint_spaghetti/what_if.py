"""What if: a print of the past, judged again with another sensitivity. Only reads; the answer is as large as a chart is wide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.trace_reader import Trace, open_trace, recorded
from octoprint_spaghetti.adapters.traces import SUFFIX, newest_first
from octoprint_spaghetti.considerate import considerate
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.history import MOST_LAYERS, MOST_POINTS, MOST_STRETCHES, Stretch
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.recording import Lost, Recording, Row, Seen, Told
from octoprint_spaghetti.core.replay import Moment, Outcome, replay
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Verdict

#: Prints to choose from; nobody scrolls through more.
MOST_PRINTS = 100
_ALARMED = frozenset({Verdict.SUSPECT, Verdict.FAILING})


def prints(folder: Path) -> list[dict[str, Any]]:
    """Return the prints of which there is a trace, newest first: ``id``, ``print``, ``started_at`` (Unix time) and ``bytes``.

    Of a print that several cameras saw each has a trace, the first camera's first; ``camera`` names all but that one.
    """
    files = newest_first(folder)[:MOST_PRINTS]
    described = [_described(trace) for trace in map(_opened, files) if trace is not None]
    return sorted(described, key=lambda one: (-one["started_at"], one["camera"]))


def what_if(folder: Path, print_id: str, settings: Settings, sensitivity: float) -> dict[str, Any]:
    """Judge a print again with these settings at another sensitivity.

    Returns ``curve`` as the history of a running print is given, ``pauses`` (seconds at which it would have paused),
    ``suspect_s`` (when it would have been suspicious first, or None) and ``highest`` evidence.
    Raises :class:`EvidenceError` when there is no such print.
    """
    file = next((one for one in folder.glob(f"*{SUFFIX}") if one.name == print_id + SUFFIX), None)
    if file is None:
        raise EvidenceError(say("There is no record of a print %(print)s.", print=repr(print_id)))
    patience = replace(settings, sensitivity=sensitivity).patience_for(open_trace(file).camera)
    again = judged_again(recorded(file), patience)
    outcome, first = again.outcome, again.first_at
    return {
        **_described(open_trace(file)),
        "curve": {
            "over": True,
            "points": [_point(moment, first) for moment in again.moments],
            "stretches": [{"kind": one.kind, "since": round(one.since, 1), "until": one.until} for one in again.stretches],
            "layers": again.layers,
            "pauses": [round(moment.at + first, 1) for moment in outcome.pauses],
        },
        "pauses": [round(moment.at + first, 1) for moment in outcome.pauses],
        "suspect_s": None if outcome.suspect is None else round(outcome.suspect.at + first, 1),
        "highest": round(outcome.max_evidence, 4),
        "failing_at": round(patience.failing_at, 4),
        "frames": len(outcome.timeline),
    }


@dataclass(frozen=True)
class JudgedAgain:
    """A recording as the rule judges it: ``first_at`` the second of the first frame, from which ``outcome`` counts.

    ``moments`` are thinned to what a chart shows; ``stretches`` and ``layers`` as in the history of a running print.
    """

    outcome: Outcome
    first_at: float
    moments: list[Moment]
    stretches: list[Stretch]
    layers: list[tuple[float, int]]


def judged_again(recording: Recording, patience: Patience) -> JudgedAgain:
    """Let the rule judge all of a recording, and hear what happened in it; a print that runs meanwhile is not held up."""
    listener = _Listener()
    heard = replace(recording, rows=listener.listen(considerate(recording.rows)), goes_on=True)
    (outcome,) = replay([SpaghettiPolicy(patience, recording.start)], heard)
    stretches = sorted((*listener.stretches, *_bursts(outcome.timeline, listener.first_at)), key=lambda one: one.since)
    return JudgedAgain(
        outcome,
        listener.first_at,
        thinned(outcome.timeline, MOST_POINTS // 2),
        stretches[-MOST_STRETCHES:],
        _every(listener.layers, MOST_LAYERS),
    )


def thinned(timeline: tuple[Moment, ...], most: int) -> list[Moment]:
    """Return at most ``most`` moments: of each stretch of equal length the one with the most evidence."""
    size = -(-len(timeline) // most)
    if size <= 1:
        return list(timeline)
    return [max(timeline[at : at + size], key=lambda moment: moment.evidence) for at in range(0, len(timeline), size)]


@dataclass
class _Listener:
    """Hears the rows on their way to the judge: what really happened to the print."""

    first_at: float = 0.0
    stretches: list[Stretch] = field(default_factory=list)
    layers: list[tuple[float, int]] = field(default_factory=list)
    _seen: bool = False

    def listen(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            if isinstance(row, Seen):
                self._see(row)
            elif isinstance(row, Lost):
                self._enter("blind", row.at)
            elif isinstance(row, Told) and row.event is PrintEvent.PAUSED:
                self._enter("paused", row.at)
            elif isinstance(row, Told) and row.event is PrintEvent.RESUMED:
                self._leave(row.at)
            yield row

    def _see(self, row: Seen) -> None:
        if not self._seen:
            self.first_at, self._seen = row.at, True
        layer = row.sighting.layer
        if layer is not None and (not self.layers or self.layers[-1][1] != layer):
            self.layers.append((row.at, layer))
        if self.stretches and self.stretches[-1].kind == "blind":
            self._leave(row.at)

    def _enter(self, kind: str, at: float) -> None:
        self._leave(at)
        self.stretches.append(Stretch(kind, at))

    def _leave(self, at: float) -> None:
        if self.stretches and self.stretches[-1].until is None:
            self.stretches[-1] = replace(self.stretches[-1], until=round(at, 1))


def _bursts(timeline: tuple[Moment, ...], first: float) -> Iterator[Stretch]:
    since: float | None = None
    for moment in timeline:
        at = round(moment.at + first, 1)
        if moment.verdict in _ALARMED:
            since = at if since is None else since
        elif since is not None:
            yield Stretch("burst", since, at)
            since = None
    if since is not None:
        yield Stretch("burst", since)


def _point(moment: Moment, first: float) -> list[float]:
    values = (moment.evidence, moment.score, moment.suspect_at, moment.failing_at)
    return [round(moment.at + first, 1), *(round(value, 3) for value in values)]


def _every(layers: list[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    return layers[:: -(-len(layers) // most)] if layers else []


def _opened(file: Path) -> Trace | None:
    try:
        return open_trace(file)
    except EvidenceError:
        return None  # of a later version, or none: it cannot be judged


def _described(trace: Trace) -> dict[str, Any]:
    return {
        "id": trace.file.name[: -len(SUFFIX)],
        "print": trace.print_name,
        "camera": trace.camera,
        "started_at": trace.started_at,
        "bytes": trace.file.stat().st_size,
    }
