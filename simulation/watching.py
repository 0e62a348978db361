"""Watch a simulated print as the plugin would: more often when something is suspected, and with an owner who answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, Policy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.words import Verdict
from simulation.paths import Path

#: The owner of a good print that was paused looks after so long, in seconds, and calls it a false alarm.
ANSWER_S = 120.0


@dataclass(frozen=True)
class Watcher:
    """A rule and how often it looks, in seconds between two frames."""

    name: str
    make: Callable[[], Policy]
    calm_s: float
    suspect_s: float


def ours(patience: Patience) -> Watcher:
    """Return our rule at the rates of the default settings."""
    return Watcher("spaghetti", lambda: SpaghettiPolicy(patience, 0.0), calm_s=5.0, suspect_s=2.0)


def obico() -> Watcher:
    """Return Obico's rule at the rate it was made for, on a printer it has never seen."""
    return Watcher("obico", ObicoPolicy, calm_s=10.0, suspect_s=10.0)


def pauses(watcher: Watcher, path: Path, start: float, until_after: float | None = None) -> list[float]:
    """Return the seconds at which a print that extrudes from second 0 is paused; the first frame is at ``start``.

    After each pause the owner says that it was a false alarm, and the print goes on; with ``until_after`` the watch ends
    with the first pause after that second instead.
    """
    policy, at, found = watcher.make(), start, []
    policy.tell(PrintEvent.EXTRUSION_BEGAN, 0.0)
    while at < len(path):
        opinion = policy.see(path.sighting(at))
        if opinion.act:
            found.append(at)
            if until_after is not None and at >= until_after:
                break
            policy.tell(PrintEvent.PAUSED, at)
            at += ANSWER_S
            policy.tell(PrintEvent.FALSE_ALARM, at)
            policy.tell(PrintEvent.RESUMED, at)
        at += watcher.suspect_s if opinion.verdict in (Verdict.SUSPECT, Verdict.FAILING) else watcher.calm_s
    return found
