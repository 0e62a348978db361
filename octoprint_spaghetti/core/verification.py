"""Whether the frames since a suspicion agree: short series of frames vote, so that no single bad moment decides.

A series is a stretch of time, not a number of frames: at the suspect rate of a frame every two seconds it holds three of
them, at one every five seconds one or two, and the vote means the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from octoprint_spaghetti.core.belief import Belief, Glance
from octoprint_spaghetti.core.patience import Patience


def votes(belief: Belief, patience: Patience) -> tuple[bool, ...]:
    """Return how the newest series since the suspicion began vote, oldest first; empty when nothing is suspected.

    The series that still runs votes with the frames it has.
    """
    if belief.suspect_since is None:
        return ()
    series = list(_series(belief, belief.suspect_since, patience))[-patience.series_of :]
    return tuple(sum(found) >= patience.series_share * len(found) for found in series)


def agreed(belief: Belief, patience: Patience) -> bool:
    """Return whether enough of the newest series agree that there is spaghetti."""
    return sum(votes(belief, patience)) >= patience.series_needed


def _series(belief: Belief, since: float, patience: Patience) -> Iterator[Sequence[bool]]:
    def number(glance: Glance) -> int:
        return int((glance.at - since) // patience.series_length)

    for _, glances in groupby((glance for glance in belief.recent if glance.at >= since), key=number):
        yield [glance.score >= patience.hit_at for glance in glances]
