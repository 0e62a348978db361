"""The REST routes for channels: list, add, remove, test. An address goes in and never comes out again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.adapters.apprise_channels import Letter, check_address, send_now, shown
from octoprint_spaghetti.answers import refused, told
from octoprint_spaghetti.core.errors import ChannelError, SettingRefused
from octoprint_spaghetti.core.sentence import say, translated
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.languages import speaker
from octoprint_spaghetti.notices import Notices
from octoprint_spaghetti.questions import given_json

_TEST_TITLE = say("Test of a message")
_TEST_BODY = say("This is how a message of your printer looks. A picture comes with it when one has been looked at.")


class NoticesApi(octoprint.plugin.BlueprintPlugin):
    """Routes of the plugin about messages; each needs a permission of its own, and a CSRF token for what is not a GET."""

    notices: Notices | None = None
    _one_test = threading.Lock()

    def current_settings(self) -> Settings:
        """Return the stored settings; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    def refusals(self, data: dict[str, Any]) -> list[dict[str, str]]:
        """Return what of ``data`` cannot be saved, each with its ``setting`` and a ``sentence``; the plugin class knows."""
        raise NotImplementedError

    def picture_of(self, incident_id: str | None) -> bytes | None:
        """Return the picture of an incident, or the latest one; the plugin class knows where they are."""
        raise NotImplementedError

    def speaker(self) -> Callable[[str], str]:
        """Return what says messages in the language that OctoPrint has for all."""
        return speaker(self._settings.global_get(["appearance", "defaultLanguage"]))

    @octoprint.plugin.BlueprintPlugin.route("/channels", methods=["GET"])
    @Permissions.SETTINGS.require(403)
    def channels(self) -> flask.Response:
        """Answer how each channel and the broker do, without an address or a password."""
        settings, notices = self.current_settings(), self._notices()
        report = notices.report.as_json()
        known = {channel["id"]: channel for channel in report["channels"]}
        fresh = {"succeeded_at": None, "problem": "", "waiting": 0}
        listed = [
            {"id": channel_id, "shown": shown(address), **fresh, **known.get(channel_id, {})}
            for address, channel_id in ((address, notices.id_of(address)) for address in settings.channels)
        ]
        mqtt = {**report["mqtt"], "wanted": bool(settings.mqtt_host), "password_stored": bool(settings.mqtt_password)}
        return told({"channels": listed, "mqtt": mqtt})

    @octoprint.plugin.BlueprintPlugin.route("/channels", methods=["POST"])
    @Permissions.SETTINGS.require(403)
    def add_channel(self) -> flask.Response:
        """Add a channel (``{"address": "ntfy://host/topic"}``) when Apprise can use its address."""
        address = self._given("address")
        stored = self.current_settings().channels
        try:
            channels = check("channels", [*stored, address])
            problem = check_address(address.strip())
        except (SettingRefused, ChannelError) as error:
            return refused("channels", str(error))
        if problem:
            return refused("channels", problem)
        self._store("channels", list(channels))
        return self.channels()

    @octoprint.plugin.BlueprintPlugin.route("/channels/<channel_id>", methods=["DELETE"])
    @Permissions.SETTINGS.require(403)
    def remove_channel(self, channel_id: str) -> flask.Response:
        """Remove a channel, and what waits for it."""
        gone = self._address(channel_id)
        self._store("channels", [address for address in self.current_settings().channels if address != gone])
        return self.channels()

    @octoprint.plugin.BlueprintPlugin.route("/channels/test", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONFIGURE.require(403)
    def test_channel(self) -> flask.Response:
        """Send a test to a stored channel (``{"id": ...}``) or to a new one (``{"address": ...}``), the way a real message goes.

        Answers ``{"problem": <sentence>}``, empty when it arrived; takes 20 s at most.
        """
        given = given_json()
        by_id = isinstance(given, dict) and "id" in given
        address = self._address(self._given("id")) if by_id else self._given("address")
        try:
            checked = check("channels", [address])[0]
        except SettingRefused as error:
            return refused("channels", str(error))
        return told({"problem": self._tested(checked)})

    @octoprint.plugin.BlueprintPlugin.route("/mqtt_password", methods=["DELETE"])
    @Permissions.SETTINGS.require(403)
    def forget_mqtt_password(self) -> flask.Response:
        """Forget the broker's password; saving an empty one means to keep it."""
        self._store("mqtt_password", "")
        return self.channels()

    def _tested(self, address: str) -> str:
        if not self._one_test.acquire(blocking=False):
            flask.abort(409, description=say("Another test is still running."))
        try:
            title, body = (translated(text, self.speaker()) for text in (_TEST_TITLE, _TEST_BODY))
            problem = send_now(address, Letter(title, body, picture=self.picture_of(None)))
        except ChannelError as error:
            problem = str(error)
        finally:
            self._one_test.release()
        self._notices().tried(address, problem)
        return problem

    def _store(self, name: str, value: Any) -> None:
        for problem in self.refusals({name: value}):  # the environment gives it, as a rule
            flask.abort(refused(name, problem["sentence"]))
        self._settings.set([name], value)
        self._settings.save()  # without OctoPrint's event, which has an open settings dialog ask whether to reload
        self._notices().configure(self.current_settings())

    def _address(self, channel_id: str) -> str:
        notices = self._notices()
        found = [address for address in self.current_settings().channels if notices.id_of(address) == channel_id]
        if not found:
            flask.abort(404, description=say("There is no such channel; reload the page."))
        return found[0]

    def _notices(self) -> Notices:
        if self.notices is None:
            flask.abort(503, description=say("The plugin is still starting."))
        return self.notices

    @staticmethod
    def _given(name: str) -> str:
        given = given_json()
        if not isinstance(given, dict) or not isinstance(given.get(name), str):
            flask.abort(400, description=f'The body must be {{"{name}": "..."}}.')
        return str(given[name])
