"""How the watch says how things are: what belongs into its status, and the one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octoprint_spaghetti.core.budget import Pace
from octoprint_spaghetti.core.sentence import Sentence, joined, say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Verdict
from octoprint_spaghetti.job import Job
from octoprint_spaghetti.view import View
from octoprint_spaghetti.views import why_blind


def thought_of(job: Job, views: Sequence[View], view: View, pace: Pace, now: float) -> dict[str, Any]:
    """Return what is thought of the print by the ``view`` that tells most of all, by the names of :class:`Status`."""
    why, several = view.explained(), len(views) > 1
    evidence, suspect_at, failing_at = view.evidence(now)
    return {
        **(view.last.as_status() if view.last is not None else {}),
        "verdict": view.verdict,
        "sentence": sentence_of(job, view, why_blind(views) if several else ""),
        "evidence": evidence,
        "suspect_at": suspect_at,
        "failing_at": failing_at,
        "muted": view.memory.belief.muted,
        "layer": view.memory.belief.layer,
        "votes": why.votes,
        "why": why.as_json(),
        "budget": job.budget.as_json(pace),
        "seen": job.coverage.share,
        "rules": view.panel.report(),
        "camera": views.index(view) + 1,
        "cameras": tuple(one.status(now) for one in views) if several else (),
    }


def unthought(settings: Settings, last_coverage: str) -> dict[str, Any]:
    """Return what there is to say while no job runs; ``last_coverage`` is what was seen of the print before."""
    patience = settings.patience()
    return {
        "verdict": Verdict.OFF,
        "sentence": idle_sentence(settings.enabled, last_coverage),
        "evidence": 0.0,
        "suspect_at": patience.suspect_at,
        "failing_at": patience.failing_at,
        "muted": False,
        "cameras": (),
    }


def sentence_of(job: Job, view: View, blindness: str) -> str:
    """Return the sentence that says it all of a print for a person, by the ``view`` that tells most.

    ``blindness`` says which of several cameras see nothing; empty when all do, or there is only one.
    """
    memory, why = view.memory, view.explained().sentences()
    if job.order is not None:
        cancels = job.order.action == "cancel"
        return say("Cancelling the print: %(why)s", why=why) if cancels else say("Pausing the print: %(why)s", why=why)
    if memory.belief.paused:
        by_us = not job.forgiven and (job.ours or (job.incident is not None and memory.belief.verdict is Verdict.FAILING))
        return say("The print is paused: %(why)s", why=why) if by_us else say("The print is paused; nothing is judged meanwhile.")
    if memory.belief.idle and not (memory.trouble or job.trouble):  # without a newer picture nobody knows whether it still is
        return joined((blindness, say("Nothing is judged during %(work)s.", work=Sentence(memory.belief.idle))))
    if memory.blind and blindness:
        return blindness
    return joined((blindness, job.trouble or (view.said(memory.trouble) if memory.trouble else why)))


def idle_sentence(enabled: bool, last_coverage: str) -> str:
    """Return the sentence for the time between two prints; ``last_coverage`` is what was seen of the last one."""
    idle = say("No print is running.") if enabled else say("Watching is switched off in the settings.")
    return joined((idle, say("The last one: %(coverage)s", coverage=last_coverage) if last_coverage else ""))
