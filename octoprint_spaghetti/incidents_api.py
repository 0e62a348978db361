"""The REST routes for incidents: list, pictures, labels, zips, deletion, and the place to ignore."""

from __future__ import annotations

from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.adapters.incident_files import training_set, zipped
from octoprint_spaghetti.adapters.incidents import IncidentFolder, label_of
from octoprint_spaghetti.answers import fresh, told
from octoprint_spaghetti.core.errors import EvidenceError, SettingRefused
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings, with_zone
from octoprint_spaghetti.pictures import Pictures
from octoprint_spaghetti.questions import given_json


class IncidentsApi(octoprint.plugin.BlueprintPlugin):
    """Routes of the plugin about incidents; each needs a permission of its own, and a CSRF token for what is not a GET."""

    incidents: IncidentFolder | None = None
    pictures: Pictures | None = None

    def current_settings(self) -> Settings:
        """Return the settings that count; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/incidents", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def list_incidents(self) -> flask.Response:
        """Answer with all incidents, newest first, what they take on the disk, how many are kept, and whether clips can be made."""
        folder = self._folder()
        listed = [self._incident(incident_id) for incident_id in folder.ids()]
        clips = self._pictures().makes_clips
        return told({"incidents": listed, "bytes": folder.bytes_used(), "kept": folder.kept, "clips": clips})

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>/<file>", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def incident_picture(self, incident_id: str, file: str) -> flask.Response:
        """Answer with a picture of an incident."""
        try:
            return flask.Response(self._folder().picture(incident_id, file), mimetype="image/jpeg")
        except EvidenceError as error:
            flask.abort(404, description=str(error))

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>.jpg", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def incident_telling_picture(self, incident_id: str) -> flask.Response:
        """Answer with the picture that tells most of an incident, with boxes where this computer can draw them."""
        picture = self._pictures().telling(incident_id)
        if picture is None:
            flask.abort(404, description=say("There is no such incident, or it has no picture."))
        return flask.Response(picture, mimetype="image/jpeg")

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>.gif", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def incident_clip(self, incident_id: str) -> flask.Response:
        """Answer with an incident's pictures as a GIF, which is made now if it was not before; one at a time."""
        try:
            self._folder().read(incident_id)
        except EvidenceError as error:
            flask.abort(404, description=str(error))
        try:
            clip = self._pictures().clip(incident_id)
        except EvidenceError as error:
            flask.abort(409, description=str(error))
        response = flask.Response(clip, mimetype="image/gif")
        response.headers["Content-Disposition"] = f'inline; filename="spaghetti-{incident_id}.gif"'
        return response

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>.zip", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def incident_zip(self, incident_id: str) -> flask.Response:
        """Answer with an incident and all its pictures as a zip file."""
        try:
            return _archive(zipped(self._folder(), incident_id), f"spaghetti-{incident_id}.zip")
        except EvidenceError as error:
            flask.abort(404, description=str(error))

    @octoprint.plugin.BlueprintPlugin.route("/training_set.zip", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def labelled_pictures(self) -> flask.Response:
        """Answer with the pictures of all labelled incidents, as a set that a detector can be trained on."""
        return _archive(training_set(self._folder()), "spaghetti-training-set.zip")

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>/label", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONTROL.require(403)
    def label_incident(self, incident_id: str) -> flask.Response:
        """Keep whether it was a failure: ``{"label": "right"}``, ``"wrong"``, or ``""`` for not known."""
        given = given_json()
        label = given.get("label") if isinstance(given, dict) else None
        if label not in ("", "right", "wrong"):
            flask.abort(400, description='The body must be {"label": "right"}, {"label": "wrong"} or {"label": ""}.')
        try:
            self._folder().label(incident_id, label)
        except EvidenceError as error:
            flask.abort(404, description=str(error))
        return told(self._incident(incident_id))

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>", methods=["DELETE"])
    @Permissions.PLUGIN_SPAGHETTI_CONFIGURE.require(403)
    def delete_incident(self, incident_id: str) -> flask.Response:
        """Delete an incident with its pictures; answer with those that are left."""
        try:
            self._folder().delete(incident_id)
        except EvidenceError as error:
            flask.abort(404, description=str(error))
        return self.list_incidents()

    @octoprint.plugin.BlueprintPlugin.route("/incidents/<incident_id>/ignore", methods=["POST"])
    @Permissions.SETTINGS.require(403)
    def ignore_place(self, incident_id: str) -> flask.Response:
        """Take the place of an incident into the ignore zones of the camera that saw it; answer with all of those."""
        try:
            incident = self._folder().read(incident_id)
            zone = incident.get("zone")
            if not zone:
                flask.abort(409, description=say("This incident names no place."))
            changes, zones = with_zone(self.current_settings(), str(incident.get("camera") or ""), zone)
        except EvidenceError as error:
            flask.abort(404, description=str(error))
        except SettingRefused as error:
            flask.abort(409, description=str(error))
        self.on_settings_save(changes)
        self._settings.save(trigger_event=True)
        return fresh(flask.jsonify({"zones": zones}))

    def on_settings_save(self, data: dict[str, Any]) -> dict[str, Any]:
        """Store what is valid and use it; the plugin class does."""
        raise NotImplementedError

    def _folder(self) -> IncidentFolder:
        if self.incidents is None:
            flask.abort(503, description=say("The plugin is still starting."))
        return self.incidents

    def _pictures(self) -> Pictures:
        if self.pictures is None:
            flask.abort(503, description=say("The plugin is still starting."))
        return self.pictures

    def _incident(self, incident_id: str) -> dict[str, Any]:
        try:
            content = self._folder().read(incident_id)
            return {**content, "label": label_of(content)}
        except EvidenceError as error:
            return {"id": incident_id, "problem": str(error)}


def _archive(content: bytes, name: str) -> flask.Response:
    response = flask.Response(content, mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return fresh(response)
