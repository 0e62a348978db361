"""The prints of a soak, one after the other: good ones, failing ones, blind ones, and what people do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice

from octoprint_spaghetti.core.settings import Settings
from tests.soak.push import PushClient
from tests.soak.report import Report, judged
from tests.soak.stage import CALL_ERRORS, Stage

#: The files that are printed: one that comes to its end by itself, one that never does. Minutes.
SHORT, LONG = "short.gcode", "long.gcode"
FILES = {SHORT: 0.15, LONG: 30.0}
#: What a page asks for while somebody looks at it.
_PAGE = ("status", "history", "frame.jpg", "incidents", "prints", "drill", "channels", "metrics", "openapi.json")
_CALM_S = 4.0
#: The fall to this computer takes two lost pictures, the way back ten seconds of trying; on a busy machine, whose own detector is
#: long to start, two minutes pass until the server is tried.
_OUTAGE_S, _RETURN_S = 6.0, 240.0


@dataclass(frozen=True)
class Print:
    """One kind of print: its name, and what happens while it runs. The print is cancelled if it did not come to its end."""

    name: str
    run: Callable[[Stage], None]


def good(stage: Stage) -> None:
    """Print to the end; nothing is done about it."""
    stage.begin_print(SHORT)
    stage.until(lambda: stage.octoprint.printer_state() == "Operational", 120.0, "the end of a good print")


def false_alarm(stage: Stage) -> None:
    """Let it fail and be paused; somebody says that it was none, and it goes on."""
    _fail(stage)
    stage.frames.failed = False
    stage.octoprint.api("POST", "/plugin/spaghetti/false_alarm", json={})
    stage.until(lambda: stage.octoprint.printer_state() == "Printing", 60.0, "the print goes on after a false alarm")
    stage.wait(_CALM_S)


def given_up(stage: Stage) -> None:
    """Let it fail and be paused; somebody cancels it."""
    _fail(stage)
    stage.wait(_CALM_S)


def blind(stage: Stage) -> None:
    """Let the camera break until nobody sees the print, and come back."""
    stage.begin_print(LONG)
    stage.webcam.mode = "http500"
    stage.until(lambda: stage.level() == "unprotected", 90.0, "the watch says that it is blind")
    stage.webcam.mode = "ok"
    stage.until(lambda: stage.level() == "remote", 90.0, "the watch sees again")
    stage.wait(_CALM_S)


def outage(stage: Stage) -> None:
    """Let the server hang; this computer looks, and hands back."""
    stage.begin_print(LONG)
    stage.freeze_server()
    stage.until(lambda: stage.level() == "local", 90.0, "this computer looks")
    stage.wait(_OUTAGE_S)
    stage.recording.at_rest["edge"] += stage.recording.all["edge"][-1:]
    stage.thaw_server()
    stage.until(lambda: stage.level() == "remote", _RETURN_S, "the server looks again")


def settings_changed(stage: Stage) -> None:
    """Change the settings under a running print, back and forth; mute it, and unmute it."""
    stage.begin_print(LONG)
    for change in ({"transport": "unary"}, {"camera_source": "mjpeg"}, {"sensitivity": 9.0}, {"enabled": False}):
        stage.set(**({**change, "camera_url": f"{stage.webcam.url}/stream"} if "camera_source" in change else change))
        stage.wait(_CALM_S / 2.0)
    stage.set(transport="stream", camera_source="snapshot", camera_url=f"{stage.webcam.url}/snapshot", enabled=True)
    stage.set(sensitivity=Settings().sensitivity)
    for on in (True, False):
        stage.octoprint.api("POST", "/plugin/spaghetti/mute", json={"on": on})
    stage.until(lambda: stage.status()["verdict"] != "off", 60.0, "the print is watched again")
    stage.wait(_CALM_S)


def looked_at(stage: Stage) -> None:
    """Let pages come, ask for everything there is, and go."""
    stage.begin_print(LONG)
    for _ in range(3):
        with PushClient(stage.octoprint) as page:
            for path in _PAGE:
                stage.octoprint.api("GET", f"/plugin/spaghetti/{path}")
            stage.until(_more(page), 60.0, "something is pushed to a page")
    stage.octoprint.api("POST", "/plugin/spaghetti/check", json={})


#: In an order in which each leaves something for the next: learnt baselines, a belief, a server that was away.
PRINTS = tuple(
    Print(run.__name__, run) for run in (good, false_alarm, outage, good, settings_changed, given_up, blind, looked_at)
)


#: On a busy machine a print takes longer; with fewer the judge says nothing. The last of them is one after which little is
#: held, as is one of those before.
FEWEST_PRINTS = 11


def perform(stage: Stage, seconds: float, speed: float, bound_mb_per_hour: float, say: Callable[[str], None]) -> Report:
    """Print one after the other until ``seconds`` are over, :data:`FEWEST_PRINTS` at least, and return what came of it."""
    names: list[str] = []
    mishaps: list[str] = []
    frames = answers = 0
    for print_ in islice(cycle(PRINTS), round(seconds)):  # a print takes longer than a second
        if stage.elapsed_s >= seconds and len(names) >= FEWEST_PRINTS:
            break
        problem = _one(stage, print_)
        names.append(print_.name)
        with suppress(*CALL_ERRORS):  # an OctoPrint that is gone has been told of as a mishap
            last = stage.status()
            frames, answers = frames + int(last["frames_sent"]), answers + int(last["answers"])
        if problem:
            mishaps.append(f"{print_.name}, print {len(names)}: {problem}")
        say(f"{stage.elapsed_s:6.0f} s  print {len(names):3}  {print_.name}{': ' + problem if problem else ''}")
    judgements = judged(stage.recording, bound_mb_per_hour)
    return Report(stage.elapsed_s, speed, tuple(names), frames, answers, tuple(mishaps), judgements)


def _one(stage: Stage, print_: Print) -> str:
    """Run a print and bring everything to rest; return what did not happen, or an empty string."""
    problems = []
    for step in (lambda: print_.run(stage), stage.heal, stage.cancel, stage.settle):
        try:
            step()
        except CALL_ERRORS as error:
            problems.append(str(error))
    return "; ".join(problems)


def _more(page: PushClient) -> Callable[[], bool]:
    """Return a question: has anything come since now?"""
    before = page.received
    return lambda: page.received > before


def _fail(stage: Stage) -> None:
    stage.begin_print(LONG)
    stage.wait(_CALM_S)
    stage.frames.failed = True
    stage.until(lambda: stage.octoprint.printer_state() == "Paused", 120.0, "the pause of a failing print")
