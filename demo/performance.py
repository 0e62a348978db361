"""One run from the start of the print to its pause or to the last frame: poll, show, and write down what came of it.

The printer's state is OctoPrint's own word, never the plugin's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from demo.display import Moment
from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintError
from demo.outcome import Outcome

if TYPE_CHECKING:
    from demo.display import Display
    from demo.stage import Stage
    from demo.webcam import Shown

PRINT_NAME = "demonstration.gcode"
#: Between two looks at OctoPrint; also the error of "when was it paused".
_POLL_S = 0.2
#: From the upload to the first move; homing and an unheated start take OctoPrint about a second.
_PRINT_STARTS_WITHIN_S = 30.0
#: What was seen last is still on its way through detector and judge when the frames end.
_TAIL_INTERVALS, _TAIL_AT_LEAST_S = 3, 8.0
#: The plugin writes its evidence after the pause.
_EVIDENCE_WITHIN_S = 10.0
_PAUSING, _PAUSED = "Pausing", "Paused"


@dataclass(frozen=True)
class Script:
    """What is to be played: ``failure_position`` is where in the frames the failure begins (None: nobody knows)."""

    failure_position: int | None
    seed: int | None
    limit_s: float


@dataclass
class _Notes:
    """What was seen so far; ``ordered`` is the frame shown when the pause began, the times are the camera's clock."""

    status: dict[str, Any] = field(default_factory=dict)
    printer_state: str = ""
    ordered: Shown | None = None
    paused_at: float | None = None


def perform(stage: Stage, script: Script, display: Display) -> Outcome:
    """Print, play the frames and watch until the print is paused, the frames are over, or ``limit_s`` seconds have passed."""
    notes = _Notes()
    problem = None
    try:
        _start_print(stage)
        _follow(stage, script, display, notes)
    except (requests.RequestException, OctoPrintError) as error:
        problem = f"{error} (OctoPrint's log: {stage.octoprint.log_path})"
    return _outcome(stage, script, notes, problem)


def _start_print(stage: Stage) -> None:
    stage.octoprint.plugin_status()  # fails at once, and with a reason, when the plugin did not load
    playback = stage.webcam.playback
    stage.octoprint.upload_and_print(PRINT_NAME, print_lasting(minutes=(playback.count * playback.interval_s + 180) / 60))
    end = time.monotonic() + _PRINT_STARTS_WITHIN_S
    while stage.octoprint.printer_state() != "Printing":
        if time.monotonic() > end:
            raise OctoPrintError(f"the print did not start within {_PRINT_STARTS_WITHIN_S:.0f} s")
        time.sleep(_POLL_S)
    stage.webcam.play()


def _follow(stage: Stage, script: Script, display: Display, notes: _Notes) -> None:
    webcam = stage.webcam
    tail = max(_TAIL_INTERVALS * webcam.playback.interval_s, _TAIL_AT_LEAST_S)
    started = webcam.clock()
    while webcam.clock() - started < script.limit_s:
        notes.printer_state = stage.octoprint.printer_state()
        shown = webcam.shown()
        if notes.ordered is None and notes.printer_state in (_PAUSING, _PAUSED):
            notes.ordered = shown
        notes.status = stage.octoprint.plugin_status()
        display.show(_moment(stage, script, notes, shown))
        if notes.printer_state == _PAUSED:
            notes.paused_at = webcam.clock()
            _await_evidence(stage, notes)
            return
        if webcam.playback.ended(webcam.clock() - tail):
            return
        time.sleep(_POLL_S)


def _await_evidence(stage: Stage, notes: _Notes) -> None:
    end = time.monotonic() + _EVIDENCE_WITHIN_S
    while notes.status.get("incident_folder") is None and time.monotonic() < end:
        time.sleep(_POLL_S)
        notes.status = stage.octoprint.plugin_status()


def _moment(stage: Stage, script: Script, notes: _Notes, shown: Shown) -> Moment:
    playback = stage.webcam.playback
    return Moment(
        elapsed_s=stage.webcam.clock() - (playback.started_at or stage.webcam.clock()),
        frame=shown.number,
        position=shown.position,
        count=playback.count,
        failing_scene=None if script.failure_position is None else shown.position >= script.failure_position,
        printer_state=notes.printer_state,
        status=notes.status,
    )


def _outcome(stage: Stage, script: Script, notes: _Notes, problem: str | None) -> Outcome:
    webcam, failure = stage.webcam, script.failure_position
    failure_at = webcam.playback.first_shown_at(failure or 0)
    paused_after = None if notes.paused_at is None or failure_at is None else round(notes.paused_at - failure_at, 1)
    return Outcome(
        paused=notes.paused_at is not None,
        pause_frame=None if notes.ordered is None else notes.ordered.number,
        pause_after_s=paused_after,
        frames_sent=int(notes.status.get("frames_sent", 0)),
        answers=int(notes.status.get("answers", 0)),
        printer_state=notes.printer_state,
        triton_version=stage.triton_version,
        octoprint_version=_octoprint_version(stage),
        incident=notes.status.get("incident_folder"),
        detector=stage.detector,
        failure_frame=None if failure is None else webcam.frames.number(failure),
        failure_after_s=None if failure is None else round(failure * webcam.playback.interval_s, 1),
        last_frame_played=webcam.shown().number,
        played_to_the_end=webcam.playback.ended(webcam.clock()),
        seed=script.seed,
        problem=problem,
    )


def _octoprint_version(stage: Stage) -> str:
    try:
        return stage.octoprint.version()
    except (requests.RequestException, OctoPrintError):
        return "unknown"
