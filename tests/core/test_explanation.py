"""What the judge can say for itself, as data and in two sentences."""

from __future__ import annotations

import dataclasses
import json

import pytest

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.explanation import explain
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Sighting, Verdict
from octoprint_spaghetti.testing import answer

PATIENCE = Patience()
PLACES = (Box(0.4, 0.4, 0.6, 0.6), Box(0.0, 0.0, 0.2, 0.2), Box(0.7, 0.7, 0.9, 0.9))


def after(scores: list[float], *, places: int = 1, patience: Patience = PATIENCE) -> Belief:
    """Return the belief after a frame every two seconds, with boxes that take turns in so many places."""
    belief = judge.extrusion_began(judge.begin(0.0), 0.0)
    for number, score in enumerate(scores):
        seen = Sighting(100.0 + 2.0 * number, answer(score, box=PLACES[number % places]))
        belief = judge.advance(belief, seen, patience)
    return belief


def test_a_failing_print_can_say_why_as_data() -> None:
    """Frames, boxes, the same place k of n, growth, votes, margin and the lever are all there, and are plain JSON."""
    why = json.loads(json.dumps(explain(after([0.95] * 30), PATIENCE).as_json()))
    assert (why["verdict"], why["hits"], why["same_place"], len(why["frames"])) == ("failing", 30, 30, 30)
    assert why["place"] == [0.4, 0.4, 0.6, 0.6]
    assert why["votes"] == [True] * 4
    assert why["margin"] == pytest.approx(why["evidence"] - why["failing_at"], abs=2e-3)
    assert why["growth"] == 0.0


def test_the_lever_of_a_pause_really_would_have_held_it() -> None:
    """With the one number that is named, and everything else the same, the same frames are not failing at that moment."""
    for length in range(14, 31, 4):
        belief = after([0.95] * length)
        lever = explain(belief, PATIENCE).lever
        assert belief.verdict is Verdict.FAILING
        assert lever is not None
        other = dataclasses.replace(PATIENCE, **{lever.name: type(getattr(PATIENCE, lever.name))(lever.instead)})
        assert after([0.95] * length, patience=other).verdict is Verdict.SUSPECT


def test_the_lever_of_a_suspicion_really_would_have_made_it_a_failure() -> None:
    """A print that is suspect for one reason alone would be failing with the number that is named."""
    scores = [0.54] * 100
    belief = after(scores)
    lever = explain(belief, PATIENCE).lever
    assert belief.verdict is Verdict.SUSPECT
    assert lever is not None
    other = dataclasses.replace(PATIENCE, **{lever.name: lever.instead})
    assert after(scores, patience=other).verdict is Verdict.FAILING


def test_a_jumping_suspicion_names_the_place_as_what_holds_it_back() -> None:
    """Hits that take turns in three places are held back by that, and the sentence says which number it is."""
    why = explain(after([0.95] * 60, places=3), PATIENCE)
    assert why.verdict is Verdict.SUSPECT
    assert why.lever is not None
    assert why.lever.name == "place_share"
    assert "place_share 0.32 instead of 0.5 would have called it failing." in why.sentences()


def test_a_calm_print_needs_no_lever() -> None:
    """Nothing is to be turned when nothing is suspected."""
    assert explain(after([0.05] * 10), PATIENCE).lever is None


def test_the_sentences_are_two() -> None:
    """What was seen, and what would have changed the outcome."""
    sentences = explain(after([0.95] * 30), PATIENCE).sentences()
    assert sentences.startswith(
        "Spaghetti in 30 of 30 pictures of the last 60 s, 30 of them in the same place, 4 of 4 series agree;"
    )
    assert "would not have called it failing yet." in sentences
