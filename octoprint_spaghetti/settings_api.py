"""The REST routes for the settings as a whole: take them along, bring them back, and begin anew."""

from __future__ import annotations

from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.answers import fresh, told
from octoprint_spaghetti.core.settings import SECRETS, Settings, keep_ways
from octoprint_spaghetti.questions import given_json

#: What is left out of a file that people pass on: secrets, and addresses of cameras, which may hold a password anywhere in them.
LEFT_OUT = SECRETS | {"camera_url", "also_watched"}
_FORMAT = 1


class SettingsApi(octoprint.plugin.BlueprintPlugin):
    """Routes of the plugin about all settings together; all need the right to change OctoPrint's settings."""

    def stored_settings(self) -> dict[str, Any]:
        """Return what is stored, without what the environment gives; the plugin class reads it from OctoPrint."""
        raise NotImplementedError

    def current_settings(self) -> Settings:
        """Return the settings that count; the plugin class reads them from OctoPrint and the environment."""
        raise NotImplementedError

    def on_settings_save(self, data: dict[str, Any]) -> dict[str, Any]:
        """Store what is valid and use it; the plugin class does."""
        raise NotImplementedError

    def forget_settings(self) -> None:
        """Drop everything that is stored, and go on with the defaults; the plugin class does."""
        raise NotImplementedError

    def refusals(self, data: dict[str, Any]) -> list[dict[str, str]]:
        """Return what of ``data`` cannot be saved, each with its ``setting`` and a ``sentence``; the plugin class knows."""
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/settings", methods=["GET"])
    @Permissions.SETTINGS.require(403)
    def export_settings(self) -> flask.Response:
        """Answer with the stored settings as a file, without secrets."""
        kept = {name: value for name, value in self.stored_settings().items() if name not in LEFT_OUT}
        response = flask.jsonify({"format": _FORMAT, "settings": kept})
        response.headers["Content-Disposition"] = 'attachment; filename="spaghetti-settings.json"'
        return fresh(response)

    @octoprint.plugin.BlueprintPlugin.route("/settings", methods=["POST"])
    @Permissions.SETTINGS.require(403)
    def import_settings(self) -> flask.Response:
        """Store the settings of such a file, as far as they are valid; answer which were refused, and why."""
        given = given_json()
        settings = given.get("settings") if isinstance(given, dict) else None
        if not isinstance(settings, dict):
            flask.abort(400, description='The body must be a file that was exported here: {"settings": {...}}.')
        known = {name: value for name, value in settings.items() if name in Settings.defaults() and name not in LEFT_OUT}
        known, detours = keep_ways(known, self.current_settings())
        refused = self.refusals(known)
        self.on_settings_save(known)
        self._settings.save(trigger_event=True)
        saved = sorted(known.keys() - {one["setting"] for one in refused})
        kept = [{"setting": problem.name, "sentence": str(problem)} for problem in detours]
        return told({"saved": saved, "refused": refused + kept})

    @octoprint.plugin.BlueprintPlugin.route("/settings", methods=["DELETE"])
    @Permissions.SETTINGS.require(403)
    def reset_settings(self) -> flask.Response:
        """Put every setting back to its default, and forget all secrets."""
        self.forget_settings()
        return flask.jsonify({"reset": True})
