"""How often a print is looked at, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Verdict

_HOUR_S = 3600.0


@dataclass(frozen=True)
class Pace:
    """Seconds between two pictures: of a calm print, of the first layers, of a print under suspicion."""

    calm: float
    first_layers: float
    suspect: float

    def interval(self, belief: Belief | None, patience: Patience) -> float:
        """Return the seconds until the next look; suspicion and first layers only ever shorten it."""
        if belief is None:
            return self.calm
        if belief.verdict in (Verdict.SUSPECT, Verdict.FAILING):
            return min(self.suspect, self.calm)
        return min(self.first_layers, self.calm) if judge.in_first_layers(belief, patience) else self.calm


@dataclass(frozen=True)
class Budget:
    """What a print has cost so far: pictures that were looked at, their bytes, and the seconds the answers took.

    The seconds count from the question to the answer, so they are the most that a GPU can have worked on them.
    """

    frames: int = 0
    sent_bytes: int = 0
    answer_s: float = 0.0

    def add(self, jpeg_bytes: int, answer_s: float) -> Budget:
        """Return the budget with one more picture."""
        return Budget(self.frames + 1, self.sent_bytes + jpeg_bytes, self.answer_s + answer_s)

    def as_json(self, pace: Pace) -> dict[str, Any]:
        """Return plain JSON types: the sums so far, and what an hour of a calm print costs at this pace."""
        hourly = _HOUR_S / pace.calm
        each = max(1, self.frames)
        return {
            "frames": self.frames,
            "mb": round(self.sent_bytes / 1e6, 1),
            "server_s": round(self.answer_s, 1),
            "per_hour": {
                "frames": round(hourly),
                "mb": round(hourly * self.sent_bytes / each / 1e6, 1),
                "server_s": round(hourly * self.answer_s / each, 1),
            },
        }
