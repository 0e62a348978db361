"""The REST routes for prints of the past: list them, and judge one again."""

from __future__ import annotations

import threading
from pathlib import Path

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.answers import fresh
from octoprint_spaghetti.core.errors import EvidenceError, SettingRefused
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.what_if import prints, what_if


class WhatIfApi(octoprint.plugin.BlueprintPlugin):
    """Routes of the plugin that read the records of prints. They run on request threads, one replay at a time."""

    _one_replay = threading.Lock()  # a Pi has other things to do than to replay two prints at once

    def current_settings(self) -> Settings:
        """Return the settings that count; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/prints", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def list_prints(self) -> flask.Response:
        """Answer with the prints of which there is a record, newest first."""
        return fresh(flask.jsonify({"prints": prints(self._traces())}))

    @octoprint.plugin.BlueprintPlugin.route("/prints/<print_id>/what_if", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def judge_again(self, print_id: str) -> flask.Response:
        """Answer with what would have come of a print at another ``sensitivity``, all other settings as they are now."""
        settings = self.current_settings()
        try:
            sensitivity = check("sensitivity", flask.request.args.get("sensitivity", settings.sensitivity))
        except SettingRefused as error:
            flask.abort(400, description=str(error))
        if not self._one_replay.acquire(blocking=False):  # OctoPrint has few threads for requests, and needs one for a pause
            flask.abort(409, description=say("A print is being judged again already; try again in a moment."))
        try:
            return fresh(flask.jsonify(what_if(self._traces(), print_id, settings, sensitivity)))
        except EvidenceError as error:
            flask.abort(404, description=str(error))
        finally:
            self._one_replay.release()

    def _traces(self) -> Path:
        return Path(self.get_plugin_data_folder()) / "traces"
