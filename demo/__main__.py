"""``python -m demo``: a print goes wrong on this machine, and is paused. ``scripts/demo`` sets up what it needs.

The last line of standard output is one JSON document; everything else goes to standard error.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from demo.display import LiveDisplay, PlainDisplay
from demo.frames import FolderFrames, NoFrames, SceneFrames
from demo.octoprint_server import OctoPrintError
from demo.performance import Script, perform
from demo.stage import Stage, Stopped, set_up, stoppable
from inference_server.model_files import DamagedModel
from inference_server.repository import RepositoryError
from inference_server.scene import Scene
from inference_server.triton import TritonFailed

if TYPE_CHECKING:
    from demo.display import Display
    from demo.frames import FrameSource
    from demo.outcome import Outcome

REPOSITORY = Path(__file__).parent.parent
#: Seconds of good print before the scene's failure, and of failure after it: warm-up, then more than a pause may take.
GOOD_S, FAILING_S = 44.0, 76.0
SCENE_INTERVAL_S, FOLDER_INTERVAL_S = 2.0, 4.0
#: Beyond the playback's own length a run takes this long at most, s.
SPARE_S = 60.0
_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--frames", "folder", type=_PATH, help="Play this folder of time-ordered JPEGs instead of the rendered scene.")
@click.option("--interval", type=click.FloatRange(0.5, 60), help="Seconds for each frame [default: 2, with --frames 4].")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Which scene to render.")
@click.option("--octoprint", "version", default="1.11.8", show_default=True, help="OctoPrint's version.")
@click.option("--headless", is_flag=True, help="Print plain lines instead of a chart.")
@click.option("--keep", is_flag=True, help="Leave everything up afterwards, until Ctrl-C.")
@click.option("--seconds", type=click.FloatRange(1), help="End after this many seconds of printing, whatever happened.")
@click.option("--work", type=_PATH, help="Where to put logs and evidence [default: a new temporary folder].")
def main(
    folder: Path | None,
    interval: float | None,
    seed: int,
    version: str,
    headless: bool,
    keep: bool,
    seconds: float | None,
    work: Path | None,
) -> None:
    """Show a print that fails, in a real OctoPrint with a real Triton, and how it is paused."""
    console = Console(stderr=True)
    python = _octoprint_python(version)
    pace = interval or (SCENE_INTERVAL_S if folder is None else FOLDER_INTERVAL_S)
    place = _work_folder(work)
    display: Display = PlainDisplay(console) if headless or not console.is_terminal else LiveDisplay(console)
    try:
        with stoppable():
            frames, failure = _frames(folder, seed, pace)
            with closing(frames):
                script = Script(failure, seed if folder is None else None, seconds or len(frames) * pace + SPARE_S)
                with set_up(frames, pace, python, place, display.say) as stage:
                    _invite(stage, display)
                    with display:
                        outcome = perform(stage, script, display)
                    _tell(outcome, place, display)
                    if keep:
                        _stay(stage, display)
    except Stopped as stopped:
        display.say("Stopped; everything that was started has ended.")
        sys.exit(128 + stopped.number)
    except (OctoPrintError, TritonFailed, DamagedModel, RepositoryError) as error:
        raise click.ClickException(str(error)) from error
    sys.stdout.write(outcome.as_json() + "\n")
    sys.exit(0 if outcome.ended_as_it_should else 1)


def _frames(folder: Path | None, seed: int, pace: float) -> tuple[FrameSource, int | None]:
    """Return what the camera plays and the position at which the failure begins, if that is known."""
    if folder is None:
        failure = math.ceil(GOOD_S / pace)
        return SceneFrames(Scene(seed, frames=failure + math.ceil(FAILING_S / pace), failure_at=failure)), failure
    try:
        return FolderFrames(folder), None
    except NoFrames as error:
        raise click.BadParameter(str(error), param_hint="--frames") from error


def _octoprint_python(version: str) -> Path:
    python = REPOSITORY / ".venv" / f"octoprint-{version}" / "bin" / "python"
    if not python.exists():
        problem = f"OctoPrint {version} is not installed here; scripts/demo --octoprint {version} installs it"
        raise click.BadParameter(problem, param_hint="--octoprint")
    return python


def _work_folder(work: Path | None) -> Path:
    """Make a new folder for this run, readable by its owner alone: it holds OctoPrint's keys."""
    if work is None:
        return Path(tempfile.mkdtemp(prefix="spaghetti-demo-"))
    place = (work / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}").resolve()
    place.mkdir(parents=True, mode=0o700)
    return place


def _invite(stage: Stage, display: Display) -> None:
    login = stage.octoprint.login
    display.say(f"OctoPrint {stage.octoprint.version()}: {stage.octoprint.url}  user {login.user}  password {login.password}")
    display.say(f"Webcam: {stage.webcam.url}/stream  Triton: {stage.triton_version}")


def _tell(outcome: Outcome, place: Path, display: Display) -> None:
    display.say(outcome.story())
    if outcome.incident is not None:
        display.say(f"Evidence: {outcome.incident}")
    display.say(f"Logs: {place}")


def _stay(stage: Stage, display: Display) -> None:
    login = stage.octoprint.login
    display.say(f"Everything stays up: {stage.octoprint.url}  user {login.user}  password {login.password}  (Ctrl-C ends it)")
    try:
        while stage.octoprint.pid is not None:
            time.sleep(0.5)
    except Stopped:
        display.say("ending ...")


if __name__ == "__main__":
    main(prog_name="scripts/demo")
