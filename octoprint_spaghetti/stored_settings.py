"""The settings as OctoPrint stores them: checked when they are saved, checked when they are read, below what the environment gives."""

from __future__ import annotations

import logging
import os
from functools import cached_property
from typing import Any

import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.core.environment import overrides, variable
from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.further_cameras import refuse_unknown
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import SECRETS, Settings, accept, check

#: Addresses, paths and names of accounts are for administrators.
_FOR_ADMINISTRATORS = (
    "servers",
    "certificate",
    "local_model",
    "link_base",
    "mqtt_host",
    "mqtt_certificate",
    "mqtt_user",
    "mqtt_topic",
    "camera_url",
    "also_watched",
    "camera_certificate",
)


class StoredSettings(octoprint.plugin.SettingsPlugin):
    """OctoPrint's settings mixin; the plugin class uses what it returns and is told of every change."""

    def apply_settings(self, settings: Settings) -> None:
        """Go on with other settings; the plugin class tells its parts."""
        raise NotImplementedError

    def _send(self, message: dict[str, Any], permission: Any = None) -> None:
        raise NotImplementedError

    def get_settings_defaults(self) -> dict[str, Any]:
        """Return every default, from the one place where they stand."""
        return Settings.defaults()

    def get_settings_restricted_paths(self) -> dict[str, Any]:
        """Keep the stored secrets from every browser, and stored addresses and paths from all but administrators."""
        return {"never": [[name] for name in sorted(SECRETS)], "admin": [[name] for name in _FOR_ADMINISTRATORS]}

    def on_settings_load(self) -> dict[str, Any]:
        """Return what a browser may see: the values that count, so those of the environment where it gives any."""
        data = dict(super().on_settings_load())
        hidden = SECRETS if Permissions.SETTINGS.can() else SECRETS | set(_FOR_ADMINISTRATORS)
        data.update({name: value for name, value in self.given.items() if name not in hidden})
        return data

    def on_settings_save(self, data: dict[str, Any]) -> dict[str, Any]:
        """Store what is valid, say of the rest why it is not, and go on with it.

        An empty secret means "unchanged", because the form never learns the stored one. A refused value leaves the
        stored one as it was; OctoPrint gives a plugin no way to fail the save, so the browser is told by message.
        """
        accepted, refused = self._accepted(data)
        for problem in refused:
            self._logger.warning("A setting was not saved: %s", problem)
            message = {"type": "refused", "setting": problem.name, "sentence": str(problem)}
            self._send(message, Permissions.SETTINGS)
        diff = super().on_settings_save(accepted)
        self.apply_settings(self.current_settings())
        return dict(diff or {})

    def refusals(self, data: dict[str, Any]) -> list[dict[str, str]]:
        """Return what of ``data`` would not be saved, each with its ``setting`` and a ``sentence``."""
        return [{"setting": problem.name, "sentence": str(problem)} for problem in self._accepted(data)[1]]

    def forget_settings(self) -> None:
        """Drop everything that is stored, and go on with the defaults."""
        self._settings.clean_all_data()
        self._settings.save(trigger_event=True)
        self.apply_settings(self.current_settings())

    def stored_settings(self) -> dict[str, Any]:
        """Return what is stored, defaults where nothing is, without what the environment gives."""
        return {name: self._settings.get([name]) for name in Settings.defaults()}

    def current_settings(self) -> Settings:
        """Return the settings that count, valid; what is not is logged and replaced by its default."""
        settings, refused = Settings.read({**self.stored_settings(), **self.given})
        for problem in refused:
            self._logger.warning("A stored setting is not usable, its default is taken: %s", problem)
        return settings

    @cached_property
    def given(self) -> dict[str, Any]:
        """Return the settings that the environment gives, read once: it does not change while OctoPrint runs."""
        given, refused = overrides(os.environ)
        for problem in refused:
            self._logger.warning("A setting of the environment is not usable: %s", problem)
        if given:
            self._logger.info("Given by the environment: %s", ", ".join(variable(name) for name in given))
        return given

    def follow_verbosity(self, settings: Settings) -> None:
        """Log every step, or only what matters, on the plugin's logger and on those of its modules."""
        for logger in (self._logger, logging.getLogger("octoprint_spaghetti")):
            logger.setLevel(logging.DEBUG if settings.verbose else logging.NOTSET)

    def _accepted(self, data: dict[str, Any]) -> tuple[dict[str, Any], tuple[SettingRefused, ...]]:
        accepted, refused = accept({name: value for name, value in data.items() if name not in self.given})
        try:
            self._refuse_unknown_webcams(accepted)
        except SettingRefused as error:
            accepted.pop(error.name, None)
            refused = (*refused, error)
        locked = [
            SettingRefused(
                name,
                say(
                    "%(name)s is given by the environment variable %(variable)s; change it there",
                    name=name,
                    variable=variable(name),
                ),
            )
            for name in data
            if name in self.given
        ]
        return accepted, (*refused, *locked)

    def _refuse_unknown_webcams(self, accepted: dict[str, Any]) -> None:
        """Raise :class:`SettingRefused` for a further camera that OctoPrint does not have, unless it was stored before."""
        from octoprint_spaghetti.adapters.octoprint_camera import snapshot_webcam_name, webcam_names

        name = next((one for one in ("also_watched", "camera") if one in accepted), None)
        if name is None:
            return
        now = self.current_settings()
        wanted = check("also_watched", accepted.get("also_watched", now.also_watched))
        source, camera = accepted.get("camera_source", now.camera_source), accepted.get("camera", now.camera)
        first = (camera or snapshot_webcam_name()) if source == "octoprint" else ""
        stored = tuple(one.camera for one in now.also_watched if one.camera != first)
        refuse_unknown(name, wanted, first, (*webcam_names(), *stored))
