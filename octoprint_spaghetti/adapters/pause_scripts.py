"""What OctoPrint is given when it asks for its scripts around a pause: something for ours and for the resume after it, else nothing.

OctoPrint asks through its hook ``octoprint.comm.protocol.scripts`` on the thread that reads the printer's answers, the watch
arms and withdraws on its own, and hears of pauses and resumes on a third: no field is changed by two of them after reading it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from octoprint_spaghetti.core.pause_script import Counting, Heater, Machine, Plan, Position, Wishes, plan

Lines = tuple[list[str], list[str]]

_AFTER_PAUSE, _BEFORE_RESUME = "afterPrintPaused", "beforePrintResumed"


class PauseScripts:
    """Knows whether the next pause is ours, and how to undo what the last one did.

    ``printer`` is OctoPrint's ``PrinterInterface``, ``profile`` returns its printer profile, ``counting`` how the print
    counts (None: not known).
    """

    def __init__(
        self,
        printer: Any,
        profile: Callable[[], Mapping[str, Any]],
        counting: Callable[[], Counting | None],
        logger: logging.Logger | None = None,
    ) -> None:
        """Have nothing to say before :meth:`arm`."""
        self._printer = printer
        self._profile = profile
        self._counting = counting
        self._logger = logger or logging.getLogger(__name__)
        self._wishes = Wishes()
        self._undo = Plan()
        self._left: Plan | None = None  # what was to be undone when a resume was last heard of
        self._outdated: Plan | None = None  # what a pause was heard of since: none of its moves is undone any more

    def arm(self, wishes: Wishes) -> None:
        """Let the next pause, which was or is about to be ordered, do what is wished."""
        self._wishes = wishes

    def withdraw(self) -> bool:
        """Let the next pause do nothing besides; return whether there was anything that it was to do."""
        wishes, self._wishes = self._wishes, Wishes()
        return bool(wishes)

    def forget(self) -> None:
        """Know of no pause: a job has begun or ended."""
        self._wishes, self._undo = Wishes(), Plan()

    def resumed(self) -> None:
        """Note that a print goes on; the script for that is asked for at about the same time, or never."""
        self._left = self._undo

    def paused(self) -> None:
        """Note that a print is paused, and undo no move any more that is older than the resume before.

        A printer that pauses and resumes by itself (``//action:paused``, ``resumed``) has OctoPrint run no script: what is left of
        a pause long ago would then drive the nozzle down into what was printed since. Its heaters are still to be heated.
        """
        self._outdated = self._left

    def lines(self, comm: Any, name: str) -> Lines | None:
        """Return what comes before and after the owner's lines of the script, or None; ``comm`` is OctoPrint's connection."""
        if name == _AFTER_PAUSE:
            wishes, self._wishes = self._wishes, Wishes()
            self._undo = undo = plan(wishes, self._machine(comm)) if wishes else Plan()
            return self._given("pause", undo.pause_first, undo.pause_last)
        if name == _BEFORE_RESUME:
            undo, self._undo = self._undo, Plan()
            return self._given("resume", undo.resume_first, () if undo is self._outdated else undo.resume_last)
        return None

    def _given(self, what: str, first: tuple[str, ...], last: tuple[str, ...]) -> Lines | None:
        if not first and not last:
            return None
        self._logger.info("Beside the %s: %s", what, "; ".join((*first, *last)))
        return list(first), list(last)

    def _machine(self, comm: Any) -> Machine:
        profile = self._profile()
        extruder = profile.get("extruder") or {}
        heaters = read_heaters(self._printer)
        own = int(extruder.get("count") or 1) > 1 and not extruder.get("sharedNozzle")
        hotends = {int(name[len("tool") :]): heater for name, heater in heaters.items() if name.startswith("tool")}
        recorded = getattr(comm, "pause_position", None)
        return Machine(
            position=Position.read(recorded.as_dict()) if recorded is not None else None,
            counting=self._counting(),
            hotends=hotends if own else {number: heater for number, heater in hotends.items() if number == 0},
            bed=heaters.get("bed", Heater()),
            own_heaters=own,
            height=float((profile.get("volume") or {}).get("height") or 0.0),
        )


def read_heaters(printer: Any) -> dict[str, Heater]:
    """Return the heaters by OctoPrint's names (``tool0``, ``tool1``, ``bed``, ``chamber``), as they were last reported."""
    return {name: Heater.read(record) for name, record in (printer.get_current_temperatures() or {}).items()}
