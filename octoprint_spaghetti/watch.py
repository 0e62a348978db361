"""The watch over one print, without thread or waiting: take a picture, ask the detector, judge, pause.

``watcher.py`` runs it on its one thread. Everything it knows of the outside comes through ``ports.py``;
``parts.py`` and ``plugin.py`` plug the real parts in, ``testing.py`` ships fakes. What concerns one camera is in ``view.py``,
what concerns several together in ``views.py``; with two or more they take turns, one picture a tick.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.errors import CameraError, DetectorError
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.stopping import ENDING_STATES
from octoprint_spaghetti.core.words import Frame, Notice, NoticeKind, Protection, ProtectionLevel, Status
from octoprint_spaghetti.core.zones import proposed
from octoprint_spaghetti.job import Job
from octoprint_spaghetti.lineup import Lineup, Moment
from octoprint_spaghetti.ports import Detector, Incidents, Parts, Power, Printer, Records
from octoprint_spaghetti.response import Response
from octoprint_spaghetti.saying import thought_of, unthought
from octoprint_spaghetti.view import Look, View
from octoprint_spaghetti.views import blamed, most_telling, nobody_sees, pause_after, whose_turn, why_blind, why_unseen

#: While idle the printer's state is asked this often, in case an event was lost.
IDLE_POLL_S = 5.0
#: And this often while a pause is to be undone that has not come through.
RESUME_POLL_S = 1.0

PRINTING_STATES = frozenset({"STARTING", "PRINTING", "RESUMING"})
STANDING_STATES = frozenset({"PAUSING", "PAUSED"})


class Watch:
    """Watches one printer; all methods belong to one thread, ``status``, ``picture`` and ``pictures`` may be read by any.

    ``build`` makes the parts for settings when they are first needed, so it may import and connect; ``records`` gives what is
    written down with a camera, by what the settings know it by (empty: the first one). ``publish`` and
    ``notify`` are called with each new :class:`Status` and each :class:`Notice`. ``outdated`` tells whether something has
    happened that the watch was not told yet: then it orders nothing. ``power`` switches the printer's (None: it stays on).
    ``when_idle`` is called every few seconds while no job runs, ``remarks`` (is a print watched?) returns what else there is to
    say. ``monotonic`` and ``wall`` are the clocks, seconds each.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        build: Callable[[Settings], Parts],
        printer: Printer,
        incidents: Incidents,
        records: Callable[[str], Records],
        publish: Callable[[Status], None] = lambda status: None,
        notify: Callable[[Notice], None] = lambda notice: None,
        outdated: Callable[[], bool] = lambda: False,
        when_idle: Callable[[], None] = lambda: None,
        remarks: Callable[[bool], tuple[str, ...]] = lambda printing: (),
        power: Power | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        logger: logging.Logger | None = None,
    ) -> None:
        """Prepare the watch; nothing is looked at before a print begins."""
        self._settings = settings
        self._build = build
        self._printer = printer
        self._publish = publish
        self.outdated = outdated
        self._when_idle = when_idle
        self._remarks = remarks
        self._monotonic = monotonic
        self._wall = wall
        self._logger = logger or logging.getLogger(__name__)
        self._response = Response(printer, incidents, notify, wall, self._logger, power)
        self._lineup = Lineup(records, self._response.written)
        self._parts: Parts | None = None
        self._job: Job | None = None
        self._views: tuple[View, ...] = ()  # of the job; the first camera's is always the first
        self._turn: View | None = None  # whose camera is looked at just now
        self._told_blind = False  # that nobody sees the job, and not yet that somebody does
        self._due = self._look_due = 0.0  # monotonic seconds of the next tick, and of the next look
        self._number = 0  # of the newest picture
        self.status = Status()
        self.pictures: Mapping[int, Frame] = {}  # the last one of each camera, by its place from 1; replaced whole

    @property
    def picture(self) -> Frame | None:
        """Return the picture that the status is about: the last one the detector answered for."""
        return self.pictures.get(self.status.camera)

    @property
    def watched_s(self) -> float:
        """Return for how many seconds the job is watched, those before a restart among them; 0 when there is none."""
        return 0.0 if self._job is None else self._monotonic() - self._views[0].memory.belief.started_at

    @property
    def due_at(self) -> float:
        """Return the monotonic second at which :meth:`tick` wants to be called next."""
        return self._due

    def tick(self) -> None:
        """Follow the printer's state, then look when it is time to, check on an ordered stop, and say how things are.

        Blocks for one camera's deadline and those of one frame, which is looked at twice where something is suspected, and for
        as long as what is done when idle takes.
        """
        self._due = self._monotonic() + IDLE_POLL_S
        self._follow(self._printer.state())
        if self._job is not None and not self._stands_still:
            if self._monotonic() >= self._look_due:
                self._look_around(self._job)
            self._due = min(self._monotonic() + IDLE_POLL_S, self._look_due)
            self._check_blind()
            self._check_suspicion()
            self._count()
        if self._job is None:
            self._when_idle()
        elif self._stands_still:
            self._go_on()
        elif self._job.order is not None and not self.outdated():
            self._job = self._response.check_order(self._job, self._job.order, self._monotonic())
        self._response.tick(self._monotonic())
        self.report()

    def stumbled(self, sentence: str) -> None:
        """Note that a look ended in an error that nobody could name: it is as good as blind, and must not look like watching."""
        if self._job is not None:
            for view in self._views if self._turn is None else (self._turn,):
                view.lose(sentence)
            self._check_blind()
            self._count()
        self._turn = None
        self.report()

    @property
    def _stands_still(self) -> bool:
        return self._views[0].memory.belief.paused  # the print does, so all views know

    def _interval(self, view: View) -> float:
        return max(self._settings.pace().interval(view.memory.belief, view.patience), self._earliest)

    @property
    def _earliest(self) -> float:
        return self._parts.detector.earliest_s if self._parts is not None else 0.0

    # -- the print's life -----------------------------------------------------------------------------------------------

    def begin(self, *, found: bool = False) -> None:
        """Watch a job that has begun; what was believed of another one is dropped.

        A job that was ``found`` running may be one that was watched before a restart: then what was believed of it goes on.
        """
        if not self._settings.enabled:
            return
        self._response.forget_remarks()
        moment = self._moment(found)
        now = moment.now
        for view in self._views:  # of a print whose end was not heard of
            view.records.traces.end()
        self._job = Job(file=moment.file, counted_to=now)
        self._views = self._lineup.fitted(self._settings, (), moment)
        self._told_blind = False
        unseen = Protection(ProtectionLevel.UNPROTECTED, now, say("No picture has been looked at yet."))
        self.status = Status(protection=unseen, picture_number=self._number)
        self._due = self._look_due = now
        self._logger.info("Watching %r.", moment.name)
        goes_on = "goes_on" if self._views[0].memory.belief.started_at < now else ""  # what was believed is from before a restart
        self._response.tell(self._job, NoticeKind.PRINT_STARTED, say("The print is watched."), detail=goes_on)

    def end(self, *, done: bool = False) -> None:
        """Close the watch over a job, hang up, and learn from it when it was ``done``; cancelled and failed ones teach nothing."""
        job = self._job
        if job is None:
            return
        view = self._telling(job)
        cancelled = not done and self._response.cancelled(
            job, view.explained(), self._monotonic(), power_off=self._settings.cuts_power("cancel")
        )
        job = self._response.withdrawn(job)
        if job.incident is not None:
            self._response.note(job.incident, "closed")
            if not job.forgiven:
                self._response.tell(job, NoticeKind.INCIDENT_ENDED, say("The print has ended."), detail="print_ended")
        summary = joined((say("It was cancelled because it failed.") if cancelled else "", job.coverage.sentence()))
        self._logger.info("%s (%d pictures, %d answers)", summary, self.status.frames_sent, self.status.answers)
        self.status = replace(self.status, coverage=summary, rules=view.panel.report())
        self._response.tell(job, NoticeKind.PRINT_ENDED, summary)
        self._job = None
        doubtful = job.incident is not None or any(view.memory.is_doubtful for view in self._views)
        for view in self._views:
            if done and (job.forgiven or not doubtful):
                self._response.written("baseline", partial(view.learn, job.file, forgiven=job.forgiven))
        self._lineup.let_go(self._views)
        self._views = ()
        self._close_parts()

    def _follow(self, state: str) -> None:
        """Do what a lost event would have done; the printer's own state is always right."""
        if state in PRINTING_STATES:
            if self._job is None:
                self.begin(found=True)
            elif self._stands_still:
                self.resumed(self._monotonic())
            elif self._job.resume_wanted or self._job.coming:
                # The pause that was to be undone, or that was on its way, never came.
                self._job = replace(self._job, resume_wanted=False, coming=False)
        elif state == "PAUSED":
            if self._job is not None and not self._stands_still:
                self.paused()
        elif state not in STANDING_STATES | ENDING_STATES:
            self.end()

    def paused(self) -> None:
        """Note that OctoPrint has paused the job: only now is an ordered pause true.

        It is heard of twice, from the printer's state and by the event; the first of them counts.
        """
        if self._job is None or self._stands_still:
            return
        ordered = self._job.order is not None and self._job.order.action == "pause"
        ours = ordered or self._job.coming or self._job.resume_wanted
        self._believe(judge.paused)
        self._job = replace(self._job, order=None, coming=False, ours=ours, counted_to=None)
        self._happened(PrintEvent.PAUSED, self._monotonic())
        if self._job.resume_wanted:
            self._go_on()
        elif ours and self._job.incident is not None:
            cuts = ordered and self._settings.cuts_power("pause")
            self._response.paused(self._job, self._telling(self._job).explained(), self._monotonic(), power_off=cuts)

    def resumed(self, at: float) -> None:
        """Note that the job goes on since ``at``; told again, it is no news."""
        if self._job is None or not self._stands_still:
            return
        if self._job.ours and not self._job.forgiven:
            self._response.tell(self._job, NoticeKind.INCIDENT_ENDED, say("The print goes on."), detail="resumed")
        answered = self._job.ours and self._job.forgiven
        until = at + self._settings.patience().resume_grace if answered else self._job.forgiving_until
        self._job = replace(self._job, ours=False, resume_wanted=False, forgiving_until=until)
        for view in self._views:
            view.resumed(at)
        self._happened(PrintEvent.RESUMED, at)
        self._due = self._look_due = min(self._due, self._monotonic())

    def false_alarm(self) -> None:
        """Take the owner's word that what was seen is no failure: forgive it, and undo our pause, also one on its way.

        What is forgiven is forgiven to the camera that saw it, and to one that sees it a moment later.
        """
        if self._job is None:
            return
        pending = self._job.coming or (self._job.order is not None and self._job.order.action == "pause")
        views = blamed(self._views, self._job.camera)
        for view in views:
            view.forgive(self._monotonic())
        self._job = replace(
            self._response.withdrawn(self._job), resume_wanted=pending or self._job.ours or self._job.resume_wanted
        )
        self._response.keep_power()
        self._happened(PrintEvent.FALSE_ALARM, self._monotonic(), views)
        self._logger.info("Called a false alarm.")
        if self._job.incident is not None:
            self._response.note(self._job.incident, "false_alarm")
            self._response.tell(self._job, NoticeKind.INCIDENT_ENDED, say("It was a false alarm."), detail="false_alarm")
        until = self._monotonic() + self._settings.patience().resume_grace
        answered = frozenset(view.key for view in views)
        self._job = replace(self._job, forgiven=True, forgiving_until=until, answered=answered)
        self._remember(self._job)
        self._go_on()

    def _go_on(self) -> None:
        """Undo our pause where that is wanted, as soon as OctoPrint can: it resumes no print whose pause has not come through.

        The pause is heard of before that, while the owner's script for it is still on its way to the printer.
        """
        if self._job is None or not (self._job.resume_wanted and self._stands_still):
            return
        if self._printer.state() == "PAUSED":
            self._job = replace(self._job, resume_wanted=False)
            self._response.resume()
        else:
            self._due = min(self._due, self._monotonic() + RESUME_POLL_S)

    def mute(self, on: bool) -> None:
        """Watch this print without doing anything about it, or go back to acting."""
        if self._job is not None:
            self._believe(lambda belief: judge.muted(belief, on))
            if on:
                self._job = self._response.withdrawn(self._job)
                self._response.keep_power()
            self._happened(PrintEvent.MUTED if on else PrintEvent.UNMUTED, self._monotonic())
            self._remember(self._job)
            self._logger.info("Muted for this print." if on else "No longer muted.")

    def extruding(self, at: float) -> None:
        """Note that the job began to extrude at ``at``; it may be one that was not heard of yet."""
        if self._job is None:
            self._follow(self._printer.state())
        if self._job is not None:
            self._believe(lambda belief: judge.extrusion_began(belief, at))
            self._happened(PrintEvent.EXTRUSION_BEGAN, at)

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next frame on; the belief about a running print is kept."""
        if settings.camera_keys() != self._settings.camera_keys():
            self.pictures = {}  # by places that other cameras have now
        self._settings = settings
        self._close_parts()
        if not settings.power_off:
            self._response.keep_power()
        if not settings.enabled:
            self.end()
        if self._job is not None:
            self._views = self._lineup.fitted(self._settings, self._views, self._moment())
            if self._job.order is not None and self._job.order.action != self._action():
                self._job = self._response.withdrawn(self._job)
        self._due = self._look_due = self._monotonic()

    def _believe(self, change: Callable[[Belief], Belief]) -> None:
        for view in self._views:
            view.believe(change)

    def _happened(self, event: PrintEvent, at: float, views: Sequence[View] = ()) -> None:
        """Tell what happened to the print to all views, or to those that it happened to."""
        for view in views or self._views:
            self._response.written("trace", partial(view.happened, event, at))

    def _remember(self, job: Job) -> None:
        for view in self._views:
            self._response.written("belief", partial(view.remember, job.file, self._monotonic(), self._wall()))

    def _moment(self, found: bool = False) -> Moment:
        return Moment(self._printer.job_key(), self._printer.job_name(), self._monotonic(), self._wall(), found)

    def _telling(self, job: Job) -> View:
        """Return the view that a person should see: of a print that we paused the one that saw why."""
        accuser = job.camera if job.order is not None or job.ours else ""
        return most_telling(self._views, accuser, self._monotonic())

    # -- looking --------------------------------------------------------------------------------------------------------

    def _look_around(self, job: Job) -> None:
        """Look with the camera whose turn it is, and say when the next one's is."""
        started = self._monotonic()
        view = self._turn = whose_turn(self._views)
        view.due = started + self._interval(view)  # also should the look end in an error that nobody can name
        self._look(job, view)
        self._turn = None
        view.due = started + pause_after(view, self._views, self._interval(view))
        self._look_due = max(whose_turn(self._views).due, self._monotonic() + self._earliest)

    def _look(self, job: Job, view: View) -> None:
        self._job = job = replace(job, trouble="")
        try:
            parts = self._open_parts()
            frame = view.capture(parts.cameras[self._views.index(view)], self._monotonic)
            captured = self._monotonic()
            if view.is_repeated(frame):
                return
            self.status = replace(self.status, frames_sent=self.status.frames_sent + 1)
            answer, not_twice = view.look(frame, parts.detector, self._settings.second_look)
        except (CameraError, DetectorError) as error:
            why = str(error)
            view.lose(why)
            self._response.written("trace", lambda: view.records.traces.lost(why, self._monotonic()))
        else:
            if not_twice is not None:
                self._logger.debug("No second look: %s", not_twice)
            took = self._monotonic() - captured
            self._job = job = replace(job, budget=job.budget.add(len(frame.jpeg), took))
            timings = (("capture", view.held_s * 1e3), ("look", took * 1e3))
            self._see(job, view, Look(frame, answer, self._number + 1, timings), parts.detector)

    def _see(self, job: Job, view: View, look: Look, detector: Detector) -> None:
        seen = view.see(look, self._printer.tool())
        self._response.written("trace", lambda: view.records.traces.add(seen))
        now = self._monotonic()
        if view.is_to_be_remembered(now):
            self._response.written("belief", lambda: view.remember(job.file, now, self._wall()))
        self._number = look.number
        self.pictures = {**self.pictures, self._views.index(view) + 1: look.frame}
        self.status = replace(self.status, answers=self.status.answers + 1)
        if not view.memory.unfit:
            self._protect(detector.level, detector.why)
        self._forgive_too(job, view, now)
        if view.memory.opinion is not None and view.memory.opinion.act:
            self._act(job, view)

    def _forgive_too(self, job: Job, view: View, now: float) -> None:
        """Forgive what another camera is alarmed by just after a false alarm: the owner has just looked at the same thing."""
        if now >= job.forgiving_until or view.key in job.answered:
            return
        if view.memory.belief.idle:  # nobody judges
            if judge.is_resuming(view.memory.belief, now, view.patience):
                self._job = replace(job, forgiving_until=now + view.patience.resume_grace)
        elif view.is_alarmed:
            view.forgive(now)
            self._happened(PrintEvent.FALSE_ALARM, now, [view])
            self._response.written("belief", partial(view.remember, job.file, now, self._wall()))
            self._logger.info("%s: forgiven too, it was a false alarm a moment ago.", view.name)

    def _check_blind(self) -> None:
        """Say once that nobody sees the print, and once that somebody does again; of several cameras the same of each."""
        job = self._job
        if job is None:
            return
        taking_turns = len(self._views) * self._earliest
        pace = {view.key: max(self._interval(view), taking_turns) for view in self._views}
        news = [view for view in self._views if view.check_blind(self._monotonic(), pace[view.key])]
        why = why_blind(self._views)
        if nobody_sees(self._views):
            self._protect(ProtectionLevel.UNPROTECTED, why)
            if not self._told_blind:
                self._told_blind = True
                self._logger.warning("Nobody sees the print: %s", why)
                self._response.tell(job, NoticeKind.BLIND, why)
            return
        if why:
            self._protect(self.status.protection.level, why)
        if self._told_blind:
            if any(view.sees for view in self._views):
                self._told_blind = False
                self._logger.info("The print is seen again.")
                self._response.tell(job, NoticeKind.SEEING, joined((say("The print is watched again."), why)))
        else:
            for view in news:
                self._tell_sight(job, view)

    def _tell_sight(self, job: Job, view: View) -> None:
        """Tell that one camera of several went blind, or sees again, while others see."""
        blind = view.memory.blind
        kind, level = (NoticeKind.CAMERA_LOST, logging.WARNING) if blind else (NoticeKind.CAMERA_BACK, logging.INFO)
        sentence = view.said(view.memory.trouble or say("The camera sees the print again."))
        self._logger.log(level, "%s", sentence)
        self._response.tell(replace(job, camera=view.name), kind, sentence)

    def _check_suspicion(self) -> None:
        """Tell the owner of a print that is suspect for minutes and does not fail: a person sees at a glance what it is."""
        now = self._monotonic()
        for view in self._views:
            if self._job is not None and view.is_worrying(now):
                for one in self._views:  # who looks at the print sees what any of them saw
                    one.worried(now)
                self._job = replace(self._job, forgiven=False)
                why = view.explained()
                said = say(
                    "Suspect for more than %(minutes).0f min; please look. %(why)s",
                    minutes=view.patience.lasting_suspicion / 60.0,
                    why=why.sentences(),
                )
                self._response.tell(replace(self._job, camera=view.name), NoticeKind.SUSPICION, said, why)

    def _count(self) -> None:
        """Add the time since the last look to what was seen of the print, or to what it was lost to."""
        job, now = self._job, self._monotonic()
        if job is not None and not self._stands_still:
            seconds = now - (job.counted_to if job.counted_to is not None else now)
            for view in self._views:
                view.count(seconds, job.trouble)
            lost = job.trouble or why_unseen(self._views)
            self._job = replace(job, coverage=job.coverage.add(seconds, lost), counted_to=now)

    def _protect(self, level: ProtectionLevel, reason: str) -> None:
        current = self.status.protection
        changed = current.level is not level
        since = self._monotonic() if changed else current.since
        self.status = replace(self.status, protection=Protection(level, since, reason))
        if changed and self._job is not None and ProtectionLevel.UNPROTECTED not in (level, current.level):
            sentence = reason or say("The inference server looks at the print again.")
            self._logger.info("Protection is now %s: %s", level, sentence)
            self._response.tell(self._job, NoticeKind.PROTECTION, sentence, detail=level.value)

    # -- acting ---------------------------------------------------------------------------------------------------------

    def _act(self, job: Job, view: View) -> None:
        """Have the printer moved and the evidence kept, for what one camera saw.

        Looking took a while: when something has happened meanwhile (the job was cancelled, another one began, somebody
        paused it) nothing is done before the watch has heard of it.
        """
        if self.outdated() or self._printer.state() not in PRINTING_STATES:
            return
        now = self._monotonic()
        zone = proposed(judge.alarmed_places(view.memory.belief, view.patience))
        self._believe(lambda belief: judge.acted(belief, now))  # one print, one action, however many cameras see why
        acting = replace(job, camera=view.name, exhibits=view.memory.exhibits)
        acting = self._response.act(acting, self._action(), view.explained(), zone, now)
        self._job = replace(acting, exhibits=())
        self._remember(self._job)  # a restart during the pause that follows must not pause for the same thing again
        self.status = replace(self.status, incident=self._job.incident, incident_folder=self._response.folder)

    def _action(self) -> str:
        return "shadow" if self._settings.shadow else self._settings.action

    # -- saying how things are --------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Bring the status up to date and publish it."""
        job, settings = self._job, self._settings
        thought = (
            unthought(settings, self.status.coverage)
            if job is None
            else thought_of(job, self._views, self._telling(job), settings.pace(), self._monotonic())
        )
        sentence = joined((thought["sentence"], *self._response.remarks, *self._remarks(job is not None)))
        known = {**thought, "sentence": sentence, "printer_state": self._printer.state(), "shadow": settings.shadow}
        self.status = replace(self.status, **known)
        self._publish(self.status)

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
            parts.close()
