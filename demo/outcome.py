"""What came of a demonstration: the facts for a program (one JSON document) and whether it ended as it should."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

#: A failure must have paused the print this many seconds after it is first to be seen.
PAUSED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """The facts of one run.

    ``pause_frame`` and ``last_frame_played`` are numbers as in the frames' file names (the scene's index for the scene);
    ``pause_after_s`` seconds from the first frame that shows the failure to OctoPrint's "Paused" for the scene, from
    the first frame for a folder, whose failure nobody marked; ``failure_after_s`` seconds from the first frame to the failure
    (scene only); ``played_to_the_end`` whether every frame was shown; ``problem`` what cut the run short, if anything did.
    """

    paused: bool
    pause_frame: int | None
    pause_after_s: float | None
    frames_sent: int
    answers: int
    printer_state: str
    triton_version: str
    octoprint_version: str
    incident: str | None
    detector: str
    failure_frame: int | None
    failure_after_s: float | None
    last_frame_played: int
    played_to_the_end: bool
    seed: int | None
    problem: str | None = None

    @property
    def ended_as_it_should(self) -> bool:
        """Say whether the run shows what it is to show: the scene's failure paused in time; a folder looked at to its end."""
        if self.problem is not None or self.answers == 0:
            return False
        if self.failure_frame is None:
            return self.paused or self.played_to_the_end
        if self.pause_frame is None or self.pause_after_s is None:
            return False
        return self.paused and self.pause_frame >= self.failure_frame and self.pause_after_s <= PAUSED_WITHIN_S

    def as_json(self) -> str:
        """Return all of it as one line of JSON."""
        return json.dumps({**asdict(self), "ended_as_it_should": self.ended_as_it_should})

    def story(self) -> str:
        """Say in a sentence or two what happened."""
        if self.problem is not None:
            return f"The run was cut short: {self.problem}"
        if not self.paused:
            played = "to its end" if self.played_to_the_end else f"up to frame {self.last_frame_played}"
            return f"The print was not paused; the camera played {played}, {self.answers} of {self.frames_sent} frames were answered."
        after = "after the failure began" if self.failure_frame is not None else "after the first frame"
        return f"The print was paused at frame {self.pause_frame}, {self.pause_after_s:.1f} s {after}."
