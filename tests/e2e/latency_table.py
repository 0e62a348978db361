"""Print how long it takes from the failure in the picture to everywhere it is told: ``python -m tests.e2e.latency_table``.

Twelve prints, one after the other, about twelve minutes: a rendered print comes loose before a webcam, the plugin at its
default settings looks at it through a real Triton and pauses a real OctoPrint, a real Chromium shows its tab, and a web server
stands for a phone. All clocks are this computer's. Medians, and the worst, are what the table shows; the JSON line has each run.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from demo.frames import SceneFrames
from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.browser import CHROMIUM_FLAGS, OctoPrintPage, find_chromium
from tests.receiver import Receiver, Request

ROOT = Path(__file__).parents[2]
#: Seconds that each picture of the scene is shown.
_FRAME_S = 1.0
#: Seconds of good print before the failure; a little more in each run, so that it begins anywhere between two looks.
_GOOD_S, _SHIFT_S = 8.0, 0.7
#: The scene's failure grows for this long; who has not paused by then does not pause.
_FAILING_S = 75.0
_READY_S = 90.0
_POLL_S = 0.05

#: Notes in the page when each status came and when each picture was shown, in Unix seconds.
_LISTEN = """() => {
    window.noted = {statuses: [], pictures: []};
    ko.dataFor(document.querySelector('#tab_plugin_spaghetti')).status.subscribe((status) => window.noted.statuses.push(
        {at: Date.now() / 1000, verdict: status.verdict, state: status.printer_state, number: status.picture_number}));
    document.addEventListener('load', (event) => {
        const number = /frame\\.jpg.*[?&]n=(\\d+)/.exec(event.target.src || '');
        if (number) requestAnimationFrame(() => window.noted.pictures.push({at: Date.now() / 1000, number: Number(number[1])}));
    }, true);
    const room = document.querySelector('#tab_plugin_spaghetti');
    new MutationObserver(() => {
        const number = /[?&]n=(\\d+)/.exec((room.querySelector('.spaghetti_view img') || {}).src || '');
        const last = window.noted.pictures[window.noted.pictures.length - 1];
        if (number && (!last || last.number !== Number(number[1])))
            window.noted.pictures.push({at: Date.now() / 1000, number: Number(number[1])});
    }).observe(room, {subtree: true, childList: true, attributes: true, attributeFilter: ['src']});
}"""


@dataclass(frozen=True)
class Run:
    """One print: seconds between what the names say; the failure begins with the first frame that shows it."""

    failure_to_picture_in_browser: float
    failure_to_suspect_in_browser: float
    failure_to_decision: float
    decision_to_paused: float
    decision_to_paused_in_browser: float
    decision_to_message: float


@dataclass
class _Served(SceneFrames):
    """The rendered scene, which remembers when somebody first got a frame of the failure."""

    scene: Scene
    failing_served_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__init__(self.scene)

    def jpeg(self, position: int) -> bytes:
        """Return the frame at ``position``."""
        if position >= self.scene.failure_at and self.failing_served_at is None:
            self.failing_served_at = time.time()
        return super().jpeg(position)


@dataclass
class Stage:
    """The parts that run for all prints."""

    octoprint: OctoPrintServer
    page: OctoPrintPage
    receiver: Receiver


@click.command()
@click.option("--runs", default=12, show_default=True, help="Prints.")
@click.option(
    "--octoprint", "version", default="1.11.8", show_default=True, help="Version of OctoPrint, as scripts/test installs it."
)
def main(runs: int, version: str) -> None:
    """Let a print fail again and again, and tell how long everything took."""
    load = os.getloadavg()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        triton = TritonServer(
            assemble(place / "repository", profile="cpu", model=default_model(), cores=1), log=place / "triton.log"
        )
        stack.callback(triton.stop)
        triton.start()
        triton.wait_ready(_READY_S)
        receiver = stack.enter_context(Receiver())
        camera = stack.enter_context(_SwitchedCamera())
        settings = {"servers": [triton.target], "warm_up": 0.0, "channels": [receiver.address("phone")]}
        python = ROOT / ".venv" / f"octoprint-{version}" / "bin" / "python"
        octoprint = stack.enter_context(OctoPrintServer(python, place / "octoprint", camera.url, {"spaghetti": settings}))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=find_chromium(), args=list(CHROMIUM_FLAGS)
        )
        page = OctoPrintPage.of(browser, octoprint)
        page.show_tab()
        page.page.evaluate(_LISTEN)
        stage = Stage(octoprint, page, receiver)
        found = [_run(stage, camera, seed) for seed in range(runs)]
        browser.close()
    _show(found, load)


def _show(found: list[Run], load: tuple[float, float, float]) -> None:
    table = Table("seconds", "median", "best", "worst")
    for name in Run.__dataclass_fields__:
        values = [getattr(run, name) for run in found]
        table.add_row(
            name.replace("_", " "), *(f"{value:.2f}" for value in (statistics.median(values), min(values), max(values)))
        )
    console = Console()
    console.print(table)
    console.print(f"{len(found)} prints; load average {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after.")
    click.echo(json.dumps([{name: round(value, 3) for name, value in vars(run).items()} for run in found]))


class _SwitchedCamera:
    """A webcam at one address that plays another scene for each print."""

    def __init__(self) -> None:
        self._frames = _scene(0)
        self._webcam = Webcam(self._frames, _FRAME_S)

    @property
    def url(self) -> str:
        """The camera's address."""
        return self._webcam.url

    def __enter__(self) -> _SwitchedCamera:
        self._webcam.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._webcam.stop()
        self._frames.close()

    def load(self, seed: int) -> _Served:
        """Show the first picture of the scene of ``seed``; all are drawn ahead, to take no processor from the watch later."""
        before, self._frames = self._frames, _scene(seed)
        for position in range(len(self._frames)):
            self._frames.jpeg(position)
        self._frames.failing_served_at = None
        self._webcam.playback.started_at = None
        self._webcam.frames = self._frames
        before.close()
        return self._frames

    def play(self, after_s: float) -> float:
        """Let the scene run, a little later; return the Unix time at which its failure begins."""
        self._webcam.playback.start(self._webcam.clock() + after_s)
        return time.time() + after_s + self._frames.scene.failure_at * _FRAME_S


def _scene(seed: int) -> _Served:
    good = round(_GOOD_S / _FRAME_S)
    return _Served(Scene(seed=seed, size=(640, 480), frames=good + round(_FAILING_S / _FRAME_S), failure_at=good))


def _run(stage: Stage, camera: _SwitchedCamera, seed: int) -> Run:
    """Print, fail, be paused, and cancel."""
    octoprint, page = stage.octoprint, stage.page.page
    stage.receiver.requests.clear()
    scene = camera.load(seed)
    octoprint.upload_and_print(f"print-{seed}.gcode", print_lasting(minutes=30))
    _until(lambda: octoprint.plugin_status()["answers"] > 0, _READY_S, "the first answer")
    page.evaluate("() => { window.noted.statuses.length = 0; window.noted.pictures.length = 0; }")
    failure = camera.play(_SHIFT_S * seed)
    _until(lambda: octoprint.printer_state() == "Paused", _GOOD_S + _SHIFT_S * seed + _FAILING_S, "the pause")
    _until(lambda: _messages(stage, seed), 60.0, "the message")
    told = _messages(stage, seed)[0].at
    page.wait_for_function("() => window.noted.statuses.some((one) => one.state === 'PAUSED')", timeout=20_000)
    noted = page.evaluate("() => window.noted")
    states = _incident_states(octoprint)
    octoprint.job("cancel")
    _until(lambda: octoprint.printer_state() == "Operational", 30.0, "the end of the job")
    assert scene.failing_served_at is not None
    before = max((one["number"] for one in noted["pictures"] if one["at"] <= scene.failing_served_at), default=0)
    suspect = next(one for one in noted["statuses"] if one["verdict"] in ("suspect", "failing") and one["at"] > failure)
    paused = next(one for one in noted["statuses"] if one["state"] == "PAUSED")
    picture = next(one for one in noted["pictures"] if one["number"] > before)
    return Run(
        failure_to_picture_in_browser=picture["at"] - failure,
        failure_to_suspect_in_browser=suspect["at"] - failure,
        failure_to_decision=states["deciding"] - failure,
        decision_to_paused=states["acted"] - states["deciding"],
        decision_to_paused_in_browser=paused["at"] - states["deciding"],
        decision_to_message=told - states["deciding"],
    )


def _messages(stage: Stage, seed: int) -> list[Request]:
    """Return what the phone got of the pause of this print; messages of the one before may still come in."""
    return [one for one in stage.receiver.requests if one.json["title"] == f"Print paused: print-{seed}.gcode"]


def _incident_states(octoprint: OctoPrintServer) -> dict[str, Any]:
    """Return the Unix times of the newest incident's states."""
    newest = octoprint.api("GET", "/plugin/spaghetti/incidents").json()["incidents"][0]
    return {one["state"]: one["at"] for one in newest["states"]}


def _until(true: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise click.ClickException(f"not within {seconds:.0f} s: {what}")
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
