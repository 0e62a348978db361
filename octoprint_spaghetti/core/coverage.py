"""How much of a print was seen: one honest number at its end, and what the rest was lost to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from octoprint_spaghetti.core.sentence import joined, say

#: Causes that are told apart; sentences come from cameras and servers, and a broken one may find ever new words.
MOST_CAUSES = 5
OTHER = say("other reasons")


@dataclass(frozen=True)
class Coverage:
    """Seconds of a print that were seen, and those that were not, by the sentence that said why.

    Time in which the print stood still counts for neither.
    """

    seen_s: float = 0.0
    lost_s: tuple[tuple[str, float], ...] = ()

    def add(self, seconds: float, why_lost: str) -> Coverage:
        """Return the coverage with ``seconds`` more, seen when ``why_lost`` is empty."""
        if not why_lost:
            return replace(self, seen_s=self.seen_s + seconds)
        lost = dict(self.lost_s)
        cause = why_lost if why_lost in lost or len(lost) < MOST_CAUSES else OTHER
        lost[cause] = lost.get(cause, 0.0) + seconds
        return replace(self, lost_s=tuple(lost.items()))

    @property
    def share(self) -> float:
        """Return the share of the print that was seen, 0 to 1; 1 for a print of no length."""
        total = self.seen_s + sum(seconds for _, seconds in self.lost_s)
        return self.seen_s / total if total > 0.0 else 1.0

    def sentence(self) -> str:
        """Say it for a person, the longest loss first: "Protected 97 % of 11 h 02 min; 12 min: ..."."""
        total = self.seen_s + sum(seconds for _, seconds in self.lost_s)
        percent = int(100.0 * self.share)  # rounded down: 99.9 % is not all of it
        said = say("Protected %(percent)d %% of %(time)s", percent=percent, time=_spoken(total))
        worst = sorted(self.lost_s, key=lambda loss: loss[1], reverse=True)
        return joined((said, *(joined((_spoken(seconds), why), ": ") for why, seconds in worst)), "; ")


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{rest} s"
