"""What is done about a failing print: the pause or the cancel, ordered and checked; the evidence, kept; the owner, told.

The printer moves first, then the evidence is written: a disk that is full stops no pause.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.explanation import Explanation
from octoprint_spaghetti.core.printer_state import is_connected
from octoprint_spaghetti.core.sentence import Sentence, say
from octoprint_spaghetti.core.stopping import UNDER_WAY, Step, StopOrder, next_step
from octoprint_spaghetti.core.words import Incident, Notice, NoticeKind
from octoprint_spaghetti.core.zones import Zone
from octoprint_spaghetti.job import Job
from octoprint_spaghetti.ports import Incidents, Power, Printer
from octoprint_spaghetti.powering import Powering
from octoprint_spaghetti.writing import Writing

#: OctoPrint runs the script of a pause within milliseconds; what nobody asked for by then is never asked for.
_SCRIPT_S = 4.0


class Response:
    """Acts for the watch; every method takes the job as it is and returns it as it is then."""

    def __init__(
        self,
        printer: Printer,
        incidents: Incidents,
        notify: Callable[[Notice], None],
        wall: Callable[[], float],
        logger: logging.Logger,
        power: Power | None = None,
    ) -> None:
        """Use the printer and the evidence of the watch; ``wall`` is Unix time in seconds; without ``power`` it stays on."""
        self._printer = printer
        self._incidents = incidents
        self._notify = notify
        self._wall = wall
        self._logger = logger
        self.folder: str | None = None  # of the newest incident
        self._ended: str | None = None  # the newest incident whose end was told
        self._paused: tuple[float, Job] | None = None  # when our pause came true, until it was seen that its script has run
        self._writing = Writing(logger)
        self._powering = None if power is None else Powering(power, printer, self._tell_power, logger)

    def act(self, job: Job, action: str, explanation: Explanation, zone: Zone | None, now: float) -> Job:
        """Do what a sustained failure asks for, keep the evidence with the ``zone`` it lies in, and tell the owner."""
        wall = self._wall()
        incident_id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall)) + f"-{int(wall * 1000) % 1000:03d}"
        self._ended = None
        job = replace(job, incident=incident_id, forgiven=False)
        self._logger.warning("Failure: %s", explanation.sentences())
        if action in UNDER_WAY:
            job = self._order(job, StopOrder(action, now))
        self._keep(job, action, explanation, zone, wall)
        why = explanation.sentences()
        said = say("Shadow mode, nothing is done: %(why)s", why=why) if action == "shadow" else why
        self.tell(job, NoticeKind.FAILURE, said, explanation, action=action)
        return job

    def check_order(self, job: Job, order: StopOrder, now: float) -> Job:
        """Order the stop again when OctoPrint did not confirm it; when that does not help, be loud."""
        step = next_step(order, self._printer.state(), now)
        if step is Step.ORDER_AGAIN:
            self._logger.warning(
                "The printer still prints %.0f s after the %s was ordered; ordering it again.", now - order.at, order.action
            )
            return self._order(job, StopOrder(order.action, now, order.attempts + 1))
        if step is Step.GIVE_UP:
            if job.incident is not None:
                self.note(job.incident, "failed")
            self._tell_failed(job, order.action)
            self._logger.error("The print is failing and OctoPrint did not confirm the %s.", order.action)
            return self.withdrawn(job)
        return job

    def paused(self, job: Job, why: Explanation, now: float, *, power_off: bool) -> None:
        """Say that our pause came true, and do what follows from it."""
        self._paused = (now, job)
        self._came_true(job, NoticeKind.PAUSED, say("The print was paused: %(why)s", why=why.sentences()), why, "pause")
        if power_off:
            self.cut_power(now)

    def cancelled(self, job: Job, why: Explanation, now: float, *, power_off: bool) -> bool:
        """Say whether our cancel came true when the job has ended; return whether it did, and do what follows from it."""
        if job.order is None or job.order.action != "cancel":
            return False
        state = self._printer.state()
        if not is_connected(state):
            self._tell_failed(job, "cancel")
        if state not in ("CANCELLING", "OPERATIONAL"):
            return False
        self._came_true(job, NoticeKind.CANCELLED, say("The print was cancelled: %(why)s", why=why.sentences()), why, "cancel")
        if power_off:
            self.cut_power(now)
        return True

    def withdrawn(self, job: Job) -> Job:
        """Return the job without the order that is waited for; should its pause come yet, it does nothing besides."""
        if job.order is None:
            return job
        self._printer.withdraw()
        coming = job.order.action == "pause" and self._printer.state() == UNDER_WAY["pause"]
        return replace(job, order=None, coming=coming)

    def cut_power(self, now: float) -> None:
        """Take the power off as soon as it may go."""
        if self._powering is not None:
            self._powering.begin(now)

    def keep_power(self) -> None:
        """Leave the power on after all."""
        if self._powering is not None:
            self._powering.drop()

    def tick(self, now: float) -> None:
        """See to what follows from a stop; called every few seconds, with and without a job."""
        if self._paused is not None and now - self._paused[0] >= _SCRIPT_S:
            _, job = self._paused
            self._paused = None
            if self._printer.withdraw():
                undone = say("The print is paused, but heaters and filament are as they were: OctoPrint ran no script.")
                self._logger.error("%s", undone)
                self.tell(job, NoticeKind.PAUSED, undone, action="pause")
        if self._powering is not None:
            self._powering.tick(now)

    def resume(self) -> None:
        """Let the print go on that we paused."""
        try:
            self._printer.resume()
        except PrinterError as error:
            self._logger.error("%s", error)

    def note(self, incident_id: str, state: str) -> None:
        """Add to an incident what has become of it."""
        self.written("incident state", lambda: self._incidents.note(incident_id, state, self._wall()))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return in sentences what cannot be written down at present."""
        return self._writing.remarks

    def forget_remarks(self) -> None:
        """Say no longer what could not be written of an earlier print; what still cannot be will say so again."""
        self._writing.forget()

    def written(self, what: str, write: Callable[[], None]) -> None:
        """Write evidence called ``what``; a disk that is full or read-only is said and never in the way of the watch."""
        self._writing.write(what, write)

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
        """Send a notice about the print; the end of an incident is told once, whatever comes after it."""
        if kind is NoticeKind.INCIDENT_ENDED and job is not None:
            if job.incident == self._ended:
                return
            self._ended = job.incident
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
                camera=job.camera if job is not None else "",
            )
        )

    def _came_true(self, job: Job, kind: NoticeKind, sentence: Sentence, why: Explanation, action: str) -> None:
        if job.incident is not None:
            self.note(job.incident, "acted")
        self.tell(job, kind, sentence, why, action=action)

    def _tell_failed(self, job: Job, action: str) -> None:
        if action == "cancel":
            self.tell(job, NoticeKind.CANCEL_FAILED, say("THE PRINT IS FAILING AND WAS NOT CANCELLED. Stop it by hand."))
        else:
            self.tell(job, NoticeKind.PAUSE_FAILED, say("THE PRINT IS FAILING AND DID NOT PAUSE. Stop it by hand."))

    def _tell_power(self, detail: str, sentence: Sentence) -> None:
        self._logger.info("%s", sentence)
        self.tell(None, NoticeKind.POWER, sentence, detail=detail)

    def _order(self, job: Job, order: StopOrder) -> Job:
        try:
            (self._printer.cancel if order.action == "cancel" else self._printer.pause)()
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
            camera=job.camera,
        )

        def keep() -> None:
            self.folder = self._incidents.open(incident)

        self.written("incident", keep)
