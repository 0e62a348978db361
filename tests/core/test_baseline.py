"""What is usual: learned from good prints alone, and taken off what is held against the next one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.baseline import MOST_FILES, Baselines, Profile
from octoprint_spaghetti.core.belief import Background, Belief
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Sighting, Verdict
from octoprint_spaghetti.testing import answer

PATIENCE = Patience()
LATTICE = "local/lattice.gcode/123/456"


def watched(background: Background, score: float, layer: int, frames: int = 120) -> Belief:
    """Return the belief after so many frames at one layer, a second apart each."""
    belief = judge.extrusion_began(judge.begin(0.0, background), 0.0)
    for number in range(frames):
        belief = judge.advance(belief, Sighting(100.0 + 2.0 * number, answer(score), layer), PATIENCE)
    return belief


def good_print(score: float, layers: range, frames_each: int = 5) -> Profile:
    profile = Profile()
    for layer in layers:
        for _ in range(frames_each):
            profile = profile.add(layer, score)
    return profile


def test_a_lattice_alarms_at_most_once() -> None:
    """What a lattice scored at these layers in a print that ended well is usual the next time; a certain failure still shows."""
    assert watched(Background(), 0.85, layer=40).verdict is Verdict.FAILING
    known = Baselines().learn(LATTICE, good_print(0.85, range(30, 50)), hours=2.0)
    assert watched(known.background(LATTICE), 0.85, layer=40).verdict is Verdict.WATCHING
    assert watched(known.background(LATTICE), 0.99, layer=40).verdict is Verdict.FAILING


def test_a_forgiven_lattice_says_nothing_of_the_printer() -> None:
    """A print that had to be forgiven is known by its layers alone; the next file is judged as if it had never been."""
    known = Baselines().learn(LATTICE, good_print(0.85, range(30, 50)), hours=2.0, forgiven=True)
    assert (known.printer, known.hours) == (0.0, 0.0)
    assert watched(known.background(LATTICE), 0.85, layer=40).verdict is Verdict.WATCHING
    assert watched(known.background("local/vase.gcode/1/2"), 0.85, layer=40).verdict is Verdict.FAILING


def test_a_profile_counts_for_its_file_and_its_layers_alone() -> None:
    """Another file, and a layer far away, know nothing of the lattice."""
    known = Baselines().learn(LATTICE, good_print(0.85, range(30, 50)), hours=0.0)
    assert watched(known.background("local/vase.gcode/1/2"), 0.85, layer=40).verdict is Verdict.FAILING
    assert watched(known.background(LATTICE), 0.85, layer=100).verdict is Verdict.FAILING


def test_a_failing_print_does_not_raise_its_own_bar() -> None:
    """Above suspect nothing is learned: after ten minutes of failing the usual score is what it was."""
    belief = watched(Background(), 0.0, layer=5, frames=10)
    for number in range(300):
        belief = judge.advance(belief, Sighting(200.0 + 2.0 * number, answer(0.9), 5), PATIENCE)
    assert belief.verdict is Verdict.FAILING
    assert belief.usual < 0.02


def test_a_camera_that_always_scores_a_little_is_used_to() -> None:
    """A printer whose calm pictures score 0.25 is learned, within a print and from one to the next."""
    belief = watched(Background(), 0.25, layer=5, frames=3600)
    assert 0.15 < belief.usual < 0.25
    known = Baselines().learn("", good_print(0.25, range(1, 100)), hours=6.0)
    assert known.printer == pytest.approx(0.25)
    assert watched(known.background(""), 0.25, layer=5).evidence == pytest.approx(0.0, abs=0.01)


def test_one_print_does_not_make_the_printer() -> None:
    """After twenty hours at 0.1 an hour at 0.5 moves what is usual by little."""
    known = Baselines().learn("a", good_print(0.1, range(1, 20)), 20.0).learn("b", good_print(0.5, range(1, 20)), 1.0)
    assert known.printer == pytest.approx(0.1 + 0.4 / 21.0)


def test_only_so_many_files_are_known() -> None:
    """The oldest go first, and a file that is printed again counts as new."""
    known = Baselines()
    for number in range(MOST_FILES):
        known = known.learn(f"file {number}", good_print(0.3, range(1, 3)), 0.1)
    known = known.learn("file 0", good_print(0.3, range(1, 3)), 0.1).learn("new", good_print(0.3, range(1, 3)), 0.1)
    names = [name for name, _ in known.files]
    assert (len(names), names[-2:]) == (MOST_FILES, ["file 0", "new"])
    assert "file 1" not in names


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 3000), st.floats(0.0, 1.0)), max_size=20))
def test_what_is_kept_reads_back_as_it_was(prints: list[tuple[str, int, float]]) -> None:
    """Baselines survive the way through JSON."""
    known = Baselines()
    for file, layer, score in prints:
        known = known.learn(file, Profile().add(layer, score), 0.5)
    stored = json.loads(json.dumps(known.as_json()))
    assert Baselines.from_json(stored).as_json() == known.as_json()


@pytest.mark.parametrize(
    "content",
    [{}, {"printer": 2.0, "hours": 1.0, "files": {}}, {"printer": 0.1, "hours": 1.0, "files": {"a": [[1]]}}],
    ids=["empty", "no score", "cut off"],
)
def test_what_is_no_baseline_is_refused(content: dict[str, object]) -> None:
    """A file that was tampered with raises one of three errors that its reader knows."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        Baselines.from_json(content)


def test_prints_without_a_file_share_no_layers() -> None:
    """A job whose file is not known says nothing of the layers of the next one."""
    known = Baselines().learn("", good_print(0.85, range(30, 50)), hours=0.0)
    assert known.background("") == Background()


def test_layers_in_which_nothing_was_seen_are_not_kept() -> None:
    """A good file of 500 layers takes no room on the disk; what was once usual there comes down and goes."""
    assert Baselines().learn("vase", good_print(0.001, range(1, 500)), hours=1.0).files == ()
    known = Baselines().learn("lattice", good_print(0.5, range(1, 3)), hours=1.0)
    for _ in range(8):
        known = known.learn("lattice", good_print(0.0, range(1, 3)), hours=1.0)
    assert known.files == ()
