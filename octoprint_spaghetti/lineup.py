"""The views of a print, one for each camera of the settings: who begins to see it, who goes on, who is let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.job import Memory
from octoprint_spaghetti.ports import Records
from octoprint_spaghetti.view import View


@dataclass(frozen=True)
class Moment:
    """When cameras begin to see a print, monotonic and Unix seconds: of which ``file``, called ``name``.

    A print that was ``found`` running may be known from before a restart.
    """

    file: str
    name: str
    now: float
    wall: float
    found: bool = False


class Lineup:
    """Begins and ends the records of cameras; ``records`` gives them, and ``written`` writes what may not be writable."""

    def __init__(self, records: Callable[[str], Records], written: Callable[[str, Callable[[], None]], None]) -> None:
        self._records = records
        self._written = written

    def fitted(self, settings: Settings, before: Sequence[View], moment: Moment) -> tuple[View, ...]:
        """Return a view for each camera of the settings; one that was there ``before`` goes on with what it believes."""
        known = {view.key: view for view in before}
        views: list[View] = []
        for key, name, patience in zip(settings.camera_keys(), settings.camera_names(), settings.patiences()):
            view = known.pop(key, None)
            if view is None:
                records = self._records(key)
                memory = self._beginning(records, views[0].memory.belief if views else None, moment)
                view = View(key, name, records, memory, patience, settings.policy)
            else:
                view.configure(name, patience, settings.policy)
            view.due = moment.now
            views.append(view)
        self.let_go(list(known.values()))
        return tuple(views)

    def let_go(self, views: Sequence[View]) -> None:
        """Close the records of views that see no more."""
        for view in views:
            view.records.traces.end()
            self._written("belief", view.records.beliefs.forget)

    def _beginning(self, records: Records, first: Belief | None, moment: Moment) -> Memory:
        """Return what a camera knows of the print as it begins to see it; what the ``first`` one knows of it, others know too."""
        known = records.beliefs.load(moment.file, moment.now, moment.wall) if moment.found else None
        background = records.baselines.load().background(moment.file)
        if known is not None:
            belief = replace(known, background=background, paused=False)
        else:
            belief = judge.begin(moment.now, background) if first is None else judge.joining(first, moment.now, background)
        self._written("trace", lambda: records.traces.begin(moment.name, moment.now, moment.wall))
        return Memory(belief=belief, last_sighting_at=moment.now)
