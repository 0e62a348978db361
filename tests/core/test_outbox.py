"""A channel's outbox: back-off, order, and an end to everything."""

from __future__ import annotations

from octoprint_spaghetti.core import outbox
from octoprint_spaghetti.core.notice_rules import Message
from octoprint_spaghetti.core.outbox import BACK_OFF_S, GIVE_UP_AFTER_S, MOST_WAITING, Outbox

FIRST, SECOND = Message("a", "First", "one", pictured=True), Message("b", "Second", "two")


def fail(box: Outbox, now: float) -> Outbox:
    delivery = outbox.due(box, now)
    assert delivery is not None
    return outbox.failed(box, delivery, "It is away.", now)


def test_a_failing_channel_is_tried_less_and_less_often() -> None:
    """The waits follow the schedule, and the last one repeats."""
    now, box = 0.0, outbox.put(Outbox(), FIRST, 0.0)
    for wait in (*BACK_OFF_S, BACK_OFF_S[-1]):
        box = fail(box, now)
        assert outbox.due(box, now + wait - 0.1) is None
        now += wait
        assert outbox.due(box, now) is not None
    assert box.problem == "It is away."


def test_a_success_clears_the_problem_and_sends_what_waits_behind() -> None:
    """One message after the other, in the order they came, without a pause between them."""
    box = outbox.put(outbox.put(Outbox(), FIRST, 0.0), SECOND, 1.0)
    box = fail(box, 1.0)
    delivery = outbox.due(box, 20.0)
    assert delivery is not None and delivery.message == FIRST
    box = outbox.delivered(box, delivery, wall=1_800_000_000.0)
    assert (box.problem, box.failures, box.succeeded_at) == ("", 0, 1_800_000_000.0)
    second = outbox.due(box, 20.0)
    assert second is not None and second.message == SECOND


def test_a_new_message_is_a_reason_to_try_again_at_once() -> None:
    """An alarm does not wait for half an hour because an older message failed."""
    box = outbox.put(Outbox(), FIRST, 0.0)
    now = 0.0
    for wait in BACK_OFF_S:
        box = fail(box, now)
        now += wait
    box = fail(box, now)
    assert outbox.due(box, now + 1.0) is None
    assert outbox.due(outbox.put(box, SECOND, now + 1.0), now + 1.0) is not None


def test_what_is_too_old_is_given_up() -> None:
    """After half a day the message is gone and the problem still shown."""
    box = fail(outbox.put(Outbox(), FIRST, 0.0), GIVE_UP_AFTER_S + 1.0)
    assert box.deliveries == ()
    assert box.problem


def test_an_outbox_keeps_the_newest_messages() -> None:
    """A channel that is away for a week costs a bounded amount of memory."""
    box = Outbox()
    for number in range(100):
        box = outbox.put(box, Message(str(number), "", ""), float(number))
    assert [one.message.topic for one in box.deliveries] == [str(number) for number in range(100 - MOST_WAITING, 100)]


def test_from_the_third_try_on_the_words_go_alone() -> None:
    """A service that refuses pictures must still get the words."""
    box = outbox.put(Outbox(), FIRST, 0.0)
    tries = []
    for attempt in range(4):
        delivery = outbox.due(box, attempt * 10_000.0)
        assert delivery is not None
        tries.append(outbox.takes_picture(delivery))
        box = outbox.failed(box, delivery, "Too large.", attempt * 10_000.0)
    assert tries == [True, True, False, False]


def test_a_late_message_says_so() -> None:
    """Who reads "the print is failing" must know that it was half an hour ago."""
    delivery = outbox.due(outbox.put(Outbox(), FIRST, 0.0), 0.0)
    assert delivery is not None
    assert outbox.text(delivery, 10.0) == "one"
    assert "30 min late" in outbox.text(delivery, 1800.0)


def test_a_test_that_went_well_has_the_rest_tried_at_once() -> None:
    """Whoever repaired a channel and pressed Test gets what waited; a test that failed is shown and changes no schedule."""
    box = fail(fail(outbox.put(Outbox(), FIRST, 0.0), 0.0), 10.0)
    assert outbox.due(outbox.tested(box, "", 11.0, 1.0), 11.0) is not None
    refused = outbox.tested(box, "No.", 11.0, 1.0)
    assert (refused.due_at, refused.problem) == (box.due_at, "No.")
