"""The Test button's chain: each step with its time, and the server and this computer tried apart. Fakes at the ports."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from octoprint_spaghetti.chain import try_chain
from octoprint_spaghetti.core.errors import CameraUnreachable, DetectorMissing, LocalCrashed, ServerUnreachable
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import ProtectionLevel
from octoprint_spaghetti.ports import Parts
from octoprint_spaghetti.testing import FakeCamera, FakeClock, FakeDetector


@dataclass
class Bench:
    """Parts for the chain, and what was asked for."""

    camera: FakeCamera = field(default_factory=lambda: FakeCamera(FakeClock()))
    server: FakeDetector = field(default_factory=lambda: FakeDetector(score=0.1))
    here: FakeDetector = field(default_factory=lambda: FakeDetector(score=0.2, level=ProtectionLevel.LOCAL))
    missing: DetectorMissing | None = None
    asked: list[Settings] = field(default_factory=list)

    def build(self, settings: Settings) -> Parts:
        self.asked.append(settings)
        if settings.detector == "local" and self.missing is not None:
            raise self.missing
        return Parts(self.camera, self.here if settings.detector == "local" else self.server)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_server_and_fallback_look_at_the_same_picture(bench: Bench) -> None:
    """Five steps, the server's answer, one picture taken; nothing is left open."""
    report = try_chain(Settings(), bench.build)
    assert report.passed
    assert [step.name for step in report.steps] == ["set up", "camera", "connect", "look", "fallback"]
    assert report.answer is not None
    assert report.answer.score == 0.1
    assert bench.server.looked == bench.here.looked
    assert bench.camera.taken == 1
    assert (bench.server.closed, bench.here.closed) == (1, 1)


def test_a_fallback_that_works_does_not_hide_a_broken_server(bench: Bench) -> None:
    """The server is tried without it, and the report ends where the chain breaks."""
    bench.server.trouble = ServerUnreachable("No inference server answers.")
    report = try_chain(Settings(), bench.build)
    assert not report.passed
    assert (report.steps[-1].name, report.steps[-1].problem) == ("connect", "No inference server answers.")
    assert not bench.asked[0].fallback
    assert bench.here.looked == []


def test_a_fallback_that_is_not_installed_is_a_note(bench: Bench) -> None:
    """Everything that was asked for works; that an outage would leave the print unwatched is said all the same."""
    bench.missing = DetectorMissing("There is no ONNX Runtime for this system.")
    report = try_chain(Settings(), bench.build)
    assert report.passed
    assert report.note == "Without a server the print is not watched: There is no ONNX Runtime for this system."
    assert report.as_json()["note"] == report.note


def test_a_fallback_that_is_broken_fails_the_test(bench: Bench) -> None:
    """What is installed and switched on has to work, today and not in the night it is needed."""
    bench.here.trouble = LocalCrashed("The detector on this computer was ended by SIGILL.")
    report = try_chain(Settings(), bench.build)
    assert not report.passed
    assert report.steps[-1].problem == "The detector on this computer was ended by SIGILL."
    assert bench.here.closed == 1


@pytest.mark.parametrize("settings", [Settings(detector="local"), Settings(fallback=False)], ids=["local", "no fallback"])
def test_without_a_fallback_there_are_four_steps(bench: Bench, settings: Settings) -> None:
    """One detector, one look."""
    assert [step.name for step in try_chain(settings, bench.build).steps] == ["set up", "camera", "connect", "look"]


def test_without_a_picture_nobody_looks(bench: Bench) -> None:
    """The camera's sentence is the last step."""
    bench.camera.trouble = CameraUnreachable("The camera cannot be reached.")
    report = try_chain(Settings(), bench.build)
    assert [step.name for step in report.steps] == ["set up", "camera"]
    assert bench.here.looked == bench.server.looked == []
