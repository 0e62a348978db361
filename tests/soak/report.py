"""What came of a soak: a table for people, one JSON document for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from octoprint_spaghetti.core.settings import Settings
from tests.soak.chart import line
from tests.soak.judging import FEWEST, Judgement, after_warm_up, judge, judge_memory
from tests.soak.stage import Recording


@dataclass(frozen=True)
class Report:
    """How long it lasted, what was printed, what did not happen that should have, and what is thought of each process.

    ``speed`` is how much faster the judge's clock ran; ``frames`` were sent to a detector, ``answers`` came back. In JSON
    ``hours_simulated`` are those of the judge's clock, prints, pauses and rests together; ``hours_of_frames`` is how long
    the plugin takes for so many frames at its usual rate.
    """

    seconds: float
    speed: float
    prints: tuple[str, ...]
    frames: int
    answers: int
    mishaps: tuple[str, ...]
    judgements: tuple[Judgement, ...]

    @property
    def passed(self) -> bool:
        """Return whether every print did what it should, and nothing grew."""
        return not self.mishaps and all(judgement.flat for judgement in self.judgements)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "passed": self.passed,
            "minutes": round(self.seconds / 60.0, 1),
            "hours_simulated": round(self.seconds * self.speed / 3600.0, 2),
            "hours_of_frames": round(self.frames * Settings().interval / 3600.0, 2),
            "prints": dict(Counter(self.prints)),
            "frames": self.frames,
            "answers": self.answers,
            "mishaps": list(self.mishaps),
            "judgements": [judgement.as_json() for judgement in self.judgements],
        }


def judged(recording: Recording, bound_mb_per_hour: float) -> tuple[Judgement, ...]:
    """Judge OctoPrint and Triton by what they took after each print, and this computer's detector by what it came to in each outage.

    That one is left out when there were too few.
    """
    found = [one for name in ("octoprint", "triton") for one in judge(name, recording.at_rest[name], bound_mb_per_hour)]
    lives = after_warm_up(recording.at_rest["edge"])  # a new process in each outage, so counts are its own affair
    return (*found, judge_memory("edge", lives, bound_mb_per_hour)) if len(lives) >= FEWEST else tuple(found)


def show(report: Report, recording: Recording, console: Console) -> None:
    """Print the table."""
    table = Table(title=f"{len(report.prints)} prints, {report.frames} frames, {report.seconds / 60.0:.1f} min", expand=True)
    for heading in ("process", "what", "", "judgement"):
        table.add_column(heading)
    table.add_column("all samples", no_wrap=True)
    for one in report.judgements:
        values = [_VALUE[one.what](sample) for sample in recording.all[one.process]]
        table.add_row(one.process, one.what, "flat" if one.flat else "NOT FLAT", one.sentence, line(values, 40))
    console.print(table)
    for mishap in report.mishaps:
        console.print(f"Did not happen: {mishap}", markup=False)


_VALUE: dict[str, Any] = {
    "memory": lambda sample: sample.rss_mb,
    "threads": lambda sample: sample.threads,
    "descriptors": lambda sample: sample.descriptors,
    "children": lambda sample: sample.children,
}
