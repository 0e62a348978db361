"""Messages that wait, on their way through a restart: none lost, none too old, no address among them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from octoprint_spaghetti.core.notice_rules import SIGHT, Desk, Message, Urgency, Waiting
from octoprint_spaghetti.core.outbox import GIVE_UP_AFTER_S, Delivery
from octoprint_spaghetti.core.waiting_record import SAME_PRINT_S, Queued, as_json, from_json

PAUSED = Message("incident one", "Print paused", "Spaghetti.", Urgency.WARNING, pictured=True, incident="one")
ENDED = Message("incident one", "Closed", "It was a false alarm.")
BLIND = Message(SIGHT, "Nobody sees the print", "The camera is away.")
QUEUED = Queued(
    Desk((Waiting(ENDED, 100.0, opens=False),), told=("incident one",), sight_told_at=40.0),
    ((Delivery(PAUSED, 90.0, attempts=2), Delivery(ENDED, 95.0)), (Delivery(PAUSED, 90.0),)),
)
#: The clocks when it was written: monotonic and Unix time.
NOW, WALL = 110.0, 1_800_000_000.0


def written() -> dict[str, Any]:
    return json.loads(json.dumps(as_json(QUEUED, NOW, WALL)))


def test_what_waited_waits_after_a_restart_on_the_new_clock() -> None:
    """Nothing is lost, and what is late stays as late as it is: a minute later, on a clock that began anew."""
    queued, late = from_json(written(), now=5.0, wall=WALL + 60.0, channels=2)
    assert late == 0
    assert queued.channels == (
        (Delivery(PAUSED, 5.0 - 80.0, attempts=2), Delivery(ENDED, 5.0 - 75.0)),
        (Delivery(PAUSED, 5.0 - 80.0),),
    )
    assert queued.desk == Desk((Waiting(ENDED, 5.0 - 70.0),), ("incident one",), 5.0 - 130.0)


def test_a_message_for_all_channels_is_written_once() -> None:
    """The file stays small however many channels there are."""
    assert [one["title"] for one in written()["messages"]] == ["Print paused", "Closed"]


def test_what_is_too_old_to_be_of_use_is_counted_and_not_sent() -> None:
    """After half a day the owner has seen the printer."""
    queued, late = from_json(written(), now=5.0, wall=WALL + GIVE_UP_AFTER_S, channels=2)
    assert queued.channels == ((), ())
    assert queued.desk.waiting == ()
    assert late == 4


def test_the_end_of_what_was_told_of_another_print_is_no_news() -> None:
    """A while after a restart the next print runs; its end must not close what belonged to the last one."""
    at_once, _ = from_json(written(), now=5.0, wall=WALL + SAME_PRINT_S, channels=2)
    later, _ = from_json(written(), now=5.0, wall=WALL + SAME_PRINT_S + 1.0, channels=2)
    assert (at_once.desk.told, later.desk.told) == (("incident one",), ())


def test_that_nobody_sees_the_print_is_told_anew_if_it_still_holds() -> None:
    """It is a state of before the restart; whoever watches now knows how it stands."""
    record = as_json(Queued(Desk((Waiting(BLIND, 200.0, opens=True),))), NOW, WALL)
    assert from_json(record, now=5.0, wall=WALL, channels=0)[0] == Queued()


def test_with_other_channels_than_before_each_gets_all_that_waits() -> None:
    """Somebody edited the settings by hand: twice told is better than never."""
    queued, _ = from_json(written(), now=5.0, wall=WALL, channels=3)
    assert queued.channels == ((Delivery(PAUSED, -15.0), Delivery(ENDED, -10.0)),) * 3


def test_a_clock_that_was_set_back_makes_nothing_wait_for_years() -> None:
    """A Pi without a battery may start in the past: what waits is as if it had just come, and is soon due."""
    queued, _ = from_json(written(), now=5.0, wall=WALL - 1e8, channels=2)
    assert {one.since for channel in queued.channels for one in channel} == {5.0}
    assert queued.desk.waiting[0].due_at <= 5.0 + SAME_PRINT_S


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"format": 2}, id="a later format"),
        pytest.param({"channels": [[[7, 0.0, 0]]]}, id="a message that is not there"),
        pytest.param({"channels": [[["0", 0.0, 0]]]}, id="a number that is a text"),
        pytest.param({"messages": [{}]}, id="a message without anything"),
        pytest.param({"told": [1]}, id="a topic that is a number"),
        pytest.param({"wall": "noon"}, id="a time in words"),
        pytest.param({"held": None}, id="nothing where a list must be"),
    ],
)
def test_what_is_no_such_record_is_refused(change: dict[str, Any]) -> None:
    """One of the errors that the file's reader turns into a line in the log, whatever is wrong."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_json({**written(), **change}, NOW, WALL, 2)
