"""The REST routes below ``/plugin/spaghetti/``: status, the last picture, answers, and the Test button."""

from __future__ import annotations

import base64
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions
from werkzeug.exceptions import HTTPException

from octoprint_spaghetti import __version__
from octoprint_spaghetti.answers import fresh, refused, told
from octoprint_spaghetti.chain import ChainReport, try_chain
from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.further_cameras import MOST_FURTHER
from octoprint_spaghetti.core.history import History
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.core.words import Status
from octoprint_spaghetti.dry_run import dry_run
from octoprint_spaghetti.earlier import Earlier
from octoprint_spaghetti.metrics import CONTENT_TYPE, exposition
from octoprint_spaghetti.parts import build_parts
from octoprint_spaghetti.questions import given_json
from octoprint_spaghetti.watcher import Watcher

#: By which number a picture's camera can be asked for, as the status lists them.
_PLACES = tuple(str(place) for place in range(1, MOST_FURTHER + 2))
#: The description of all routes, also of those of the other mixins.
_DESCRIPTION = Path(__file__).with_name("static") / "openapi.json"


class Api(octoprint.plugin.BlueprintPlugin):
    """Routes of the plugin; each needs a permission of its own, and a CSRF token for what is not a GET."""

    watcher: Watcher | None = None
    _one_check = threading.Lock()
    history = History()  # frozen; the watcher's thread replaces it
    earlier: Earlier | None = None  # than a restart in this print

    def is_blueprint_protected(self) -> bool:
        """Leave the refusal to the permission of each route."""
        return True

    def is_blueprint_csrf_protected(self) -> bool:
        """Demand a CSRF token from browsers."""
        return True

    @octoprint.plugin.BlueprintPlugin.errorhandler(HTTPException)
    def refused(self, error: HTTPException) -> flask.Response:
        """Answer whatever a route refuses as JSON with a sentence, for programs and for the page alike."""
        if error.response is not None:
            return flask.make_response(error.response)
        return flask.make_response(told({"error": error.description}), error.code)

    def current_settings(self) -> Settings:
        """Return the stored settings; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/status", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def status(self) -> flask.Response:
        """Answer with the status of the watch; where the evidence lies on the disk is for administrators."""
        status = self.watcher.status if self.watcher is not None else Status()
        folder = {"incident_folder": status.incident_folder} if Permissions.SETTINGS.can() else {}
        return told({**status.as_json(), **folder})

    @octoprint.plugin.BlueprintPlugin.route("/metrics", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def metrics(self) -> flask.Response:
        """Answer with the status of the watch for Prometheus, which shows an API key as ``Authorization: Bearer``."""
        status = self.watcher.status if self.watcher is not None else Status()
        return fresh(flask.Response(exposition(status, __version__), content_type=CONTENT_TYPE))

    @octoprint.plugin.BlueprintPlugin.route("/history", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def curve(self) -> flask.Response:
        """Answer with the curve of the print that runs, or of the last one; at most 80 kB, however long it lasted."""
        history, earlier = self.history, self.earlier
        if earlier is not None:
            history = history.preceded_by(earlier.history(self.current_settings().patience()))
        return fresh(flask.jsonify(history.as_json()))

    @octoprint.plugin.BlueprintPlugin.route("/frame.jpg", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def frame(self) -> flask.Response:
        """Answer with the last picture that was looked at, of the ``camera`` that is asked for by its place, from 1."""
        place = flask.request.args.get("camera")
        if place is not None and place not in _PLACES:
            flask.abort(400, description=say("The camera must be a number from 1 to %(most)d.", most=len(_PLACES)))
        picture = None
        if self.watcher is not None:
            picture = self.watcher.picture if place is None else self.watcher.pictures.get(int(place))
        if picture is None:
            flask.abort(404, description=say("No picture has been looked at yet."))
        return fresh(flask.Response(picture.jpeg, mimetype="image/jpeg"))

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
        given = given_json()
        if not isinstance(given, dict) or not isinstance(given.get("on"), bool):
            flask.abort(400, description='The body must be {"on": true} or {"on": false}.')
        self._watcher().mute(given["on"])
        return self.status()

    @octoprint.plugin.BlueprintPlugin.route("/test", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONFIGURE.require(403)
    def test(self) -> flask.Response:
        """Send one picture through the chain up to a pause that is not ordered, with the settings of the request over the stored ones."""
        given = given_json() or {}
        try:
            settings = self._overridden(given if isinstance(given, dict) else {})
        except SettingRefused as error:
            return flask.make_response(told({"error": str(error), "setting": error.name}), 400)
        report = dry_run(try_chain(settings, build_parts), settings, lambda: str(self._printer.get_state_id()))
        return _shown(report)

    @octoprint.plugin.BlueprintPlugin.route("/check", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONTROL.require(403)
    def check_now(self) -> flask.Response:
        """Take a picture and look at it now, whether something prints or not, with the stored settings; nothing is judged."""
        if not self._one_check.acquire(blocking=False):
            flask.abort(409, description=say("Another look is under way; try again when it has ended."))
        try:
            report = try_chain(self.current_settings(), build_parts)
        finally:
            self._one_check.release()
        return _shown(report)

    @octoprint.plugin.BlueprintPlugin.route("/openapi.json", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def description(self) -> flask.Response:
        """Answer with the description of these routes, as OpenAPI 3.1."""
        return flask.Response(_DESCRIPTION.read_bytes(), mimetype="application/json")

    @octoprint.plugin.BlueprintPlugin.route("/token", methods=["GET"])
    @Permissions.SETTINGS.require(403)
    def token(self) -> flask.Response:
        """Answer whether a token is stored; it is never told which."""
        return fresh(flask.jsonify({"stored": bool(self.current_settings().token)}))

    @octoprint.plugin.BlueprintPlugin.route("/token", methods=["DELETE"])
    @Permissions.SETTINGS.require(403)
    def forget_token(self) -> flask.Response:
        """Forget the stored token; saving an empty one means to keep it."""
        for problem in self.refusals({"token": ""}):  # the environment gives it
            flask.abort(refused("token", problem["sentence"]))
        self._settings.set(["token"], "")
        self._settings.save(trigger_event=True)
        if self.watcher is not None:
            self.watcher.configure(self.current_settings())
        return self.token()

    def _watcher(self) -> Watcher:
        if self.watcher is None:
            flask.abort(503, description=say("The plugin is still starting."))
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


def _shown(report: ChainReport) -> flask.Response:
    picture = "" if report.frame is None else _data_uri(report.frame.jpeg)
    further = ["" if frame is None else _data_uri(frame.jpeg) for frame in report.further]
    return told({**report.as_json(), "picture": picture, "further_pictures": further})


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
