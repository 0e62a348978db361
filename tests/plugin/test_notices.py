"""The thread behind all channels: real processes, real HTTP; only the clock is moved."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from octoprint_spaghetti.broadcast import OPEN_AGAIN_S
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Notice, NoticeKind, Status
from octoprint_spaghetti.notices import INBOX_SIZE, ChannelReport, Notices, Report
from tests.plugin.test_watch import Bench
from tests.receiver import Receiver

pytest.importorskip("apprise")

JPEG = b"\xff\xd8picture\xff\xd9"
SECRET = "hunter2hunter2"
FAILURE = Notice(NoticeKind.FAILURE, "Spaghetti in 8 of 10 frames.", "one", action="notify", print_name="benchy.gcode")
ENDED = Notice(NoticeKind.INCIDENT_ENDED, "It was a false alarm.", "one", detail="false_alarm")


@dataclass
class Office:
    """Notices with a clock that can be moved ahead, and the service they go to."""

    receiver: Receiver
    notices: Notices | None = None
    ahead_s: float = 0.0
    wall_s: float = 1_800_000_000.0
    asked: list[str | None] = field(default_factory=list)

    def open(self, *paths: str, **settings: object) -> Notices:
        addresses = tuple(self.receiver.address(path) for path in paths)
        self.notices = Notices(
            Settings(channels=addresses, **settings),  # type: ignore[arg-type]
            picture_of=self.picture_of,
            obey=lambda word: None,
            printer="Left one",
            monotonic=lambda: time.monotonic() + self.ahead_s,
            wall=lambda: self.wall_s,
        )
        self.notices.start()
        return self.notices

    def picture_of(self, incident: str | None) -> bytes:
        self.asked.append(incident)
        return JPEG

    def wake(self) -> None:
        assert self.notices is not None
        self.notices.configure(self.notices._settings)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr("octoprint_spaghetti.notices.STOP_S", 60.0)
    with Receiver() as receiver:
        opened = Office(receiver)
        yield opened
        if opened.notices is not None:
            opened.notices.stop()


def eventually(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60.0
    while not true():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.05)


def test_an_incident_is_one_message_to_each_channel_and_one_at_its_end(office: Office) -> None:
    """Each channel gets the failure with its picture, and later the end without one."""
    notices = office.open("first", "second")
    notices.tell(FAILURE)
    eventually(lambda: len(office.receiver.requests) == 2, "the message to both channels")
    notices.tell(ENDED)
    for path in ("first", "second"):
        eventually(lambda path=path: len(office.receiver.received(path)) == 2, f"the end to {path}")
        told, ended = (request.json for request in office.receiver.received(path))
        assert told["title"] == "Left one: The print is failing: benchy.gcode"
        assert len(told["attachments"]) == 1
        assert ended["title"] == "Left one: Incident closed"
        assert ended["attachments"] == []
    assert set(office.asked) == {"one"}
    eventually(lambda: all(channel.succeeded_at for channel in notices.report.channels), "the success in the report")


def test_what_failed_last_time_is_no_answer_to_a_new_message() -> None:
    """A fire drill after the network was away waits for what becomes of its own message."""
    before = Report((ChannelReport("a", "ntfy://", 50.0, "No network.", 0, 2), ChannelReport("b", "ntfy://", 90.0)))
    assert before.unanswered(before, 100.0) == before.channels
    taken = Report((replace(before.channels[0], succeeded_at=101.0, problem="", failures=0), before.channels[1]))
    assert taken.unanswered(before, 100.0) == before.channels[1:]
    refused = Report((replace(before.channels[0], failures=3), replace(before.channels[1], succeeded_at=102.0)))
    assert refused.unanswered(before, 100.0) == ()


def test_while_a_channel_hangs_the_others_get_the_next_message(office: Office) -> None:
    """The watcher's thread has long gone on: what it tells next arrives while the first message still hangs."""
    notices = office.open("hang", "good")
    notices.tell(FAILURE)
    eventually(lambda: office.receiver.received("hang"), "the message that hangs")
    eventually(lambda: office.receiver.received("good"), "the first message beside it")
    notices.tell(Notice(NoticeKind.PAUSE_FAILED, "Stop it by hand.", "one"))
    eventually(lambda: len(office.receiver.received("good")) == 2, "the next message past the one that hangs")
    assert len(office.receiver.received("hang")) == 1
    assert not office.receiver.released.is_set()


def test_a_channel_that_failed_is_tried_again_until_it_recovers(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Status 500 is shown in words, tried again after the back-off, and forgotten when it works; the log has it once."""
    caplog.set_level(logging.INFO)
    notices = office.open("fail")
    notices.tell(FAILURE)
    eventually(lambda: "500" in notices.report.channels[0].problem, "the problem in the report")
    assert notices.report.channels[0].waiting == 1
    for tries in (2, 3):
        eventually(lambda: not notices._sendings, "the end of a try")
        office.ahead_s += 40.0
        office.wake()
        eventually(lambda tries=tries: len(office.receiver.requests) == tries, f"try number {tries}")
    eventually(lambda: not notices._sendings, "the end of the third try")
    office.receiver.broken = False
    office.ahead_s += 200.0
    office.wake()
    eventually(lambda: notices.report.channels[0].waiting == 0, "the delivery")
    assert (notices.report.channels[0].problem, notices.report.channels[0].succeeded_at) == ("", office.wall_s)
    pictures = [len(request.json["attachments"]) for request in office.receiver.requests]
    assert pictures == [1, 1, 0, 0]
    assert caplog.text.count("did not get through") == 1
    assert caplog.text.count("get through again") == 1


def test_a_pause_and_its_failure_are_one_message(office: Office) -> None:
    """The rules of one message hold on the way through the thread."""
    notices = office.open("good")
    notices.tell(Notice(NoticeKind.FAILURE, "Spaghetti.", "one", action="pause"))
    notices.tell(Notice(NoticeKind.PAUSED, "The print was paused: Spaghetti.", "one", action="pause"))
    eventually(lambda: office.receiver.requests, "the message")
    notices.tell(ENDED)
    eventually(lambda: len(office.receiver.requests) == 2, "its end")
    assert [request.json["title"] for request in office.receiver.requests] == [
        "Left one: Print paused",
        "Left one: Incident closed",
    ]


def test_quiet_hours_keep_messages_back_by_the_clock_on_the_wall(office: Office) -> None:
    """In the quiet hours nothing goes; when they are over it does."""
    now = time.localtime(office.wall_s)
    quiet = f"{now.tm_hour:02d}:00-{(now.tm_hour + 1) % 24:02d}:00"
    notices = office.open("good", quiet_hours=quiet)
    notices.tell(Notice(NoticeKind.PAUSED, "Paused.", "one"))
    eventually(lambda: notices._inbox.empty() and notices._desk.waiting, "the message on the desk")
    office.wake()
    assert office.receiver.requests == []
    office.wall_s += 3600.0
    office.wake()
    eventually(lambda: office.receiver.requests, "the message in the morning")


def test_who_tells_never_waits_not_even_when_nobody_listens(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """A thread that does not run: the inbox fills up, the rest is dropped, and that is said once."""
    notices = Notices(Settings(), picture_of=office.picture_of, obey=lambda word: None)
    for _ in range(10 * INBOX_SIZE):
        notices.tell(FAILURE)
        notices.show(Status(), None)
    assert caplog.text.count("Too many notices") == 1
    notices.stop()


@dataclass
class Told:
    """Stands where a bench collects notices, and passes them on."""

    notices: Notices

    def append(self, notice: Notice) -> None:
        self.notices.tell(notice)


def test_a_failing_print_is_paused_while_a_channel_hangs(office: Office) -> None:
    """The whole watch in the place of the thread that tells: the pause is ordered with the message still hanging."""
    notices = office.open("hang")
    notices.tell(FAILURE)
    eventually(lambda: office.receiver.received("hang"), "the message that hangs")
    bench = Bench(notices=Told(notices))  # type: ignore[arg-type]
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(60.0)
    assert bench.printer.pauses == 1
    assert notices._sendings[0].open, "the channel has answered: this test shows nothing"


def test_stopping_ends_the_thread_and_what_is_under_way(office: Office) -> None:
    """A channel that hangs keeps OctoPrint from nothing: thread and process are gone."""
    notices = office.open("hang")
    notices.tell(FAILURE)
    eventually(lambda: office.receiver.received("hang"), "the message that hangs")
    process = notices._sendings[0].round._process
    notices.stop()
    assert not notices._thread.is_alive()
    assert process.returncode is not None


def test_a_channel_that_is_removed_gets_nothing_more(office: Office) -> None:
    """What waited for it is dropped; what waits for the others stays."""
    notices = office.open("fail", "fail2")
    notices.tell(FAILURE)
    eventually(lambda: [channel.waiting for channel in notices.report.channels] == [1, 1], "both waiting")
    eventually(lambda: not notices._sendings, "the end of the first try")
    notices.configure(Settings(channels=(office.receiver.address("fail2"),)))
    eventually(lambda: len(notices.report.channels) == 1, "the removal")
    assert notices.report.channels[0].waiting == 1
    office.receiver.broken = False
    office.ahead_s += 60.0
    office.wake()
    eventually(lambda: len(office.receiver.received("fail2")) == 2, "the delivery")
    assert len(office.receiver.received("fail")) == 1


def test_secrets_are_in_no_log_and_no_report(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Planted into addresses that fail, into the broker's password, and searched at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    notices = office.open(
        f"fail/{SECRET}", f"hang/{SECRET}", mqtt_host="127.0.0.1", mqtt_port=1, mqtt_user="printer", mqtt_password=SECRET
    )
    notices.tell(FAILURE)
    eventually(lambda: any(channel.problem for channel in notices.report.channels), "the problem")
    eventually(lambda: "cannot be reached" in notices.report.mqtt_problem, "the broker's problem")
    assert SECRET not in json.dumps(notices.report.as_json())
    assert SECRET not in caplog.text
    ids = [channel.id for channel in notices.report.channels]
    assert len(set(ids)) == 2
    assert ids[0] != Notices(Settings(), picture_of=office.picture_of, obey=print).id_of(
        office.receiver.address(f"fail/{SECRET}")
    )


def test_a_password_file_that_comes_late_is_read(office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Until then the problem is said, in the log once; nobody has to save the settings again."""
    secret = tmp_path / "secret"
    notices = office.open(mqtt_host="127.0.0.1", mqtt_port=1, mqtt_user="printer", mqtt_password=f"file:{secret}")

    def says(words: str) -> bool:
        office.ahead_s += OPEN_AGAIN_S
        notices.show(Status(), None)
        return words in notices.report.mqtt_problem

    for _ in range(3):
        eventually(lambda: says("cannot be read"), "the missing file")
    secret.write_text(SECRET)
    eventually(lambda: says("cannot be reached"), "the try to connect")
    assert [record.message for record in caplog.records if "cannot be read" in record.message][1:] == []


def test_a_test_of_a_channel_shows_in_its_report(office: Office) -> None:
    """The list says how the last try went, whoever made it."""
    notices = office.open("good")
    notices.tried(office.receiver.address("good"), "It is away.")
    eventually(lambda: notices.report.channels[0].problem == "It is away.", "the problem")
    notices.tried(office.receiver.address("good"), "")
    eventually(lambda: notices.report.channels[0].succeeded_at == office.wall_s, "the success")
