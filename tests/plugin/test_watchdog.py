"""A watch that stands still is told of by somebody else: to the pages, to the owner, to the log."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

import pytest

from octoprint_spaghetti.core.words import Notice, NoticeKind, Status, Verdict
from octoprint_spaghetti.watchdog import Watchdog


@dataclass
class Still:
    """A watcher, as much of it as is asked here."""

    is_stalled: bool = False
    status: Status = field(default_factory=lambda: Status(verdict=Verdict.BLIND, sentence="The watch has not moved for 160 s."))

    def where(self) -> str:
        return "camera.py, line 7\n"


def test_standing_still_is_shown_as_long_as_it_lasts_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The pages get each status, the owner one notice going and one returning, the log the place where it stands."""
    watcher, shown, told = Still(), list[Status](), list[Notice]()
    watchdog = Watchdog(watcher, publish=shown.append, notify=told.append, logger=logging.getLogger("test"))  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        for still in (False, True, True, False, False):
            watcher.is_stalled = still
            watcher.status = Still().status if still else Status()
            watchdog.look()
    assert [status.verdict for status in shown] == [Verdict.BLIND, Verdict.BLIND]
    assert [notice.kind for notice in told] == [NoticeKind.BLIND, NoticeKind.SEEING]
    assert "camera.py, line 7" in caplog.text


def test_a_watch_that_moves_again_and_is_blind_is_not_said_to_see() -> None:
    """What held it up, a camera or a server, is gone still: that somebody sees the print is told by the watch when it is true."""
    watcher, told = Still(), list[Notice]()
    watchdog = Watchdog(watcher, publish=lambda status: None, notify=told.append)  # type: ignore[arg-type]
    for still in (True, False, False):
        watcher.is_stalled = still
        watchdog.look()
    assert [notice.kind for notice in told] == [NoticeKind.BLIND]


def test_it_ends_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without having been started too; no thread is left."""
    monkeypatch.setattr("octoprint_spaghetti.watchdog._STOP_S", 60.0)
    monkeypatch.setattr("octoprint_spaghetti.watchdog.EVERY_S", 3600.0)
    for started in (True, False):
        watchdog = Watchdog(Still(), publish=lambda status: None, notify=lambda notice: None)  # type: ignore[arg-type]
        if started:
            watchdog.start()
        watchdog.stop()
    assert "spaghetti-watchdog" not in {thread.name for thread in threading.enumerate()}
