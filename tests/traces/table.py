"""Every print of the table many times over, with other noise each time: ``python -m tests.traces.table --seeds 20``."""

from __future__ import annotations

import click

from octoprint_spaghetti.core.patience import USUAL, Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, Policy, SpaghettiPolicy
from octoprint_spaghetti.core.recording import Recording, Seen
from octoprint_spaghetti.core.replay import Outcome, replay
from tests.traces.cases import CASES, Case
from tests.traces.stories import HARD_MEMORY_S, MEMORY_S, Noise


def fault(case: Case, noise: Noise, patience: Patience | None = None) -> str:
    """Return what our policy does wrong of a print, as a sentence, or an empty string."""
    recording = case.make(noise)
    return _fault(case, recording, SpaghettiPolicy(patience or Patience(), recording.start))


def _fault(case: Case, recording: Recording, policy: Policy) -> str:
    outcome, first = replay([policy], recording, keep_timeline=False)[0], _first_frame(recording)
    paused = [first + moment.at for moment in outcome.pauses]
    if len(paused) != len(case.pauses):
        return f"It was paused at {paused}, not within {case.pauses}."
    late = [(at, window) for at, window in zip(paused, case.pauses) if not window[0] <= at <= window[1]]
    if late:
        return f"It was paused at {late[0][0]:.0f} s, not within {late[0][1]}."
    return "" if _suspected_in_time(case, outcome, first) else f"Nobody was suspicious by {case.suspect_by} s."


def _suspected_in_time(case: Case, outcome: Outcome, first: float) -> bool:
    if case.suspect_by is None:
        return True
    return outcome.suspect is not None and first + outcome.suspect.at <= case.suspect_by


def _first_frame(recording: Recording) -> float:
    """Return the second of the first frame, from which an outcome counts."""
    return next(row.at for row in recording.rows if isinstance(row, Seen))


@click.command()
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1))
@click.option("--sensitivity", default=USUAL, show_default=True, help="Position of the slider.")
@click.option("--hard", is_flag=True, help="Let deviations last as long as the judge smooths.")
def main(seeds: int, sensitivity: float, hard: bool) -> None:
    """Print how many of the seeds each case goes right with, by our policy and by Obico's, and one of our faults."""
    patience = Patience().at_sensitivity(sensitivity)
    noises = [Noise(seed, HARD_MEMORY_S if hard else MEMORY_S) for seed in range(1, seeds + 1)]
    right = 0
    click.echo(f"{'case':50} ours  obico   (of {seeds})")
    for case in CASES:
        faults = [fault(case, noise, patience) for noise in noises]
        theirs = sum(not _fault(case, case.make(noise), ObicoPolicy()) for noise in noises)
        ours = sum(not one for one in faults)
        right += ours
        click.echo(f"{case.name:50} {ours:4}  {theirs:5}   {next((one for one in faults if one), '')[:110]}")
    click.echo(f"ours: {right} of {seeds * len(CASES)} right")


if __name__ == "__main__":
    main()
