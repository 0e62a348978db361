"""How often a print is looked at, and what that costs."""

from __future__ import annotations

import dataclasses

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.budget import Budget, Pace
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Verdict

PACE, PATIENCE = Pace(calm=5.0, first_layers=2.5, suspect=2.0), Patience()


def test_attention_goes_where_it_is_needed() -> None:
    """A calm print is looked at every 5 s, its first layers every 2.5 s, a suspect one every 2 s."""
    belief = dataclasses.replace(judge.begin(0.0), verdict=Verdict.WATCHING)
    assert PACE.interval(None, PATIENCE) == 5.0
    assert PACE.interval(belief, PATIENCE) == 5.0
    assert PACE.interval(dataclasses.replace(belief, layer=2), PATIENCE) == 2.5
    assert PACE.interval(dataclasses.replace(belief, layer=3), PATIENCE) == 5.0
    assert PACE.interval(dataclasses.replace(belief, layer=2, verdict=Verdict.SUSPECT), PATIENCE) == 2.0


def test_suspicion_never_slows_the_watch() -> None:
    """Who looks twice a second goes on doing so under suspicion."""
    fast = Pace(calm=0.5, first_layers=2.5, suspect=2.0)
    belief = dataclasses.replace(judge.begin(0.0), verdict=Verdict.SUSPECT)
    assert fast.interval(belief, PATIENCE) == 0.5


def test_the_cost_of_a_print_and_of_an_hour_are_said() -> None:
    """Sums so far, and an hour of a calm print at this pace."""
    budget = Budget().add(100_000, 0.02).add(100_000, 0.04)
    assert budget.as_json(PACE) == {
        "frames": 2,
        "mb": 0.2,
        "server_s": 0.1,
        "per_hour": {"frames": 720, "mb": 72.0, "server_s": 21.6},
    }
