"""The table: prints with names, what a person says happened in each, and what must have come of it.

Times are seconds of the print. ``pauses`` are the windows, earliest and latest, in which our policy must ask for its action,
once in each and never outside; none: it must leave the print alone. ``suspect_by``: by then it must at least be suspicious.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from octoprint_spaghetti.adapters.trace_reader import recorded
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.recording import Recording
from tests.traces.stories import (
    BLURRED,
    CABLE,
    CORNER,
    COVERED,
    DARK,
    DAYLIGHT,
    DIM,
    ELSEWHERE,
    OVEREXPOSED,
    PART,
    TANGLE,
    Story,
    growing,
    hopping,
    rising,
)

Window = tuple[float, float]
HOUR = 3600.0
RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Case:
    """A print, what a person says of it, and what must come of it."""

    name: str
    said: str
    make: Callable[[], Recording]
    pauses: tuple[Window, ...] = ()
    suspect_by: float | None = None


CASES: list[Case] = []


def case(
    said: str, *pauses: Window, suspect_by: float | None = None
) -> Callable[[Callable[[], Recording]], Callable[[], Recording]]:
    """Put a print into the table under the name of its function."""

    def enter(make: Callable[[], Recording]) -> Callable[[], Recording]:
        CASES.append(Case(make.__name__.replace("_", " "), said, make, pauses, suspect_by))
        return make

    return enter


# -- good prints: nothing must happen ---------------------------------------------------------------------------------------


@case("Two hours, nothing wrong.")
def a_calm_print() -> Recording:
    return Story(1).good(2 * HOUR).end()


@case("A whole day and night, a frame every ten seconds, nothing wrong.")
def a_calm_day() -> Recording:
    return Story(2, 10.0).good(24 * HOUR, 0.05).end()


@case("Somebody switched the light on in mid-print; for 15 s the camera showed nonsense.")
def light_switched_on() -> Recording:
    story = Story(3).looks(scene=DIM).good(1200.0).looks(scene=DAYLIGHT)
    return story.shows(15.0, 0.85, TANGLE).good(1200.0).end()


@case("The light went out at night; what the detector says of a black picture means nothing.")
def light_switched_off() -> Recording:
    return Story(4).good(1200.0).shows(2 * HOUR, 0.75, TANGLE, scene=DARK).good(1200.0).end()


@case("The sun came in and over-exposed the picture for 20 minutes.")
def over_exposed_by_the_sun() -> Recording:
    return Story(5).good(900.0).shows(1200.0, 0.8, PART, scene=OVEREXPOSED).good(900.0).end()


@case("A glint of sun wandered over the bed; for 20 s it looked like strands.")
def a_glint_of_sun() -> Recording:
    return Story(6, 2.0).good(900.0).shows(20.0, 0.8, growing(CORNER, TANGLE, 10)).good(900.0).end()


@case("A lattice part: the detector finds spaghetti four times in ten, for two hours.")
def lattice_part() -> Recording:
    return Story(7).good(900.0).shows(1200.0, rising(0.05, 0.42, 1200.0), PART).shows(2 * HOUR, 0.42, PART).end()


@case("A lattice of which the detector is a little surer, growing over an hour from nothing.")
def lattice_that_grows_slowly() -> Recording:
    return Story(8).good(600.0).shows(2 * HOUR, rising(0.03, 0.55, 2 * HOUR), growing(Box(0.4, 0.7, 0.6, 0.8), PART, 1400)).end()


@case("A cable hangs through the picture in every third frame.")
def cable_in_every_third_frame() -> Recording:
    return Story(9).good(600.0).shows(2 * HOUR, 0.93, CABLE, every=3).end()


@case("The print head's own cable chain shows in one frame of two, and is called spaghetti in both places where it turns.")
def cable_chain_at_both_ends() -> Recording:
    return Story(10).good(600.0).shows(HOUR, 0.7, lambda number: CABLE if number % 4 else CORNER, every=2).end()


@case("Reflections on the moving head, in another place in each frame.")
def reflections_that_hop() -> Recording:
    return Story(11).good(600.0).shows(HOUR, 0.8, hopping(11)).end()


@case("One frame in ten is a false hit, somewhere, for ten hours.")
def one_frame_in_ten_is_noise() -> Recording:
    return Story(12).good(600.0).shows(10 * HOUR, 0.85, hopping(12), every=10).end()


@case("Each minute one frame of certain spaghetti and eleven of nothing: a reflection at the layer change.")
def a_flash_at_each_layer() -> Recording:
    return Story(13).good(600.0).shows(3 * HOUR, 0.99, TANGLE, every=12).end()


@case("The owner reached in and took a strand off; the hand was in the picture for 20 s.")
def a_hand_in_the_picture() -> Recording:
    return Story(14, 2.0).good(900.0).shows(20.0, 0.9, Box(0.5, 0.3, 1.0, 0.9)).good(900.0).end()


@case("The purge line and the first curls at the nozzle look like spaghetti.")
def purge_line() -> Recording:
    return Story(15, 2.0).shows(16.0, 0.9, CORNER).good(900.0).end()


@case("While it heats for four minutes, scraps of the last print lie on the bed; the owner takes them away in time.")
def scraps_while_heating() -> Recording:
    story = Story(16, extrudes=False).shows(240.0, 0.95, TANGLE, busy="heating")
    return story.tell(PrintEvent.EXTRUSION_BEGAN).good(HOUR).end()


@case("A filament change: the nozzle oozes a bundle of strands, and a hand pulls it off.")
def filament_change() -> Recording:
    return Story(17).good(900.0).shows(240.0, 0.95, TANGLE, busy="filament change").good(900.0).end()


@case("A stringy but sound print: fine hairs that the detector finds one in three likely, for three hours.")
def fine_stringing() -> Recording:
    return Story(18).good(600.0).shows(3 * HOUR, 0.33, PART).end()


@case("A manufacturer's logo on the bed that the detector finds suspicious from the heating to the last frame.")
def logo_on_the_bed() -> Recording:
    heating = Story(19, extrudes=False).shows(180.0, 0.45, ELSEWHERE, busy="heating")
    return heating.tell(PrintEvent.EXTRUSION_BEGAN).shows(3 * HOUR, 0.45, ELSEWHERE).end()


@case("Tree supports: scores swell and fade with the branches.")
def tree_supports() -> Recording:
    story = Story(20).good(600.0)
    for _ in range(12):
        story.shows(300.0, rising(0.1, 0.45, 300.0), PART).shows(300.0, rising(0.45, 0.1, 300.0), PART)
    return story.end()


@case("Bridges sag into view for 15 s of each minute, in one place, and are printed over.")
def bridges() -> Recording:
    story = Story(21).good(600.0)
    for _ in range(30):
        story.shows(15.0, 0.7, PART).good(45.0)
    return story.end()


@case("Thin lines of a wide first layer on a bare bed, ten minutes of them.")
def thin_first_layer() -> Recording:
    return Story(22, layer_s=600.0).shows(600.0, 0.45, growing(CORNER, PART, 120)).good(HOUR).end()


@case("The camera was moved in mid-print; for 15 s the detector did not know what it saw.")
def camera_moved() -> Recording:
    return Story(23).good(900.0).looks(view=1).shows(15.0, 0.85, TANGLE).good(HOUR).end()


@case("A cloth hung over the camera for ten minutes.")
def camera_covered() -> Recording:
    return Story(24).good(900.0).shows(600.0, 0.9, TANGLE, scene=COVERED).good(900.0).end()


@case("The camera lost its focus for ten minutes.")
def camera_blurred() -> Recording:
    return Story(25).good(900.0).shows(600.0, 0.9, TANGLE, scene=BLURRED).good(900.0).end()


@case("The server was gone for five minutes; the frames before and after show a good print.")
def server_gone_in_a_good_print() -> Recording:
    return Story(26).good(900.0).lost(300.0).good(900.0).end()


@case("One odd frame before each of twenty outages, one after: together they are no evidence.")
def odd_frames_around_outages() -> Recording:
    story = Story(27).good(600.0)
    for _ in range(20):
        story.shows(5.0, 0.95, TANGLE).lost(120.0).shows(5.0, 0.95, TANGLE).good(120.0)
    return story.end()


@case("The clock jumped back ten minutes, and the frames until it caught up are no news.")
def clock_jumps_back() -> Recording:
    return Story(28).good(1200.0).clock(-600.0).shows(500.0, 0.97, TANGLE).good(1200.0).end()


@case("The clock jumped forward by an hour between two odd frames.")
def clock_jumps_forward() -> Recording:
    return Story(29).good(900.0).shows(10.0, 0.95, TANGLE).clock(HOUR).shows(10.0, 0.95, TANGLE).good(900.0).end()


@case("The owner paused the print, worked in it for five minutes, and resumed.")
def work_during_a_pause() -> Recording:
    story = Story(30).good(900.0).tell(PrintEvent.PAUSED).shows(300.0, 0.95, TANGLE).tell(PrintEvent.RESUMED)
    return story.good(HOUR).end()


@case("After a resume the owner's hands are still in the picture for 40 s.")
def hands_after_a_resume() -> Recording:
    story = Story(31, 2.0).good(900.0).tell(PrintEvent.PAUSED).shows(120.0, 0.9, TANGLE).tell(PrintEvent.RESUMED)
    return story.shows(40.0, 0.9, TANGLE).good(900.0).end()


@case("The owner has muted this print; it turns to spaghetti, and that is the owner's business.")
def muted_print_that_fails() -> Recording:
    return Story(32).good(900.0).tell(PrintEvent.MUTED).fails(1200.0).end()


@case("The local detector took over; it scores everything a little higher than the server did.")
def another_detector_takes_over() -> Recording:
    return Story(33).good(900.0).looks(detector="local").good(2 * HOUR, 0.22).end()


# -- failing prints: a pause must come, and soon ------------------------------------------------------------------------------


@case("A clear tangle in mid-print, a frame every five seconds.", (1220.0, 1260.0))
def clear_tangle() -> Recording:
    return Story(50).good(1200.0).fails(200.0).end()


@case("The same, a frame every two seconds, as the watch takes them once it is suspicious.", (1220.0, 1245.0))
def clear_tangle_at_the_suspect_rate() -> Recording:
    return Story(51, 2.0).good(1200.0).fails(200.0).end()


@case("The same, a frame a second.", (1220.0, 1245.0))
def clear_tangle_at_a_frame_a_second() -> Recording:
    return Story(52, 1.0).good(1200.0).fails(200.0).end()


@case("The same, a frame every ten seconds, over a slow link.", (1220.0, 1280.0))
def clear_tangle_at_a_frame_in_ten_seconds() -> Recording:
    return Story(53, 10.0).good(1200.0).fails(300.0).end()


@case("The part came off in the first layer, a minute after the print began.", (80.0, 135.0))
def failure_in_the_first_layer() -> Recording:
    return Story(54, 2.0).good(60.0).fails(300.0, 0.93).end()


@case("It failed at once: nothing ever stuck to the bed.", (20.0, 90.0))
def failure_from_the_first_line() -> Recording:
    return Story(55, 2.0).fails(300.0, 0.93).end()


@case("Ten good hours, then a tangle.", (10 * HOUR + 20.0, 10 * HOUR + 60.0))
def failure_after_ten_hours() -> Recording:
    return Story(56).good(10 * HOUR).fails(300.0).end()


@case("A tangle that comes up slowly, over ten minutes.", (1400.0, 1860.0))
def failure_that_comes_slowly() -> Recording:
    return Story(57).good(1200.0).fails(900.0, rising(0.05, 0.95, 600.0), growing(Box(0.5, 0.6, 0.54, 0.64), TANGLE, 120)).end()


@case("A faint failure: the detector says one half, for half an hour. Somebody must at least be told.", suspect_by=1320.0)
def slow_failure_at_one_half() -> Recording:
    return Story(58).good(1200.0).fails(120.0, rising(0.05, 0.5, 60.0)).end()


@case("Two incidents in one print, two hours apart; the owner cleaned up after the first.", (1220.0, 1260.0), (8760.0, 8860.0))
def two_incidents() -> Recording:
    story = Story(59).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(300.0).tell(PrintEvent.RESUMED)
    return story.good(8740.0 - story.at).fails(200.0, place=ELSEWHERE).end()


@case("Called a false alarm; the same thing stays in view for an hour and is let be.", (1220.0, 1260.0))
def false_alarm_stays_forgiven() -> Recording:
    story = Story(60).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(30.0).tell(PrintEvent.FALSE_ALARM)
    return story.tell(PrintEvent.RESUMED).fails(HOUR).end()


@case("Called a false alarm; half an hour later a real tangle comes up beside it.", (1220.0, 1260.0), (3110.0, 3190.0))
def failure_beside_a_false_alarm() -> Recording:
    story = Story(61).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(30.0).tell(PrintEvent.FALSE_ALARM)
    return story.tell(PrintEvent.RESUMED).fails(1800.0).fails(300.0, place=ELSEWHERE).end()


@case("Resumed without a word, the tangle still there: no second pause within a quarter of an hour.", (1220.0, 1260.0))
def resumed_with_the_tangle_in_place() -> Recording:
    story = Story(62).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(120.0).tell(PrintEvent.RESUMED)
    return story.fails(850.0).end()


@case("Paused at midnight, resumed in the morning: the quarter of an hour counts from then.", (1220.0, 1260.0))
def resumed_in_the_morning() -> Recording:
    story = Story(63).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(8 * HOUR).tell(PrintEvent.RESUMED)
    return story.fails(850.0).end()


@case("The server was gone for five minutes in the middle of a failure.", (1515.0, 1560.0))
def server_gone_in_the_middle_of_a_failure() -> Recording:
    return Story(64).good(1200.0).fails(15.0).lost(300.0).fails(200.0).end()


@case("Each second picture gets no answer.", (1220.0, 1285.0))
def every_second_answer_is_lost() -> Recording:
    story = Story(65).good(1200.0)
    for _ in range(30):
        story.fails(5.0).lost(5.0)
    return story.end()


@case("The head hides the tangle in each fourth frame.", (1220.0, 1290.0))
def head_hides_the_tangle() -> Recording:
    return Story(66, 2.0).good(1200.0).shows(200.0, lambda passed: 0.08 if passed % 8.0 >= 6.0 else 0.95, TANGLE).end()


@case("A small knot that grows to half the picture within two minutes.", (1230.0, 1330.0))
def growing_tangle() -> Recording:
    place = growing(Box(0.48, 0.55, 0.55, 0.62), Box(0.2, 0.3, 0.8, 0.9), 24)
    return Story(67).good(1200.0).fails(240.0, rising(0.45, 0.97, 120.0), place).end()


@case("The head drags the tangle slowly across the bed.", (1220.0, 1300.0))
def dragged_tangle() -> Recording:
    place = growing(Box(0.2, 0.45, 0.45, 0.7), Box(0.7, 0.45, 0.95, 0.7), 60)
    return Story(68).good(1200.0).fails(300.0, 0.95, place).end()


@case("A small tangle far away, of which the detector is never quite sure.", (1225.0, 1330.0))
def small_and_far_tangle() -> Recording:
    return Story(69).good(1200.0).fails(400.0, 0.82, Box(0.6, 0.3, 0.66, 0.37)).end()


@case("A failure in dim light.", (1220.0, 1265.0))
def failure_in_dim_light() -> Recording:
    return Story(70).looks(scene=DIM).good(1200.0).fails(200.0, 0.9).end()


@case("The light was switched on; two minutes later the print failed.", (1340.0, 1380.0))
def failure_after_the_light_changed() -> Recording:
    return Story(71).looks(scene=DIM).good(1200.0).looks(scene=DAYLIGHT).good(120.0).fails(200.0).end()


@case("The light was switched on in the middle of a failure.", (1220.0, 1310.0))
def light_switched_on_in_a_failure() -> Recording:
    return Story(72).looks(scene=DIM).good(1200.0).fails(15.0).looks(scene=DAYLIGHT).fails(300.0).end()


@case("The camera was moved; five minutes later the print failed.", (1520.0, 1560.0))
def failure_after_the_camera_was_moved() -> Recording:
    return Story(73).good(1200.0).looks(view=1).good(300.0).fails(200.0).end()


@case("The picture was dark for an hour; with the light came the tangle.", (4820.0, 4890.0))
def failure_found_when_the_light_came_back() -> Recording:
    story = Story(74).good(1200.0).shows(HOUR, 0.5, TANGLE, scene=DARK)
    return story.fails(300.0).end()


@case(
    "The server was lost and the local detector took over in the middle of a failure; it is a little less sure.", (1220.0, 1290.0)
)
def failure_seen_by_two_detectors() -> Recording:
    return Story(75).good(1200.0).fails(15.0).looks(detector="local").fails(300.0, 0.87).end()


@case("A print from the printer's SD card: nobody saw extrusion begin.", (1220.0, 1260.0))
def failure_of_a_print_from_sd() -> Recording:
    return Story(76, extrudes=False, layer_s=None).good(1200.0).fails(200.0).end()


@case("The owner paused and resumed a print that was failing already.", (1360.0, 1460.0))
def failure_that_was_paused_and_resumed_by_hand() -> Recording:
    story = Story(77, 2.0).good(1200.0).fails(10.0).tell(PrintEvent.PAUSED).fails(90.0).tell(PrintEvent.RESUMED)
    return story.fails(300.0).end()


@case("A server that only scores, without boxes.", (1220.0, 1260.0))
def failure_without_boxes() -> Recording:
    return Story(78).good(1200.0).fails(200.0, place=None).end()


@case("Muted by mistake; unmuted while the print is failing.", (1800.0, 1830.0))
def unmuted_while_failing() -> Recording:
    story = Story(79).good(1200.0).tell(PrintEvent.MUTED).fails(600.0).tell(PrintEvent.UNMUTED)
    return story.fails(120.0).end()


@case("A stringy print that then really fails.", (HOUR + 20.0, HOUR + 90.0))
def failure_of_a_stringy_print() -> Recording:
    return Story(80).shows(HOUR, 0.3, PART).fails(300.0, 0.95).end()


@case("A lattice that then really fails.", (HOUR + 20.0, HOUR + 90.0))
def failure_of_a_lattice() -> Recording:
    return Story(81).shows(HOUR, 0.4, PART).fails(300.0, 0.96).end()


@case("A cable is in every third frame of a print that fails.", (1210.0, 1280.0))
def failure_behind_a_cable() -> Recording:
    return Story(82).shows(1200.0, 0.9, CABLE, every=3).fails(300.0).end()


@case("A tangle at last seen through glare: one frame in two is lost to it, the rest are sure.", (1220.0, 1300.0))
def failure_through_flickering_glare() -> Recording:
    story = Story(83, 2.0).good(1200.0)
    for _ in range(80):
        story.fails(2.0, 0.96).shows(2.0, 0.5, None, scene=OVEREXPOSED)
    return story.end()


# -- recorded: what the shipped detector said of real and of rendered pictures (record.py) --------------------------------------


def of_record(name: str) -> Recording:
    """Return a recorded print, which is known to go on after a pause."""
    return recorded(RECORDED / f"{name}.trace.jsonl")


CASES += [
    Case(
        "real frames of ten good prints",
        "A hundred frames of ten good prints on one printer, one after the other.",
        partial(of_record, "good-emptydeck_P2"),
    ),
    Case(
        "real frames of an enclosed printer",
        "All frames of twenty good recordings of a dark enclosure, wide angle, one after the other.",
        partial(of_record, "good-herakleios"),
    ),
]
CASES += [
    Case(
        f"rendered failure {seed}",
        "The part came off after three and a half minutes, and the nozzle printed on in the air.",
        partial(of_record, f"rendered-{seed}"),
        ((220.0, 260.0),),
    )
    for seed in range(1, 9)
]
