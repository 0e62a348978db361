"""Messages through a restart: real files, real processes, real HTTP; OctoPrint ends by a stop or by a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters.waiting_file import WaitingFile
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Notice, NoticeKind
from octoprint_spaghetti.notices import Notices
from tests.plugin.test_notices import ENDED, FAILURE, eventually
from tests.receiver import Receiver

pytest.importorskip("apprise")

ROOT = Path(__file__).parents[2]
#: Another process with the plugin's notices: tells one notice, says so, and waits for its end.
_TELLER = """
import sys, time
from pathlib import Path
from octoprint_spaghetti.adapters.waiting_file import WaitingFile
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Notice, NoticeKind
from octoprint_spaghetti.notices import Notices
file, address = Path(sys.argv[1]), sys.argv[2]
notices = Notices(Settings(channels=(address,)), picture_of=lambda one: None, obey=lambda word: None, store=WaitingFile(file))
notices.start()
notices.tell(Notice(NoticeKind.PAUSE_FAILED, "Stop it by hand.", "one"))
while not file.exists():
    time.sleep(0.01)
print("told", flush=True)
time.sleep(60.0)
"""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr("octoprint_spaghetti.notices.STOP_S", 60.0)
    with Receiver() as opened:
        yield opened


def opened(file: Path, *addresses: str, **settings: object) -> Notices:
    notices = Notices(
        Settings(channels=addresses, **settings),  # type: ignore[arg-type]
        picture_of=lambda incident: None,
        obey=lambda word: None,
        store=WaitingFile(file),
    )
    notices.start()
    return notices


def test_a_message_that_could_not_be_delivered_is_delivered_after_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    """To the channel that failed, and not again to the one that has it."""
    addresses = receiver.address("good"), receiver.address("fail")
    notices = opened(tmp_path / "waiting.json", *addresses)
    notices.tell(FAILURE)
    eventually(lambda: notices.report.channels[1].problem and notices.report.channels[0].succeeded_at, "the first try")
    notices.stop()
    receiver.broken = False
    notices = opened(tmp_path / "waiting.json", *addresses)
    eventually(lambda: len(receiver.received("fail")) == 2, "the delivery after the restart")
    eventually(lambda: notices.report.channels[1].waiting == 0, "an empty outbox")
    notices.tell(ENDED)
    eventually(lambda: len(receiver.received("good")) == 2, "the end of what was told before the restart")
    notices.stop()
    assert receiver.received("good")[1].json["title"].startswith("Incident closed")


def test_what_quiet_hours_hold_back_is_told_after_a_restart_in_the_night(receiver: Receiver, tmp_path: Path) -> None:
    """A print that was paused at night is told in the morning, whatever happened to OctoPrint in between."""
    now = time.localtime()
    night = f"{now.tm_hour:02d}:00-{(now.tm_hour + 2) % 24:02d}:00"
    notices = opened(tmp_path / "waiting.json", receiver.address("good"), quiet_hours=night)
    notices.tell(Notice(NoticeKind.PAUSED, "Paused.", "one"))
    eventually((tmp_path / "waiting.json").exists, "the file")
    notices.stop()
    assert receiver.requests == []
    notices = opened(tmp_path / "waiting.json", receiver.address("good"))
    eventually(lambda: receiver.requests, "the message in the morning")
    notices.stop()


def test_a_notice_told_just_before_the_end_is_kept(receiver: Receiver, tmp_path: Path) -> None:
    """OctoPrint shuts down while the print fails: the notice is still in the inbox when the thread is told to end."""
    notices = opened(tmp_path / "waiting.json", receiver.address("fail"))
    notices._stopping.set()
    notices.tell(FAILURE)
    notices.stop()
    held = json.loads((tmp_path / "waiting.json").read_text(encoding="utf-8"))
    assert [one["message"]["topic"] for one in held["held"]] == ["incident one"] or held["messages"]


def test_a_message_survives_a_kill(receiver: Receiver, tmp_path: Path) -> None:
    """The process ends at once, with nothing closed and nothing flushed; the next one delivers what it had to say."""
    file = tmp_path / "waiting.json"
    teller = subprocess.Popen(
        [sys.executable, "-c", _TELLER, str(file), receiver.address("fail")], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert teller.stdout is not None
        assert teller.stdout.readline() == b"told\n"
    finally:
        teller.send_signal(signal.SIGKILL)
        teller.communicate()
    assert receiver.address("fail").split("://")[1] not in file.read_text(encoding="utf-8")
    receiver.broken = False
    notices = opened(file, receiver.address("good"))
    eventually(lambda: receiver.received("good"), "the message of the process that was killed")
    notices.stop()
    assert "THE PRINT DID NOT PAUSE" in receiver.received("good")[0].json["title"]
    assert file.stat().st_size < 1000


def test_a_disk_that_is_full_for_a_while_is_one_line_and_then_holds_all(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages go out as ever; what waits is written as soon as it can be."""
    (tmp_path / "data").write_text("in the way of the folder")
    notices = opened(tmp_path / "data" / "waiting.json", receiver.address("fail"), receiver.address("good"))
    notices.tell(FAILURE)
    eventually(lambda: notices.report.channels[1].succeeded_at and notices.report.channels[0].problem, "the messages")
    (tmp_path / "data").unlink()
    eventually((tmp_path / "data" / "waiting.json").exists, "the file")
    notices.stop()
    assert caplog.text.count("Messages that wait could not be saved") == 1
