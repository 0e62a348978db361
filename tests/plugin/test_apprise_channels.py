"""Messages through the real Apprise in its real process, to services on loopback."""

from __future__ import annotations

import base64
import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters.apprise_channels import Letter, Round, check_address, send_now, shown
from octoprint_spaghetti.adapters.apprise_sender import redacted
from octoprint_spaghetti.core.notice_rules import Urgency
from tests.certificates import Authority
from tests.receiver import Receiver

pytest.importorskip("apprise")

JPEG = b"\xff\xd8" + bytes(range(256)) * 8 + b"\xff\xd9"
LETTER = Letter("Print paused: benchy.gcode", "Spaghetti in 8 of 10 frames.\nhttp://octopi.local/", Urgency.WARNING, JPEG)
SECRET = "hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Return a receiver that plays every host over HTTPS, as the proxy that the environment names."""
    authority = Authority.make(tmp_path)
    with Receiver(authority) as running:
        running.server_side("discord.com")  # which Apprise waits for no longer than for a connection
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{running.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
        yield running


def results(addresses: list[str], seconds: float = 20.0, letter: Letter = LETTER) -> tuple[str, ...]:
    return finished(Round(addresses, letter, seconds=seconds))


def finished(one: Round) -> tuple[str, ...]:
    """Return the problems in the order of the channels."""
    problems: dict[int, str] = {}
    end = time.monotonic() + 60.0
    while not one.ended:
        assert time.monotonic() < end
        problems.update(one.poll(0.2))
    return tuple(problem for _, problem in sorted(problems.items()))


def test_a_webhook_gets_title_words_kind_and_picture(receiver: Receiver) -> None:
    """Apprise's own JSON: what any program of one's own can read."""
    assert send_now(receiver.address("hook"), LETTER) == ""
    (request,) = receiver.requests
    assert request.json["title"] == LETTER.title
    assert request.json["message"] == LETTER.body
    assert request.json["type"] == "warning"
    assert base64.b64decode(request.json["attachments"][0]["base64"]) == JPEG


@pytest.mark.parametrize("refuses", ["mkdtemp", "write"])
def test_on_a_full_disk_the_words_go_without_the_picture(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, refuses: str
) -> None:
    """Time-lapses fill the card, and that is no reason not to hear of a failing print."""

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if refuses == "mkdtemp":
        monkeypatch.setattr("tempfile.mkdtemp", full)
    else:
        monkeypatch.setattr(Path, "write_bytes", full)
    assert send_now(receiver.address("hook"), LETTER) == ""
    (request,) = receiver.requests
    assert request.json["message"] == LETTER.body
    assert not request.json["attachments"]


def test_what_a_library_prints_in_no_known_letters_hides_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no text, in the middle and at the end of what the process says."""
    program = r"import sys, time; out = sys.stdout.buffer; out.write(b'\xff\n'); out.flush(); time.sleep(0.5)"
    program += r"; out.write(b'{\"channel\": 0, \"problem\": \"\"}\n\xff')"
    monkeypatch.setattr("octoprint_spaghetti.adapters.apprise_channels._COMMAND", [sys.executable, "-c", program])
    assert results(["ntfy://localhost/topic"]) == ("",)


def test_ntfy_gets_the_picture_with_the_words_beside_it(receiver: Receiver) -> None:
    """ntfy takes a picture as the body, title and message in the query."""
    assert send_now(receiver.address("my-printer", "ntfy"), LETTER) == ""
    (request,) = receiver.received("my-printer")
    assert request.body == JPEG
    assert request.query["title"] == LETTER.title
    assert request.query["message"] == LETTER.body
    assert request.query["filename"].endswith(".jpg")


def test_ntfy_without_a_picture_gets_json(receiver: Receiver) -> None:
    """Topic, title and message in one document."""
    assert send_now(receiver.address("my-printer", "ntfy"), Letter("Title", "Body")) == ""
    (request,) = receiver.requests
    assert (request.json["topic"], request.json["title"], request.json["message"]) == ("my-printer", "Title", "Body")


def test_discord_gets_words_and_picture_over_tls(internet: Receiver) -> None:
    """A real HTTPS request to discord.com: the webhook's path, the words, and the picture as a file of a form."""
    token = "a" * 68
    assert send_now(f"discord://123456789012345678/{token}", LETTER) == ""
    assert {request.host for request in internet.requests} == {"discord.com"}
    assert all(f"/api/webhooks/123456789012345678/{token}" in request.path for request in internet.requests)
    words = b"".join(request.body for request in internet.requests)
    assert b"benchy.gcode" in words and b"Spaghetti in 8 of 10 frames." in words
    assert JPEG in [payload for request in internet.requests for payload in files(request.content_type, request.body)]


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(internet: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the tests' authority the same Discord is refused, and gets nothing."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert send_now(f"discord://123456789012345678/{'a' * 68}", LETTER) != ""
    assert internet.requests == []


@pytest.mark.parametrize("bad", ["hang", "trickle"])
def test_a_channel_that_hangs_delays_no_other_and_is_ended(receiver: Receiver, bad: str) -> None:
    """The good one has its message at once; the bad one is named when its time is over, also when it trickles for ever."""
    one = Round([receiver.address(bad), receiver.address("good")], LETTER, seconds=10.0)
    first: dict[int, str] = {}
    while not first:
        first = one.poll(0.1)
    assert (first, one.ended) == ({1: ""}, False)
    assert finished(one) == ("It did not answer within 10 s.",)


def test_a_process_that_hangs_as_a_whole_is_killed(receiver: Receiver) -> None:
    """When nothing comes at all, not even the process's own bound, it is ended by its id and every channel has a problem."""
    now = [0.0]
    one = Round([receiver.address("hang")], LETTER, monotonic=lambda: now[0])
    assert one.poll(0.1) == {}
    now[0] = 3600.0
    assert one.poll(0.1) == {0: "It did not answer in time."}
    assert one.ended


def test_a_stopped_round_leaves_nothing_behind(receiver: Receiver) -> None:
    """The process is gone and so is the picture's folder."""
    one = Round([receiver.address("hang")], LETTER)
    one.poll(0.1)
    folder = Path(one._folder.name)
    assert (folder / "print.jpg").exists()
    one.stop()
    assert one._process.returncode is not None
    assert not folder.exists()


def test_each_problem_is_said_in_words(receiver: Receiver, tmp_path: Path) -> None:
    """A service that answers 500, one that is not there, a scheme nobody knows, a file that is not there."""
    problems = results(
        [receiver.address("fail"), "json://127.0.0.1:1/x", "nonsense://x", f"file:{tmp_path}/none", receiver.address("good")]
    )
    assert "500" in problems[0]
    assert "onnection" in problems[1]
    assert "does not know this address" in problems[2]
    assert "cannot be read (No such file" in problems[3]
    assert problems[4] == ""


def test_an_address_may_stand_in_a_file(receiver: Receiver, tmp_path: Path) -> None:
    """A secret of a container is a file; its first line is the address."""
    file = tmp_path / "channel"
    file.write_text(receiver.address("from-a-file") + "\n")
    assert send_now(f"file:{file}", LETTER) == ""
    assert receiver.received("from-a-file")


def test_checking_an_address_sends_nothing(receiver: Receiver) -> None:
    """Adding a channel says whether Apprise knows its form; only a test or a notice sends."""
    assert check_address(receiver.address("hook")) == ""
    assert "does not know" in check_address("lasagne://x")
    assert receiver.requests == []


def test_no_secret_is_in_a_problem_or_in_the_process_list(receiver: Receiver, tmp_path: Path) -> None:
    """Planted into user, password, path and query of channels that fail each in its own way."""
    addresses = [
        f"json://{SECRET}:{SECRET}@127.0.0.1:1/{SECRET}?x={SECRET}",
        f"json://127.0.0.1:{receiver.port}/fail/{SECRET}",
        f"discord://{SECRET}",
        f"lasagne://{SECRET}",
        f"json://127.0.0.1:{receiver.port}/hang/{SECRET}",
    ]
    one = Round(addresses, LETTER, seconds=3.0)
    arguments = subprocess.run(["ps", "-o", "args=", "-p", str(one._process.pid)], capture_output=True, text=True, timeout=10)
    environment = Path(f"/proc/{one._process.pid}/environ")
    seen = arguments.stdout + (environment.read_bytes().decode("utf-8", "replace") if environment.exists() else "")
    problems = finished(one)
    assert len(problems) == len(addresses) and all(problems)
    assert SECRET not in seen + "".join(problems)
    assert os.fspath(tmp_path) not in "".join(problems)


def test_what_is_shown_of_an_address_is_the_service() -> None:
    """``discord://...`` and no more; of a file its path, which is no secret."""
    assert shown(f"discord://{SECRET}/{SECRET}") == "discord://\u2026"
    assert shown("file:/run/secrets/telegram") == "file:/run/secrets/telegram"


def test_redaction_finds_a_secret_in_both_its_forms() -> None:
    """As it stands in the address, and with its percent signs resolved."""
    address = "mailto://me:p%40ssw0rd@example.com"
    assert redacted("login p%40ssw0rd failed, p@ssw0rd is wrong", address) == "login \u2026 failed, \u2026 is wrong"


def files(content_type: str, body: bytes) -> list[bytes]:
    """Return the parts of a form that are files; nothing for other bodies."""
    if not content_type.startswith("multipart/"):
        return []
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return [bytes(part.get_payload(decode=True) or b"") for part in message.get_payload() if part.get_filename()]  # type: ignore
