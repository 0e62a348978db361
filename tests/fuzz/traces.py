"""Traces of prints that were cut off, damaged or made up, from the file to what a page is told of them."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from octoprint_spaghetti.adapters.trace_reader import recorded
from octoprint_spaghetti.adapters.traces import SUFFIX, TraceFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.replay import replay
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.testing import answer
from octoprint_spaghetti.what_if import prints, what_if
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import ENDLESS, NUMBERS, anything, damaged, records

_ID = "1-print"
_BOX = Box(0.1, 0.2, 0.3, 0.4)


def _whole() -> bytes:
    """Return the trace of a print that was paused, resumed and called a false alarm."""
    with tempfile.TemporaryDirectory() as folder:
        traces = TraceFolder(Path(folder), kept=1)
        traces.begin("benchy.gcode", 0.0, 1.8e9)
        traces.tell(PrintEvent.EXTRUSION_BEGAN, 1.0)
        for number in range(30):
            score = 0.95 if number > 20 else 0.02
            traces.add(Sighting(100.0 + 5.0 * number, answer(score, box=_BOX), 1 + number // 9, (10.0, 20.0, 0.2 * number)))
        traces.lost("The camera is gone.", 251.0)
        for event in (PrintEvent.PAUSED, PrintEvent.RESUMED, PrintEvent.FALSE_ALARM):
            traces.tell(event, 252.0)
        traces.add(Sighting(260.0, answer(0.9, box=_BOX), 5))
        traces.end()
        return next(Path(folder).iterdir()).read_bytes()


_HEADS = records({"format": st.sampled_from([1, 2]), "print": st.text(max_size=9), "started_at": NUMBERS}).map(json.dumps)
_TIMES = st.floats(0.0, 500.0) | NUMBERS
_SHARES = st.floats(0.0, 1.0) | NUMBERS
_SAID = records(
    {
        "scene": st.lists(_SHARES, min_size=3, max_size=3),
        "boxes": st.lists(st.lists(_SHARES, min_size=5, max_size=5), max_size=2),
        "thumbnail": st.sampled_from(["", "AAAA", "AAAA" * 256, "?"]),
        "layer": st.integers(-3, 300),
        "z": NUMBERS,
        "busy": st.text(max_size=5),
    }
)
_ROWS = (
    st.tuples(_TIMES, _SHARES).map(list)
    | st.tuples(_TIMES, _SHARES, _SAID).map(list)
    | st.tuples(_TIMES, _SHARES, st.lists(NUMBERS, max_size=3), _SAID).map(list)
    | st.fixed_dictionaries({"at": _TIMES, "event": st.sampled_from([str(event.value) for event in PrintEvent])})
    | st.fixed_dictionaries({"at": _TIMES, "lost": st.text(max_size=9)})
    | anything(("at", "event", "lost", "detector"))
).map(json.dumps) | st.just(ENDLESS)


def _made_up(head: str, rows: list[str]) -> bytes:
    return "\n".join([head, *rows, ""]).encode("utf-8", "surrogatepass")


_FORMAT_2 = st.just('{"format": 2, "print": "a", "started_at": 1.0}')
_TRACES = (
    damaged([_whole()])
    | st.builds(_made_up, _FORMAT_2, st.lists(_ROWS, max_size=25))
    | st.builds(_made_up, _HEADS | st.just('{"format": 1}') | anything(("format",)).map(json.dumps), st.lists(_ROWS, max_size=5))
)


def one_trace(content: bytes) -> None:
    """A trace is read as far as it makes sense, judged again by every rule, and told to the page in JSON that browsers read."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / (_ID + SUFFIX)
        file.write_bytes(content)
        with suppress(EvidenceError):
            recording = recorded(file)
            replay([SpaghettiPolicy(Patience(), recording.start), ObicoPolicy()], recording)
            json.dumps(what_if(Path(folder), _ID, Settings(), 7.0), allow_nan=False)
        json.dumps(prints(Path(folder)), allow_nan=False)


TARGETS = (Target("traces", _TRACES, one_trace, 0.6),)
