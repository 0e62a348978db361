"""The end of the Test button's chain: would these settings decide, and could the printer be paused? Nothing is moved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from octoprint_spaghetti.chain import ChainReport, Step
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import ObicoPolicy, Policy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.printer_state import is_connected
from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.stopping import UNDER_WAY
from octoprint_spaghetti.core.words import Answer, Detection, Sighting

#: A clear failure: nearly certain, in the middle of the picture, for five minutes of a print that is long warmed up.
_SCORE, _PLACE, _LASTS_S, _INTO_PRINT_S = 0.95, Box(0.35, 0.35, 0.65, 0.65), 300.0, 3600.0


def dry_run(report: ChainReport, settings: Settings, printer_state: Callable[[], str]) -> ChainReport:
    """Return the report with the steps ``decide`` and ``pause``; a chain that broke before stays as it is.

    ``decide`` feeds the answer to the real judge as if it were a clear failure; ``pause`` asks whether OctoPrint could
    obey. A printer that is not connected breaks the chain: whoever reads "passed" may rely on the pause.
    """
    if report.answer is None or any(step.problem for step in report.steps):
        return report
    started = time.perf_counter()
    after = seconds_to_act(settings, report.answer)
    impossible = say(
        "With these settings not even a clear failure in the middle of the picture is acted on within 5 "
        "minutes; loosen the sensitivity, the numbers of the judge or the ignore zones."
    )
    steps = [*report.steps, Step("decide", _since(started), "" if after is not None else impossible)]
    if after is None:
        return replace(report, steps=tuple(steps))
    started = time.perf_counter()
    problem = _pause_problem(settings, printer_state())
    steps.append(Step("pause", _since(started), problem))
    return replace(report, steps=tuple(steps), note=joined((report.note, _decided(settings, after))))


def seconds_to_act(settings: Settings, answer: Answer) -> float | None:
    """Return after how many seconds a clear failure would be acted on; None when it is not within five minutes."""
    clear = replace(answer, score=_SCORE, detections=(Detection(_PLACE, _SCORE, "spaghetti"),))
    rule: Policy = ObicoPolicy() if settings.policy == ObicoPolicy.name else SpaghettiPolicy(settings.patience(), 0.0)
    calm = replace(answer, score=0.0, detections=())
    rule.tell(PrintEvent.EXTRUSION_BEGAN, 0.0)
    for number in range(40):  # Obico's rule learns what is usual from frames before it decides anything
        rule.see(Sighting(_INTO_PRINT_S - (40 - number) * settings.interval, calm))
    at = 0.0
    while at < _LASTS_S:
        if rule.see(Sighting(_INTO_PRINT_S + at, clear)).act:
            return at
        at += settings.suspect_interval
    return None


def _pause_problem(settings: Settings, state: str) -> str:
    if settings.shadow or settings.action not in UNDER_WAY or is_connected(state):
        return ""
    return say(
        "The printer is not connected (OctoPrint says %(state)s), so it could not be paused; connect it and test again.",
        state=state.lower(),
    )


def _decided(settings: Settings, after: float) -> str:
    if settings.shadow:
        return say("A clear failure would be only recorded after %(seconds).0f s.", seconds=after)
    if settings.action == "pause":
        return say("A clear failure would be paused after %(seconds).0f s.", seconds=after)
    if settings.action == "cancel":
        return say("A clear failure would be cancelled after %(seconds).0f s.", seconds=after)
    return say("A clear failure would be only told after %(seconds).0f s.", seconds=after)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1e3
