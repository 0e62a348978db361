"""What counts as a demonstration that ended as it should."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from demo.outcome import PAUSED_WITHIN_S, Outcome

SCENE = Outcome(
    paused=True, pause_frame=30, pause_after_s=17.2, frames_sent=40, answers=40, printer_state="Paused", triton_version="2.51.0",
    octoprint_version="1.11.8", incident="/somewhere", detector="server", failure_frame=22, failure_after_s=44.0, last_frame_played=31,
    played_to_the_end=False, seed=7,
)  # fmt: skip
FOLDER = replace(SCENE, failure_frame=None, failure_after_s=None, seed=None)


@pytest.mark.parametrize(
    "case, outcome, well",
    [
        ("scene paused in time", SCENE, True),
        ("scene paused in the frame of the failure", replace(SCENE, pause_frame=22), True),
        ("scene paused before the failure", replace(SCENE, pause_frame=21, pause_after_s=-1.0), False),
        ("scene paused too late", replace(SCENE, pause_after_s=PAUSED_WITHIN_S + 0.1), False),
        ("scene not paused", replace(SCENE, paused=False, pause_frame=None, pause_after_s=None, played_to_the_end=True), False),
        ("scene without an answer", replace(SCENE, answers=0), False),
        ("folder paused", FOLDER, True),
        ("folder played to the end", replace(FOLDER, paused=False, played_to_the_end=True), True),
        ("folder cut short", replace(FOLDER, paused=False), False),
        ("folder without an answer", replace(FOLDER, paused=False, played_to_the_end=True, answers=0), False),
        ("a broken part", replace(FOLDER, problem="OctoPrint ended"), False),
    ],
)
def test_a_run_ends_as_it_should(case: str, outcome: Outcome, well: bool):
    """The scene must be paused after its failure and in time; a folder must be looked at to its end or be paused."""
    assert outcome.ended_as_it_should is well, case


def test_the_document_is_one_line_with_all_that_programs_rely_on():
    """The JSON has the promised keys, on one line."""
    document = SCENE.as_json()
    promised = {"paused", "pause_frame", "pause_after_s", "frames_sent", "answers", "printer_state", "triton_version"}
    promised |= {"octoprint_version", "incident", "failure_frame", "failure_after_s", "last_frame_played", "detector"}
    assert "\n" not in document
    assert promised | {"seed", "ended_as_it_should"} <= set(json.loads(document))


def test_the_story_says_what_happened():
    """A person reads when the print was paused, that it was not, or what broke."""
    assert SCENE.story() == "The print was paused at frame 30, 17.2 s after the failure began."
    assert "after the first frame" in FOLDER.story()
    calm = replace(FOLDER, paused=False, played_to_the_end=True)
    assert calm.story().startswith("The print was not paused; the camera played to its end")
    assert replace(SCENE, problem="OctoPrint ended").story() == "The run was cut short: OctoPrint ended"
