"""The watch over a print, as far as the decision goes: rules, shadow, second look, what is usual, and what it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octoprint_spaghetti.core.errors import ServerUnreachable
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.toolhead import Tool
from octoprint_spaghetti.core.words import Answer, Frame, NoticeKind, ProtectionLevel, Verdict
from octoprint_spaghetti.core.zones import Zone
from octoprint_spaghetti.testing import FakeDetector, answer
from tests.pictures import jpeg
from tests.plugin.test_watch import SETTINGS, Bench

TANGLE = Box(0.70, 0.60, 0.76, 0.68)


class PlacedDetector(FakeDetector):
    """Answers with a box, and with another score when it may look closely."""

    def __init__(self, score: float, enlarged: float) -> None:
        super().__init__(score=score)
        self.enlarged = enlarged
        self.regions: list[Box] = []

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        if roi is not None:
            self.regions.append(roi)
        return answer(self.enlarged if roi is not None else self.score, box=TANGLE)


class Photographer:
    """Sends real pictures of a 720p camera."""

    def __init__(self, bench: Bench) -> None:
        self.clock, self.taken = bench.clock, 0

    def capture(self) -> Frame:
        self.taken += 1
        return Frame(jpeg(self.taken % 8, 1280, 720), self.clock(), "720p")

    def close(self) -> None: ...


def failing(bench: Bench, seconds: float = 60.0) -> None:
    """Let a calm minute pass, and then a failure."""
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(seconds)


def test_in_shadow_nothing_is_done_and_everything_is_recorded() -> None:
    """The printer is left alone; the evidence is kept, and the report says when each rule would have paused."""
    bench = Bench(replace(SETTINGS, shadow=True))
    failing(bench, 400.0)
    assert bench.printer.pauses == 0
    assert [incident.action for incident in bench.incidents.opened] == ["shadow"]
    assert bench.notices[-1].sentence.startswith("Shadow mode, nothing is done")
    bench.watch.end()
    ours, obico = bench.watch.status.rules
    assert (ours["policy"], obico["policy"]) == ("spaghetti", "obico")
    assert 60.0 < ours["acted_at_s"] < 110.0
    assert "would have paused" in ours["sentence"]


def boxed(bench: Bench) -> None:
    """Let the detector answer with a box, which is all that Obico's rule counts."""
    bench.detector = PlacedDetector(0.0, 0.0)


def test_obicos_rule_decides_when_it_is_chosen() -> None:
    """An hour into a print it pauses too, if later than ours would; the status shows its evidence on its own levels."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    boxed(bench)
    bench.print()
    bench.run(3600.0)
    bench.detector.score = 0.95
    bench.run(40.0)
    assert bench.printer.pauses == 1
    assert bench.watch.status.suspect_at == 0.38
    ours, obico = bench.watch.status.rules
    assert ours["acted_at_s"] > 3600.0
    assert obico["acted_at_s"] > 3600.0


def test_what_is_suspected_is_looked_at_enlarged() -> None:
    """A small suspicious thing that is nothing when seen closely does not pause the print."""
    bench = Bench()
    bench.detector = PlacedDetector(0.7, enlarged=0.0)
    bench.camera = Photographer(bench)  # type: ignore[assignment]
    bench.print()
    bench.run(300.0)
    assert bench.detector.regions
    assert bench.printer.pauses == 0


def test_a_second_look_can_be_switched_off() -> None:
    """Then the first look decides alone."""
    bench = Bench(replace(SETTINGS, second_look=False))
    bench.detector = PlacedDetector(0.7, enlarged=0.0)
    bench.camera = Photographer(bench)  # type: ignore[assignment]
    bench.print()
    bench.run(90.0)
    assert (bench.detector.regions, bench.printer.pauses) == ([], 1)


def test_an_ignore_zone_is_honoured() -> None:
    """What lies in a zone that the owner drew never pauses a print."""
    zone = Zone(((0.6, 0.5), (0.9, 0.5), (0.9, 0.8), (0.6, 0.8)))
    bench = Bench(replace(SETTINGS, zones=(zone,)))
    bench.detector = PlacedDetector(0.95, 0.95)
    bench.print()
    bench.run(600.0)
    assert (bench.printer.pauses, bench.watch.status.verdict) == (0, Verdict.WATCHING)


LOGO = Box(0.05, 0.05, 0.25, 0.25)
AROUND_LOGO = Zone(((0.0, 0.0), (0.3, 0.0), (0.3, 0.3), (0.0, 0.3)))


class LogoDetector(FakeDetector):
    """Sees a logo, more surely than anything else; and a tangle with the score it is given, which a close look confirms."""

    shown = 0.83

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        logo, tangle = answer(self.shown, box=LOGO), answer(self.score, box=TANGLE)
        if roi is None:
            return replace(logo, detections=(*logo.detections, *tangle.detections)) if self.score else logo
        return tangle if roi.left <= TANGLE.left and TANGLE.right <= roi.right else answer(0.1)


def test_what_lies_in_a_zone_is_not_learned() -> None:
    """A logo in a zone does not become what this file, or this printer, usually scores; the next failure of the file is one."""
    bench = Bench(replace(SETTINGS, zones=(AROUND_LOGO,)))
    bench.detector = LogoDetector()
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25)
    bench.print()
    bench.run(3600.0)
    bench.watch.end(done=True)
    known = bench.baselines.kept
    assert (known.hours > 0.0, known.printer, known.files) == (True, 0.0, ())


def test_what_lies_in_a_zone_is_not_looked_at_again() -> None:
    """The enlarged look is for the tangle beside it: a close look at a logo that is none must not talk the tangle down."""
    bench = Bench(replace(SETTINGS, zones=(AROUND_LOGO,)))
    bench.detector = LogoDetector()
    bench.camera = Photographer(bench)  # type: ignore[assignment]
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.75
    bench.run(70.0)
    assert bench.printer.pauses == 1


def test_obicos_rule_honours_an_ignore_zone_too() -> None:
    """Parts of the picture that do not count do not, whichever rule decides."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False, zones=(AROUND_LOGO,)))
    bench.detector = detector = LogoDetector()
    detector.shown = 0.0
    bench.print()
    bench.run(3600.0)
    detector.shown = 0.95
    bench.run(60.0)
    assert (bench.printer.pauses, bench.watch.status.verdict) == (0, Verdict.WATCHING)
    assert bench.watch.status.rules[1]["acted_at_s"] is None


def test_an_incident_proposes_the_zone_it_lies_in() -> None:
    """Should it be a false alarm, one click ignores the place."""
    bench = Bench()
    bench.detector = PlacedDetector(0.95, 0.95)
    bench.print()
    bench.run(120.0)
    incident = bench.incidents.opened[0]
    assert Zone(incident.zone).share_of(TANGLE) == pytest.approx(1.0)
    assert incident.why["same_place"] == incident.why["hits"]


def good_lattice(bench: Bench) -> None:
    """Print a lattice: it alarms, is called a false alarm, and ends well."""
    failing(bench)
    assert bench.printer.pauses == 1
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.watch.false_alarm()
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(600.0)
    bench.watch.end(done=True)


def test_a_lattice_alarms_once_in_its_life() -> None:
    """What was a false alarm in a print that ended well is usual for the same file at the same layer."""
    bench = Bench()
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25)
    bench.watch._settings = replace(SETTINGS, numbers=(("hit_at", 0.4),))
    good_lattice(bench)
    bench.detector.score = 0.9
    bench.print()
    bench.run(600.0)
    assert bench.printer.pauses == 1
    assert bench.watch.status.why["usual"] > 0.5


@pytest.mark.parametrize(
    ("done", "alarmed"), [(False, False), (True, True)], ids=["cancelled", "an alarm that nobody called false"]
)
def test_other_prints_teach_nothing(done: bool, alarmed: bool) -> None:
    """Only a print that is known to be good says what is usual."""
    bench = Bench()
    bench.detector.score = 0.2
    bench.print()
    bench.run(600.0)
    if alarmed:
        bench.detector.score = 0.95
        bench.run(60.0)
        assert bench.incidents.opened
    bench.watch.end(done=done)
    assert bench.baselines.kept.hours == 0.0


def test_a_filament_change_is_not_judged() -> None:
    """While the printer does something else nothing is held against the print, and the sentence says what it does."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25, "filament change")
    bench.detector.score = 0.95
    bench.run(600.0)
    assert bench.printer.pauses == 0
    assert bench.watch.status.sentence == "Nothing is judged during filament change."
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25)
    bench.run(60.0)
    assert bench.printer.pauses == 1


def test_a_server_that_is_lost_during_a_filament_change_is_what_is_told() -> None:
    """Nobody knows whether the filament is still being changed; what is to be done is to bring the server back."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25, "filament change")
    bench.run(60.0)
    bench.detector.trouble = ServerUnreachable("No server answers.")
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25)
    bench.run(600.0)
    assert (bench.watch.status.verdict, bench.watch.status.sentence) == (Verdict.BLIND, "No server answers.")


def test_nobody_is_asked_to_look_for_what_was_suspected_before_the_server_was_lost() -> None:
    """Once that nobody sees the print is enough, not every quarter of an hour of a night."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.45
    bench.run(60.0)
    assert bench.watch.status.verdict is Verdict.SUSPECT
    bench.detector.trouble = ServerUnreachable("No server answers.")
    bench.run(8 * 3600.0)
    assert bench.kinds() == [NoticeKind.BLIND]


def test_the_first_layers_are_looked_at_more_often() -> None:
    """Twice as often as the calm rest of the print."""
    bench = Bench()
    bench.printer.at = Tool((0.0, 0.0, 0.2), 1)
    bench.print()
    bench.run(100.0)
    first = bench.camera.taken
    bench.printer.at = Tool((0.0, 0.0, 9.0), 40)
    bench.run(100.0)
    assert bench.camera.taken - first == pytest.approx(first / 2, abs=2)
    assert [row.layer for row in bench.traces.rows[-2:]] == [40, 40]


def test_a_suspicion_that_lasts_is_told_once() -> None:
    """A print that is suspect for minutes without failing is worth a look; told once, it is how this print looks."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.45
    bench.run(3600.0)
    assert (bench.printer.pauses, bench.watch.status.verdict) == (0, Verdict.WATCHING)
    assert bench.kinds() == [NoticeKind.SUSPICION]
    bench.detector.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1


def test_the_detector_says_who_looks_and_when_that_changes_it_is_told() -> None:
    """From the server to this computer and back: the level, the reason, and one notice each way."""
    bench = Bench()
    bench.print()
    bench.run(30.0)
    bench.detector.level, bench.detector.why = ProtectionLevel.LOCAL, "No inference server answers; this computer looks."
    bench.run(60.0)
    assert bench.watch.status.protection.level is ProtectionLevel.LOCAL
    assert "No inference server" in bench.watch.status.protection.reason
    bench.detector.level, bench.detector.why = ProtectionLevel.REMOTE, ""
    bench.run(60.0)
    assert [notice.detail for notice in bench.notices if notice.kind is NoticeKind.PROTECTION] == ["local", "remote"]


def test_a_detector_that_needs_a_rest_gets_it() -> None:
    """A slow detector on this computer keeps to its share of the processor: the next look waits."""
    bench = Bench()
    bench.detector.earliest_s = 20.0
    bench.print()
    bench.run(400.0)
    assert bench.camera.taken == pytest.approx(20, abs=2)
    assert bench.watch.status.verdict is Verdict.WATCHING


def test_a_rest_is_counted_from_the_end_of_a_look() -> None:
    """A slow look followed too early by the next would find the detector at rest, and lose every other picture."""
    bench = Bench()

    class Slow(FakeDetector):
        def look(self, frame: Frame, roi: Box | None = None) -> Answer:
            assert bench.clock() >= self.ready_at
            bench.clock.forward(1.5)
            self.ready_at = bench.clock() + 4.5
            self.earliest_s = 4.5
            return super().look(frame, roi)

        ready_at = 0.0

    bench.detector = Slow()
    bench.print()
    bench.run(600.0)
    assert bench.watch.status.answers == pytest.approx(100, abs=3)


def test_what_happens_to_the_print_stands_in_its_trace() -> None:
    """A replay needs the events as well as the frames."""
    bench = Bench()
    good_lattice(bench)
    assert bench.traces.events == [
        PrintEvent.EXTRUSION_BEGAN,
        PrintEvent.PAUSED,
        PrintEvent.FALSE_ALARM,
        PrintEvent.RESUMED,
    ]


def test_the_cost_of_the_print_is_in_the_status() -> None:
    """Frames so far, and what an hour costs at this pace."""
    bench = Bench()
    bench.print()
    bench.run(100.0)
    budget = bench.watch.status.budget
    assert budget["frames"] == bench.watch.status.answers
    assert budget["per_hour"]["frames"] == 720


def obico_an_hour_in(bench: Bench) -> None:
    """Let an hour pass under Obico's rule, so that it has learned what is usual."""
    boxed(bench)
    bench.print()
    bench.run(3600.0)


@pytest.mark.parametrize("meanwhile", ["nothing", "new settings"])
def test_a_mute_holds_for_obicos_rule_too(meanwhile: str) -> None:
    """Muted, a print goes on whoever decides, and saving settings does not unmute it."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    obico_an_hour_in(bench)
    bench.watch.mute(True)
    if meanwhile == "new settings":
        bench.watch.configure(replace(SETTINGS, policy="obico", second_look=False))
        bench.run(3600.0)
    bench.detector.score = 0.95
    bench.run(300.0)
    assert bench.printer.pauses == 0


@pytest.mark.parametrize("later", [0.0, 400.0])
def test_who_was_told_of_a_faint_suspicion_may_take_their_time_to_answer(later: float) -> None:
    """By then it may have become usual; the place that they were told of is forgiven, not the picture of that moment."""
    bench = Bench(replace(SETTINGS, second_look=False))
    bench.detector = PlacedDetector(0.0, 0.0)
    bench.print()
    bench.run(120.0)
    bench.detector.score = 0.4
    for _ in range(300):
        if NoticeKind.SUSPICION not in [notice.kind for notice in bench.notices]:
            bench.run(2.0)
    assert NoticeKind.SUSPICION in [notice.kind for notice in bench.notices]
    bench.run(later)
    assert (bench.watch.status.verdict is Verdict.SUSPECT) is (later == 0.0)
    bench.watch.false_alarm()
    bench.detector.score = 0.95
    bench.run(600.0)
    assert bench.printer.pauses == 0


def test_a_false_alarm_holds_for_obicos_rule_too() -> None:
    """Before it has acted as well: the place is forgiven whoever decides."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    obico_an_hour_in(bench)
    bench.detector.score = 0.6
    bench.run(40.0)
    assert bench.watch.status.verdict is Verdict.SUSPECT
    bench.watch.false_alarm()
    bench.detector.score = 0.8
    bench.run(600.0)
    assert bench.printer.pauses == 0


def test_who_resumes_has_a_minute_under_obicos_rule_too() -> None:
    """Paused by hand on a suspicion and resumed: they have looked, and are not stopped six seconds later."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    obico_an_hour_in(bench)
    bench.detector.score = 0.95
    for _ in range(30):
        if bench.watch.status.verdict is not Verdict.SUSPECT:
            bench.run(2.0)
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.run(300.0)
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.run(55.0)
    assert bench.printer.pauses == 0
    bench.run(20.0)
    assert bench.printer.pauses == 1


def test_obicos_rule_acts_once_in_a_print_whatever_is_saved() -> None:
    """Resumed by its owner, a print is not paused again because some setting was saved."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    obico_an_hour_in(bench)
    bench.detector.score = 0.95
    bench.run(40.0)
    assert bench.printer.pauses == 1
    bench.printer.printer_state = "PAUSED"
    bench.watch.paused()
    bench.watch.report()
    assert "Spaghetti in" in bench.watch.status.sentence
    bench.watch.configure(replace(SETTINGS, policy="obico", second_look=False, interval=4.0))
    bench.printer.printer_state = "PRINTING"
    bench.watch.resumed(bench.clock())
    bench.detector.score = 0.0
    bench.run(3600.0)
    bench.detector.score = 0.95
    bench.run(300.0)
    assert bench.printer.pauses == 1


def test_obicos_rule_waits_for_the_news_and_then_acts() -> None:
    """An event that waits at the very frame on which it asks for the pause does not use the pause up."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    obico_an_hour_in(bench)
    bench.watch.outdated = lambda: True
    bench.detector.score = 0.95
    bench.run(60.0)
    bench.watch.outdated = lambda: False
    bench.run(10.0)
    assert bench.printer.pauses == 1


def test_obicos_rule_does_not_judge_a_filament_change() -> None:
    """What is said to be judged by nobody is judged by nobody."""
    bench = Bench(replace(SETTINGS, policy="obico", second_look=False))
    obico_an_hour_in(bench)
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25, "filament change")
    bench.detector.score = 0.95
    bench.run(300.0)
    assert bench.printer.pauses == 0


@pytest.mark.parametrize("look_s", [8.0, 13.0, 20.0, 30.0])
def test_a_slow_chain_still_pauses(look_s: float) -> None:
    """Pictures that take long to come or to be looked at delay the pause; they do not do away with it."""
    bench = Bench()

    class Slow(FakeDetector):
        def look(self, frame: Frame, roi: Box | None = None) -> Answer:
            bench.clock.forward(look_s)
            return super().look(frame, roi)

    bench.detector = Slow()
    failing(bench, 300.0)
    assert bench.printer.pauses >= 1


@pytest.mark.parametrize("how", ["muted", "suspect for long"])
def test_a_doubtful_print_teaches_nothing(how: str) -> None:
    """A print that was muted, or whose owner was asked to look and said nothing, is not known to be good."""
    bench = Bench()
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25)
    bench.print()
    if how == "muted":
        bench.watch.mute(True)
    bench.detector.score = 0.95 if how == "muted" else 0.45
    bench.run(3600.0)
    bench.watch.end(done=True)
    assert bench.baselines.kept.hours == 0.0


def test_a_suspicion_that_was_called_false_teaches() -> None:
    """The owner has looked: this is how the print looks."""
    bench = Bench()
    bench.printer.at = Tool((0.0, 0.0, 5.0), 25)
    bench.print()
    bench.detector.score = 0.45
    bench.run(3600.0)
    bench.watch.false_alarm()
    bench.watch.end(done=True)
    assert bench.baselines.kept.background("local/benchy.gcode").layers == ((25, 0.45),)
    assert bench.baselines.kept.printer == 0.0
