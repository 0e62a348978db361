"""The switchboard: OctoPrint's mixins in labelled blocks, each method a line or two. Whatever thinks lives elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import octoprint.plugin
from flask_babel import gettext
from octoprint.access import ADMIN_GROUP, USER_GROUP
from octoprint.access.permissions import Permissions
from octoprint.events import Events
from octoprint.filemanager.destinations import FileDestinations

from octoprint_spaghetti import __version__
from octoprint_spaghetti.adapters.ffmpeg import find_ffmpeg
from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.adapters.octoprint_printer import OctoPrintPrinter, scripts_missing
from octoprint_spaghetti.adapters.octoprint_view import view_of
from octoprint_spaghetti.adapters.pause_scripts import PauseScripts
from octoprint_spaghetti.adapters.psu_control import PsuControl
from octoprint_spaghetti.adapters.records import RecordFolder
from octoprint_spaghetti.adapters.waiting_file import WaitingFile
from octoprint_spaghetti.api import Api
from octoprint_spaghetti.core.history import History
from octoprint_spaghetti.core.printer_state import Upload, is_echo
from octoprint_spaghetti.core.sentence import with_parts
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.toolhead import Toolhead
from octoprint_spaghetti.core.words import Notice, NoticeKind, Status
from octoprint_spaghetti.doctor_api import DoctorApi
from octoprint_spaghetti.drill_api import DrillApi
from octoprint_spaghetti.earlier import Earlier
from octoprint_spaghetti.incidents_api import IncidentsApi
from octoprint_spaghetti.notices import Notices
from octoprint_spaghetti.notices_api import NoticesApi
from octoprint_spaghetti.orders import Orders
from octoprint_spaghetti.parts import build_parts
from octoprint_spaghetti.pictures import Pictures
from octoprint_spaghetti.settings_api import SettingsApi
from octoprint_spaghetti.stored_settings import StoredSettings
from octoprint_spaghetti.updates import check_config
from octoprint_spaghetti.upkeep import Upkeep
from octoprint_spaghetti.watch import Watch
from octoprint_spaghetti.watchdog import Watchdog
from octoprint_spaghetti.watcher import Watcher
from octoprint_spaghetti.what_if_api import WhatIfApi
from octoprint_spaghetti.wizard import FirstRun

#: In the order in which they need each other.
_SCRIPTS = (
    "sentences",
    "client",
    "webcams",
    "picture",
    "camera_switch",
    "further_cameras",
    "channels",
    "zones",
    "numbers",
    "settings_file",
    "drill",
    "settings",
    "chart",
    "history",
    "incidents",
    "what_if",
    "watch",
    "health",
)


#: Events with which a job is over.
_ENDS = (Events.PRINT_DONE, Events.PRINT_FAILED, Events.PRINT_CANCELLED, Events.DISCONNECTED)


class SpaghettiPlugin(
    StoredSettings,  # first: the routes leave the settings to it
    Api,
    DoctorApi,
    DrillApi,
    IncidentsApi,
    NoticesApi,
    SettingsApi,
    WhatIfApi,
    FirstRun,
    octoprint.plugin.StartupPlugin,
    octoprint.plugin.ShutdownPlugin,
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.TemplatePlugin,
    octoprint.plugin.AssetPlugin,
):
    """Connects OctoPrint's events, settings and pages to the watcher."""

    _awaiting_extrusion = False
    watchdog: Watchdog | None = None
    records: RecordFolder | None = None
    pause_scripts: PauseScripts | None = None

    def __init__(self) -> None:
        """Follow the tool from the first line on."""
        super().__init__()
        self._toolhead = Toolhead()
        self._upload = Upload(job_runs=True)

    # -- StartupPlugin, ShutdownPlugin --------------------------------------------------------------------------------

    def on_after_startup(self) -> None:
        """Begin to follow the printer; a job that already runs is found by its state."""
        settings = self.current_settings()
        self.follow_verbosity(settings)
        self.upkeep = Upkeep(logger=self._logger)
        self.incidents = IncidentFolder(Path(self.get_plugin_data_folder()) / "incidents", settings.incidents_kept)
        self.incidents.sweep(time.time())
        self.pictures = Pictures(self.incidents, self._ffmpeg, view_of, self._logger)
        self.records = RecordFolder(Path(self.get_plugin_data_folder()), settings.traces_kept, self._logger)
        self.pause_scripts = PauseScripts(
            self._printer, self._printer_profile_manager.get_current_or_default, lambda: self._toolhead.counting, self._logger
        )
        self._upload = Upload(job_runs=self._printer.is_printing() or self._printer.is_paused())
        printer = OctoPrintPrinter(
            self._printer,
            lambda: self._toolhead.tool,
            self.pause_scripts,
            lambda: self.current_settings().wishes(),
            self._upload.seen_through,
        )
        watch = Watch(
            settings,
            build=build_parts,
            printer=printer,
            incidents=self.incidents,
            records=self.records.of,
            publish=self._publish,
            notify=self._notify,
            when_idle=self.hold_drill_if_due,
            power=PsuControl(self._plugin_manager),
            remarks=self.upkeep.look,
            logger=self._logger,
        )
        self.drills = self.make_drills()
        self.watcher = Watcher(watch, logger=self._logger)
        self.notices = Notices(
            settings,
            picture_of=self.picture_of,
            speaker=self.speaker,
            drawn=self.pictures.drawn,
            # A printer of its own: pauses that come from outside are the owner's, and plain.
            obey=Orders(OctoPrintPrinter(self._printer), self.watcher, self._logger).obey,
            printer=str(self._settings.global_get(["appearance", "name"]) or ""),
            version=__version__,
            store=WaitingFile(Path(self.get_plugin_data_folder()) / "waiting.json", self._logger),
            logger=self._logger,
        )
        self.notices.start()
        self._awaiting_extrusion = True  # also of a job that runs already
        self.watcher.start()
        self.watchdog = Watchdog(self.watcher, publish=self._publish, notify=self._notify, logger=self._logger)
        self.watchdog.start()
        self.log_summary()

    def on_shutdown(self) -> None:
        """End the threads and hang up."""
        if self.watchdog is not None:
            self.watchdog.stop()
        if self.watcher is not None:
            self.watcher.stop()
        if self.notices is not None:
            self.notices.stop()

    # -- EventHandlerPlugin: runs on the thread of all plugins' events, so it only posts --------------------------------

    def on_event(self, event: str, payload: dict[str, Any]) -> None:
        """Tell the watcher what happens to the job."""
        if self.watcher is None or is_echo(event, payload):
            return
        self._upload.tell(event)
        if self.pause_scripts is not None and event in (Events.PRINT_STARTED, *_ENDS):
            self.pause_scripts.forget()
        if self.pause_scripts is not None and event == Events.PRINT_PAUSED:
            self.pause_scripts.paused()
        if self.pause_scripts is not None and event == Events.PRINT_RESUMED:
            self.pause_scripts.resumed()
        if event == Events.PRINT_STARTED:
            self._toolhead.restart(seen=payload.get("origin") != FileDestinations.SDCARD)  # of that one no lines are sent
            self.watcher.print_started()
            self._awaiting_extrusion = True  # only now: a move noticed earlier would be of no job the watcher knows
        elif event == Events.PRINT_PAUSED:
            self.watcher.print_paused()
        elif event == Events.PRINT_RESUMED:
            self.watcher.print_resumed()
        elif event in _ENDS:
            self._awaiting_extrusion = False
            self.watcher.print_ended(done=event == Events.PRINT_DONE)

    # -- hooks ----------------------------------------------------------------------------------------------------------

    def on_gcode_sent(
        self, comm: object, phase: str, cmd: str, cmd_type: str | None, gcode: str | None, *args: object, **kwargs: object
    ) -> None:
        """Follow the tool, and notice the first extruding move of a job; called for every line, so it leaves at once."""
        extrudes = self._toolhead.follow(cmd, gcode)
        if extrudes and self._awaiting_extrusion:
            self._awaiting_extrusion = False
            if self.watcher is not None:
                self.watcher.extrusion_began()

    def on_script(
        self, comm: object, script_type: str, script_name: str, *args: object, **kwargs: object
    ) -> tuple[list[str], list[str]] | None:
        """Return what a pause of ours, and the resume after it, does beside the owner's script; called for every script."""
        if script_type != "gcode" or self.pause_scripts is None:
            return None
        return self.pause_scripts.lines(comm, script_name)

    def update_information(self) -> dict[str, dict[str, Any]]:
        """Say where OctoPrint's Software Update finds new versions, if that is known."""
        return check_config(self._identifier, __version__, self._logger)

    def custom_events(self) -> list[str]:
        """Name the events on OctoPrint's bus; they arrive as ``plugin_spaghetti_<name>``."""
        return [str(kind) for kind in NoticeKind]

    def may_be_pushed(self, socket: object, user: Any, message: str, payload: Any, *args: object, **kwargs: object) -> bool:
        """Keep our events from the pages of users who may not see the watch; called for whatever OctoPrint pushes to a page.

        It pushes each event to everybody who may see the printer's state, and ours say what is seen, and addresses.
        """
        if message != "event" or not str(payload["type"]).startswith("plugin_spaghetti_"):
            return True
        return user is not None and bool(user.has_permission(Permissions.PLUGIN_SPAGHETTI_VIEW))

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
                "description": gettext(
                    "Allows to test camera, server and channels, to hold a fire drill, and to delete incidents"
                ),
                "roles": ["configure"],
                "default_groups": [ADMIN_GROUP],
            },
        ]

    # -- StoredSettings -----------------------------------------------------------------------------------------------

    def apply_settings(self, settings: Settings) -> None:
        """Let every part go on with other settings."""
        self.follow_verbosity(settings)
        if self.watcher is not None and self.incidents is not None and self.records is not None:
            self.incidents.kept, self.records.kept = settings.incidents_kept, settings.traces_kept
            self._awaiting_extrusion = True  # watching may have been switched on in mid-print
            self.watcher.configure(settings)
            if self.notices is not None:
                self.notices.configure(settings)

    # -- TemplatePlugin, AssetPlugin ----------------------------------------------------------------------------------

    def get_template_configs(self) -> list[dict[str, Any]]:
        """Name the places in OctoPrint's page where the plugin shows itself."""
        seen = "visible: loginState.hasPermission(access.permissions.PLUGIN_SPAGHETTI_VIEW)"
        return [
            {"type": "settings", "custom_bindings": True},
            {"type": "wizard", "name": "Spaghetti", "custom_bindings": True},
            {"type": "navbar", "custom_bindings": True, "data_bind": seen},
            {"type": "tab", "custom_bindings": True, "data_bind": seen},
        ]

    def get_template_vars(self) -> dict[str, Any]:
        """Give the settings page the ranges, units and sentences of all settings; never a value."""
        from octoprint_spaghetti.settings_page import described_numbers, described_sensitivity, described_settings

        return {
            "fields": described_settings(self.given),
            "numbers": described_numbers(),
            "sensitivity": described_sensitivity(),
            "power_missing": PsuControl(self._plugin_manager).missing(),
            "scripts_missing": scripts_missing(self._printer),
        }

    def is_template_autoescaped(self) -> bool:
        """Escape everything in our templates."""
        return True

    def get_assets(self) -> dict[str, list[str]]:
        """Name the scripts and styles."""
        return {
            "js": [f"js/{name}.js" for name in _SCRIPTS],
            "css": ["css/spaghetti.css"],
        }

    # -- towards the browser, called on the watcher's thread --------------------------------------------------------------

    def _publish(self, status: Status) -> None:
        now = time.monotonic()
        self.history = self.history.after(status, now)
        self._send({"type": "status", "status": status.as_json(), "seconds": self.history.seconds(now)})
        if self.notices is not None and self.watcher is not None:
            self.notices.show(status, self.watcher.picture)

    def _notify(self, notice: Notice) -> None:
        told = {"sentence": notice.sentence, "incident": notice.incident, "camera": notice.camera}
        self._send({"type": "notice", "kind": str(notice.kind), **told})
        self._event_bus.fire(f"plugin_spaghetti_{notice.kind}", notice.as_json())
        if notice.kind is NoticeKind.PRINT_STARTED:
            self._begin_curve(goes_on=notice.detail == "goes_on")
        if self.notices is not None:
            self.notices.tell(notice)

    def _begin_curve(self, goes_on: bool) -> None:
        traces = Path(self.get_plugin_data_folder()) / "traces"
        self.earlier = Earlier(traces, self.watcher.watched_s, time.time()) if goes_on and self.watcher is not None else None
        self.history = History() if self.earlier is None else History(time.monotonic() - self.earlier.seconds, over=False)

    # -- towards messages, called on the thread of the notices and on OctoPrint's request threads -------------------------

    def picture_of(self, incident_id: str | None) -> bytes | None:
        """Return the picture that tells most of an incident, or the latest one that was looked at, with boxes if need be."""
        if self.watcher is None or self.pictures is None:
            return None
        if incident_id is not None:
            return self.pictures.telling(incident_id)
        frame = self.watcher.picture
        return None if frame is None else self.pictures.shown(frame, self.watcher.status.detections)

    def _ffmpeg(self) -> str | None:
        return find_ffmpeg(self._settings.global_get(["webcam", "ffmpeg"]))

    # -- towards the browser ----------------------------------------------------------------------------------------------

    def _send(self, message: dict[str, Any], permission: Any = None) -> None:
        # Looked up here and not in the signature: our own permissions exist only once OctoPrint has registered them.
        needed = permission or Permissions.PLUGIN_SPAGHETTI_VIEW
        self._plugin_manager.send_plugin_message(self._identifier, with_parts(message), permissions=[needed])
