"""The switchboard: OctoPrint's mixins in labelled blocks, each method a line or two. Whatever thinks lives elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import octoprint.plugin
from flask_babel import gettext
from octoprint.access import ADMIN_GROUP, USER_GROUP
from octoprint.access.permissions import Permissions
from octoprint.events import Events

from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.adapters.octoprint_printer import OctoPrintPrinter
from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.api import Api
from octoprint_spaghetti.core.settings import Settings, accept
from octoprint_spaghetti.core.words import Notice, NoticeKind, Status
from octoprint_spaghetti.parts import build_parts
from octoprint_spaghetti.watch import Watch
from octoprint_spaghetti.watcher import Watcher

#: Moves that push filament; the first one of a job ends the heating and homing that nobody wants judged.
_MOVES = frozenset({"G1", "G2", "G3"})


class SpaghettiPlugin(
    Api,
    octoprint.plugin.StartupPlugin,
    octoprint.plugin.ShutdownPlugin,
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.SettingsPlugin,
    octoprint.plugin.TemplatePlugin,
    octoprint.plugin.AssetPlugin,
):
    """Connects OctoPrint's events, settings and pages to the watcher."""

    _awaiting_extrusion = False
    traces: TraceFolder | None = None

    # -- StartupPlugin, ShutdownPlugin --------------------------------------------------------------------------------

    def on_after_startup(self) -> None:
        """Begin to follow the printer; a job that already runs is found by its state."""
        settings = self.current_settings()
        self.incidents = IncidentFolder(Path(self.get_plugin_data_folder()) / "incidents", settings.incidents_kept)
        self.traces = TraceFolder(Path(self.get_plugin_data_folder()) / "traces", settings.traces_kept)
        watch = Watch(
            settings,
            build=build_parts,
            printer=OctoPrintPrinter(self._printer),
            incidents=self.incidents,
            traces=self.traces,
            publish=self._publish,
            notify=self._notify,
            logger=self._logger,
        )
        self.watcher = Watcher(watch, logger=self._logger)
        self._awaiting_extrusion = True  # also of a job that runs already
        self.watcher.start()

    def on_shutdown(self) -> None:
        """End the thread and hang up."""
        if self.watcher is not None:
            self.watcher.stop()

    # -- EventHandlerPlugin: runs on the thread of all plugins' events, so it only posts --------------------------------

    def on_event(self, event: str, payload: dict[str, Any]) -> None:
        """Tell the watcher what happens to the job."""
        if self.watcher is None:
            return
        if event == Events.PRINT_STARTED:
            self.watcher.print_started()
            self._awaiting_extrusion = True  # only now: a move noticed earlier would be of no job the watcher knows
        elif event == Events.PRINT_PAUSED:
            self.watcher.print_paused()
        elif event == Events.PRINT_RESUMED:
            self.watcher.print_resumed()
        elif event in (Events.PRINT_DONE, Events.PRINT_FAILED, Events.PRINT_CANCELLED, Events.DISCONNECTED):
            self._awaiting_extrusion = False
            self.watcher.print_ended()

    # -- hooks ----------------------------------------------------------------------------------------------------------

    def on_gcode_sent(
        self, comm: object, phase: str, cmd: str, cmd_type: str | None, gcode: str | None, *args: object, **kwargs: object
    ) -> None:
        """Notice the first extruding move of a job; called for every line, so it leaves at once."""
        if self._awaiting_extrusion and gcode in _MOVES and "E" in cmd and ("X" in cmd or "Y" in cmd):
            self._awaiting_extrusion = False
            if self.watcher is not None:
                self.watcher.extrusion_began()

    def custom_events(self) -> list[str]:
        """Name the events on OctoPrint's bus; they arrive as ``plugin_spaghetti_<name>``."""
        return [str(kind) for kind in NoticeKind]

    def permissions(self, *args: object, **kwargs: object) -> list[dict[str, Any]]:
        """Name what a user may be allowed to do."""
        return [
            {
                "key": "VIEW",
                "name": gettext("See the watch"),
                "description": gettext("Allows to see the state of the watch, its pictures and incidents"),
                "roles": ["view"],
                "default_groups": [USER_GROUP],
            },
            {
                "key": "CONTROL",
                "name": gettext("Answer the watch"),
                "description": gettext("Allows to call a false alarm, which undoes the pause, and to mute the watch for a print"),
                "roles": ["control"],
                "default_groups": [USER_GROUP],
            },
            {
                "key": "CONFIGURE",
                "name": gettext("Test the watch"),
                "description": gettext("Allows to test camera and server from the settings"),
                "roles": ["configure"],
                "default_groups": [ADMIN_GROUP],
            },
        ]

    # -- SettingsPlugin -----------------------------------------------------------------------------------------------

    def get_settings_defaults(self) -> dict[str, Any]:
        """Return every default, from the one place where they stand."""
        return Settings.defaults()

    def get_settings_restricted_paths(self) -> dict[str, Any]:
        """Keep the stored token from every browser, and stored addresses and paths from all but administrators."""
        return {"never": [["token"]], "admin": [["servers"], ["certificate"], ["local_model"]]}

    def on_settings_save(self, data: dict[str, Any]) -> dict[str, Any]:
        """Store what is valid, say of the rest why it is not, and let the watcher go on with it.

        An empty token means "unchanged", because the form never learns the stored one. A refused value leaves the
        stored one as it was; OctoPrint gives a plugin no way to fail the save, so the browser is told by message.
        """
        accepted, refused = accept(data)
        for problem in refused:
            self._logger.warning("A setting was not saved: %s", problem)
            message = {"type": "refused", "setting": problem.name, "sentence": str(problem)}
            self._send(message, Permissions.SETTINGS)
        diff = super().on_settings_save(accepted)
        if self.watcher is not None and self.incidents is not None and self.traces is not None:
            settings = self.current_settings()
            self.incidents.kept, self.traces.kept = settings.incidents_kept, settings.traces_kept
            self._awaiting_extrusion = True  # watching may have been switched on in mid-print
            self.watcher.configure(settings)
        return dict(diff or {})

    def current_settings(self) -> Settings:
        """Return the stored settings, valid; what is not is logged and replaced by its default."""
        settings, refused = Settings.read({name: self._settings.get([name]) for name in Settings.defaults()})
        for problem in refused:
            self._logger.warning("A stored setting is not usable, its default is taken: %s", problem)
        return settings

    # -- TemplatePlugin, AssetPlugin ----------------------------------------------------------------------------------

    def get_template_configs(self) -> list[dict[str, Any]]:
        """Name the places in OctoPrint's page where the plugin shows itself."""
        seen = "visible: loginState.hasPermission(access.permissions.PLUGIN_SPAGHETTI_VIEW)"
        return [
            {"type": "settings", "custom_bindings": True},
            {"type": "navbar", "custom_bindings": True, "data_bind": seen},
            {"type": "tab", "custom_bindings": True, "data_bind": seen},
        ]

    def get_template_vars(self) -> dict[str, Any]:
        """Give the settings page the ranges, units and sentences of all settings; never a value."""
        from octoprint_spaghetti.settings_page import described_settings

        return {"fields": described_settings()}

    def is_template_autoescaped(self) -> bool:
        """Escape everything in our templates."""
        return True

    def get_assets(self) -> dict[str, list[str]]:
        """Name the scripts and styles."""
        return {
            "js": [f"js/{name}.js" for name in ("client", "webcams", "picture", "settings", "watch")],
            "css": ["css/spaghetti.css"],
        }

    # -- towards the browser, called on the watcher's thread --------------------------------------------------------------

    def _publish(self, status: Status) -> None:
        self._send({"type": "status", "status": status.as_json()})

    def _notify(self, notice: Notice) -> None:
        self._send({"type": "notice", "kind": str(notice.kind), "sentence": notice.sentence, "incident": notice.incident})
        self._event_bus.fire(f"plugin_spaghetti_{notice.kind}", {"sentence": notice.sentence, "incident": notice.incident})

    def _send(self, message: dict[str, Any], permission: Any = None) -> None:
        # Looked up here and not in the signature: our own permissions exist only once OctoPrint has registered them.
        needed = permission or Permissions.PLUGIN_SPAGHETTI_VIEW
        self._plugin_manager.send_plugin_message(self._identifier, message, permissions=[needed])
