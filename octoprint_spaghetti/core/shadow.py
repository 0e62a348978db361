"""What each rule would have done of a print that is being watched, while none of them does anything.

A fold like the judge: it is told what the watch is told, and its report can be read at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core.policies import Opinion, Policy, PrintEvent
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Sighting, Verdict


@dataclass(frozen=True)
class Would:
    """What a policy would have done so far; moments are seconds since the print began, None for never.

    ``acted_at`` when it first asked for its action and ``acts`` how often; ``suspect_at`` when it first suspected anything;
    ``max_evidence`` its highest evidence, on its own scale.
    """

    policy: str
    suspect_at: float | None = None
    acted_at: float | None = None
    acts: int = 0
    max_evidence: float = 0.0

    def after(self, opinion: Opinion, at: float) -> Would:
        """Return what is to be said after one more opinion, ``at`` seconds into the print."""
        alarmed = opinion.verdict in (Verdict.SUSPECT, Verdict.FAILING)
        return replace(
            self,
            suspect_at=at if alarmed and self.suspect_at is None else self.suspect_at,
            acted_at=at if opinion.act and self.acted_at is None else self.acted_at,
            acts=self.acts + opinion.act,
            max_evidence=max(self.max_evidence, opinion.evidence),
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "policy": self.policy,
            "suspect_at_s": None if self.suspect_at is None else round(self.suspect_at, 1),
            "acted_at_s": None if self.acted_at is None else round(self.acted_at, 1),
            "acts": self.acts,
            "max_evidence": round(self.max_evidence, 4),
        }

    def sentence(self) -> str:
        """Say it for a person."""
        if self.acted_at is not None:
            more = say(", and again %(times)d more times", times=self.acts - 1) if self.acts > 2 else ""
            more = say(", and once more") if self.acts == 2 else more
            return say(
                "%(rule)s would have paused %(time)s into the print%(more)s.",
                rule=self.policy,
                time=_into(self.acted_at),
                more=more,
            )
        if self.suspect_at is not None:
            return say(
                "%(rule)s would not have paused; it was suspicious first %(time)s into the print.",
                rule=self.policy,
                time=_into(self.suspect_at),
            )
        return say("%(rule)s would not have paused and was never suspicious.", rule=self.policy)


class Shadow:
    """Policies that look on. One owner, as for the watch; none of them acts."""

    def __init__(self, policies: Iterable[Policy], started_at: float) -> None:
        """Look on a print that began at ``started_at``, in seconds of the clock that sightings carry."""
        self._policies = tuple(policies)
        self._started_at = started_at
        self._would = tuple(Would(policy.name) for policy in self._policies)

    def tell(self, event: PrintEvent, at: float) -> None:
        """Let all of them know what happened at second ``at``."""
        for policy in self._policies:
            policy.tell(event, at)

    def see(self, sighting: Sighting) -> None:
        """Let all of them see a frame."""
        at = sighting.at - self._started_at
        self._would = tuple(would.after(policy.see(sighting), at) for would, policy in zip(self._would, self._policies))

    def report(self) -> tuple[Would, ...]:
        """Return what each would have done so far, in the order in which the policies were given."""
        return self._would


def _into(seconds: float) -> str:
    """Return ``1 h 05 min``, ``12 min 30 s`` or ``40 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
