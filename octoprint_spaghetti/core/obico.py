"""Obico's temporal rule as a second policy, so that people who come from there can compare the two on their own prints.

Written from its published constants: an exponentially weighted mean of span 12 over the summed confidences, less the
rolling mean of the printer's life (7200 frames), against two fixed levels and one that follows the print's own mean
(310 frames). It counts in frames and was tuned for one every 10 s. Times and frames come from outside, as in the judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from octoprint_spaghetti.core.words import Answer, Sighting, Verdict

SPAN_FRAMES = 12  # of the exponentially weighted mean: alpha = 2 / (12 + 1), half-life 4.1 frames
SHORT_FRAMES = 310  # rolling mean of this print, 52 min at 10 s
LONG_FRAMES = 7200  # rolling mean of the printer, 20 h at 10 s
WARM_UP_FRAMES = 30  # nothing is said before that many frames
LOW, HIGH = 0.38, 0.78  # below: never; above: always; between: when above RATIO * (short - long)
RATIO = 3.8
PAUSE_DIVISOR = 1.75  # a pause asks for this many times the evidence of an alert


@dataclass(frozen=True)
class ObicoBelief:
    """Frames seen, the three means, and the verdict; ``lifetime_frames`` are those behind ``long``."""

    frames: int = 0
    lifetime_frames: int = 0
    smoothed: float = 0.0
    short: float = 0.0
    long: float = 0.0
    verdict: Verdict = Verdict.WARMING_UP

    @property
    def evidence(self) -> float:
        """Return the smoothed score less the printer's mean; may exceed 1, because confidences are summed."""
        return max(0.0, self.smoothed - self.long)


def summed(answer: Answer) -> float:
    """Return the rule's score of a frame: the sum of the confidences of all boxes."""
    return sum(detection.confidence for detection in answer.detections)


def advance(belief: ObicoBelief, sighting: Sighting) -> ObicoBelief:
    """Take one frame into account."""
    score = summed(sighting.answer)
    alpha = 2.0 / (SPAN_FRAMES + 1)
    seen = replace(
        belief,
        frames=belief.frames + 1,
        lifetime_frames=belief.lifetime_frames + 1,
        smoothed=alpha * score + (1.0 - alpha) * belief.smoothed,
        short=_rolled(belief.short, score, SHORT_FRAMES, belief.frames),
        long=_rolled(belief.long, score, LONG_FRAMES, belief.lifetime_frames),
    )
    return replace(seen, verdict=_verdict(seen))


def _rolled(mean: float, score: float, window: int, count: int) -> float:
    return mean + (score - mean) / (window if window <= count else count + 1)


def _verdict(belief: ObicoBelief) -> Verdict:
    if belief.frames < WARM_UP_FRAMES:
        return Verdict.WARMING_UP
    if _fires(belief, PAUSE_DIVISOR):
        return Verdict.FAILING
    return Verdict.SUSPECT if _fires(belief, 1.0) else Verdict.WATCHING


def _fires(belief: ObicoBelief, divisor: float) -> bool:
    evidence = (belief.smoothed - belief.long) / divisor
    return evidence >= LOW and (evidence > HIGH or evidence > RATIO * (belief.short - belief.long))
