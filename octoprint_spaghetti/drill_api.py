"""The routes of the fire drill: hold one, and read what the last one found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.action_problems import action_problems
from octoprint_spaghetti.answers import told
from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Notice
from octoprint_spaghetti.drill import DrillReport, run_drill, why_not_paused
from octoprint_spaghetti.drill_schedule import DrillSchedule, is_time_for_drill
from octoprint_spaghetti.parts import build_parts

#: A channel may take 20 s and the start of its process a few more; then it counts as failed.
_CHANNELS_S, _LOOK_EVERY_S = 30.0, 0.2


class DrillApi(octoprint.plugin.BlueprintPlugin):
    """Routes, and the drill with the plugin's own parts."""

    notices: Any = None
    drills: DrillSchedule | None = None

    def current_settings(self) -> Settings:
        """Return the settings that count; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    def _notify(self, notice: Notice) -> None:
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/drill", methods=["GET"])
    @Permissions.PLUGIN_SPAGHETTI_VIEW.require(403)
    def last_drill(self) -> flask.Response:
        """Answer with the report of the last drill, or null."""
        return told(self.drills.last() if self.drills is not None else None)

    @octoprint.plugin.BlueprintPlugin.route("/drill", methods=["POST"])
    @Permissions.PLUGIN_SPAGHETTI_CONFIGURE.require(403)
    def hold_drill(self) -> flask.Response:
        """Hold a drill and answer with its report; takes seconds, up to a minute when a channel hangs."""
        if self.drills is None:
            flask.abort(503, description=say("The plugin is still starting."))
        report = self.drills.hold()
        if report is None:
            flask.abort(409, description=say("A fire drill is being held already."))
        return told(report)

    def make_drills(self) -> DrillSchedule:
        """Return the schedule that keeps its report in the plugin's data folder."""
        return DrillSchedule(Path(self.get_plugin_data_folder()) / "drill.json", self._hold, time.time, self._logger)

    def hold_drill_if_due(self) -> None:
        """Hold the drill of the schedule; called while no print runs."""
        settings, local = self.current_settings(), time.localtime()
        state = str(self._printer.get_state_id())
        if self.drills is not None and is_time_for_drill(settings, state, 60 * local.tm_hour + local.tm_min):
            self.drills.hold_if_due(settings.drill_every)

    def _hold(self) -> DrillReport:
        settings = self.current_settings()
        return run_drill(
            settings,
            build_parts,
            may_pause=lambda: (
                why_not_paused(settings, str(self._printer.get_state_id()))
                or joined(action_problems(settings, self._printer, self._plugin_manager))
            ),
            notify=self._notify_and_wait,
        )

    def _notify_and_wait(self, notice: Notice) -> str:
        """Send a notice and return which channels failed, in a sentence, or an empty string."""
        started = time.time()
        before = self.notices.report if self.notices is not None else None
        self._notify(notice)
        end = time.monotonic() + _CHANNELS_S
        while self.notices is not None:
            report = self.notices.report
            open_ones = report.unanswered(before or report, started)
            if not open_ones or time.monotonic() >= end:
                failed = [
                    joined((one.shown, one.problem or say("no answer")), ": ")
                    for one in report.channels
                    if one.problem or one in open_ones
                ]
                return joined((*failed, joined(("MQTT", report.mqtt_problem), ": ") if report.mqtt_problem else ""), "; ")
            time.sleep(_LOOK_EVERY_S)
        return ""
