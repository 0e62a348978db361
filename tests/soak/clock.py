"""The fast clock, which is in the judge alone: all its times divided by one number, through its own settings.

Threads, network, camera, printer and processes run at their own pace. A picture every half second stands for one every five, as
the plugin takes them by itself, and what the judge does in a minute it does in six seconds.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from octoprint_spaghetti.core.kinds import Number
from octoprint_spaghetti.core.patience import Patience, describe_number, names
from octoprint_spaghetti.core.settings import Settings, describe


def fastest() -> float:
    """Return by how much the judge's clock can run faster: the usual time between two pictures over the shortest there is."""
    kind: Any = describe("interval")[0]
    return float(Settings().interval / kind.low)


def hurried(speed: float) -> dict[str, Any]:
    """Return the settings, as they are stored, under which the judge's clock runs ``speed`` times faster."""
    usual, settings = Patience(), Settings()
    intervals = {name: getattr(settings, name) / speed for name in ("interval", "suspect_interval", "first_layers_interval")}
    numbers = [[name, _shortened(name, getattr(usual, name), speed)] for name in names() if _is_time(name)]
    return {
        **{name: max(value, _kind(describe(name)[0]).low) for name, value in intervals.items()},
        "numbers": numbers,
        "warm_up": settings.warm_up / speed,
    }


def _is_time(name: str) -> bool:
    kind = describe_number(name)[0]
    return isinstance(kind, Number) and kind.unit == "s" and name in {field.name for field in dataclasses.fields(Patience)}


def _shortened(name: str, seconds: float, speed: float) -> float:
    return max(_kind(describe_number(name)[0]).low, seconds / speed)


def _kind(kind: Any) -> Number:
    assert isinstance(kind, Number)
    return kind
