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
    Noise,
    Story,
    growing,
    hopping,
    rising,
)

Window = tuple[float, float]
#: Tells the same story with the noise it is given.
Make = Callable[[Noise], Recording]
HOUR = 3600.0
RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Case:
    """A print, what a person says of it, and what must come of it."""

    name: str
    said: str
    make: Make
    pauses: tuple[Window, ...] = ()
    suspect_by: float | None = None


CASES: list[Case] = []


def case(said: str, *pauses: Window, suspect_by: float | None = None) -> Callable[[Make], Make]:
    """Put a print into the table under the name of its function."""

    def enter(make: Make) -> Make:
        CASES.append(Case(make.__name__.replace("_", " "), said, make, pauses, suspect_by))
        return make

    return enter


# -- good prints: nothing must happen ---------------------------------------------------------------------------------------


@case("Two hours, nothing wrong.")
def a_calm_print(noise: Noise) -> Recording:
    return Story(noise).good(2 * HOUR).end()


@case("A whole day and night, a frame every ten seconds, nothing wrong.")
def a_calm_day(noise: Noise) -> Recording:
    return Story(noise, 10.0).good(24 * HOUR, 0.05).end()


@case("Somebody switched the light on in mid-print; for 15 s the camera showed nonsense.")
def light_switched_on(noise: Noise) -> Recording:
    story = Story(noise).looks(scene=DIM).good(1200.0).looks(scene=DAYLIGHT)
    return story.shows(15.0, 0.85, TANGLE).good(1200.0).end()


@case("The light went out at night; what the detector says of a black picture means nothing.")
def light_switched_off(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).shows(2 * HOUR, 0.75, TANGLE, scene=DARK).good(1200.0).end()


@case("The sun came in and over-exposed the picture for 20 minutes.")
def over_exposed_by_the_sun(noise: Noise) -> Recording:
    return Story(noise).good(900.0).shows(1200.0, 0.8, PART, scene=OVEREXPOSED).good(900.0).end()


@case("A glint of sun wandered over the bed; for 20 s it looked like strands.")
def a_glint_of_sun(noise: Noise) -> Recording:
    return Story(noise, 2.0).good(900.0).shows(20.0, 0.8, growing(CORNER, TANGLE, 10)).good(900.0).end()


@case("A lattice part: the detector finds spaghetti four times in ten, for two hours.")
def lattice_part(noise: Noise) -> Recording:
    return Story(noise).good(900.0).shows(1200.0, rising(0.05, 0.42, 1200.0), PART).shows(2 * HOUR, 0.42, PART).end()


@case("A lattice of which the detector is a little surer, growing over an hour from nothing.")
def lattice_that_grows_slowly(noise: Noise) -> Recording:
    return (
        Story(noise).good(600.0).shows(2 * HOUR, rising(0.03, 0.55, 2 * HOUR), growing(Box(0.4, 0.7, 0.6, 0.8), PART, 1400)).end()
    )


@case("A cable hangs through the picture in every third frame.")
def cable_in_every_third_frame(noise: Noise) -> Recording:
    return Story(noise).good(600.0).shows(2 * HOUR, 0.93, CABLE, every=3).end()


@case("The print head's own cable chain shows in one frame of two, and is called spaghetti in both places where it turns.")
def cable_chain_at_both_ends(noise: Noise) -> Recording:
    return Story(noise).good(600.0).shows(HOUR, 0.7, lambda number: CABLE if number % 4 else CORNER, every=2).end()


@case("Reflections on the moving head, in another place in each frame.")
def reflections_that_hop(noise: Noise) -> Recording:
    return Story(noise).good(600.0).shows(HOUR, 0.8, hopping(noise.seed)).end()


@case("One frame in ten is a false hit, somewhere, for ten hours.")
def one_frame_in_ten_is_noise(noise: Noise) -> Recording:
    return Story(noise).good(600.0).shows(10 * HOUR, 0.85, hopping(noise.seed), every=10).end()


@case("Each minute one frame of certain spaghetti and eleven of nothing: a reflection at the layer change.")
def a_flash_at_each_layer(noise: Noise) -> Recording:
    return Story(noise).good(600.0).shows(3 * HOUR, 0.99, TANGLE, every=12).end()


@case("The owner reached in and took a strand off; the hand was in the picture for 20 s.")
def a_hand_in_the_picture(noise: Noise) -> Recording:
    return Story(noise, 2.0).good(900.0).shows(20.0, 0.9, Box(0.5, 0.3, 1.0, 0.9)).good(900.0).end()


@case("The purge line and the first curls at the nozzle look like spaghetti.")
def purge_line(noise: Noise) -> Recording:
    return Story(noise, 2.0).shows(16.0, 0.9, CORNER).good(900.0).end()


@case("While it heats for four minutes, scraps of the last print lie on the bed; the owner takes them away in time.")
def scraps_while_heating(noise: Noise) -> Recording:
    story = Story(noise, extrudes=False).shows(240.0, 0.95, TANGLE, busy="heating")
    return story.tell(PrintEvent.EXTRUSION_BEGAN).good(HOUR).end()


@case("A filament change: the nozzle oozes a bundle of strands, and a hand pulls it off.")
def filament_change(noise: Noise) -> Recording:
    return Story(noise).good(900.0).shows(240.0, 0.95, TANGLE, busy="filament change").good(900.0).end()


@case("A stringy but sound print: fine hairs that the detector finds one in three likely, for three hours.")
def fine_stringing(noise: Noise) -> Recording:
    return Story(noise).good(600.0).shows(3 * HOUR, 0.33, PART).end()


@case("A manufacturer's logo on the bed that the detector finds suspicious from the heating to the last frame.")
def logo_on_the_bed(noise: Noise) -> Recording:
    heating = Story(noise, extrudes=False).shows(180.0, 0.45, ELSEWHERE, busy="heating")
    return heating.tell(PrintEvent.EXTRUSION_BEGAN).shows(3 * HOUR, 0.45, ELSEWHERE).end()


@case("Tree supports: scores swell and fade with the branches.")
def tree_supports(noise: Noise) -> Recording:
    story = Story(noise).good(600.0)
    for _ in range(12):
        story.shows(300.0, rising(0.1, 0.45, 300.0), PART).shows(300.0, rising(0.45, 0.1, 300.0), PART)
    return story.end()


@case("Bridges sag into view for 15 s of each minute, in one place, and are printed over.")
def bridges(noise: Noise) -> Recording:
    story = Story(noise).good(600.0)
    for _ in range(30):
        story.shows(15.0, 0.7, PART).good(45.0)
    return story.end()


@case("Thin lines of a wide first layer on a bare bed, ten minutes of them.")
def thin_first_layer(noise: Noise) -> Recording:
    return Story(noise, layer_s=600.0).shows(600.0, 0.45, growing(CORNER, PART, 120)).good(HOUR).end()


@case("The camera was moved in mid-print; for 15 s the detector did not know what it saw.")
def camera_moved(noise: Noise) -> Recording:
    return Story(noise).good(900.0).looks(view=1).shows(15.0, 0.85, TANGLE).good(HOUR).end()


@case("A cloth hung over the camera for ten minutes.")
def camera_covered(noise: Noise) -> Recording:
    return Story(noise).good(900.0).shows(600.0, 0.9, TANGLE, scene=COVERED).good(900.0).end()


@case("The camera lost its focus for ten minutes.")
def camera_blurred(noise: Noise) -> Recording:
    return Story(noise).good(900.0).shows(600.0, 0.9, TANGLE, scene=BLURRED).good(900.0).end()


@case("The server was gone for five minutes; the frames before and after show a good print.")
def server_gone_in_a_good_print(noise: Noise) -> Recording:
    return Story(noise).good(900.0).lost(300.0).good(900.0).end()


@case("One odd frame before each of twenty outages, one after: together they are no evidence.")
def odd_frames_around_outages(noise: Noise) -> Recording:
    story = Story(noise).good(600.0)
    for _ in range(20):
        story.shows(5.0, 0.95, TANGLE).lost(120.0).shows(5.0, 0.95, TANGLE).good(120.0)
    return story.end()


@case("The clock jumped back ten minutes, and the frames until it caught up are no news.")
def clock_jumps_back(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).clock(-600.0).shows(500.0, 0.97, TANGLE).good(1200.0).end()


@case("The clock jumped forward by an hour between two odd frames.")
def clock_jumps_forward(noise: Noise) -> Recording:
    return Story(noise).good(900.0).shows(10.0, 0.95, TANGLE).clock(HOUR).shows(10.0, 0.95, TANGLE).good(900.0).end()


@case("The owner paused the print, worked in it for five minutes, and resumed.")
def work_during_a_pause(noise: Noise) -> Recording:
    story = Story(noise).good(900.0).tell(PrintEvent.PAUSED).shows(300.0, 0.95, TANGLE).tell(PrintEvent.RESUMED)
    return story.good(HOUR).end()


@case("After a resume the owner's hands are still in the picture for 40 s.")
def hands_after_a_resume(noise: Noise) -> Recording:
    story = Story(noise, 2.0).good(900.0).tell(PrintEvent.PAUSED).shows(120.0, 0.9, TANGLE).tell(PrintEvent.RESUMED)
    return story.shows(40.0, 0.9, TANGLE).good(900.0).end()


@case("The owner has muted this print; it turns to spaghetti, and that is the owner's business.")
def muted_print_that_fails(noise: Noise) -> Recording:
    return Story(noise).good(900.0).tell(PrintEvent.MUTED).fails(1200.0).end()


@case("The local detector took over; it scores everything a little higher than the server did.")
def another_detector_takes_over(noise: Noise) -> Recording:
    return Story(noise).good(900.0).looks(detector="local").good(2 * HOUR, 0.22).end()


# -- failing prints: a pause must come, and soon ------------------------------------------------------------------------------


@case("A clear tangle in mid-print, a frame every five seconds.", (1220.0, 1260.0))
def clear_tangle(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).fails(200.0).end()


@case("The same, a frame every two seconds, as the watch takes them once it is suspicious.", (1220.0, 1245.0))
def clear_tangle_at_the_suspect_rate(noise: Noise) -> Recording:
    return Story(noise, 2.0).good(1200.0).fails(200.0).end()


@case("The same, a frame a second.", (1220.0, 1245.0))
def clear_tangle_at_a_frame_a_second(noise: Noise) -> Recording:
    return Story(noise, 1.0).good(1200.0).fails(200.0).end()


@case("The same, a frame every ten seconds, over a slow link.", (1220.0, 1280.0))
def clear_tangle_at_a_frame_in_ten_seconds(noise: Noise) -> Recording:
    return Story(noise, 10.0).good(1200.0).fails(300.0).end()


@case("The part came off in the first layer, a minute after the print began.", (80.0, 135.0))
def failure_in_the_first_layer(noise: Noise) -> Recording:
    return Story(noise, 2.0).good(60.0).fails(300.0, 0.93).end()


@case("It failed at once: nothing ever stuck to the bed.", (20.0, 90.0))
def failure_from_the_first_line(noise: Noise) -> Recording:
    return Story(noise, 2.0).fails(300.0, 0.93).end()


@case("Ten good hours, then a tangle.", (10 * HOUR + 20.0, 10 * HOUR + 60.0))
def failure_after_ten_hours(noise: Noise) -> Recording:
    return Story(noise).good(10 * HOUR).fails(300.0).end()


@case("A tangle that comes up slowly, over ten minutes.", (1400.0, 1860.0))
def failure_that_comes_slowly(noise: Noise) -> Recording:
    return (
        Story(noise).good(1200.0).fails(900.0, rising(0.05, 0.95, 600.0), growing(Box(0.5, 0.6, 0.54, 0.64), TANGLE, 120)).end()
    )


@case("A faint failure: the detector says one half, for half an hour. Somebody must at least be told.", suspect_by=1320.0)
def slow_failure_at_one_half(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).fails(120.0, rising(0.05, 0.5, 60.0)).end()


@case("Two incidents in one print, two hours apart; the owner cleaned up after the first.", (1220.0, 1260.0), (8760.0, 8860.0))
def two_incidents(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(300.0).tell(PrintEvent.RESUMED)
    return story.good(8740.0 - story.at).fails(200.0, place=ELSEWHERE).end()


@case("Called a false alarm; the same thing stays in view for an hour and is let be.", (1220.0, 1260.0))
def false_alarm_stays_forgiven(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(30.0).tell(PrintEvent.FALSE_ALARM)
    return story.tell(PrintEvent.RESUMED).fails(HOUR).end()


@case("Called a false alarm; half an hour later a real tangle comes up beside it.", (1220.0, 1260.0), (3110.0, 3190.0))
def failure_beside_a_false_alarm(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(30.0).tell(PrintEvent.FALSE_ALARM)
    return story.tell(PrintEvent.RESUMED).fails(1800.0).fails(300.0, place=ELSEWHERE).end()


@case("Resumed without a word, the tangle still there: no second pause within a quarter of an hour.", (1220.0, 1260.0))
def resumed_with_the_tangle_in_place(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(120.0).tell(PrintEvent.RESUMED)
    return story.fails(850.0).end()


@case("Paused at midnight, resumed in the morning: the quarter of an hour counts from then.", (1220.0, 1260.0))
def resumed_in_the_morning(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).fails(60.0).tell(PrintEvent.PAUSED).fails(8 * HOUR).tell(PrintEvent.RESUMED)
    return story.fails(850.0).end()


@case("The server was gone for five minutes in the middle of a failure.", (1515.0, 1560.0))
def server_gone_in_the_middle_of_a_failure(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).fails(15.0).lost(300.0).fails(200.0).end()


@case("Each second picture gets no answer.", (1220.0, 1285.0))
def every_second_answer_is_lost(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0)
    for _ in range(30):
        story.fails(5.0).lost(5.0)
    return story.end()


@case("The head hides the tangle in each fourth frame.", (1220.0, 1290.0))
def head_hides_the_tangle(noise: Noise) -> Recording:
    return Story(noise, 2.0).good(1200.0).shows(200.0, lambda passed: 0.08 if passed % 8.0 >= 6.0 else 0.95, TANGLE).end()


@case("A small knot that grows to half the picture within two minutes.", (1230.0, 1330.0))
def growing_tangle(noise: Noise) -> Recording:
    place = growing(Box(0.48, 0.55, 0.55, 0.62), Box(0.2, 0.3, 0.8, 0.9), 24)
    return Story(noise).good(1200.0).fails(240.0, rising(0.45, 0.97, 120.0), place).end()


@case("The head drags the tangle slowly across the bed.", (1220.0, 1300.0))
def dragged_tangle(noise: Noise) -> Recording:
    place = growing(Box(0.2, 0.45, 0.45, 0.7), Box(0.7, 0.45, 0.95, 0.7), 60)
    return Story(noise).good(1200.0).fails(300.0, 0.95, place).end()


@case("A small tangle far away, of which the detector is never quite sure.", (1225.0, 1330.0))
def small_and_far_tangle(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).fails(400.0, 0.82, Box(0.6, 0.3, 0.66, 0.37)).end()


@case("A failure in dim light.", (1220.0, 1265.0))
def failure_in_dim_light(noise: Noise) -> Recording:
    return Story(noise).looks(scene=DIM).good(1200.0).fails(200.0, 0.9).end()


@case("The light was switched on; two minutes later the print failed.", (1340.0, 1380.0))
def failure_after_the_light_changed(noise: Noise) -> Recording:
    return Story(noise).looks(scene=DIM).good(1200.0).looks(scene=DAYLIGHT).good(120.0).fails(200.0).end()


@case("The light was switched on in the middle of a failure.", (1220.0, 1310.0))
def light_switched_on_in_a_failure(noise: Noise) -> Recording:
    return Story(noise).looks(scene=DIM).good(1200.0).fails(15.0).looks(scene=DAYLIGHT).fails(300.0).end()


@case("The camera was moved; five minutes later the print failed.", (1520.0, 1560.0))
def failure_after_the_camera_was_moved(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).looks(view=1).good(300.0).fails(200.0).end()


@case("The picture was dark for an hour; with the light came the tangle.", (4820.0, 4890.0))
def failure_found_when_the_light_came_back(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).shows(HOUR, 0.5, TANGLE, scene=DARK)
    return story.fails(300.0).end()


@case(
    "The server was lost and the local detector took over in the middle of a failure; it is a little less sure.", (1220.0, 1290.0)
)
def failure_seen_by_two_detectors(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).fails(15.0).looks(detector="local").fails(300.0, 0.87).end()


@case("A print from the printer's SD card: nobody saw extrusion begin.", (1220.0, 1260.0))
def failure_of_a_print_from_sd(noise: Noise) -> Recording:
    return Story(noise, extrudes=False, layer_s=None).good(1200.0).fails(200.0).end()


@case("The owner paused and resumed a print that was failing already.", (1360.0, 1460.0))
def failure_that_was_paused_and_resumed_by_hand(noise: Noise) -> Recording:
    story = Story(noise, 2.0).good(1200.0).fails(10.0).tell(PrintEvent.PAUSED).fails(90.0).tell(PrintEvent.RESUMED)
    return story.fails(300.0).end()


@case("A server that only scores, without boxes.", (1220.0, 1260.0))
def failure_without_boxes(noise: Noise) -> Recording:
    return Story(noise).good(1200.0).fails(200.0, place=None).end()


@case("Muted by mistake; unmuted while the print is failing.", (1800.0, 1830.0))
def unmuted_while_failing(noise: Noise) -> Recording:
    story = Story(noise).good(1200.0).tell(PrintEvent.MUTED).fails(600.0).tell(PrintEvent.UNMUTED)
    return story.fails(120.0).end()


@case("A stringy print that then really fails.", (HOUR + 20.0, HOUR + 90.0))
def failure_of_a_stringy_print(noise: Noise) -> Recording:
    return Story(noise).shows(HOUR, 0.3, PART).fails(300.0, 0.95).end()


@case("A lattice that then really fails.", (HOUR + 20.0, HOUR + 90.0))
def failure_of_a_lattice(noise: Noise) -> Recording:
    return Story(noise).shows(HOUR, 0.4, PART).fails(300.0, 0.96).end()


@case("A cable is in every third frame of a print that fails.", (1210.0, 1280.0))
def failure_behind_a_cable(noise: Noise) -> Recording:
    return Story(noise).shows(1200.0, 0.9, CABLE, every=3).fails(300.0).end()


@case("A tangle at last seen through glare: one frame in two is lost to it, the rest are sure.", (1220.0, 1300.0))
def failure_through_flickering_glare(noise: Noise) -> Recording:
    story = Story(noise, 2.0).good(1200.0)
    for _ in range(80):
        story.fails(2.0, 0.96).shows(2.0, 0.5, None, scene=OVEREXPOSED)
    return story.end()


# -- recorded: what the shipped detector said of real and of rendered pictures (record.py) --------------------------------------


def of_record(name: str, noise: Noise) -> Recording:
    """Return a recorded print, which is known to go on after a pause and is what it is, whatever the noise."""
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
