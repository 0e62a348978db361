"""How the watch says how things are: one verdict, one sentence."""

from __future__ import annotations

from octoprint_spaghetti.core.explanation import explain
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Verdict
from octoprint_spaghetti.job import Job


def verdict_of(job: Job | None) -> Verdict:
    """Return what is to be thought of the print just now."""
    if job is None:
        return Verdict.OFF
    if job.blind and not job.belief.paused:
        return Verdict.BLIND
    return job.belief.verdict if job.opinion is None else job.opinion.verdict


def sentence_of(job: Job | None, patience: Patience, enabled: bool, last_coverage: str) -> str:
    """Return the sentence that says it all for a person; ``last_coverage`` is what was seen of the print before."""
    if job is None:
        idle = "No print is running." if enabled else "Watching is switched off in the settings."
        return f"{idle} The last one: {last_coverage}" if last_coverage else idle
    why = explain(job.belief, patience).sentences()
    if job.order is not None:
        return f"Pausing the print: {why}"
    if job.belief.paused:
        by_us = not job.forgiven and (job.ours or (job.incident is not None and job.belief.verdict is Verdict.FAILING))
        return f"The print is paused: {why}" if by_us else "The print is paused; nothing is judged meanwhile."
    if job.belief.idle:
        return f"Nothing is judged during {job.belief.idle}."
    return job.trouble or why
