"""What the watch remembers of the print that is watched, beside the judge's belief."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from octoprint_spaghetti.core.baseline import Profile
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.budget import Budget
from octoprint_spaghetti.core.coverage import Coverage
from octoprint_spaghetti.core.pausing import PauseOrder
from octoprint_spaghetti.core.policies import Opinion
from octoprint_spaghetti.core.words import Exhibit

#: The frames kept for an incident: about a minute at the suspect rate, and never more memory than this.
EXHIBITS, EXHIBIT_BYTES = 16, 4_000_000


@dataclass(frozen=True)
class Job:
    """One print.

    ``file`` tells one version of its file from another; ``began`` and ``last_sighting_at`` are monotonic seconds, of its
    start and of the newest judged frame (the start before the first); ``trouble`` why no newer one came; ``unfit`` why the
    last picture could not be judged; ``blind`` is true once that was said; ``unchanged_since`` when the camera began to
    repeat itself. ``order`` is the pause that was ordered and is waited for; ``ours`` is true while the print stands still
    because we paused it; ``resume_wanted`` when it is to go on as soon as that pause has come through. ``coverage`` is what
    was seen of the print up to ``counted_to`` (None while it stands still). ``forgiven`` tells that the last incident or
    suspicion was called a false alarm; ``suspicion_told_at`` when the owner was last told of a lasting suspicion.
    """

    belief: Belief
    last_sighting_at: float
    began: float = 0.0
    file: str = ""
    opinion: Opinion | None = None
    coverage: Coverage = Coverage()
    counted_to: float | None = None
    budget: Budget = Budget()
    profile: Profile = field(default=Profile(), repr=False)
    trouble: str = ""
    unfit: str = ""
    blind: bool = False
    digest: bytes = b""
    unchanged_since: float | None = None
    order: PauseOrder | None = None
    ours: bool = False
    resume_wanted: bool = False
    incident: str | None = None
    forgiven: bool = False
    suspicion_told_at: float | None = None
    exhibits: tuple[Exhibit, ...] = field(default=(), repr=False)

    @property
    def is_doubtful(self) -> bool:
        """Return whether the print may have failed, as far as is known: it alarmed, worried its owner, or was muted."""
        told = self.incident is not None or self.suspicion_told_at is not None
        return told or self.belief.acted_at is not None or self.belief.muted


def bounded(exhibits: tuple[Exhibit, ...]) -> tuple[Exhibit, ...]:
    """Keep the newest exhibits within ``EXHIBITS`` and ``EXHIBIT_BYTES``, at least one."""
    kept: deque[Exhibit] = deque()
    size = 0
    for exhibit in reversed(exhibits[-EXHIBITS:]):
        size += len(exhibit.frame.jpeg)
        if kept and size > EXHIBIT_BYTES:
            break
        kept.appendleft(exhibit)
    return tuple(kept)
