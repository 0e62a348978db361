"""Which notices become messages: one per incident and one at its end, few at night, none for a flicker."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from octoprint_spaghetti.core.notice_rules import (
    BLIND_HOLD_S,
    PAUSE_HOLD_S,
    SIGHT_COOLDOWN_S,
    Desk,
    Message,
    Wording,
    next_due,
    receive,
    release,
)
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Notice, NoticeKind

FAILURE = Notice(NoticeKind.FAILURE, "Spaghetti in 8 of 10 frames.", "one", action="pause", print_name="benchy.gcode")
PAUSED = Notice(NoticeKind.PAUSED, "The print was paused: Spaghetti in 8 of 10 frames.", "one", action="pause")
PAUSE_FAILED = Notice(NoticeKind.PAUSE_FAILED, "Stop it by hand.", "one")
ENDED = Notice(NoticeKind.INCIDENT_ENDED, "It was a false alarm.", "one", detail="false_alarm")
RESUMED = Notice(NoticeKind.INCIDENT_ENDED, "The print goes on.", "one", detail="resumed")
PRINT_ENDED = Notice(NoticeKind.PRINT_ENDED, "Protected 99 % of 2 h.", "one")
BLIND = Notice(NoticeKind.BLIND, "The camera is away.")
SEEING = Notice(NoticeKind.SEEING, "The print is watched again.")
DRILL = Notice(NoticeKind.DRILL, "All went well.")


@dataclass
class Office:
    """A desk with a clock; ``sent`` are the bodies of all messages that went out, in order."""

    wording: Wording = Wording()
    now: float = 1000.0
    quiet: bool = False
    desk: Desk = Desk()
    sent: list[Message] = field(default_factory=list)

    def hear(self, *notices: Notice) -> None:
        for notice in notices:
            self.desk = receive(self.desk, notice, self.now, self.wording)
            self.go()

    def go(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.desk, messages = release(self.desk, self.now, self.quiet)
        self.sent += messages

    def titles(self) -> list[str]:
        return [message.title.split(":")[0] for message in self.sent]


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_failure_and_its_pause_are_one_message(office: Office) -> None:
    """Nobody's phone rings twice within a second for one thing; the message goes when the pause is true."""
    office.hear(FAILURE)
    assert office.sent == []
    office.go(1.0)
    office.hear(PAUSED)
    office.go(3600.0)
    assert office.titles() == ["Print paused"]
    assert office.sent[0].pictured
    assert office.sent[0].incident == "one"


def test_a_pause_that_takes_long_is_told_as_it_stands(office: Office) -> None:
    """After half a minute without a confirmation the owner hears of the failure, and of the pause when it comes."""
    office.hear(FAILURE)
    office.go(PAUSE_HOLD_S)
    assert office.titles() == ["The print is failing"]
    office.hear(PAUSED)
    assert office.titles() == ["The print is failing", "Print paused"]


def test_a_pause_that_failed_is_told_at_once(office: Office) -> None:
    """It takes the place of the message that waited for the pause."""
    office.hear(FAILURE, PAUSE_FAILED)
    assert office.titles() == ["THE PRINT DID NOT PAUSE"]
    office.go(PAUSE_HOLD_S)
    assert len(office.sent) == 1


@pytest.mark.parametrize("action", ["notify", "shadow"])
def test_a_failure_that_orders_no_pause_is_told_at_once(office: Office, action: str) -> None:
    """There is nothing to wait for."""
    office.hear(Notice(NoticeKind.FAILURE, "Spaghetti.", "one", action=action))
    assert office.titles() == ["The print is failing"]


def test_the_end_of_an_incident_is_one_message(office: Office) -> None:
    """A false alarm also resumes the print, which is no second end."""
    office.hear(FAILURE, PAUSED, ENDED, RESUMED)
    assert office.titles() == ["Print paused", "Incident closed"]
    assert not office.sent[1].pictured


def test_an_incident_that_nobody_was_told_of_ends_in_silence(office: Office) -> None:
    """Called a false alarm before the message went: whoever pressed the button knows."""
    office.hear(FAILURE, ENDED)
    office.go(PAUSE_HOLD_S)
    assert office.sent == []


def test_the_end_of_the_print_closes_what_is_open(office: Office) -> None:
    """One message for the end of the incident and of the print, with the summary."""
    office.hear(FAILURE, PAUSED)
    office.hear(Notice(NoticeKind.INCIDENT_ENDED, "The print has ended.", "one", detail="print_ended"), PRINT_ENDED)
    assert office.titles() == ["Print paused", "Print ended"]
    assert "99 %" in office.sent[1].body


def test_a_failure_whose_print_ends_before_the_pause_is_told(office: Office) -> None:
    """The printer hung up while its pause was waited for: no pause comes any more, and nobody knows of the failure yet."""
    office.hear(FAILURE)
    office.go(5.0)
    office.hear(Notice(NoticeKind.INCIDENT_ENDED, "The print has ended.", "one", detail="print_ended"), PRINT_ENDED)
    assert office.titles() == ["The print is failing", "Print ended"]
    office.go(3600.0)
    office.hear(PRINT_ENDED)
    office.go(3600.0)
    assert len(office.sent) == 2, "the good print after it ends in silence"


def test_a_good_print_ends_in_silence_unless_summaries_are_wanted(office: Office) -> None:
    """A message for each good print is noise, and some want it."""
    office.hear(PRINT_ENDED)
    assert office.sent == []
    office.wording = Wording(summaries=True)
    office.hear(PRINT_ENDED)
    assert office.titles() == ["Print ended"]


def test_a_flicker_of_the_camera_is_told_to_nobody(office: Office) -> None:
    """Blindness that ends within the hold leaves no message, neither of its begin nor of its end."""
    office.hear(BLIND)
    office.go(BLIND_HOLD_S - 1.0)
    office.hear(SEEING)
    office.go(3600.0)
    assert office.sent == []


def test_lasting_blindness_is_told_once_and_its_end_once(office: Office) -> None:
    """After the hold the owner hears that nobody sees the print, and later that somebody does."""
    office.hear(BLIND)
    office.go(BLIND_HOLD_S)
    office.hear(SEEING)
    assert office.titles() == ["Nobody sees the print", "The print is watched again"]


def test_a_camera_that_comes_and_goes_is_told_once_in_a_while(office: Office) -> None:
    """Five minutes gone, one back, for an hour: at most one pair of messages in each cooldown."""
    for _ in range(10):
        office.hear(BLIND)
        office.go(300.0)
        office.hear(SEEING)
        office.go(60.0)
    assert 2 <= len(office.sent) <= 2 * (1 + 3600.0 / SIGHT_COOLDOWN_S)


@pytest.mark.parametrize(
    ("notice", "rings"),
    [
        pytest.param(PAUSE_FAILED, True, id="the pause failed"),
        pytest.param(Notice(NoticeKind.FAILURE, "Spaghetti.", "one", action="notify"), True, id="failing, and nothing stops it"),
        pytest.param(DRILL, True, id="somebody asked for it just now"),
        pytest.param(Notice(NoticeKind.FAILURE, "Spaghetti.", "one", action="shadow"), False, id="a trial run of the rules"),
        pytest.param(PAUSED, False, id="a paused print can wait"),
        pytest.param(Notice(NoticeKind.SUSPICION, "Look."), False, id="a suspicion"),
    ],
)
def test_only_what_cannot_wait_breaks_the_quiet_hours(office: Office, notice: Notice, rings: bool) -> None:
    """At night only a print that goes on with a failure rings; the rest comes in the morning."""
    office.quiet = True
    office.hear(notice)
    assert len(office.sent) == rings
    office.quiet = False
    office.go(6 * 3600.0)
    assert len(office.sent) == 1


def test_what_began_and_ended_at_night_is_not_told_in_the_morning(office: Office) -> None:
    """The camera was away from one to two: by breakfast that is no news."""
    office.quiet = True
    office.hear(BLIND)
    office.go(3600.0)
    office.hear(SEEING)
    office.quiet = False
    office.go(6 * 3600.0)
    assert office.sent == []


def test_a_print_that_was_paused_at_night_and_ended_is_told_in_the_morning(office: Office) -> None:
    """The printer was switched off by a timer: nobody knows yet that the print had been paused."""
    office.quiet = True
    office.hear(FAILURE, PAUSED)
    office.go(3600.0)
    office.hear(PRINT_ENDED)
    office.quiet = False
    office.go(3600.0)
    office.hear(PRINT_ENDED)
    office.go(3600.0)
    assert office.titles() == ["Print paused"], "and the good print after it ends in silence"


def test_states_are_no_messages(office: Office) -> None:
    """The start of a print and a change of the protection are shown, not sent."""
    office.hear(Notice(NoticeKind.PRINT_STARTED, "Watched."), Notice(NoticeKind.PROTECTION, "Local.", detail="local"))
    office.go(3600.0)
    assert office.sent == []


def test_a_message_says_whose_printer_what_why_and_where(office: Office) -> None:
    """Title: printer, what, print. Body: the sentence, the reason when it says more, and the link."""
    office.wording = Wording(printer="Left one", link="http://octopi.local/#tab_plugin_spaghetti")
    office.hear(Notice(NoticeKind.PAUSED, "Paused.", "one", reason="0.81 is above 0.62.", print_name="benchy.gcode"))
    assert office.sent[0].title == "Left one: Print paused: benchy.gcode"
    assert office.sent[0].body == "Paused. 0.81 is above 0.62.\nhttp://octopi.local/#tab_plugin_spaghetti"


def test_a_message_speaks_the_owners_language(office: Office) -> None:
    """Title, sentence and reason are translated; names and the link are not."""
    german = {
        "Print paused": "Druck pausiert",
        "Paused.": "Pausiert.",
        "%(a).2f is above %(b).2f.": "%(a).2f liegt über %(b).2f.",
    }
    office.wording = Wording(printer="Paused.", link="http://octopi.local", look_up=lambda text: german.get(text, text))
    reason = say("%(a).2f is above %(b).2f.", a=0.81, b=0.62)
    office.hear(Notice(NoticeKind.PAUSED, say("Paused."), "one", reason=reason, print_name="Print paused"))
    assert office.sent[0].title == "Paused.: Druck pausiert: Print paused"
    assert office.sent[0].body == "Pausiert. 0.81 liegt über 0.62.\nhttp://octopi.local"


def test_a_reason_that_stands_in_the_sentence_is_not_repeated(office: Office) -> None:
    """Two sentences are two sentences."""
    office.hear(Notice(NoticeKind.PAUSED, "Paused: 0.81 is above 0.62.", "one", reason="0.81 is above 0.62."))
    assert office.sent[0].body == "Paused: 0.81 is above 0.62."


def test_the_thread_may_sleep_until_the_next_message_is_due(office: Office) -> None:
    """What the quiet hours hold back wakes nobody, and nothing that waits means for ever."""
    assert next_due(office.desk, quiet=False) == float("inf")
    office.hear(FAILURE)
    assert next_due(office.desk, quiet=False) == office.now + PAUSE_HOLD_S
    assert next_due(office.desk, quiet=True) == float("inf")


def test_what_is_remembered_stays_bounded(office: Office) -> None:
    """A thousand incidents without an end leave a desk that fits into a drawer."""
    for number in range(1000):
        office.hear(Notice(NoticeKind.PAUSED, "Paused.", str(number)))
    assert len(office.desk.told) <= 32
    assert len(office.sent) == 1000


def test_a_night_of_incidents_stays_bounded(office: Office) -> None:
    """What waits for the morning is kept in a file; the newest are told, and nobody reads a hundred."""
    office.quiet = True
    for number in range(100):
        office.hear(Notice(NoticeKind.PAUSED, "Paused.", f"incident {number}"))
    office.quiet = False
    office.go(60.0)
    assert len(office.sent) == 32
    assert office.sent[-1].incident == "incident 99"
