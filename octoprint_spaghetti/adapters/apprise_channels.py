"""Messages to Discord, Telegram, ntfy, e-mail and a hundred more through Apprise, which runs in a process of its own.

The process tries all channels at once and is ended after ``SECONDS``: a channel that hangs delays none of the others,
and nothing here ever waits for one. Addresses travel through its standard input, never in its arguments.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import octoprint_spaghetti
from octoprint_spaghetti.adapters.apprise_sender import NO_APPRISE
from octoprint_spaghetti.core.errors import ChannelError
from octoprint_spaghetti.core.notice_rules import Urgency
from octoprint_spaghetti.core.sentence import PARTS, from_parts, say

#: What one try of a channel may take: most services answer in 1 s, an upload of a picture over a slow line takes 10 s.
SECONDS = 20.0
#: What Python and Apprise need to start, on top: 0.3 s on a PC, several on a Raspberry Pi that prints.
START_S = 15.0
#: A look at the process takes this long: with nothing at all, Python would give up before it reads what there is.
POLL_S = 0.05

_COMMAND = [sys.executable, "-m", "octoprint_spaghetti.adapters.apprise_sender"]
_MISSING = say("Apprise is not installed; run: pip install apprise (in OctoPrint's environment).")
_KILLED = say("It did not answer in time.")


@dataclass(frozen=True)
class Letter:
    """What is sent: a title, a body in plain text, how it looks, and a picture (a JPEG file's bytes, or None)."""

    title: str
    body: str
    urgency: Urgency = Urgency.INFO
    picture: bytes | None = None


class Round:
    """One letter on its way to several channels; :meth:`poll` until it has ``ended``, at last after ``SECONDS + START_S``."""

    def __init__(
        self,
        addresses: Sequence[str],
        letter: Letter,
        *,
        only_check: bool = False,
        seconds: float = SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the process. ``only_check`` has it read the addresses and send nothing. Raises :class:`ChannelError`."""
        self.ended = False
        self._open = set(range(len(addresses)))  # channels of which nothing is known yet
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # with the picture, if one goes along
        self._monotonic = monotonic
        self._ends_at = monotonic() + seconds + START_S
        job = {
            "channels": list(addresses),
            "title": letter.title,
            "body": letter.body,
            "urgency": str(letter.urgency),
            "picture": self._picture(letter.picture),
            "only_check": only_check,
            "seconds": seconds,
        }
        self._job: str | None = json.dumps(job)
        try:
            self._process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",  # a service's library may print what it likes
                cwd=Path(octoprint_spaghetti.__file__).parents[1],
            )
        except OSError as error:
            self._tidy()
            raise ChannelError(
                say("The process that sends messages cannot be started (%(reason)s).", reason=error.strerror)
            ) from error

    def poll(self, wait: float = POLL_S) -> dict[int, str]:
        """Return what is newly known: a channel's number and its problem, empty where it went well.

        Blocks ``wait`` seconds at most. Every channel comes once, as soon as it is done.
        """
        if self.ended:
            return {}
        late = self._monotonic() >= self._ends_at
        if late:
            self._process.kill()
        try:
            job, self._job = self._job, None
            output, _ = self._process.communicate(job, timeout=None if late else wait)
        except subprocess.TimeoutExpired as unfinished:
            return self._news(
                (unfinished.output or b"").decode("utf-8", "replace")
            )  # always bytes, and on Windows nothing until the end
        self.ended = True
        self._tidy()
        missing = _MISSING if self._process.returncode == NO_APPRISE else _KILLED
        return {**self._news(output), **dict.fromkeys(self._open, missing)}

    def stop(self) -> None:
        """End the process; what was not sent yet is not sent."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self.ended = True
        self._tidy()

    def _picture(self, jpeg: bytes | None) -> str:
        """Return where the picture lies for the process; nowhere on a disk that is full, for the words go nevertheless."""
        if jpeg is None:
            return ""
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="spaghetti-")
            file = Path(self._folder.name) / "print.jpg"
            file.write_bytes(jpeg)
        except OSError:
            return ""
        return str(file)

    def _tidy(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def _news(self, output: str) -> dict[int, str]:
        """Return what all output so far says of channels that are open, and close them."""
        news = read_news(output, self._open)
        self._open -= set(news)
        return news


def read_news(output: str, asked: Collection[int]) -> dict[int, str]:
    """Return what the program's output says of the channels that were ``asked``: a problem each, empty where it went well.

    Half a line waits for its end. A line that is no answer is left out: a service's library may print what it likes.
    """
    news: dict[int, str] = {}
    for line in output.split("\n")[:-1]:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            answer = json.loads(line)
            channel, problem = answer["channel"], answer["problem"]
            if isinstance(channel, int) and isinstance(problem, str) and channel in asked:
                news[channel] = from_parts(answer.get(f"problem{PARTS}"), problem)
    return news


def send_now(address: str, letter: Letter) -> str:
    """Send a letter to one channel and wait for it; return the problem, empty when it arrived. Raises :class:`ChannelError`."""
    return _finished(Round([address], letter))


def check_address(address: str) -> str:
    """Return why Apprise cannot use an address, or an empty string; sends nothing. Raises :class:`ChannelError`."""
    return _finished(Round([address], Letter("", ""), only_check=True))


def shown(address: str) -> str:
    """Return what may be shown of an address: the service's name, or the file that holds it."""
    return address if address.startswith("file:") else f"{address.partition('://')[0].lower()}://\u2026"


def _finished(one: Round) -> str:
    problems: dict[int, str] = {}
    while not one.ended:
        problems.update(one.poll(1.0))
    return problems[0]
