"""What of the chosen action cannot be done on this installation, as sentences for the page, the drill and the doctor."""

from __future__ import annotations

from typing import Any

from octoprint_spaghetti.adapters.octoprint_printer import scripts_missing
from octoprint_spaghetti.adapters.psu_control import PsuControl
from octoprint_spaghetti.core.settings import Settings


def action_problems(settings: Settings, printer: Any, plugin_manager: Any) -> tuple[str, ...]:
    """Return why parts of the action would have no effect, nothing when all would; ``printer`` and the manager are OctoPrint's."""
    scripts = scripts_missing(printer) if settings.action == "pause" and settings.wishes() else ""
    power = PsuControl(plugin_manager).missing() if settings.cuts_power(settings.action) else ""
    return tuple(problem for problem in (scripts, power) if problem)
