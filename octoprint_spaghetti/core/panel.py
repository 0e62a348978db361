"""All rules at one table: one of them decides about the print that is watched, and all of them are recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import Opinion, PrintEvent, SpaghettiPolicy, rules
from octoprint_spaghetti.core.shadow import Shadow
from octoprint_spaghetti.core.words import Sighting, Verdict


class Panel:
    """Follows one print; the judge's own belief is kept by the watch, which asks with it."""

    def __init__(self, chosen: str, patience: Patience, belief: Belief) -> None:
        """Let every rule think along from now on, and the one named ``chosen`` decide; one that joins in mid-print begins anew."""
        self._shadow = Shadow(rules(patience, belief), belief.started_at)
        others = (rule for rule in rules(patience, belief) if rule.name != SpaghettiPolicy.name)
        self._rule = next((rule for rule in others if rule.name == chosen), None)

    @property
    def ours(self) -> bool:
        """Return whether our own judge decides."""
        return self._rule is None

    def tell(self, event: PrintEvent, at: float) -> None:
        """Let all of them know what happened at second ``at``."""
        self._shadow.tell(event, at)
        if self._rule is not None:
            self._rule.tell(event, at)

    def see(self, sighting: Sighting, belief: Belief, patience: Patience) -> Opinion:
        """Show a frame to all of them, and return what the one that decides thinks; ``belief`` is the judge's after the frame."""
        whole = sighting.answer
        sighting = replace(sighting, answer=judge.outside_zones(whole, patience))  # of which other rules know nothing
        self._shadow.see(sighting)
        if self._rule is not None and not (belief.unfit or belief.idle):
            # Nor do they know of places that were forgiven, nor that who resumes has looked: whoever decides has to.
            opinion = self._rule.see(replace(sighting, answer=judge.counted(belief, whole, patience)))
            # It acts once in a print. Whether it has, and whether it is muted, the belief knows for longer than the rule.
            free = belief.acted_at is None and not (belief.muted or judge.in_grace(belief, sighting.at, patience))
            return replace(opinion, act=opinion.verdict is Verdict.FAILING and free)
        level = judge.failing_level(belief, sighting.at, patience)
        act = self._rule is None and judge.may_act(belief, sighting.at, patience)
        return Opinion(belief.verdict, belief.evidence, patience.suspect_at, level, act)

    def report(self) -> tuple[dict[str, Any], ...]:
        """Return what each would have done so far, as plain JSON types, each with a sentence."""
        return tuple({**would.as_json(), "sentence": would.sentence()} for would in self._shadow.report())
