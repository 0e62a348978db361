"""What the watch remembers of the print that is watched: of the print itself, and of it as each camera sees it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from octoprint_spaghetti.core.baseline import Profile
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.budget import Budget
from octoprint_spaghetti.core.coverage import Coverage
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import Opinion
from octoprint_spaghetti.core.stopping import StopOrder
from octoprint_spaghetti.core.words import Exhibit

#: The frames kept for an incident: about a minute at the suspect rate, and never more memory than this.
EXHIBITS, EXHIBIT_BYTES = 16, 4_000_000


@dataclass(frozen=True)
class Memory:
    """One print as one camera sees it.

    ``last_sighting_at`` is the monotonic second of the newest judged frame (the start of the print before the first), which
    came ``every_s`` seconds after the one before (None before the second); ``trouble`` why no newer one came; ``unfit`` why the
    last picture could not be judged; ``blind`` is true once that was said; ``unchanged_since`` when the camera began to repeat
    itself. ``coverage`` is what this camera saw of the print. ``suspicion_told_at`` when the owner was last told of a lasting
    suspicion, and ``suspected`` the places that it was about.
    """

    belief: Belief
    last_sighting_at: float
    every_s: float | None = None
    opinion: Opinion | None = None
    coverage: Coverage = Coverage()
    profile: Profile = field(default=Profile(), repr=False)
    trouble: str = ""
    unfit: str = ""
    blind: bool = False
    digest: bytes = b""
    unchanged_since: float | None = None
    suspicion_told_at: float | None = None
    suspected: tuple[Box, ...] = ()
    exhibits: tuple[Exhibit, ...] = field(default=(), repr=False)

    @property
    def is_doubtful(self) -> bool:
        """Return whether the print may have failed, as far as this camera knows: it alarmed, worried its owner, or was muted."""
        return self.suspicion_told_at is not None or self.belief.acted_at is not None or self.belief.muted


@dataclass(frozen=True)
class Job:
    """One print, however many cameras see it.

    ``file`` tells one version of its file from another. ``trouble`` tells why the printer did not take the last order.
    ``order`` is the stop that was ordered and is waited for; ``coming`` is true while a pause of ours that is waited for no more
    is on its way all the same; ``ours`` while the print stands still because we paused it; ``resume_wanted`` when it is to go
    on as soon as that pause has come through. ``coverage`` is what was seen of the print, by any camera, up to ``counted_to``
    (None while it stands still). ``forgiven`` tells that the last incident or suspicion was called a false alarm, and
    ``forgiving_until`` the monotonic second until which what another camera is alarmed by is taken for the same, other than those
    of which it was said, the keys in ``answered``. ``camera``
    names the one that saw the last incident, empty where there is only one, and ``exhibits`` are its pictures while the
    incident is written.
    """

    file: str = ""
    coverage: Coverage = Coverage()
    counted_to: float | None = None
    budget: Budget = Budget()
    trouble: str = ""
    order: StopOrder | None = None
    coming: bool = False
    ours: bool = False
    resume_wanted: bool = False
    incident: str | None = None
    forgiven: bool = False
    forgiving_until: float = 0.0
    answered: frozenset[str] = frozenset()
    camera: str = ""
    exhibits: tuple[Exhibit, ...] = field(default=(), repr=False)


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
