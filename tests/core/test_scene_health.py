"""Pictures that cannot be judged, each with its own sentence."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.scene_health import problem
from octoprint_spaghetti.core.words import Scene


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
