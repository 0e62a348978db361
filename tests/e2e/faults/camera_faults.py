"""What may become of the camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from demo.webcam import Mode
from tests.e2e.faults.bench import PATIENT_S, Bench
from tests.e2e.faults.fault import CALM, Fault
from tests.e2e.faults.octoprint_bench import shared_octoprint
from tests.e2e.faults.server_faults import watched

#: Of a picture of some tens of kilobytes.
FIRST_BYTES = 8_000
FROZEN_S = 60
#: A busy machine is later with putting the cable back; of ten seconds' pictures the lamp would tell.
LOOSE_S, MOST_LOOSE = 3.0, 20


def _behaving(mode: Mode) -> Callable[[Bench], AbstractContextManager[float | None]]:
    @contextmanager
    def injected(bench: Bench) -> Iterator[None]:
        bench.camera.mode = mode
        yield
        bench.camera.mode = Mode.OK

    return injected


def _cable(bend: Callable[[Any], None]) -> Callable[[Bench], AbstractContextManager[float | None]]:
    """Return what bends the cable to the webcam, and straightens it."""

    @contextmanager
    def injected(bench: Bench) -> Iterator[None]:
        bend(bench.cable)
        yield
        bench.cable.heal()

    return injected


def _flicker(cable: Any) -> None:
    """Go, and come back before it is worth an alarm."""
    cable.refuse()
    time.sleep(LOOSE_S)
    cable.heal()


FAULTS = (
    Fault(
        "camera: status 500", "webcam answers so", shared_octoprint, _behaving(Mode.HTTP500), "blind", "status 500; look at it in"
    ),
    Fault("camera hangs", "webcam answers nothing", shared_octoprint, _behaving(Mode.HANG), "blind", "camera hangs .*restart it"),
    Fault(
        "camera: status 500, read by the plugin", "webcam answers so", watched(), _behaving(Mode.HTTP500), "blind", "status 500"
    ),
    Fault(
        "camera trickles",
        "8 bytes each half second",
        watched(),
        _behaving(Mode.TRICKLE),
        "blind",
        "camera hangs or needs more than",
    ),
    Fault("camera sends a login page", "HTML with status 200", watched(), _behaving(Mode.HTML200), "blind", "web page"),
    Fault(
        "camera's picture truncated",
        "half a JPEG, then the end",
        watched(),
        _behaving(Mode.TRUNCATE),
        "blind",
        "cut off|broke off",
    ),
    Fault(
        "camera black",
        "black pictures, each another one",
        watched(),
        _behaving(Mode.BLACK),
        "blind",
        "too dark .*switch a light on",
    ),
    Fault("camera sends 20 MB", "one huge JPEG", watched(), _behaving(Mode.HUGE), "blind", "more than 10 MB"),
    Fault(
        "camera frozen",
        "the same picture again and again",
        watched(),
        _behaving(Mode.FROZEN),
        "blind",
        f"same picture for more than {FROZEN_S} s; restart it",
        within_s=120.0,
        green_s=100.0,
    ),
    Fault(
        "camera gone and back",
        "nothing listens any more",
        watched(),
        _cable(lambda wire: wire.refuse()),
        "blind",
        "Nothing listens at|cannot be reached",
    ),
    Fault(
        "camera unreachable (drop)",
        "a listening socket whose backlog is full",
        watched(),
        _cable(lambda wire: wire.drop()),
        "blind",
        "camera .*(hangs|reached|answer)",
    ),
    Fault(
        "camera stalls in mid-picture",
        "proxy passes nothing on after the request",
        watched(),
        _cable(lambda wire: wire.freeze()),
        "blind",
        "camera hangs or needs more than",
    ),
    Fault(
        "camera's cable loose",
        f"refused for {LOOSE_S:.0f} s",
        watched(deadline=PATIENT_S),
        _cable(_flicker),
        "watching",
        CALM,
        most_lost=MOST_LOOSE,
    ),
    Fault(
        "MJPEG stream breaks off",
        f"refused for {LOOSE_S:.0f} s",
        watched(camera_source="mjpeg", deadline=PATIENT_S),
        _cable(_flicker),
        "watching",
        CALM,
        most_lost=MOST_LOOSE,
    ),
)
