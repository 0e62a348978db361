"""What happened in a print, row by row: what a trace on disk holds and what a replay feeds to the policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Union

from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.words import Answer, Sighting


@dataclass(frozen=True)
class Seen:
    """A frame that was answered for; ``number`` is the one people know it by.

    ``closer`` is what two looks say together, where the picture allows a second one; it counts while a policy is suspicious.
    """

    number: int
    sighting: Sighting
    closer: Answer | None = None

    @property
    def at(self) -> float:
        """Return the second of the frame."""
        return self.sighting.at

    def as_seen_by(self, suspicious: bool) -> Sighting:
        """Return what a watch gets to know of the frame: one look, or two when it is suspicious."""
        return self.sighting if self.closer is None or not suspicious else replace(self.sighting, answer=self.closer)


@dataclass(frozen=True)
class Told:
    """Something that happened to the print at second ``at``."""

    event: PrintEvent
    at: float


@dataclass(frozen=True)
class Lost:
    """From second ``at`` to the next frame there was no answer; ``why`` is a sentence."""

    why: str
    at: float


Row = Union[Seen, Told, Lost]


@dataclass(frozen=True)
class Recording:
    """A print to be replayed.

    ``rows`` in time order, readable as often as one likes; ``start`` the second at which the print began, before the
    first row; ``goes_on``: the rows tell what came after a pause, so a replay has no reason to stop at one.
    """

    rows: Iterable[Row]
    start: float = 0.0
    goes_on: bool = False


#: A folder or a video begins in the middle of a print, which has been extruding for so long, in seconds: longer than any warm-up.
MID_PRINT_S = 3600.0


def of_pictures(seen: Iterable[Seen]) -> Recording:
    """Return the recording of a print of which only pictures are known: it extrudes since long before the first of them."""
    rows = tuple(seen)
    start = (rows[0].at if rows else 0.0) - MID_PRINT_S
    return Recording((Told(PrintEvent.EXTRUSION_BEGAN, start), *rows), start)
