"""The server with this computer below it: which of the two looks, and what is said. Fakes at both rungs."""

from __future__ import annotations

import gc
import sys

import pytest

from octoprint_spaghetti.adapters.ladder import AbsentDetector, Ladder
from octoprint_spaghetti.core.errors import (
    DetectorError,
    DetectorMissing,
    LocalBusy,
    LocalCrashed,
    PictureRefused,
    ServerUnreachable,
)
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Frame, ProtectionLevel
from octoprint_spaghetti.testing import FakeClock, FakeDetector

GONE = ServerUnreachable("No inference server answers at gpu:8001; check the address.")
CRASHED = LocalCrashed("The detector on this computer was killed.")


class Bench:
    """A ladder on fakes, and pictures for it every five seconds."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.server = FakeDetector(score=0.1)
        self.here = FakeDetector(score=0.9, level=ProtectionLevel.LOCAL)
        self.ladder = Ladder(self.server, self.here, monotonic=self.clock)

    def look(self) -> float:
        """Return the score of the next picture."""
        self.clock.forward(5.0)
        return self.ladder.look(Frame(b"", self.clock(), "test")).score

    def looks(self, count: int) -> None:
        for _ in range(count):
            self.look()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_while_the_server_answers_this_computer_rests(bench: Bench) -> None:
    """No picture is looked at twice, and nothing is said."""
    bench.looks(20)
    assert (len(bench.server.looked), len(bench.here.looked)) == (20, 0)
    assert (bench.ladder.level, bench.ladder.why) == (ProtectionLevel.REMOTE, "")


def test_no_picture_is_lost_when_the_server_goes(bench: Bench) -> None:
    """The same frame is looked at here at once; after the second one the level says so, with the server's sentence."""
    bench.look()
    bench.server.trouble = GONE
    assert [bench.look(), bench.look()] == [0.9, 0.9]
    assert bench.server.looked[1:] == bench.here.looked
    assert bench.ladder.level is ProtectionLevel.LOCAL
    assert bench.ladder.why == f"{GONE} This computer looks meanwhile."


def test_the_way_back_up_is_automatic(bench: Bench) -> None:
    """A server that is back is asked again within the back-off and stands again after three answers."""
    bench.server.trouble = GONE
    bench.looks(3)
    bench.server.trouble = None
    bench.looks(10)
    assert (bench.ladder.level, bench.ladder.why) == (ProtectionLevel.REMOTE, "")


def test_when_both_fail_both_sentences_are_said(bench: Bench) -> None:
    """The error is of the kind of the first one asked, and the level is unprotected."""
    bench.server.trouble, bench.here.trouble = GONE, CRASHED
    with pytest.raises(ServerUnreachable, match=r"check the address\. The detector on this computer was killed"):
        bench.look()
    assert bench.ladder.level is ProtectionLevel.UNPROTECTED


def test_a_server_that_is_away_is_the_last_resort(bench: Bench) -> None:
    """When this computer fails during the server's back-off, the picture goes to the server after all."""
    bench.server.trouble = GONE
    bench.looks(2)
    bench.server.trouble, bench.here.trouble = None, CRASHED
    assert bench.look() == 0.1


def test_a_picture_that_nobody_can_read_changes_no_level(bench: Bench) -> None:
    """It was the picture; the next one goes to the server as before."""
    bench.look()
    bench.server.trouble = bench.here.trouble = PictureRefused("could not read the picture")
    with pytest.raises(PictureRefused):
        bench.look()
    assert (bench.ladder.level, bench.ladder.why) == (ProtectionLevel.REMOTE, "")


def test_a_server_that_refuses_readable_pictures_is_a_server_that_failed(bench: Bench) -> None:
    """A wrong model that refuses every picture must not look like a protection."""
    bench.server.trouble = PictureRefused("gpu:8001 could not read the picture: unexpected shape")
    bench.looks(2)
    assert bench.ladder.level is ProtectionLevel.LOCAL


def test_only_what_is_looked_at_here_is_waited_for(bench: Bench) -> None:
    """The share of this computer lengthens the interval while it looks, and not while the server does."""
    bench.here.earliest_s = 3.0
    assert bench.ladder.earliest_s == 0.0
    bench.server.trouble = GONE
    bench.looks(2)
    assert bench.ladder.earliest_s == 3.0


def test_this_computers_detector_is_let_go_when_the_server_is_back_for_long(bench: Bench) -> None:
    """Its memory belongs to the Pi again after ten minutes; it is not let go before it was ever needed."""
    bench.looks(10)
    bench.server.trouble = GONE
    bench.looks(3)
    bench.server.trouble = None
    bench.looks(100)
    assert bench.here.closed == 0
    bench.looks(40)
    assert bench.here.closed == 1


def test_memory_is_spared_while_the_server_looks(bench: Bench) -> None:
    """This computer's detector may hold memory that OctoPrint needs; with each picture that is not for it, it is asked."""
    asked: list[int] = []
    ladder = Ladder(bench.server, bench.here, spare_memory=lambda: asked.append(1), monotonic=bench.clock)
    ladder.look(Frame(b"", bench.clock(), "test"))
    bench.server.trouble = GONE
    ladder.look(Frame(b"", bench.clock(), "test"))
    assert len(asked) == 1


def test_a_server_that_cannot_even_be_asked_leaves_this_computer(bench: Bench) -> None:
    """Without gRPC or certificate the first picture is looked at here, and the reason is said."""
    absent = AbsentDetector(DetectorMissing("The certificate cannot be read."))
    ladder = Ladder(absent, bench.here, monotonic=bench.clock)
    assert ladder.look(Frame(b"", 0.0, "test")).score == 0.9
    assert ladder.level is ProtectionLevel.LOCAL
    assert "certificate" in ladder.why
    with pytest.raises(DetectorMissing):
        ladder.check()


def test_both_are_closed(bench: Bench) -> None:
    """At the end of a print nothing is left of either."""
    bench.ladder.close()
    assert (bench.server.closed, bench.here.closed) == (1, 1)


def test_a_second_look_that_nobody_takes_changes_no_level(bench: Bench) -> None:
    """This computer rests after the first look, and the server is away: the picture was looked at all the same."""
    bench.server.trouble = GONE
    bench.looks(3)
    bench.here.trouble = LocalBusy("The detector on this computer rests.")
    asked = len(bench.server.looked)
    with pytest.raises(LocalBusy):
        bench.ladder.look(Frame(b"", bench.clock(), "test"), Box(0.0, 0.0, 0.5, 0.5))
    assert bench.ladder.level is ProtectionLevel.LOCAL
    assert len(bench.server.looked) == asked


def test_a_server_that_cannot_be_asked_keeps_nothing_of_the_pictures() -> None:
    """In a day that is 17,280 pictures: an error that is raised again and again would hold each of them."""
    absent = AbsentDetector(DetectorMissing("no address")), AbsentDetector(LocalBusy("starting"))
    ladder = Ladder(*absent, monotonic=FakeClock())
    frames = [Frame(b"%d" % number, 0.0, "test") for number in range(50)]
    counts = [sys.getrefcount(frame) for frame in frames]
    for frame in frames:
        with pytest.raises(DetectorError, match="no address"):
            ladder.look(frame)
    del frame
    gc.collect()
    assert [sys.getrefcount(frame) for frame in frames] == counts
