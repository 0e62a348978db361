"""The table of prints: what must be paused is, in its window, and what must not is left alone."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import SpaghettiPolicy
from octoprint_spaghetti.core.recording import Recording, Seen
from octoprint_spaghetti.core.replay import Outcome, replay
from tests.traces.cases import CASES, Case


def judged(recording: Recording) -> Outcome:
    """Return what our policy makes of a print at its usual numbers."""
    return replay([SpaghettiPolicy(Patience(), recording.start)], recording, keep_timeline=False)[0]


def first_frame(recording: Recording) -> float:
    """Return the second of the first frame, from which an outcome counts."""
    return next(row.at for row in recording.rows if isinstance(row, Seen))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_print_is_paused_when_a_person_would_and_only_then(case: Case) -> None:
    """One pause in each window of the case, none outside, and suspicion by when it is asked for."""
    recording = case.make()
    outcome, first = judged(recording), first_frame(recording)
    paused = [first + moment.at for moment in outcome.pauses]
    assert len(paused) == len(case.pauses), f"{case.said} Paused at {paused}, not within {case.pauses}."
    for at, (earliest, latest) in zip(paused, case.pauses):
        assert earliest <= at <= latest, f"{case.said} Paused at {at:.0f} s, not within {earliest:.0f} to {latest:.0f} s."
    if case.suspect_by is not None:
        assert outcome.suspect is not None, f"{case.said} Nobody was suspicious."
        assert first + outcome.suspect.at <= case.suspect_by


def test_the_table_is_large_and_its_names_are_its_own() -> None:
    """At least 40 prints, good and failing, each with another name and a sentence of what happened."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40
    assert min(sum(bool(case.pauses) for case in CASES), sum(not case.pauses for case in CASES)) >= 20
    assert all(case.said.endswith(".") for case in CASES)
