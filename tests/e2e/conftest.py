"""The real parts: OctoPrint with its virtual printer, Triton with the trained model, a webcam over HTTP."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Mode, Webcam
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.triton import TritonMissing, TritonServer, find_triton
from tests.e2e.ports import free_port
from tests.pictures import Pictures

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.browser import OctoPrintPage

ROOT = Path(__file__).parents[2]
OCTOPRINT_VERSIONS = ("1.11.8", "2.0.0rc7")
#: A deadline for pictures that no test wants to see late: a busy machine may hold an answer back for seconds.
PATIENT_S = 20.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, so that they can be left out with ``-m 'not e2e'``."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


def octoprint_python(version: str) -> Path:
    """Return the interpreter of the environment that scripts/test made, or skip."""
    python = ROOT / ".venv" / f"octoprint-{version}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no OctoPrint {version} in .venv; run scripts/test")
    return python


def eventually(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is true, at most ``seconds``; fail with ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)


@pytest.fixture(scope="session", autouse=True)
def ports_of_our_own() -> Iterator[None]:
    """Let no other program be given the port of a server between its choice and the moment in which the server listens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.octoprint_server.free_port", free_port)
        patch.setattr("inference_server.triton.free_port", free_port)
        yield


@pytest.fixture(scope="session")
def model_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository for Triton with the smaller shipped model, for the CPU, which the printers of many tests share."""
    return assemble(tmp_path_factory.mktemp("triton") / "repository", profile="cpu", model=default_model(size="nano"), cores=1)


@pytest.fixture(scope="session")
def start_triton(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TritonServer]]:
    """Return a function that starts a Triton (on ``grpc_port``, of another ``repository``, if given); all are stopped at the end."""
    try:
        binary = find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))
    logs = tmp_path_factory.mktemp("triton-logs")
    started: list[TritonServer] = []

    def start(grpc_port: int = 0, repository: Path = model_repository) -> TritonServer:
        server = TritonServer(repository, log=logs / f"{len(started)}.log", binary=binary, grpc_port=grpc_port)
        started.append(server)
        server.start()
        server.wait_ready(90.0)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def triton(start_triton: Callable[..., TritonServer]) -> TritonServer:
    """Return a Triton that runs for the whole session; whoever wants to break one starts their own."""
    return start_triton()


@pytest.fixture(scope="session")
def camera() -> Iterator[Webcam]:
    """Return a webcam that shows a new, harmless picture every 100 ms."""
    with Webcam(Pictures(36_000), interval_s=0.1) as webcam:  # an hour: a camera that has come to its end is frozen
        webcam.play()
        yield webcam


@pytest.fixture(scope="session", params=OCTOPRINT_VERSIONS)
def any_octoprint(
    request: pytest.FixtureRequest, camera: Webcam, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OctoPrintServer]:
    """Return a running OctoPrint of each version with the plugin, the webcam and Triton set up."""
    yield from octoprint_server(request.param, camera, triton, tmp_path_factory.mktemp("octoprint"))


@pytest.fixture(scope="session")
def octoprint(camera: Webcam, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    """Return a running OctoPrint of the stable version, for tests that need one of many."""
    yield from octoprint_server(OCTOPRINT_VERSIONS[0], camera, triton, tmp_path_factory.mktemp("octoprint"))


def octoprint_server(version: str, camera: Webcam, triton: TritonServer, base: Path) -> Iterator[OctoPrintServer]:
    """Start an OctoPrint with the plugin looking every half second, and stop it."""
    settings = {"servers": [triton.target], "interval": 0.5, "suspect_interval": 0.5, "deadline": PATIENT_S, "warm_up": 0.0}
    with OctoPrintServer(octoprint_python(version), base, camera.url, {"spaghetti": settings}) as server:
        yield server


@pytest.fixture
def printing(octoprint: OctoPrintServer, camera: Webcam) -> Iterator[OctoPrintServer]:
    """Return OctoPrint while it prints and the plugin watches; the job is cancelled afterwards, the camera healed."""
    try:
        with a_print(octoprint):
            yield octoprint
    finally:
        camera.mode = Mode.OK


@contextmanager
def a_print(octoprint: OctoPrintServer) -> Iterator[None]:
    """Print something, watched, and cancel it whatever happens."""
    octoprint.upload_and_print("test.gcode", print_lasting(minutes=30))
    try:
        eventually(lambda: octoprint.plugin_status()["answers"] > 0, 60.0, "an answer about the running print")
        yield
    finally:
        octoprint.job("cancel")
        eventually(lambda: octoprint.printer_state() == "Operational", 60.0, "the end of the cancelled job")


# -- the browser; imported late, for it may not be installed ---------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")
    from tests.e2e.browser import CHROMIUM_FLAGS, find_chromium

    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium; run scripts/test, or install the package chromium")
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, octoprint: OctoPrintServer) -> Iterator[OctoPrintPage]:
    """Return OctoPrint's page for its administrator; no test may leave an error in the browser's console."""
    from tests.e2e.browser import OctoPrintPage

    opened = OctoPrintPage.of(browser, octoprint)
    yield opened
    opened.close()
    assert opened.errors == []


@pytest.fixture
def any_page(browser: Browser, any_octoprint: OctoPrintServer) -> Iterator[OctoPrintPage]:
    """Return the page of each OctoPrint version, one after the other; no test may leave an error in the browser's console."""
    from tests.e2e.browser import OctoPrintPage

    opened = OctoPrintPage.of(browser, any_octoprint)
    yield opened
    opened.close()
    assert opened.errors == []


@pytest.fixture(scope="module")
def shared_page(browser: Browser, octoprint: OctoPrintServer) -> Iterator[OctoPrintPage]:
    """Return one page for all tests that neither save settings nor print."""
    from tests.e2e.browser import OctoPrintPage

    opened = OctoPrintPage.of(browser, octoprint)
    yield opened
    opened.close()
    assert opened.errors == []


@pytest.fixture
def broken_camera(camera: Webcam) -> Iterator[Webcam]:
    """Return the camera, which answers with status 500 until the test is over."""
    camera.mode = Mode.HTTP500
    yield camera
    camera.mode = Mode.OK


@pytest.fixture
def hang_up_is_heard() -> Iterator[None]:
    """Let the programs that a test starts hear of a closed terminal, also when ``nohup`` has let the whole run ignore it.

    A handler of ours is theirs by default: what is ignored stays so across exec, what is handled does not.
    """
    before = signal.signal(signal.SIGHUP, lambda number, frame: None)
    yield
    signal.signal(signal.SIGHUP, before)
