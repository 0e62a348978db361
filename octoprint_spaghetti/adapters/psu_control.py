"""The printer's power, through the helpers of the plugin PSU Control (https://github.com/kantlivelong/OctoPrint-PSUControl).

It offers ``turn_psu_off`` and ``get_psu_state`` (True: on) to other plugins, and has plugins of its own for all kinds of switches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.sentence import say

_PLUGIN, _OFF, _STATE = "psucontrol", "turn_psu_off", "get_psu_state"


class PsuControl:
    """Wraps the helpers; they are looked up each time, for a plugin can be switched off and on while OctoPrint runs."""

    def __init__(self, plugin_manager: Any) -> None:
        """Use OctoPrint's plugin manager."""
        self._plugins = plugin_manager

    def missing(self) -> str:
        """Return in a sentence why the power cannot be switched, or an empty string when it can."""
        if self._helpers().get(_OFF) is None:
            return say("The plugin PSU Control is not installed, or switched off; install it from the Plugin Manager.")
        return ""

    def switch_off(self) -> None:
        """Switch the power off; blocks while the switch is thrown. Raises :class:`PrinterError`."""
        turn_off = self._helpers().get(_OFF)
        if turn_off is None:
            raise PrinterError(self.missing())
        _called(turn_off)

    def is_off(self) -> bool | None:
        """Return whether PSU Control says that the power is off; None when it cannot tell. Raises :class:`PrinterError`."""
        state = self._helpers().get(_STATE)
        return None if state is None else not _called(state)

    def _helpers(self) -> dict[str, Any]:
        return dict(self._plugins.get_helpers(_PLUGIN, _OFF, _STATE) or {})


def _called(helper: Callable[[], Any]) -> Any:
    try:
        return helper()
    except Exception as error:  # noqa: BLE001 - any switch of any plugin may be behind it
        raise PrinterError(
            say("PSU Control failed (%(kind)s: %(error)s).", kind=type(error).__name__, error=str(error))
        ) from error
