"""The watch over one print, without thread or waiting: take a picture, ask the detector, judge, pause.

``watcher.py`` runs it on its one thread. Everything it knows of the outside comes through ``ports.py``;
``parts.py`` and ``plugin.py`` plug the real parts in, ``testing.py`` ships fakes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from octoprint_spaghetti.core import judge, second_look
from octoprint_spaghetti.core.errors import CameraError, DetectorError
from octoprint_spaghetti.core.explanation import Explanation, explain
from octoprint_spaghetti.core.jpeg import size_wh
from octoprint_spaghetti.core.panel import Panel
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import (
    Answer,
    Exhibit,
    Frame,
    Notice,
    NoticeKind,
    Protection,
    ProtectionLevel,
    Sighting,
    Status,
    Verdict,
)
from octoprint_spaghetti.core.zones import proposed
from octoprint_spaghetti.job import Job, bounded
from octoprint_spaghetti.ports import BaselineStore, BeliefStore, Detector, Incidents, Parts, Printer, Traces
from octoprint_spaghetti.response import ENDING_STATES, Response
from octoprint_spaghetti.saying import sentence_of, verdict_of

#: While idle the printer's state is asked this often, in case an event was lost.
IDLE_POLL_S = 5.0
#: A picture older than this many intervals (and seconds) means that nobody sees the print.
BLIND_AFTER_INTERVALS, BLIND_AFTER_S = 2.0, 10.0
#: A live camera never sends the same file twice; one that does for this long is frozen.
FROZEN_AFTER_S = 60.0
#: What is believed of the print is written down this often, for a restart; of a calm print, which changes slowly, seldom: on
#: ext4 the rename writes to the SD card each time.
REMEMBERED_EVERY_S, CALM_REMEMBERED_EVERY_S = 10.0, 60.0

PRINTING_STATES = frozenset({"STARTING", "PRINTING", "RESUMING"})
STANDING_STATES = frozenset({"PAUSING", "PAUSED"})


class Watch:
    """Watches one printer; all methods belong to one thread, ``status`` and ``picture`` may be read by any.

    ``build`` makes the parts for settings when they are first needed, so it may import and connect; ``publish`` and
    ``notify`` are called with each new :class:`Status` and each :class:`Notice`. ``outdated`` tells whether something has
    happened that the watch was not told yet: then it orders nothing. ``when_idle`` is called every few seconds while no job
    runs. ``monotonic`` and ``wall`` are the clocks, seconds each.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        build: Callable[[Settings], Parts],
        printer: Printer,
        incidents: Incidents,
        traces: Traces,
        baselines: BaselineStore,
        beliefs: BeliefStore,
        publish: Callable[[Status], None] = lambda status: None,
        notify: Callable[[Notice], None] = lambda notice: None,
        outdated: Callable[[], bool] = lambda: False,
        when_idle: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        logger: logging.Logger | None = None,
    ) -> None:
        """Prepare the watch; nothing is looked at before a print begins."""
        self._settings = settings
        self._build = build
        self._printer = printer
        self._traces = traces
        self._baselines = baselines
        self._beliefs = beliefs
        self._publish = publish
        self.outdated = outdated
        self._when_idle = when_idle
        self._monotonic = monotonic
        self._wall = wall
        self._logger = logger or logging.getLogger(__name__)
        self._response = Response(printer, incidents, notify, wall, self._logger)
        self._parts: Parts | None = None
        self._job: Job | None = None
        self._panel = Panel(settings.policy, settings.patience(), judge.begin(monotonic()))
        self._remembered_at = -math.inf
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
            started = self._monotonic()
            self._look(self._job)
            self._due = started + self._interval()
            self._check_blind()
            self._check_suspicion()
            self._count()
        if self._job is None:
            self._when_idle()
        elif self._job.order is not None and not self.outdated():
            self._job = self._response.check_pause(self._job, self._job.order, self._monotonic())
        self.report()

    def stumbled(self, sentence: str) -> None:
        """Note that a look ended in an error that nobody could name: it is as good as blind, and must not look like watching."""
        if self._job is not None:
            self._set_trouble(self._job, sentence)
            self._check_blind()
            self._count()
        self.report()

    def _interval(self) -> float:
        wanted = self._settings.pace().interval(self._job.belief if self._job is not None else None, self._patience())
        return max(wanted, self._parts.detector.earliest_s if self._parts is not None else 0.0)

    # -- the print's life -----------------------------------------------------------------------------------------------

    def begin(self, *, found: bool = False) -> None:
        """Watch a job that has begun; what was believed of another one is dropped.

        A job that was ``found`` running may be one that was watched before a restart: then what was believed of it goes on.
        """
        if not self._settings.enabled:
            return
        now, name, file = self._monotonic(), self._printer.job_name(), self._printer.job_key()
        known = self._beliefs.load(file, now, self._wall()) if found else None
        background = self._baselines.load().background(file)
        belief = judge.begin(now, background) if known is None else replace(known, background=background, paused=False)
        self._job = Job(belief=belief, last_sighting_at=now, began=now, file=file, counted_to=now)
        self._panel = Panel(self._settings.policy, self._patience(), belief)
        unseen = Protection(ProtectionLevel.UNPROTECTED, now, "No picture has been looked at yet.")
        self.status = Status(protection=unseen, picture_number=self.status.picture_number)
        self._due, self._remembered_at = now, -math.inf
        self._logger.info("Watching %r.", name)
        self._response.written(lambda: self._traces.begin(name, now, self._wall()))
        self._response.tell(self._job, NoticeKind.PRINT_STARTED, "The print is watched.")

    def end(self, *, done: bool = False) -> None:
        """Close the watch over a job, hang up, and learn from it when it was ``done``; cancelled and failed ones teach nothing."""
        job = self._job
        if job is None:
            return
        if job.incident is not None:
            self._response.note(job.incident, "closed")
            if not job.forgiven:
                self._response.tell(job, NoticeKind.INCIDENT_ENDED, "The print has ended.", detail="print_ended")
        summary = job.coverage.sentence()
        self._logger.info("%s (%d pictures, %d answers)", summary, self.status.frames_sent, self.status.answers)
        self.status = replace(self.status, coverage=summary, rules=self._panel.report())
        self._response.tell(job, NoticeKind.PRINT_ENDED, summary)
        self._job = None
        if done and (job.forgiven or not job.is_doubtful):
            self._learn(job)
        self._traces.end()
        self._response.written(self._beliefs.forget)
        self._close_parts()

    def _learn(self, job: Job) -> None:
        hours = job.coverage.seen_s / 3600.0
        self._response.written(lambda: self._baselines.save(self._baselines.load().learn(job.file, job.profile, hours)))

    def _follow(self, state: str) -> None:
        """Do what a lost event would have done; the printer's own state is always right."""
        if state in PRINTING_STATES:
            if self._job is None:
                self.begin(found=True)
            elif self._job.belief.paused:
                self.resumed(self._monotonic())
            elif self._job.resume_wanted:  # the pause that was to be undone never came
                self._job = replace(self._job, resume_wanted=False)
        elif state == "PAUSED":
            if self._job is not None and not self._job.belief.paused:
                self.paused()
        elif state not in STANDING_STATES | ENDING_STATES:
            self.end()

    def paused(self) -> None:
        """Note that OctoPrint has paused the job: only now is an ordered pause true.

        It is heard of twice, from the printer's state and by the event; the first of them counts.
        """
        if self._job is None or self._job.belief.paused:
            return
        ours = self._job.order is not None
        resume_wanted = self._job.resume_wanted
        belief = judge.paused(self._job.belief)
        self._job = replace(self._job, belief=belief, order=None, ours=ours, resume_wanted=False, counted_to=None)
        self._happened(PrintEvent.PAUSED, self._monotonic())
        if resume_wanted:
            self._response.resume()
        elif ours and self._job.incident is not None:
            self._response.note(self._job.incident, "acted")
            why = self._explained(self._job)
            self._response.tell(self._job, NoticeKind.PAUSED, f"The print was paused: {why.sentences()}", why, action="pause")

    def resumed(self, at: float) -> None:
        """Note that the job goes on since ``at``; told again, it is no news."""
        if self._job is None or not self._job.belief.paused:
            return
        if self._job.ours and not self._job.forgiven:
            self._response.tell(self._job, NoticeKind.INCIDENT_ENDED, "The print goes on.", detail="resumed")
        belief = judge.resumed(self._job.belief, at, ours=self._job.ours)
        self._job = replace(self._job, belief=belief, ours=False, last_sighting_at=max(at, self._job.last_sighting_at))
        self._happened(PrintEvent.RESUMED, at)
        self._due = min(self._due, self._monotonic())

    def false_alarm(self) -> None:
        """Take the owner's word that what was seen is no failure: forgive it, and undo our pause, also one on its way."""
        if self._job is None:
            return
        pending = self._job.order is not None
        belief = judge.false_alarm(self._job.belief, self._patience())
        self._job = replace(self._job, belief=belief, order=None, resume_wanted=pending)
        self._happened(PrintEvent.FALSE_ALARM, self._monotonic())
        self._logger.info("Called a false alarm.")
        if self._job.incident is not None:
            self._response.note(self._job.incident, "false_alarm")
            self._response.tell(self._job, NoticeKind.INCIDENT_ENDED, "It was a false alarm.", detail="false_alarm")
        self._job = replace(self._job, forgiven=True)
        self._remember(self._job)
        if self._job.ours:
            self._response.resume()

    def mute(self, on: bool) -> None:
        """Watch this print without doing anything about it, or go back to acting."""
        if self._job is not None:
            order = None if on else self._job.order
            self._job = replace(self._job, belief=judge.muted(self._job.belief, on), order=order)
            self._happened(PrintEvent.MUTED if on else PrintEvent.UNMUTED, self._monotonic())
            self._remember(self._job)
            self._logger.info("Muted for this print." if on else "No longer muted.")

    def extruding(self, at: float) -> None:
        """Note that the job began to extrude at ``at``; it may be one that was not heard of yet."""
        if self._job is None:
            self._follow(self._printer.state())
        if self._job is not None:
            self._job = replace(self._job, belief=judge.extrusion_began(self._job.belief, at))
            self._happened(PrintEvent.EXTRUSION_BEGAN, at)

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next frame on; the belief about a running print is kept."""
        self._settings = settings
        self._close_parts()
        if not settings.enabled:
            self.end()
        if self._job is not None:
            self._panel = Panel(settings.policy, self._patience(), self._job.belief)
            self._job = replace(self._job, order=self._job.order if self._action() == "pause" else None)
        self._due = self._monotonic()

    def _happened(self, event: PrintEvent, at: float) -> None:
        self._panel.tell(event, at)
        self._response.written(lambda: self._traces.tell(event, at))

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
            answer = self._looked_twice(job, frame, parts.detector)
        except (CameraError, DetectorError) as error:
            why = str(error)
            self._set_trouble(job, why)
            self._response.written(lambda: self._traces.lost(why, self._monotonic()))
        else:
            took = self._monotonic() - captured
            job = replace(job, budget=job.budget.add(len(frame.jpeg), took))
            timings = (("capture", (captured - started) * 1e3), ("look", took * 1e3))
            self._see(job, frame, answer, parts.detector, timings)

    def _looked_twice(self, job: Job, frame: Frame, detector: Detector) -> Answer:
        """Return the answer to a frame; what is suspected is looked at again, enlarged, where the picture has the pixels."""
        answer = detector.look(frame)
        if not self._settings.second_look or job.belief.verdict is not Verdict.SUSPECT:
            return answer
        roi = second_look.region(answer, size_wh(frame.jpeg))
        if roi is None:
            return answer
        try:
            return second_look.combined(answer, detector.look(frame, roi), roi)
        except DetectorError as error:
            self._logger.debug("No second look: %s", error)
            return answer

    def _see(self, job: Job, frame: Frame, answer: Answer, detector: Detector, timings: tuple[tuple[str, float], ...]) -> None:
        tool, patience = self._printer.tool(), self._patience()
        seen = Sighting(frame.captured_at, answer, tool.layer, tool.position, tool.busy)
        belief = judge.advance(job.belief, seen, patience)
        unfit = belief.unfit
        self._job = job = replace(
            job,
            belief=belief,
            last_sighting_at=job.last_sighting_at if unfit else frame.captured_at,
            trouble=unfit,
            unfit=unfit,
            digest=frame.digest,
            unchanged_since=None,
            opinion=self._panel.see(seen, belief, patience),
            profile=job.profile if judge.is_idle(belief) else job.profile.add(tool.layer, answer.score),
            exhibits=bounded((*job.exhibits, Exhibit(frame, answer))),
        )
        self._response.written(lambda: self._traces.add(seen))
        alarmed = belief.verdict in (Verdict.SUSPECT, Verdict.FAILING)
        if self._monotonic() - self._remembered_at >= (REMEMBERED_EVERY_S if alarmed else CALM_REMEMBERED_EVERY_S):
            self._remember(job)
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
            self._protect(detector.level, detector.why)
        if job.opinion is not None and job.opinion.act:
            self._act(job)

    def _remember(self, job: Job) -> None:
        now = self._remembered_at = self._monotonic()
        self._response.written(lambda: self._beliefs.save(job.file, job.belief, now, self._wall()))

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
            self._response.tell(job, NoticeKind.BLIND, job.trouble)
        elif job.trouble and job.blind:
            self._protect(ProtectionLevel.UNPROTECTED, job.trouble)
        elif not job.trouble and job.blind:
            self._job = replace(job, blind=False)
            self._logger.info("The print is seen again.")
            self._response.tell(job, NoticeKind.SEEING, "The print is watched again.")

    def _check_suspicion(self) -> None:
        """Tell the owner of a print that is suspect for minutes and does not fail: a person sees at a glance what it is."""
        job, now, patience = self._job, self._monotonic(), self._patience()
        if job is None or job.belief.muted or not judge.is_lasting(job.belief, now, patience):
            return
        if job.suspicion_told_at is None or now >= job.suspicion_told_at + patience.cooldown:
            self._job = replace(job, suspicion_told_at=now, forgiven=False)
            why = self._explained(job)
            minutes = patience.lasting_suspicion / 60.0
            self._response.tell(
                job, NoticeKind.SUSPICION, f"Suspect for more than {minutes:.0f} min; please look. {why.sentences()}", why
            )

    def _count(self) -> None:
        """Add the time since the last look to what was seen of the print, or to what it was lost to."""
        job, now = self._job, self._monotonic()
        if job is not None and not job.belief.paused:
            since = job.counted_to if job.counted_to is not None else now
            self._job = replace(job, coverage=job.coverage.add(now - since, job.trouble), counted_to=now)

    def _protect(self, level: ProtectionLevel, reason: str) -> None:
        current = self.status.protection
        changed = current.level is not level
        since = self._monotonic() if changed else current.since
        self.status = replace(self.status, protection=Protection(level, since, reason))
        if changed and self._job is not None and ProtectionLevel.UNPROTECTED not in (level, current.level):
            sentence = reason or "The inference server looks at the print again."
            self._logger.info("Protection is now %s: %s", level, sentence)
            self._response.tell(self._job, NoticeKind.PROTECTION, sentence, detail=level.value)

    # -- acting ---------------------------------------------------------------------------------------------------------

    def _act(self, job: Job) -> None:
        """Have the printer moved and the evidence kept.

        Looking took a while: when something has happened meanwhile (the job was cancelled, another one began, somebody
        paused it) nothing is done before the watch has heard of it.
        """
        if self.outdated() or self._printer.state() not in PRINTING_STATES:
            return
        now, patience = self._monotonic(), self._patience()
        zone = proposed(judge.alarmed_places(job.belief, patience))
        acting = replace(job, belief=judge.acted(job.belief, now))
        self._job = self._response.act(acting, self._action(), self._explained(job), zone, now)
        self._remember(self._job)  # a restart during the pause that follows must not pause for the same thing again
        self.status = replace(self.status, incident=self._job.incident, incident_folder=self._response.folder)

    def _action(self) -> str:
        return "shadow" if self._settings.shadow else self._settings.action

    # -- saying how things are --------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Bring the status up to date and publish it."""
        job, patience, now = self._job, self._patience(), self._monotonic()
        status = replace(
            self.status,
            verdict=verdict_of(job),
            sentence=sentence_of(job, patience, self._settings.enabled, self.status.coverage),
            printer_state=self._printer.state(),
            shadow=self._settings.shadow,
        )
        if job is None:
            status = replace(status, evidence=0.0, suspect_at=patience.suspect_at, failing_at=patience.failing_at, muted=False)
        else:
            status = replace(status, **self._thought(job, patience, now))
        self.status = status
        self._publish(status)

    def _thought(self, job: Job, patience: Patience, now: float) -> dict[str, Any]:
        """Return what is thought of the print, by the names of :class:`Status`."""
        why, opinion = self._explained(job), job.opinion if not self._panel.ours else None
        return {
            "evidence": why.evidence if opinion is None else opinion.evidence,
            "suspect_at": patience.suspect_at if opinion is None else opinion.suspect_at,
            "failing_at": judge.failing_level(job.belief, now, patience) if opinion is None else opinion.failing_at,
            "muted": job.belief.muted,
            "layer": job.belief.layer,
            "votes": why.votes,
            "why": why.as_json(),
            "budget": job.budget.as_json(self._settings.pace()),
            "seen": job.coverage.share,
            "rules": self._panel.report(),
        }

    def _explained(self, job: Job) -> Explanation:
        return explain(job.belief, self._patience())

    def _patience(self) -> Patience:
        return self._settings.patience()

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
