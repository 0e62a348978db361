"""Print what the plugin costs OctoPrint, as a table and one JSON line: ``python -m tests.e2e.cost``, about six minutes.

Three OctoPrints of one version print the same file at the same time: one without the plugin, one without it that takes a
picture every second for a timelapse (the camera open), and one with the plugin, which looks every second through a real
Triton. Pictures are rendered 720p JPEGs of a real webcam's size. Windows of CPU time are cut at the same moments for all
three, so that whatever else the machine does strikes all of them; medians are reported, and differences within a window.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.scene import Scene
from inference_server.triton import TritonServer

ROOT = Path(__file__).parents[2]
#: Pictures that are drawn beforehand; the camera shows them in turns, so that no two in a row are alike.
_DRAWN = 40
#: Warm-up before the first window: imports, the first connection, OctoPrint's own start, s.
_SETTLE_S = 20.0
_READY_S = 120.0
_CALM = {"interval": 1.0, "first_layers_interval": 1.0, "suspect_interval": 1.0, "warm_up": 0.0, "second_look": False}
_TIMELAPSE = {"type": "timed", "postRoll": 0, "fps": 25, "options": {"interval": 1}}


@dataclass(frozen=True)
class Reading:
    """CPU seconds that a process has used so far, its resident memory in MB, and the plugin's frames (0 without it)."""

    cpu_s: float
    rss_mb: float
    frames: int


class _Turns:
    """A camera's frame source (see ``demo.frames``): drawn once, shown in turns for as long as anybody looks."""

    def __init__(self, scene: Scene) -> None:
        self._drawn = [scene.jpeg(index) for index in range(scene.failure_at)]

    def __len__(self) -> int:
        return 100_000

    def jpeg(self, position: int) -> bytes:
        return self._drawn[position % len(self._drawn)]

    def number(self, position: int) -> int:
        return position

    def close(self) -> None:
        """Hold nothing."""


def read(server: OctoPrintServer, *, watches: bool) -> Reading:
    """Return what the process has used so far, all of its threads, those that have ended too."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])  # utime and stime; the first field after the name is the state
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    frames = int(server.plugin_status()["answers"]) if watches else 0
    return Reading(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6, frames)


def per_frame_ms(before: dict[str, Reading], after: dict[str, Reading], baseline: str) -> float:
    """Return the CPU time that a looked-at frame costs beyond ``baseline`` in a window, ms."""
    used = {name: after[name].cpu_s - before[name].cpu_s for name in after}
    return (used["plugin"] - used[baseline]) / max(1, after["plugin"].frames - before["plugin"].frames) * 1e3


def summary(readings: list[dict[str, Reading]], window_s: float) -> dict[str, Any]:
    """Return medians over the windows between the readings: CPU of each in ms/s, cost of a frame, memory in MB."""
    windows = list(zip(readings, readings[1:]))
    cpu = {
        name: round(statistics.median((b[name].cpu_s - a[name].cpu_s) / window_s * 1e3 for a, b in windows), 2)
        for name in readings[0]
    }
    rss = {name: round(statistics.median(one[name].rss_mb for one in readings[1:]), 1) for name in readings[0]}
    found: dict[str, Any] = {"windows": len(windows), "window_s": window_s, "cpu_ms_per_s": cpu, "rss_mb": rss}
    for baseline in ("alone", "camera"):
        each = [per_frame_ms(a, b, baseline) for a, b in windows]
        found[f"beyond_{baseline}"] = {
            "cpu_ms_per_frame": round(statistics.median(each), 2),
            "least": round(min(each), 2),
            "most": round(max(each), 2),
            "rss_mb": round(rss["plugin"] - rss[baseline], 1),
        }
    return {**found, "frames": readings[-1]["plugin"].frames - readings[0]["plugin"].frames}


class _Prepared(OctoPrintServer):
    """An OctoPrint without the plugin, or with a timelapse."""

    def __init__(self, *arguments: Any, plugin: bool, timelapse: bool) -> None:
        super().__init__(*arguments)
        self._plugin, self._timelapse = plugin, timelapse

    def configuration(self) -> dict[str, Any]:
        config = super().configuration()
        if not self._plugin:
            config["plugins"]["_disabled"].append("spaghetti")
        if self._timelapse:
            config["webcam"] |= {"timelapse": _TIMELAPSE, "ffmpeg": "/usr/bin/ffmpeg"}  # without its path none is taken
        return config


@click.command()
@click.option("--octoprint", "version", default="1.11.8", show_default=True, help="OctoPrint's version.")
@click.option("--windows", default=7, show_default=True, help="Windows that are measured.")
@click.option("--seconds", default=45.0, show_default=True, help="Length of a window, s.")
def main(version: str, windows: int, seconds: float) -> None:
    """Let three OctoPrints print side by side and compare what they use."""
    python = ROOT / ".venv" / f"octoprint-{version}" / "bin" / "python"
    with ExitStack() as parts:
        place = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        webcam = parts.enter_context(Webcam(_Turns(Scene(3, frames=_DRAWN + 1, failure_at=_DRAWN)), 0.5))
        webcam.play()
        triton = TritonServer(assemble(place / "models", profile="cpu", model=default_model(), cores=1), log=place / "triton.log")
        parts.callback(triton.stop)
        triton.start()
        triton.wait_ready(_READY_S)
        settings = {"spaghetti": {**_CALM, "servers": [triton.target]}}
        servers = {
            name: parts.enter_context(
                _Prepared(python, place / name, webcam.url, settings, plugin=name == "plugin", timelapse=name == "camera")
            )
            for name in ("alone", "camera", "plugin")
        }
        for server in servers.values():
            server.upload_and_print("cost.gcode", print_lasting(minutes=2 + (windows + 2) * seconds / 60))
        time.sleep(_SETTLE_S)
        readings = []
        for _ in range(windows + 1):
            readings.append({name: read(server, watches=name == "plugin") for name, server in servers.items()})
            if len(readings) <= windows:
                time.sleep(seconds)
        pictures = len(list((place / "camera").glob("timelapse/tmp/*.jpg")))
    found = {**summary(readings, seconds), "octoprint": version, "timelapse_pictures": pictures}
    _show(found)
    click.echo(json.dumps(found))


def _show(found: dict[str, Any]) -> None:
    console, table = Console(), Table("", "CPU, ms per s", "RSS, MB")
    rows = {"alone": "OctoPrint alone", "camera": "with a timelapse, 1 picture/s", "plugin": "with the plugin, 1 frame/s"}
    for name, words in rows.items():
        table.add_row(words, f"{found['cpu_ms_per_s'][name]:.1f}", f"{found['rss_mb'][name]:.1f}")
    console.print(table)
    for baseline, words in (("alone", "OctoPrint alone"), ("camera", "OctoPrint with the camera open")):
        cost = found[f"beyond_{baseline}"]
        spread = f"{cost['least']} to {cost['most']}"
        console.print(f"Beyond {words}: {cost['cpu_ms_per_frame']} ms CPU per frame ({spread}), {cost['rss_mb']} MB.")


if __name__ == "__main__":
    main()
