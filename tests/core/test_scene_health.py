"""Pictures that cannot be judged, each with its own sentence."""

from __future__ import annotations

import dataclasses

import pytest

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.scene_health import LIGHT, MOVED, SceneMemory, Steadiness, follow, likeness, problem
from octoprint_spaghetti.core.words import Scene, Sighting
from octoprint_spaghetti.testing import answer


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        pytest.param(Scene(0.01, 0.02, 0.1), "too dark", id="the lamp is off"),
        pytest.param(Scene(0.99, 0.10, 0.1), "over-exposed", id="the sun in the lens"),
        pytest.param(Scene(0.40, 0.02, 0.1), "cover", id="a hand on the lens"),
        pytest.param(Scene(0.40, 0.30, 0.01), "blurred", id="out of focus"),
    ],
)
def test_a_scene_that_cannot_be_judged_says_why(scene: Scene, said: str) -> None:
    """The sentence names the cause and what to do."""
    assert said in problem(scene)


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(Scene(0.12, 0.25, 0.69), id="an enclosed printer in the dark, as measured"),
        pytest.param(Scene(0.94, 0.15, 0.12), id="the brightest photograph seen"),
        pytest.param(Scene(0.50, 0.60, 0.80), id="an open printer by day"),
    ],
)
def test_a_poor_camera_is_not_called_blind(scene: Scene) -> None:
    """Dark enclosures and bright rooms can be judged."""
    assert problem(scene) == ""


LIMITS = Steadiness(moved_below=0.2, moved_for=8.0, light_step=0.2, settle=15.0)
HERE = bytes((x * 7 + y * y * 3) % 251 for y in range(24) for x in range(32))
THERE = bytes((x * x * 5 + y * 11) % 241 for y in range(24) for x in range(32))


def follow_all(*pictures: tuple[float, bytes, float]) -> SceneMemory:
    """Show (second, thumbnail, brightness) in order."""
    memory = SceneMemory()
    for at, thumbnail, brightness in pictures:
        memory = follow(memory, thumbnail, brightness, at, LIMITS)
    return memory


def test_a_light_that_is_switched_on_suspends_decisions_for_a_while() -> None:
    """A step of brightness is a lamp: for a quarter of a minute nothing is decided, then all is as before."""
    dark = (0.0, HERE, 0.2)
    assert follow_all(dark, (5.0, HERE, 0.5)).why == LIGHT
    assert follow_all(dark, (5.0, HERE, 0.5), (15.0, HERE, 0.5)).why == LIGHT
    assert follow_all(dark, (5.0, HERE, 0.5), (21.0, HERE, 0.5)).why == ""


def test_dusk_is_no_light() -> None:
    """Brightness that changes by little from frame to frame is the evening."""
    assert follow_all(*((5.0 * number, HERE, 0.8 - 0.01 * number) for number in range(70))).why == ""


def test_a_camera_that_was_moved_is_noticed_once() -> None:
    """Another picture for ten seconds is a move; the new picture is what is compared with from then on."""
    moved = follow_all((0.0, HERE, 0.5), (5.0, THERE, 0.5), (10.0, THERE, 0.5), (15.0, THERE, 0.5))
    assert (moved.why, moved.moves) == (MOVED, 1)
    settled = follow(moved, THERE, 0.5, 31.0, LIMITS)
    assert (settled.why, settled.moves) == ("", 1)


def test_a_hand_before_the_lens_is_no_move() -> None:
    """Gone after five seconds, it was something that passed."""
    assert follow_all((0.0, HERE, 0.5), (5.0, THERE, 0.5), (10.0, HERE, 0.5), (30.0, HERE, 0.5)).moves == 0


def test_the_light_does_not_make_a_picture_another_one() -> None:
    """Likeness is of shapes: half as bright it is the same picture."""
    assert likeness(HERE, bytes(value // 2 for value in HERE)) > 0.99
    assert likeness(HERE, THERE) < 0.2


@pytest.mark.parametrize("other", [b"", bytes(768), b"\x01\x02"], ids=["none", "flat", "of another size"])
def test_what_cannot_be_compared_is_no_move(other: bytes) -> None:
    """A server that sends no thumbnails, or a flat one, moves no camera."""
    assert likeness(HERE, other) == 1.0


def test_the_scene_gate_suspends_decisions_and_not_watching() -> None:
    """The light goes on in mid-print: evidence stands still, the reason is named, and judging goes on afterwards."""
    patience = Patience()
    belief = judge.extrusion_began(judge.begin(0.0), 0.0)

    def look(at: float, score: float, brightness: float) -> None:
        nonlocal belief
        seen = dataclasses.replace(answer(score, scene=Scene(brightness, 0.5, 0.5)), thumbnail=HERE)
        belief = judge.advance(belief, Sighting(at, seen), patience)

    look(100.0, 0.1, 0.2)
    before = belief.evidence
    for at in (102.0, 104.0, 106.0):
        look(at, 1.0, 0.6)
        assert (belief.evidence, belief.unfit) == (before, LIGHT)
    look(120.0, 1.0, 0.6)
    assert belief.evidence > before


def test_after_a_move_what_was_forgiven_and_usual_begins_anew() -> None:
    """Places mean nothing when the camera hangs elsewhere."""
    patience = Patience()
    belief = dataclasses.replace(
        judge.extrusion_began(judge.begin(0.0), 0.0), forgiven=(Box(0.1, 0.1, 0.2, 0.2),), usual=0.2, last_at=90.0
    )
    for at, thumbnail in ((100.0, HERE), (105.0, THERE), (110.0, THERE), (115.0, THERE), (120.0, THERE)):
        belief = judge.advance(belief, Sighting(at, dataclasses.replace(answer(0.0), thumbnail=thumbnail)), patience)
    assert (belief.forgiven, belief.usual, belief.unfit) == ((), 0.0, MOVED)
