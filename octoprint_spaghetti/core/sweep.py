"""The same print under every sensitivity, and the one that would have been right for it with the least change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from octoprint_spaghetti.core.patience import LEAST_SENSITIVE, MOST_SENSITIVE, USUAL, Patience
from octoprint_spaghetti.core.policies import SpaghettiPolicy
from octoprint_spaghetti.core.recording import Recording
from octoprint_spaghetti.core.replay import Moment, Outcome, replay

#: The slider's positions that are tried.
_STEP = 1.0
#: A pause is in time when it comes within so many seconds of the first frame of the failure.
IN_TIME_S = 60.0


@dataclass(frozen=True)
class Setting:
    """A position of the slider and what came of it."""

    sensitivity: float
    failing_at: float
    outcome: Outcome


def positions() -> tuple[float, ...]:
    """Return the slider's positions, least sensitive first."""
    count = round((MOST_SENSITIVE - LEAST_SENSITIVE) / _STEP)
    return tuple(LEAST_SENSITIVE + _STEP * place for place in range(count + 1))


def sweep(patience: Patience, recording: Recording) -> list[Setting]:
    """Replay a print under every sensitivity, with the other numbers as in ``patience``; the rows are read once."""
    patiences = [patience.at_sensitivity(position) for position in positions()]
    outcomes = replay((SpaghettiPolicy(one, recording.start) for one in patiences), recording, keep_timeline=False)
    return [Setting(position, one.failing_at, outcome) for position, one, outcome in zip(positions(), patiences, outcomes)]


def recommended(settings: Sequence[Setting], failed_at: float | None) -> Setting | None:
    """Return the setting nearest to the usual one that was right for this print, None when none was.

    ``failed_at`` is when the failure came into view, in seconds since the first frame, None for a print that went well.
    One print proves little, so the usual setting is kept unless it was wrong.
    """
    right = [setting for setting in settings if _is_right(setting.outcome.paused, failed_at)]
    return min(right, key=lambda setting: abs(setting.sensitivity - USUAL), default=None)


def _is_right(paused: Moment | None, failed_at: float | None) -> bool:
    if failed_at is None or paused is None:
        return failed_at is None and paused is None
    return failed_at <= paused.at <= failed_at + IN_TIME_S
