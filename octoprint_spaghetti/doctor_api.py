"""The route of the diagnostic bundle, and what OctoPrint's own health report hears of us.

OctoPrint takes files for its system information bundle from its own plugins alone; its log is in there, and we log a summary.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask
import octoprint.plugin
from octoprint.access.permissions import Permissions

from octoprint_spaghetti.action_problems import action_problems
from octoprint_spaghetti.chain import try_chain
from octoprint_spaghetti.core.redaction import redacted
from octoprint_spaghetti.core.sentence import joined, mapped, with_parts
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Verdict
from octoprint_spaghetti.doctor import Patient, findings, write_bundle
from octoprint_spaghetti.parts import build_parts
from octoprint_spaghetti.upkeep import Upkeep


class DoctorApi(octoprint.plugin.BlueprintPlugin):
    """A route for administrators, and a hook."""

    watcher: Any = None
    notices: Any = None
    upkeep: Upkeep | None = None

    def current_settings(self) -> Settings:
        """Return the settings that count; the plugin class reads them from OctoPrint."""
        raise NotImplementedError

    @octoprint.plugin.BlueprintPlugin.route("/diagnostics.zip", methods=["GET"])
    @Permissions.SETTINGS.require(403)
    def diagnostics(self) -> flask.Response:
        """Answer with a bundle of all that helps to find out what is wrong; tries camera and server, which takes seconds."""
        settings = self.current_settings()
        stream = io.BytesIO()
        write_bundle(self._patient(settings, try_chain(settings, build_parts).as_json()), stream)
        response = flask.Response(stream.getvalue(), mimetype="application/zip")
        response.headers["Content-Disposition"] = "attachment; filename=spaghetti-diagnostics.zip"
        response.headers["Cache-Control"] = "no-store"
        return response

    def health_checks(self) -> list[type]:
        """Return our check for OctoPrint's health report; it tries nothing, and judges no print that still runs."""
        from octoprint.plugins.health_check.checks import CheckResult, HealthCheck, Result

        def bad() -> list[str]:
            if self.watcher is None:  # OctoPrint asks while it starts, before there are settings
                return []
            at_rest = self.watcher.status.verdict is Verdict.OFF
            patient = replace(self._patient(self.current_settings(), None), reads_record=at_rest)
            answers = [joined((found.question, found.answer)) for found in findings(patient) if found.well is False]
            return [mapped(answer, lambda text: redacted(text, patient.secrets())) for answer in answers]

        class SpaghettiHealthCheck(HealthCheck):
            """What is bad about the watch, if anything is."""

            key = "spaghetti"

            def perform_check(self, force: bool = False) -> CheckResult:
                """Return a warning with the sentences, or that all is well."""
                sentences = bad()
                return (
                    CheckResult(result=Result.WARNING, context=with_parts({"sentences": sentences}))
                    if sentences
                    else CheckResult()
                )

        return [SpaghettiHealthCheck]

    def log_summary(self) -> None:
        """Write the answers into the log, which is part of every bundle that people send."""
        patient = self._patient(self.current_settings(), None)
        for found in findings(patient):
            self._logger.info("%s %s", found.question, redacted(found.answer, patient.secrets()))

    def _patient(self, settings: Settings, test: dict[str, Any] | None) -> Patient:
        status = self.watcher.status.as_json() if self.watcher is not None else None
        log = Path(self._settings.global_get_basefolder("logs")) / "octoprint.log"
        key = self._settings.global_get(["api", "key"])
        return Patient(
            settings,
            Path(self.get_plugin_data_folder()),
            (log,),
            test,
            status,
            self.notices.report.as_json() if self.notices is not None else None,
            more_secrets=(str(key),) if key else (),
            remarks=self.upkeep.remarks if self.upkeep is not None else (),
            undone=action_problems(settings, self._printer, self._plugin_manager),
        )
