"""What is done about a failing print: the pause, ordered and checked; the evidence, kept; the owner, told.

The printer moves first, then the evidence is written: a disk that is full stops no pause.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from octoprint_spaghetti.core.errors import EvidenceError, PrinterError
from octoprint_spaghetti.core.explanation import Explanation
from octoprint_spaghetti.core.pausing import PauseOrder, Step, next_step
from octoprint_spaghetti.core.words import Incident, Notice, NoticeKind
from octoprint_spaghetti.core.zones import Zone
from octoprint_spaghetti.job import Job
from octoprint_spaghetti.ports import Incidents, Printer

#: States of OctoPrint in which a job is on its way out.
ENDING_STATES = frozenset({"FINISHING", "CANCELLING"})


class Response:
    """Acts for the watch; every method takes the job as it is and returns it as it is then."""

    def __init__(
        self,
        printer: Printer,
        incidents: Incidents,
        notify: Callable[[Notice], None],
        wall: Callable[[], float],
        logger: logging.Logger,
    ) -> None:
        """Use the printer and the evidence of the watch; ``wall`` is Unix time in seconds."""
        self._printer = printer
        self._incidents = incidents
        self._notify = notify
        self._wall = wall
        self._logger = logger
        self.folder: str | None = None  # of the newest incident

    def act(self, job: Job, action: str, explanation: Explanation, zone: Zone | None, now: float) -> Job:
        """Do what a sustained failure asks for, keep the evidence with the ``zone`` it lies in, and tell the owner."""
        wall = self._wall()
        incident_id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall)) + f"-{int(wall * 1000) % 1000:03d}"
        job = replace(job, incident=incident_id, forgiven=False)
        self._logger.warning("Failure: %s", explanation.sentences())
        if action == "pause":
            job = self._order_pause(job, PauseOrder(now))
        self._keep(job, action, explanation, zone, wall)
        said = f"Shadow mode, nothing is done: {explanation.sentences()}" if action == "shadow" else explanation.sentences()
        self.tell(job, NoticeKind.FAILURE, said, explanation, action=action)
        return job

    def check_pause(self, job: Job, order: PauseOrder, now: float) -> Job:
        """Order the pause again when OctoPrint did not confirm it; when that does not help, be loud.

        A job that is being cancelled, or finishes, needs no pause any more.
        """
        state = self._printer.state()
        if state in ENDING_STATES:
            return job
        step = next_step(order, state == "PAUSING", now)
        if step is Step.ORDER_AGAIN:
            self._logger.warning(
                "The printer still prints %.0f s after the pause was ordered; ordering it again.", now - order.at
            )
            return self._order_pause(job, PauseOrder(now, order.attempts + 1))
        if step is Step.GIVE_UP:
            if job.incident is not None:
                self.note(job.incident, "failed")
            self.tell(job, NoticeKind.PAUSE_FAILED, "THE PRINT IS FAILING AND DID NOT PAUSE. Stop it by hand.")
            self._logger.error("The print is failing and OctoPrint did not confirm the pause.")
            return replace(job, order=None)
        return job

    def resume(self) -> None:
        """Let the print go on that we paused."""
        try:
            self._printer.resume()
        except PrinterError as error:
            self._logger.error("%s", error)

    def note(self, incident_id: str, state: str) -> None:
        """Add to an incident what has become of it."""
        self.written(lambda: self._incidents.note(incident_id, state, self._wall()))

    def written(self, write: Callable[[], None]) -> None:
        """Write evidence; a disk that is full or read-only is a line in the log and never in the way of the watch."""
        try:
            write()
        except EvidenceError as error:
            self._logger.error("%s", error)

    def tell(
        self,
        job: Job | None,
        kind: NoticeKind,
        sentence: str,
        explanation: Explanation | None = None,
        *,
        action: str = "",
        detail: str = "",
    ) -> None:
        """Send a notice about the print."""
        self._notify(
            Notice(
                kind,
                sentence,
                incident=job.incident if job is not None else None,
                reason=explanation.sentences() if explanation is not None else "",
                evidence=explanation.evidence if explanation is not None else None,
                level=explanation.failing_at if explanation is not None else None,
                score=explanation.frames[-1][1] if explanation is not None and explanation.frames else None,
                action=action,
                print_name=self._printer.job_name(),
                detail=detail,
            )
        )

    def _order_pause(self, job: Job, order: PauseOrder) -> Job:
        try:
            self._printer.pause()
        except PrinterError as error:
            self._logger.error("%s", error)
            return replace(job, order=order, trouble=str(error))
        return replace(job, order=order)

    def _keep(self, job: Job, action: str, explanation: Explanation, zone: Zone | None, wall: float) -> None:
        incident = Incident(
            id=job.incident or "",
            opened_at=wall,
            print_name=self._printer.job_name(),
            action=action,
            explanation=explanation.sentences(),
            evidence=explanation.evidence,
            failing_at=explanation.failing_at,
            exhibits=job.exhibits,
            why=explanation.as_json(),
            zone=zone.corners if zone is not None else (),
        )
        try:
            self.folder = self._incidents.open(incident)
        except EvidenceError as error:
            self._logger.error("%s", error)
