"""The REST routes below ``/plugin/spaghetti/``: status, the last picture, incidents, and the Test button."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.chain import try_chain
from octoprint_spaghetti.core.errors import EvidenceError, SettingRefused
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.core.words import Status
from octoprint_spaghetti.parts import build_parts
from octoprint_spaghetti.watcher import Watcher


class Api(octoprint.plugin.BlueprintPlugin):
    """Routes of the plugin; each needs a permission of its own, and a CSRF token for what is not a GET."""

    watcher: Watcher | None = None
    incidents: IncidentFolder | None = None

    def is_blueprint_protected(self) -> bool:
        """Leave the refusal to the permission of each route."""
        return True

    def is_blueprint_csrf_protected(self) -> bool:
        """Demand a CSRF token from browsers."""
        return True

    def current_settings(self) -> Settings:
        """Return the stored settings; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/status", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def status(self) -> flask.Response:
        """Answer with the status of the watch; where the evidence lies on the disk is for administrators."""
        status = self.watcher.status if self.watcher is not None else Status()
        folder = {"incident_folder": status.incident_folder} if Permissions.SETTINGS.can() else {}
        return _fresh(flask.jsonify({**status.as_json(), **folder}))

    @octoprint.plugin.BlueprintPlugin.route("/frame.jpg", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def frame(self) -> flask.Response:
        """Answer with the last picture that was looked at."""
        picture = self.watcher.picture if self.watcher is not None else None
        if picture is None:
            flask.abort(404, description="No picture has been looked at yet.")
        return _fresh(flask.Response(picture.jpeg, mimetype="image/jpeg"))

    @octoprint.plugin.BlueprintPlugin.route("/incidents", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def list_incidents(self) -> flask.Response:
        """Answer with all incidents, newest first."""
        return _fresh(flask.jsonify({"incidents": [self._incident(incident_id) for incident_id in self._folder().ids()]}))

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>/<file>", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def incident_picture(self, incident_id: str, file: str) -> flask.Response:
        """Answer with a picture of an incident."""
        try:
            return flask.Response(self._folder().picture(incident_id, file), mimetype="image/jpeg")
        except EvidenceError as error:
            flask.abort(404, description=str(error))

    @octoprint.plugin.BlueprintPlugin.route("/false_alarm", methods=["POST"])
    @Permissions.PRINT.require(403)
    @Permissions.PLUGIN_SPAGHETTI_CONTROL.require(403)
    def false_alarm(self) -> flask.Response:
        """Forgive what was seen; a print that the plugin paused goes on, one that somebody else paused stays so."""
        self._watcher().false_alarm()
        return self.status()

    @octoprint.plugin.BlueprintPlugin.route("/mute", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONTROL.require(403)
    def mute(self) -> flask.Response:
        """Do nothing about this print any more (``{"on": true}``), or go back to acting."""
        given = flask.request.get_json(silent=True)
        if not isinstance(given, dict) or not isinstance(given.get("on"), bool):
            flask.abort(400, description='The body must be {"on": true} or {"on": false}.')
        self._watcher().mute(given["on"])
        return self.status()

    @octoprint.plugin.BlueprintPlugin.route("/test", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONFIGURE.require(403)
    def test(self) -> flask.Response:
        """Send one picture through the chain, with the settings of the request over the stored ones."""
        given = flask.request.get_json(silent=True) or {}
        try:
            settings = self._overridden(given if isinstance(given, dict) else {})
        except SettingRefused as error:
            return flask.make_response(flask.jsonify({"error": str(error), "setting": error.name}), 400)
        report = try_chain(settings, build_parts)
        return _fresh(
            flask.jsonify({**report.as_json(), "picture": "" if report.frame is None else _data_uri(report.frame.jpeg)})
        )

    @octoprint.plugin.BlueprintPlugin.route("/token", methods=["GET"])
    @Permissions.SETTINGS.require(403)
    def token(self) -> flask.Response:
        """Answer whether a token is stored; it is never told which."""
        return _fresh(flask.jsonify({"stored": bool(self.current_settings().token)}))

    @octoprint.plugin.BlueprintPlugin.route("/token", methods=["DELETE"])
    @Permissions.SETTINGS.require(403)
    def forget_token(self) -> flask.Response:
        """Forget the stored token; saving an empty one means to keep it."""
        self._settings.set(["token"], "")
        self._settings.save(trigger_event=True)
        if self.watcher is not None:
            self.watcher.configure(self.current_settings())
        return self.token()

    def _watcher(self) -> Watcher:
        if self.watcher is None:
            flask.abort(503, description="The plugin is still starting.")
        return self.watcher

    def _overridden(self, given: dict[str, Any]) -> Settings:
        """Return the stored settings with those of the form over them.

        An empty token means the stored one, but that is sent to the stored addresses alone, and encrypted if they are:
        who may test must not be able to have the token delivered elsewhere. Raises :class:`SettingRefused`.
        """
        stored = self.current_settings()
        changes = {name: check(name, value) for name, value in given.items() if not (name == "token" and not value)}
        elsewhere = any(address not in stored.servers for address in changes.get("servers", ()))
        bared = stored.tls and not changes.get("tls", True)
        if (elsewhere or bared) and "token" not in changes:
            changes["token"] = ""
        return replace(stored, **changes)

    def _folder(self) -> IncidentFolder:
        if self.incidents is None:
            flask.abort(503, description="The plugin is still starting.")
        return self.incidents

    def _incident(self, incident_id: str) -> dict[str, Any]:
        try:
            return self._folder().read(incident_id)
        except EvidenceError as error:
            return {"id": incident_id, "problem": str(error)}


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _fresh(response: flask.Response) -> flask.Response:
    response.headers["Cache-Control"] = "no-store"
    return response
