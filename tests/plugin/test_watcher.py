"""The thread: it starts, hears events, survives what nobody could name, and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, ProtectionLevel, Status, Verdict
from octoprint_spaghetti.ports import Parts, Records
from octoprint_spaghetti.testing import (
    FakeBaselines,
    FakeBeliefs,
    FakeCamera,
    FakeDetector,
    FakeIncidents,
    FakePrinter,
    FakeTraces,
)
from octoprint_spaghetti.watch import Watch
from octoprint_spaghetti.watcher import INBOX_SIZE, STALLED_S, Watcher


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Return whether something became true within a bounded time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return true()


class Rig:
    """A watcher on the real clock, with fakes at the ports."""

    def __init__(self) -> None:
        self.camera = FakeCamera(time.monotonic)
        self.detector = FakeDetector()
        self.printer = FakePrinter("PRINTING")
        self.statuses: list[Status] = []
        self.watch = Watch(
            Settings(interval=0.5, suspect_interval=0.5),
            build=lambda settings: Parts(self.camera, self.detector),
            printer=self.printer,
            incidents=FakeIncidents(),
            records=lambda camera: Records(FakeTraces(), FakeBaselines(), FakeBeliefs()),
            publish=self.statuses.append,
        )
        self.watcher = Watcher(self.watch)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr("octoprint_spaghetti.watcher.STOP_S", 60.0)
    rig = Rig()
    yield rig
    rig.watcher.stop()


def test_it_looks_by_itself_and_leaves_no_thread(rig: Rig) -> None:
    """Started, it takes pictures of a running print; stopped, its thread is gone and the line is hung up."""
    others = set(threading.enumerate())
    rig.watcher.start()
    assert eventually(lambda: rig.watcher.status.answers >= 2)
    assert [thread.name for thread in set(threading.enumerate()) - others] == ["spaghetti-watcher"]
    rig.watcher.stop()
    assert set(threading.enumerate()) <= others
    assert rig.detector.closed == 1


def test_an_error_that_nobody_could_name_does_not_end_the_watch(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread logs it and goes on."""
    monkeypatch.setattr("octoprint_spaghetti.watcher.AFTER_ERROR_S", 0.05)
    original, calls = rig.printer.job_name, []

    def fail_once() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return original()

    monkeypatch.setattr(rig.printer, "job_name", fail_once)
    rig.watcher.start()
    assert eventually(lambda: rig.watcher.status.answers >= 1)


def test_a_storm_of_events_is_dropped_and_the_state_found_again(rig: Rig) -> None:
    """More events than the inbox holds block nobody; what they meant is read from the printer."""
    started = time.monotonic()
    for _ in range(INBOX_SIZE * 20):
        rig.watcher.print_paused()
        rig.watcher.print_resumed()
    assert time.monotonic() - started < 5.0
    rig.printer.printer_state = "OPERATIONAL"
    rig.watcher.start()
    assert eventually(lambda: bool(rig.statuses) and rig.watcher.status.verdict is Verdict.OFF)


def test_a_thread_that_stands_still_is_not_called_watching(rig: Rig) -> None:
    """A camera driver that never returns: whoever asks is told that nobody watches, by the clock and not by the thread."""
    release = threading.Event()
    capture = rig.camera.capture

    def stuck() -> Frame:
        release.wait(120.0)
        return capture()

    late = 0.0
    watcher = Watcher(rig.watch, monotonic=lambda: time.monotonic() + late)
    rig.camera.capture = stuck  # type: ignore[method-assign]
    watcher.start()
    try:
        assert eventually(lambda: rig.watch._job is not None)
        assert watcher.status.verdict is not Verdict.BLIND
        late = STALLED_S + 1.0
        assert watcher.status.verdict is Verdict.BLIND
        assert watcher.status.protection.level is ProtectionLevel.UNPROTECTED
        assert "restart OctoPrint" in watcher.status.sentence
    finally:
        late = 0.0
        release.set()
        watcher.stop()
    assert eventually(lambda: not watcher._thread.is_alive())


def test_stop_without_start_returns() -> None:
    """A plugin that was never started can be shut down."""
    Rig().watcher.stop()


def test_an_error_while_the_trouble_is_told_does_not_end_the_watch(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever listens to the status may be broken, also when it is told of an error: the thread goes on, and looks again."""
    monkeypatch.setattr("octoprint_spaghetti.watcher.AFTER_ERROR_S", 0.05)
    calls: list[int] = []

    def fail_twice(status: Status) -> None:
        calls.append(1)
        if len(calls) <= 2:
            raise RuntimeError("a bug")

    rig.watch._publish = fail_twice
    rig.watcher.start()
    assert eventually(lambda: len(calls) > 3)
    assert rig.watcher.status.answers >= 1


def test_a_thread_that_is_gone_is_not_called_watching(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the thread end without being told to, whoever asks hears that nobody watches."""

    def end() -> None:
        raise SystemExit

    rig.watcher.start()
    assert eventually(lambda: rig.watcher.status.protection.level is ProtectionLevel.REMOTE)
    monkeypatch.setattr(rig.watch, "tick", end)
    assert eventually(lambda: not rig.watcher._thread.is_alive())
    assert rig.watcher.status.protection.level is ProtectionLevel.UNPROTECTED
    assert rig.watcher.status.verdict is Verdict.BLIND
