"""What a detector said is remembered: whole, per picture and model, and never in the way."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters import score_cache
from octoprint_spaghetti.adapters.remembering import RememberingDetector
from octoprint_spaghetti.adapters.score_cache import ScoreCache, default_file
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Detection, Frame, Heatmap, Scene
from octoprint_spaghetti.testing import FakeDetector

ANSWER = Answer(
    0.123456,
    (Detection(Box(0.1, 0.2, 0.3, 0.4), 0.9, "spaghetti"), Detection(Box(0.0, 0.0, 1.0, 1.0), 0.1, "spaghetti")),
    Scene(0.5, 0.4, 0.3),
    Heatmap(2, 3, bytes(range(6))),
    bytes(768),
    "local nano",
)


def test_an_answer_comes_back_whole_in_another_process(tmp_path: Path) -> None:
    """All of it, also after the file was closed and opened again."""
    file = tmp_path / "deep" / "answers.sqlite"
    first = ScoreCache(file)
    first.put("a", ANSWER)
    assert first.get("a") == ANSWER
    first.close()
    second = ScoreCache(file)
    assert second.get("a") == ANSWER
    assert second.get("b") is None
    second.close()


def test_a_fresh_one_knows_only_what_it_is_told_and_replaces_the_rest(tmp_path: Path) -> None:
    """A server whose model was changed is asked again, and what it says now is what is remembered."""
    old, new = ANSWER, replace(ANSWER, score=0.9)
    before = ScoreCache(tmp_path / "answers.sqlite")
    before.put("a", old)
    before.close()
    fresh = ScoreCache(tmp_path / "answers.sqlite", fresh=True)
    assert fresh.get("a") is None
    fresh.put("a", new)
    assert fresh.get("a") == new
    fresh.close()
    after = ScoreCache(tmp_path / "answers.sqlite")
    assert after.get("a") == new
    after.close()


def test_two_programs_may_use_it_at_once(tmp_path: Path) -> None:
    """What one writes the other reads."""
    one, other = (ScoreCache(tmp_path / "answers.sqlite") for _ in range(2))
    for number in range(50):
        (one, other)[number % 2].put(str(number), ANSWER)
    assert all(cache.get(str(number)) == ANSWER for cache in (one, other) for number in range(50))
    one.close()
    other.close()


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the number that is kept."""
    monkeypatch.setattr(score_cache, "MOST_ANSWERS", 10)
    cache = ScoreCache(tmp_path / "answers.sqlite")
    for number in range(25):
        cache.put(str(number), ANSWER)
    cache.close()
    again = ScoreCache(tmp_path / "answers.sqlite")
    assert [again.get(str(number)) is not None for number in (0, 14, 15, 24)] == [False, False, True, True]
    again.close()


def test_a_damaged_entry_is_as_good_as_none(tmp_path: Path) -> None:
    """It is looked at again, whatever stands there."""
    cache = ScoreCache(tmp_path / "answers.sqlite")
    cache.put_bytes("a", b"nonsense")
    assert cache.get("a") is None
    cache.close()


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    """The first program works without, the next one has a cache again."""
    file = tmp_path / "answers.sqlite"
    file.write_bytes(b"no database at all" * 100)
    for _ in range(2):
        cache = ScoreCache(file)
        cache.put("a", ANSWER)
        assert cache.get("a") == ANSWER
        cache.close()
    with sqlite3.connect(file) as found:
        assert found.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    found.close()


def test_a_folder_that_cannot_be_made_is_no_obstacle(tmp_path: Path) -> None:
    """It remembers for as long as it lives."""
    (tmp_path / "file").write_text("in the way")
    cache = ScoreCache(tmp_path / "file" / "answers.sqlite")
    cache.put("a", ANSWER)
    assert cache.get("a") == ANSWER
    cache.close()


@pytest.mark.parametrize("root", ["", "relative"])
def test_the_cache_is_where_the_system_wants_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    """``XDG_CACHE_HOME`` if it is absolute, ``~/.cache`` otherwise."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", root)
    assert default_file() == tmp_path / ".cache" / "octoprint-spaghetti" / "answers.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert default_file() == tmp_path / "caches" / "octoprint-spaghetti" / "answers.sqlite"


def test_a_picture_is_looked_at_once_by_each_model() -> None:
    """The same bytes are known, under whatever name and time; another model is asked anew."""
    detector, cache = FakeDetector(score=0.7), ScoreCache(None)
    built: list[FakeDetector] = []

    def build() -> FakeDetector:
        built.append(detector)
        return detector

    remembering = RememberingDetector(build, "model one", cache)
    assert built == []
    scores = [remembering.look(Frame(b"jpeg", at, "camera")).score for at in (0.0, 1.0, 2.0)]
    assert scores == [0.7, 0.7, 0.7]
    assert (len(detector.looked), len(built)) == (1, 1)
    RememberingDetector(build, "model two", cache).look(Frame(b"jpeg", 0.0, "camera"))
    assert len(detector.looked) == 2
