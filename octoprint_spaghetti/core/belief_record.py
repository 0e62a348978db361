"""A belief as plain JSON and back, so that a restart in mid-print forgets nothing that is worth remembering."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from octoprint_spaghetti.core.belief import Belief, Glance
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Verdict

_TIMES = ("started_at", "extruding_at", "last_at", "suspect_since", "resumed_at", "acted_at")
_SHARES = ("usual", "evidence")
_SWITCHES = ("paused", "muted")


def as_json(belief: Belief) -> dict[str, Any]:
    """Return plain JSON types; what is learned from other prints, and what the camera saw last, is not among them."""
    return {
        **{name: getattr(belief, name) for name in (*_TIMES, *_SHARES, *_SWITCHES, "layer")},
        "verdict": belief.verdict.value,
        "recent": [[glance.at, glance.score, [list(box.xyxy) for box in glance.places], glance.sure] for glance in belief.recent],
        "forgiven": [list(box.xyxy) for box in belief.forgiven],
    }


def from_json(content: Mapping[str, Any], shift: float) -> Belief:
    """Return the belief with all its times ``shift`` seconds later: each start has a clock of its own.

    Raises :class:`ValueError`, :class:`KeyError`, :class:`TypeError` or :class:`OverflowError` for what is no belief.
    """

    def moved(value: Any) -> float:
        if not math.isfinite(float(value)):
            raise ValueError(f"{value} is no time")
        return float(value) + shift

    times = {name: None if content[name] is None else moved(content[name]) for name in _TIMES}
    if times["started_at"] is None:
        raise ValueError("a belief has a beginning")
    values: dict[str, Any] = {
        **times,
        **{name: _share(content[name]) for name in _SHARES},
        **{name: bool(content[name]) for name in _SWITCHES},
        "layer": None if content["layer"] is None else int(content["layer"]),
        "verdict": Verdict(content["verdict"]),
        "recent": tuple(
            Glance(moved(at), _share(score), tuple(Box(*corners) for corners in places), max(0, int(sure)))
            for at, score, places, sure in content["recent"]
        ),
        "forgiven": tuple(Box(*corners) for corners in content["forgiven"]),
    }
    return Belief(**values)


def _share(value: Any) -> float:
    number = float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{number} is no share")
    return number
