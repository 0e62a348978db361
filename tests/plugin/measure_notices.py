"""What messages cost: ``python -m tests.plugin.measure_notices`` prints a table, and the same as JSON in its last line."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path

from octoprint_spaghetti.adapters.apprise_channels import Letter, send_now
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, Notice, NoticeKind, Status
from octoprint_spaghetti.notices import Notices
from tests.receiver import Receiver

JPEG = b"\xff\xd8" + bytes(100_000) + b"\xff\xd9"  # a picture of 640 x 480 is about this large
FAILURE = Notice(NoticeKind.FAILURE, "Spaghetti in 8 of 10 frames.", "one", action="notify")
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    before = memory_mb()
    with Receiver() as receiver:
        figures = {
            "tell() or show() returns after, us": post_us(),
            "message at a web server after, s": arrival_s(receiver),
            "the same while another channel hangs, s": arrival_s(receiver, "hang"),
            "memory of the sending process, MB": sender_mb(receiver),
        }
    figures["memory added to OctoPrint, without a broker, MB"] = memory_mb() - before
    import paho.mqtt.client  # noqa: F401 - for its weight

    figures["memory added by paho-mqtt, MB"] = memory_mb() - before - figures["memory added to OctoPrint, without a broker, MB"]
    for name, value in figures.items():
        print(f"{name:50} {value:8.2f}")  # noqa: T201
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))  # noqa: T201


def notices(*addresses: str) -> Notices:
    """Return running notices for these channels."""
    made = Notices(Settings(channels=addresses), picture_of=lambda incident: JPEG, obey=lambda word: None)
    made.start()
    return made


def post_us() -> float:
    """Return the median microseconds that the watcher's thread spends on a status and a notice, while the thread works."""
    running = notices()
    times = []
    for _ in range(1000):
        started = time.perf_counter()
        running.show(Status(), Frame(JPEG, 0.0, "camera"))
        running.tell(FAILURE)
        times.append(time.perf_counter() - started)
        time.sleep(0.0005)
    running.stop()
    return statistics.median(times) * 1e6 / 2


def arrival_s(receiver: Receiver, *beside: str) -> float:
    """Return the median seconds from telling to the request with the picture at the web server."""
    times = []
    for _ in range(ROUNDS):
        receiver.requests.clear()
        running = notices(*(receiver.address(path) for path in (*beside, "good")))
        started = time.perf_counter()
        running.tell(FAILURE)
        while not receiver.received("good") and time.perf_counter() - started < 60.0:
            time.sleep(0.002)
        times.append(time.perf_counter() - started)
        running.stop()
    return statistics.median(times)


def sender_mb(receiver: Receiver) -> float:
    """Return the largest resident memory of a process that sends, MB."""
    send_now(receiver.address("good"), Letter("Title", "Body", picture=JPEG))
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def memory_mb() -> float:
    """Return the resident memory of this process, MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.exit(main())
