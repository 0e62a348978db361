"""octoprint-spaghetti: watches prints through the webcam and pauses the failing ones.

OctoPrint reads this module's ``__plugin_*__`` names; importing it imports nothing else, so that ``core`` can be used
without OctoPrint.
"""

from __future__ import annotations

__version__ = "0.1.0"

__plugin_name__ = "Spaghetti"
__plugin_version__ = __version__
__plugin_description__ = "Watches prints through the webcam and pauses the failing ones."
__plugin_author__ = "The octoprint-spaghetti authors"
__plugin_license__ = "AGPL-3.0-or-later"
__plugin_pythoncompat__ = ">=3.9,<4"


def __plugin_load__() -> None:
    """Create the plugin and its hooks; OctoPrint calls this once."""
    from octoprint_spaghetti.plugin import SpaghettiPlugin

    plugin = SpaghettiPlugin()
    hooks = {
        "octoprint.comm.protocol.gcode.sent": plugin.on_gcode_sent,
        "octoprint.comm.protocol.scripts": plugin.on_script,
        "octoprint.events.register_custom_events": plugin.custom_events,
        "octoprint.server.sockjs.emit": plugin.may_be_pushed,
        "octoprint.access.permissions": plugin.permissions,
        "octoprint.plugin.health_check.get_additional_checks": plugin.health_checks,
        "octoprint.plugin.softwareupdate.check_config": plugin.update_information,
    }
    # OctoPrint looks for these two names in the module once it has called this function.
    globals().update(__plugin_implementation__=plugin, __plugin_hooks__=hooks)
