"""The program that talks to Apprise, in a process of its own: ``python -m octoprint_spaghetti.adapters.apprise_sender``.

It reads one job as JSON from its standard input, tries all channels at once and writes one line of JSON for each as it
is done: ``{"channel": <number>, "problem": <sentence, empty when it went well>}``. A process, because Apprise is then
loaded only while something is sent (56 MB that OctoPrint does not grow by), because one that hangs can be ended, and
because what its hundred services write into their logs can hold addresses and tokens; here it is read and thrown away.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError, as_completed
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from octoprint_spaghetti.core.sentence import say, with_parts

#: Exit status when Apprise is not installed.
NO_APPRISE = 3
_LONGEST_PROBLEM = 200
#: Shorter parts of an address are words such as ``bot`` or a port, and no secret.
_SHORTEST_SECRET = 4

#: Apprise waits 4 s for an answer; a service that is handed a picture may need longer, and would get the message twice.
_READ_S = 15.0

#: Which channel the code that logs works for; Apprise may use threads of its own, which inherit it.
_CHANNEL: contextvars.ContextVar[int] = contextvars.ContextVar("channel", default=-1)


class _AddressUnknown(Exception):
    """Apprise can make nothing of an address."""


class _Complaints(logging.Handler):
    """Collects the last warning of each channel."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.last[_CHANNEL.get()] = record.getMessage()


def main() -> int:
    """Do the job that comes in; return the exit status."""
    job = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        return NO_APPRISE
    complaints = _Complaints()
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(complaints)
    for channel, problem in _try_all(apprise, complaints, job):
        answer = with_parts({"channel": channel, "problem": problem})
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer to the parent
    return 0


def redacted(problem: str, address: str) -> str:
    """Return ``problem`` as one short line without any part of ``address`` that could be a secret."""
    line = " ".join(problem.split())
    parts = {form for part in re.split(r"[/:@?&=,#]+", address.partition("://")[2]) for form in (part, unquote(part))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            line = line.replace(part, "\u2026")
    return line[:_LONGEST_PROBLEM]


def _try_all(apprise: Any, complaints: _Complaints, job: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield each channel's number with its problem, first come first; who does not answer in time comes last."""
    pool = ThreadPoolExecutor(max_workers=len(job["channels"]))
    futures = {pool.submit(_try, apprise, complaints, number, one, job): number for number, one in enumerate(job["channels"])}
    late = dict(futures)
    try:
        for future in as_completed(futures, timeout=job["seconds"]):
            yield late.pop(future), future.result()
    except TimeoutError:
        for number in late.values():
            yield number, say("It did not answer within %(seconds).0f s.", seconds=job["seconds"])


def _try(apprise: Any, complaints: _Complaints, number: int, address: str, job: dict[str, Any]) -> str:
    """Send to one channel, or only read its address when the job says so; return the problem, empty when there is none."""
    _CHANNEL.set(number)
    try:
        address = _resolved(address)
        sent = _use(apprise, address, job)
    except OSError as error:
        return say("The file with the address cannot be read (%(reason)s).", reason=error.strerror)
    except _AddressUnknown:
        return say("Apprise does not know this address; see https://github.com/caronc/apprise/wiki for its form.")
    except Exception as error:  # noqa: BLE001 - the top of a thread; a hundred services, each with errors of its own
        return redacted(f"{type(error).__name__}: {error}", address)
    if sent:
        return ""
    complaint = complaints.last.get(number)
    unknown = say("The service did not take the message and did not say why.")
    return unknown if complaint is None else redacted(complaint, address)


def _use(apprise: Any, address: str, job: dict[str, Any]) -> bool:
    asset = apprise.AppriseAsset(app_id="OctoPrint", app_desc="OctoPrint", app_url="https://octoprint.org", storage_mode="memory")
    service = apprise.Apprise.instantiate(address, asset=asset)
    if service is None:
        raise _AddressUnknown
    if job["only_check"]:
        return True
    if "rto=" not in address:  # Apprise's own word for it, which an address may set
        service.socket_read_timeout = _READ_S
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    picture = apprise.AppriseAttachment(job["picture"]) if job["picture"] else None
    return bool(
        sender.notify(title=job["title"], body=job["body"], notify_type=job["urgency"], body_format="text", attach=picture)
    )


def _resolved(address: str) -> str:
    """Return the address itself, or the first line of the file that ``file:`` names."""
    if not address.startswith("file:"):
        return address
    lines = Path(address[len("file:") :].strip()).read_text(encoding="utf-8").split("\n")
    return lines[0].strip()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a service that hangs must not keep the process: its thread would be waited for
