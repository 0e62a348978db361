"""A server with too much to do, seen from a printer: it is told apart from one that is down, and all is well when the crowd is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_server.benchmarks.printers import Line, closed_loop
from inference_server.benchmarks.served import frames
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.triton import TritonMissing, TritonServer, find_triton
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import DetectorError, ServerOverloaded, ServerUnreachable
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame

pytestmark = pytest.mark.e2e

#: Many more clients than a step has room for here, so that most are turned away at any moment.
CROWD, CROWD_S, ROOM = 24, 5.0, 1
#: No answer is to be late here, however busy the machine is.
PATIENT_S = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TritonServer]:
    """Return a Triton that serves the shipped detector, with room for one waiting frame instead of 256."""
    try:
        binary = find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))
    repository = assemble(tmp_path / "repository", profile="cpu", model=default_model(), cores=2)
    for config in repository.glob("d*/**/*.pbtxt"):
        config.write_text(config.read_text().replace("max_queue_size: 256", f"max_queue_size: {ROOM}"))
    with TritonServer(repository, log=tmp_path / "triton.log", binary=binary) as running:
        running.wait_ready(90)
        yield running


def outcome(detector: TritonDetector, frame: Frame) -> type[DetectorError] | None:
    """Look at the frame; return the error, None for an answer."""
    try:
        detector.look(frame)
    except DetectorError as error:
        return type(error)
    return None


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_a_crowd_is_too_much_to_do_and_a_dead_server_is_unreachable(server: TritonServer, transport: str) -> None:
    """While the crowd asks, this printer is answered or told that the server is busy; after it, answered; after the end, unreachable."""
    jpegs = frames()
    frame = Frame(jpeg=jpegs[0], captured_at=0.0, camera="test")
    detector = TritonDetector(Settings(servers=(server.target,), transport=transport, deadline=PATIENT_S))
    crowd = threading.Thread(target=closed_loop, args=(Line(server.target), CROWD, jpegs, CROWD_S))
    try:
        assert outcome(detector, frame) is None
        crowd.start()
        busy = set()
        while crowd.is_alive():
            busy.add(outcome(detector, frame))
        assert ServerOverloaded in busy
        assert busy <= {None, ServerOverloaded}
        assert [outcome(detector, frame) for _ in range(5)] == 5 * [None]
        server.stop()
        with pytest.raises(ServerUnreachable):
            detector.look(frame)
    finally:
        detector.close()
        if crowd.ident is not None:
            crowd.join(60)
