"""The watch over one print, without thread or waiting: take a picture, ask the detector, judge, pause.

``watcher.py`` runs it on its one thread. Everything it knows of the outside comes through ``ports.py``;
``parts.py`` and ``plugin.py`` plug the real parts in, ``testing.py`` ships fakes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from octoprint_spaghetti.core import judge, scene_health
from octoprint_spaghetti.core.coverage import Coverage
from octoprint_spaghetti.core.errors import CameraError, DetectorError, EvidenceError, PrinterError
from octoprint_spaghetti.core.judge import Belief, Patience
from octoprint_spaghetti.core.pausing import PauseOrder, Step, next_step
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import (
    Answer,
    Exhibit,
    Frame,
    Incident,
    Notice,
    NoticeKind,
    Protection,
    ProtectionLevel,
    Sighting,
    Status,
    Verdict,
)
from octoprint_spaghetti.ports import Incidents, Parts, Printer, Traces

#: While idle the printer's state is asked this often, in case an event was lost.
IDLE_POLL_S = 5.0
#: A picture older than this many intervals (and seconds) means that nobody sees the print.
BLIND_AFTER_INTERVALS, BLIND_AFTER_S = 2.0, 10.0
#: A live camera never sends the same file twice; one that does for this long is frozen.
FROZEN_AFTER_S = 60.0
#: The frames kept for an incident: about a minute at the suspect rate, and never more memory than this.
EXHIBITS, EXHIBIT_BYTES = 16, 4_000_000

PRINTING_STATES = frozenset({"STARTING", "PRINTING", "RESUMING"})
STANDING_STATES = frozenset({"PAUSING", "PAUSED"})


@dataclass(frozen=True)
class Job:
    """What is remembered of the print that is watched, beside the belief.

    ``last_sighting_at`` monotonic seconds of the newest judged frame (the print's start before the first); ``trouble``
    why no newer one came; ``unfit`` why the last picture could not be judged; ``blind`` is true once that was said;
    ``unchanged_since`` when the camera began to repeat itself; ``order`` the pause that was ordered and is waited for;
    ``ours`` is true while the print stands still because we paused it; ``resume_wanted`` when it is to go on as soon as
    that pause has come through; ``coverage`` what was seen of the print up to ``counted_to`` (None while it stands still).
    """

    belief: Belief
    last_sighting_at: float
    coverage: Coverage = Coverage()
    counted_to: float | None = None
    trouble: str = ""
    unfit: str = ""
    blind: bool = False
    digest: bytes = b""
    unchanged_since: float | None = None
    order: PauseOrder | None = None
    ours: bool = False
    resume_wanted: bool = False
    incident: str | None = None
    exhibits: tuple[Exhibit, ...] = field(default=(), repr=False)


class Watch:
    """Watches one printer; all methods belong to one thread, ``status`` and ``picture`` may be read by any.

    ``build`` makes the parts for settings when they are first needed, so it may import and connect; ``publish`` and
    ``notify`` are called with each new :class:`Status` and each :class:`Notice`. ``outdated`` tells whether something has
    happened that the watch was not told yet: then it orders nothing. ``monotonic`` and ``wall`` are the clocks, seconds each.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        build: Callable[[Settings], Parts],
        printer: Printer,
        incidents: Incidents,
        traces: Traces,
        publish: Callable[[Status], None] = lambda status: None,
        notify: Callable[[Notice], None] = lambda notice: None,
        outdated: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        logger: logging.Logger | None = None,
    ) -> None:
        """Prepare the watch; nothing is looked at before a print begins."""
        self._settings = settings
        self._build = build
        self._printer = printer
        self._incidents = incidents
        self._traces = traces
        self._publish = publish
        self._notify = notify
        self.outdated = outdated
        self._monotonic = monotonic
        self._wall = wall
        self._logger = logger or logging.getLogger(__name__)
        self._parts: Parts | None = None
        self._job: Job | None = None
        self._due = 0.0  # monotonic seconds of the next look
        self.status = Status()
        self.picture: Frame | None = None  # the last one the detector answered for

    @property
    def due_at(self) -> float:
        """Return the monotonic second at which :meth:`tick` wants to be called next."""
        return self._due

    def tick(self) -> None:
        """Follow the printer's state, then look, check on an ordered pause, and say how things are.

        Blocks for the camera's and the frame's deadlines at most.
        """
        self._due = self._monotonic() + IDLE_POLL_S
        self._follow(self._printer.state())
        if self._job is not None and not self._job.belief.paused:
            self._due = self._monotonic() + self._interval()
            self._look(self._job)
            self._check_blind()
            self._count()
        if self._job is not None and self._job.order is not None:
            self._check_pause(self._job, self._job.order)
        self.report()

    def stumbled(self, sentence: str) -> None:
        """Note that a look ended in an error that nobody could name: it is as good as blind, and must not look like watching."""
        if self._job is not None:
            self._set_trouble(self._job, sentence)
            self._check_blind()
            self._count()
        self.report()

    def _interval(self) -> float:
        alarmed = self._job is not None and self._job.belief.verdict in (Verdict.SUSPECT, Verdict.FAILING)
        return min(self._settings.suspect_interval, self._settings.interval) if alarmed else self._settings.interval

    # -- the print's life -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Watch a job that has begun; what was believed of another one is dropped."""
        if not self._settings.enabled:
            return
        now = self._monotonic()
        self._job = Job(belief=judge.begin(now), last_sighting_at=now, counted_to=now)
        unseen = Protection(ProtectionLevel.UNPROTECTED, now, "No picture has been looked at yet.")
        self.status = Status(protection=unseen, picture_number=self.status.picture_number)
        self._due = now
        name = self._printer.job_name()
        self._logger.info("Watching %r.", name)
        self._written(lambda: self._traces.begin(name, now, self._wall()))

    def end(self) -> None:
        """Close the watch over a job that is done, cancelled or failed; hang up."""
        if self._job is None:
            return
        if self._job.incident is not None:
            self._record(self._job.incident, "closed")
        summary = self._job.coverage.sentence()
        self._logger.info("%s (%d pictures, %d answers)", summary, self.status.frames_sent, self.status.answers)
        self.status = replace(self.status, coverage=summary)
        self._job = None
        self._traces.end()
        self._close_parts()

    def _follow(self, state: str) -> None:
        """Do what a lost event would have done; the printer's own state is always right."""
        if state in PRINTING_STATES:
            if self._job is None:
                self.begin()
            elif self._job.belief.paused:
                self.resumed(self._monotonic())
            elif self._job.resume_wanted:  # the pause that was to be undone never came
                self._job = replace(self._job, resume_wanted=False)
        elif state == "PAUSED":
            if self._job is not None and not self._job.belief.paused:
                self.paused()
        elif state not in STANDING_STATES and state not in ("FINISHING", "CANCELLING"):
            self.end()

    def paused(self) -> None:
        """Note that OctoPrint has paused the job: only now is an ordered pause true."""
        if self._job is None:
            return
        ours = self._job.order is not None
        resume_wanted = self._job.resume_wanted
        belief = judge.paused(self._job.belief)
        self._job = replace(self._job, belief=belief, order=None, ours=ours, resume_wanted=False, counted_to=None)
        if resume_wanted:
            self._resume()
        elif ours and self._job.incident is not None:
            self._record(self._job.incident, "acted")
            self._tell(NoticeKind.PAUSED, f"The print was paused: {self._explain(self._job)}")

    def resumed(self, at: float) -> None:
        """Note that the job goes on since ``at``."""
        if self._job is not None:
            belief = judge.resumed(self._job.belief, at, ours=self._job.ours)
            self._job = replace(self._job, belief=belief, ours=False, last_sighting_at=max(at, self._job.last_sighting_at))
            self._due = min(self._due, self._monotonic())

    def false_alarm(self) -> None:
        """Take the owner's word that what was seen is no failure: forgive it, and undo our pause, also one on its way."""
        if self._job is None:
            return
        pending = self._job.order is not None
        belief = judge.false_alarm(self._job.belief, self._patience())
        self._job = replace(self._job, belief=belief, order=None, resume_wanted=pending)
        self._logger.info("Called a false alarm.")
        if self._job.incident is not None:
            self._record(self._job.incident, "false_alarm")
        if self._job.ours:
            self._resume()

    def mute(self, on: bool) -> None:
        """Watch this print without doing anything about it, or go back to acting."""
        if self._job is not None:
            order = None if on else self._job.order
            self._job = replace(self._job, belief=judge.muted(self._job.belief, on), order=order)
            self._logger.info("Muted for this print." if on else "No longer muted.")

    def _resume(self) -> None:
        try:
            self._printer.resume()
        except PrinterError as error:
            self._logger.error("%s", error)

    def extruding(self, at: float) -> None:
        """Note that the job began to extrude at ``at``."""
        if self._job is not None:
            self._job = replace(self._job, belief=judge.extrusion_began(self._job.belief, at))

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next frame on; the belief about a running print is kept."""
        self._settings = settings
        self._close_parts()
        if not settings.enabled:
            self.end()
        if self._job is not None and settings.action != "pause":
            self._job = replace(self._job, order=None)
        self._due = self._monotonic()

    # -- looking --------------------------------------------------------------------------------------------------------

    def _look(self, job: Job) -> None:
        try:
            parts = self._open_parts()
            started = self._monotonic()
            frame = parts.camera.capture()
            captured = self._monotonic()
            if self._is_repeated(job, frame):
                return
            self.status = replace(self.status, frames_sent=self.status.frames_sent + 1)
            answer = parts.detector.look(frame)
        except (CameraError, DetectorError) as error:
            self._set_trouble(job, str(error))
        else:
            timings = (("capture", (captured - started) * 1e3), ("look", (self._monotonic() - captured) * 1e3))
            self._see(job, frame, answer, parts.detector.level, timings)

    def _see(
        self, job: Job, frame: Frame, answer: Answer, level: ProtectionLevel, timings: tuple[tuple[str, float], ...]
    ) -> None:
        unfit = scene_health.problem(answer.scene)
        seen = Sighting(frame.captured_at, answer)
        self._job = replace(
            job,
            belief=job.belief if unfit else judge.advance(job.belief, seen, self._patience()),
            last_sighting_at=job.last_sighting_at if unfit else frame.captured_at,
            trouble=unfit,
            unfit=unfit,
            digest=frame.digest,
            unchanged_since=None,
            exhibits=_bounded((*job.exhibits, Exhibit(frame, answer))),
        )
        self._written(lambda: self._traces.add(seen))
        self.picture = frame
        self.status = replace(
            self.status,
            answers=self.status.answers + 1,
            score=answer.score,
            detections=answer.detections,
            detector=answer.detector,
            timings_ms=timings,
            picture_number=self.status.picture_number + 1,
        )
        if not unfit:
            self._protect(level, "")
        if not unfit and judge.may_act(self._job.belief, frame.captured_at, self._patience()):
            self._act(self._job)

    def _is_repeated(self, job: Job, frame: Frame) -> bool:
        """Return whether the camera sent the same file again, and remember since when it does."""
        if frame.digest != job.digest:
            return False
        since = job.unchanged_since if job.unchanged_since is not None else frame.captured_at
        frozen = frame.captured_at - since >= FROZEN_AFTER_S
        stale = f"The camera has sent the same picture for more than {FROZEN_AFTER_S:.0f} s; restart it." if frozen else ""
        trouble = stale or job.unfit
        self._job = replace(
            job,
            unchanged_since=since,
            trouble=trouble,
            last_sighting_at=job.last_sighting_at if trouble else frame.captured_at,
        )
        return True

    def _set_trouble(self, job: Job, sentence: str) -> None:
        self._job = replace(job, trouble=sentence)

    def _check_blind(self) -> None:
        """Say once that nobody sees the print, and once that somebody does again."""
        job = self._job
        if job is None:
            return
        now = self._monotonic()
        late = now - job.last_sighting_at > max(BLIND_AFTER_S, BLIND_AFTER_INTERVALS * self._interval())
        if job.trouble and late and not job.blind:
            self._job = replace(job, blind=True)
            self._protect(ProtectionLevel.UNPROTECTED, job.trouble)
            self._logger.warning("Nobody sees the print: %s", job.trouble)
            self._tell(NoticeKind.BLIND, job.trouble)
        elif job.trouble and job.blind:
            self._protect(ProtectionLevel.UNPROTECTED, job.trouble)
        elif not job.trouble and job.blind:
            self._job = replace(job, blind=False)
            self._logger.info("The print is seen again.")
            self._tell(NoticeKind.SEEING, "The print is watched again.")

    def _count(self) -> None:
        """Add the time since the last look to what was seen of the print, or to what it was lost to."""
        job, now = self._job, self._monotonic()
        if job is not None and not job.belief.paused:
            since = job.counted_to if job.counted_to is not None else now
            self._job = replace(job, coverage=job.coverage.add(now - since, job.trouble), counted_to=now)

    def _protect(self, level: ProtectionLevel, reason: str) -> None:
        current = self.status.protection
        since = current.since if current.level is level else self._monotonic()
        self.status = replace(self.status, protection=Protection(level, since, reason))

    # -- acting ---------------------------------------------------------------------------------------------------------

    def _act(self, job: Job) -> None:
        """Move the printer first, then keep the evidence.

        Looking took a while: when something has happened meanwhile (the job was cancelled, another one began, somebody
        paused it) nothing is done before the watch has heard of it.
        """
        if self.outdated() or self._printer.state() not in PRINTING_STATES:
            return
        now, wall = self._monotonic(), self._wall()
        incident_id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall)) + f"-{int(wall * 1000) % 1000:03d}"
        explanation = self._explain(job)
        self._job = replace(job, belief=judge.acted(job.belief, now), incident=incident_id)
        self._logger.warning("Failure: %s", explanation)
        if self._settings.action == "pause":
            self._order_pause(self._job, PauseOrder(now))
        self._keep(incident_id, wall, explanation, job)
        self._tell(NoticeKind.FAILURE, explanation)

    def _order_pause(self, job: Job, order: PauseOrder) -> None:
        self._job = replace(job, order=order)
        try:
            self._printer.pause()
        except PrinterError as error:
            self._set_trouble(self._job, str(error))
            self._logger.error("%s", error)

    def _check_pause(self, job: Job, order: PauseOrder) -> None:
        """Order the pause again when OctoPrint did not confirm it; when that does not help, be loud."""
        now = self._monotonic()
        step = next_step(order, self._printer.state() == "PAUSING", now)
        if step is Step.ORDER_AGAIN:
            self._logger.warning(
                "The printer still prints %.0f s after the pause was ordered; ordering it again.", now - order.at
            )
            self._order_pause(job, PauseOrder(now, order.attempts + 1))
        elif step is Step.GIVE_UP:
            self._job = replace(job, order=None)
            if job.incident is not None:
                self._record(job.incident, "failed")
            self._tell(NoticeKind.PAUSE_FAILED, "THE PRINT IS FAILING AND DID NOT PAUSE. Stop it by hand.")
            self._logger.error("The print is failing and OctoPrint did not confirm the pause.")

    def _keep(self, incident_id: str, wall: float, explanation: str, job: Job) -> None:
        incident = Incident(
            id=incident_id,
            opened_at=wall,
            print_name=self._printer.job_name(),
            action=self._settings.action,
            explanation=explanation,
            evidence=job.belief.evidence,
            failing_at=judge.failing_level(job.belief, self._monotonic(), self._patience()),
            exhibits=job.exhibits,
        )
        folder = None
        try:
            folder = self._incidents.open(incident)
        except EvidenceError as error:
            self._logger.error("%s", error)
        self.status = replace(self.status, incident=incident_id, incident_folder=folder)

    def _record(self, incident_id: str, state: str) -> None:
        self._written(lambda: self._incidents.note(incident_id, state, self._wall()))

    def _written(self, write: Callable[[], None]) -> None:
        """Write evidence; a disk that is full or read-only is a line in the log and never in the way of the watch."""
        try:
            write()
        except EvidenceError as error:
            self._logger.error("%s", error)

    def _tell(self, kind: NoticeKind, sentence: str) -> None:
        self._notify(Notice(kind, sentence, self._job.incident if self._job is not None else None))

    # -- saying how things are --------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Bring the status up to date and publish it."""
        job = self._job
        belief = job.belief if job is not None else None
        patience = self._patience()
        now = self._monotonic()
        self.status = replace(
            self.status,
            verdict=self._verdict(job),
            sentence=self._sentence(job),
            evidence=belief.evidence if belief is not None else 0.0,
            suspect_at=patience.suspect_at,
            failing_at=judge.failing_level(belief, now, patience) if belief is not None else patience.failing_at,
            printer_state=self._printer.state(),
            muted=belief is not None and belief.muted,
        )
        self._publish(self.status)

    def _verdict(self, job: Job | None) -> Verdict:
        if job is None:
            return Verdict.OFF
        return Verdict.BLIND if job.blind and not job.belief.paused else job.belief.verdict

    def _sentence(self, job: Job | None) -> str:
        if job is None:
            idle = "No print is running." if self._settings.enabled else "Watching is switched off in the settings."
            return f"{idle} The last one: {self.status.coverage}" if self.status.coverage else idle
        if job.order is not None:
            return f"Pausing the print: {self._explain(job)}"
        if job.belief.paused:
            by_us = job.incident is not None and job.belief.verdict is Verdict.FAILING
            return f"The print is paused: {self._explain(job)}" if by_us else "The print is paused; nothing is judged meanwhile."
        return job.trouble or self._explain(job)

    def _explain(self, job: Job) -> str:
        return judge.explain(job.belief, self._patience())

    def _patience(self) -> Patience:
        return Patience(warm_up=self._settings.warm_up)

    # -- parts ------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Hang up."""
        self._close_parts()

    def _open_parts(self) -> Parts:
        if self._parts is None:
            self._parts = self._build(self._settings)
        return self._parts

    def _close_parts(self) -> None:
        parts, self._parts = self._parts, None
        if parts is not None:
            parts.detector.close()
            parts.camera.close()


def _bounded(exhibits: tuple[Exhibit, ...]) -> tuple[Exhibit, ...]:
    """Keep the newest exhibits within ``EXHIBITS`` and ``EXHIBIT_BYTES``, at least one."""
    kept: deque[Exhibit] = deque()
    size = 0
    for exhibit in reversed(exhibits[-EXHIBITS:]):
        size += len(exhibit.frame.jpeg)
        if kept and size > EXHIBIT_BYTES:
            break
        kept.appendleft(exhibit)
    return tuple(kept)
