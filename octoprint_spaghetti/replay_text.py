"""What a replay shows in a terminal: bars of evidence over time, the pauses, and the table of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from octoprint_spaghetti.core.replay import Moment, Outcome
from octoprint_spaghetti.core.sweep import Setting

#: Lines that a timeline takes at most; a longer print shows the highest evidence of each stretch.
_MOST_LINES = 100
_BAR = 40


def timeline(outcome: Outcome) -> Iterator[str]:
    """Yield a line per frame, or per stretch of frames of a long print."""
    moments = outcome.timeline
    stretch = -(-len(moments) // _MOST_LINES)  # rounded up
    for first in range(0, len(moments), max(1, stretch)):
        yield _line(max(moments[first : first + stretch], key=lambda moment: moment.evidence))


def _line(moment: Moment) -> str:
    bar = "#" * round(_BAR * min(1.0, moment.evidence))
    numbers = f"score {moment.score:.2f}  evidence {moment.evidence:.2f}"
    return f"{moment.frame:6} {moment.at:7.0f} s  {numbers}  {moment.verdict.value:10} {bar}"


def verdict(outcome: Outcome) -> str:
    """Say what came of it in a sentence."""
    if outcome.paused is not None:
        again = f", and {len(outcome.pauses) - 1} times more" if len(outcome.pauses) > 1 else ""
        return f"{outcome.policy}: paused at frame {outcome.paused.frame}, {outcome.paused.at:.0f} s after the first{again}."
    if outcome.suspect is not None:
        return (
            f"{outcome.policy}: never paused; suspect at frame {outcome.suspect.frame}, "
            f"{outcome.suspect.at:.0f} s after the first, highest evidence {outcome.max_evidence:.2f}."
        )
    return f"{outcome.policy}: never paused, never suspect; highest evidence {outcome.max_evidence:.2f}."


def sweep_table(settings: Sequence[Setting]) -> Iterator[str]:
    """Yield the lines of the table, least sensitive first."""
    yield "sensitivity  failing at  suspect at frame  paused at frame  after s  highest evidence"
    for one in settings:
        outcome = one.outcome
        suspect = "-" if outcome.suspect is None else str(outcome.suspect.frame)
        frame = "-" if outcome.paused is None else str(outcome.paused.frame)
        after = "-" if outcome.paused is None else f"{outcome.paused.at:.0f}"
        yield (
            f"{one.sensitivity:11.0f}  {one.failing_at:10.2f}  {suspect:>16}  {frame:>15}  {after:>7}  {outcome.max_evidence:16.2f}"
        )
