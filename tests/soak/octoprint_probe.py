"""A plugin that OctoPrint loads during a soak: it collects Python's garbage when asked, so that what is left is really held.

Python looks for cycles of old objects seldom, here every thirteen minutes: until then memory rises and then falls by some 15 MB, and
threads of libraries wait for objects that nobody holds. It is copied into OctoPrint's own folder for plugins.

It keeps a thread of OctoPrint's pool for web requests busy when asked, too. That pool starts one whenever no other is idle just
then, up to a bound, and never ends any: one that it started late would look like one that a print left behind.
"""

from __future__ import annotations

import gc
import threading
import time

import flask
import octoprint.plugin

#: So long a request keeps its thread busy, while others come.
_BUSY_S = 1.0


class Probe(octoprint.plugin.BlueprintPlugin):
    """Two routes."""

    def is_blueprint_csrf_protected(self) -> bool:
        """Demand a CSRF token from browsers; nobody else is asked for one."""
        return True

    @octoprint.plugin.BlueprintPlugin.route("/collect", methods=["POST"])
    def collect(self) -> flask.Response:
        """Collect all garbage and answer how many objects it was, and the names of Python's threads."""
        return flask.jsonify({"objects": gc.collect(), "threads": sorted(thread.name for thread in threading.enumerate())})

    @octoprint.plugin.BlueprintPlugin.route("/busy", methods=["POST"])
    def busy(self) -> flask.Response:
        """Keep the thread that answers busy for a while."""
        time.sleep(_BUSY_S)
        return flask.jsonify({})


__plugin_name__ = "Soak probe"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = Probe()
