"""The small files that hold what is known: beliefs, baselines, incidents, drills and remembered answers, damaged or made up."""

from __future__ import annotations

import json
import logging
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from octoprint_spaghetti.adapters.baseline_file import BaselineFile
from octoprint_spaghetti.adapters.belief_file import BeliefFile
from octoprint_spaghetti.adapters.incident_files import training_set, zipped
from octoprint_spaghetti.adapters.incidents import STATE_FILE, IncidentFolder, label_of
from octoprint_spaghetti.adapters.score_cache import ScoreCache
from octoprint_spaghetti.core import belief_record, judge
from octoprint_spaghetti.core.baseline import Profile
from octoprint_spaghetti.core.checkup import Facts, examine
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.settings import Settings, accept
from octoprint_spaghetti.core.words import Sighting, Verdict
from octoprint_spaghetti.drill import DrillReport
from octoprint_spaghetti.drill_schedule import DrillSchedule
from octoprint_spaghetti.testing import answer
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import ENDLESS, NUMBERS, anything, damaged, records
from tests.fuzz.pictures import SMALL

_KEY, _NOW, _WALL = "local/benchy.gcode/1/2", 500.0, 1.8e9
_SILENT = logging.getLogger("tests.fuzz")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


@contextmanager
def _holding(name: str, content: bytes) -> Iterator[Path]:
    """Yield a file of that name with that content, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data" / name
        file.parent.mkdir()
        file.write_bytes(content)
        yield file


def _texts(likely: dict[str, st.SearchStrategy[Any]], whole: bytes) -> st.SearchStrategy[bytes]:
    made_up = records(likely) | anything(tuple(likely))
    return damaged([whole]) | made_up.map(lambda content: json.dumps(content).encode()) | st.just(ENDLESS.encode())


def _believed() -> dict[str, Any]:
    belief = judge.extrusion_began(judge.begin(100.0), 110.0)
    for number in range(6):
        belief = judge.advance(belief, Sighting(460.0 + 5.0 * number, answer(0.9, box=Box(0.1, 0.1, 0.3, 0.3)), 3), Patience())
    return belief_record.as_json(replace(belief, forgiven=(Box(0.7, 0.7, 0.9, 0.9),), resumed_at=470.0))


_BELIEVED = _believed()


def belief_file(changed: dict[str, Any]) -> bytes:
    """Return the file of a belief in a print that fails, as it is just now, but for what is ``changed``."""
    return json.dumps({"key": _KEY, "wall": _WALL, "at": _NOW, "belief": {**_BELIEVED, **changed}}).encode()


_TIMES = st.none() | st.floats(0.0, 500.0) | NUMBERS
_SHARES = st.floats(0.0, 1.0) | NUMBERS
_BOXES = st.lists(st.lists(_SHARES, min_size=4, max_size=4), max_size=2)
_BELIEFS = st.builds(
    lambda changed: {**_BELIEVED, **changed},
    records(
        {
            **dict.fromkeys(("started_at", "extruding_at", "last_at", "suspect_since", "resumed_at", "acted_at"), _TIMES),
            **dict.fromkeys(("usual", "evidence"), _SHARES),
            "layer": NUMBERS,
            "verdict": st.sampled_from([verdict.value for verdict in Verdict]),
            "recent": st.lists(st.tuples(_TIMES, _SHARES, _BOXES).map(list), max_size=3),
            "forgiven": _BOXES,
        }
    ),
)
_BELIEF_FILES = _texts(
    {"key": st.just(_KEY), "wall": st.just(_WALL) | NUMBERS, "at": st.just(_NOW) | NUMBERS, "belief": _BELIEFS},
    belief_file({}),
) | _BELIEFS.map(lambda belief: belief_file(belief))


def belief(content: bytes) -> None:
    """A belief is gone on with or forgotten; the print goes on being judged, and calm frames alone never pause it."""
    with _holding("belief.json", content) as file:
        believed = BeliefFile(file, _SILENT).load(_KEY, _NOW, _WALL)
    if believed is None:
        return
    patience = Patience()
    for number in range(1, 40):
        sighting = Sighting(_NOW + 5.0 * number, answer(0.01), 3)
        believed = judge.advance(believed, sighting, patience)
        assert believed.paused or believed.last_at == sighting.at
        assert not judge.may_act(believed, sighting.at, patience)
        judge.failing_level(believed, sighting.at, patience)


_BASELINES = _texts(
    {
        "printer": _SHARES,
        "hours": NUMBERS,
        "files": st.dictionaries(st.text(max_size=4), st.lists(st.tuples(NUMBERS, _SHARES).map(list), max_size=4), max_size=3),
    },
    json.dumps({"printer": 0.1, "hours": 3.5, "files": {"a": [[1, 0.1], [2, 0.2]]}}).encode(),
)


def baselines(content: bytes) -> None:
    """What is usual is known or learned anew, from numbers that can be; it can be kept again."""
    with _holding("baselines.json", content) as file:
        known = BaselineFile(file, _SILENT).load()
        learned = known.learn("a", Profile().add(1, 0.5), 2.0)
        json.dumps(learned.as_json(), allow_nan=False)
        BaselineFile(file, _SILENT).save(learned)
        assert BaselineFile(file, _SILENT).load().files == learned.files
        assert 0.0 <= learned.background("a").at_layer(1) <= 1.0


_FRAMES = st.lists(
    records(
        {
            "file": st.sampled_from(["001.jpg", "../outside.txt", "", "state.json"]),
            "score": _SHARES,
            "detections": st.lists(records({"xyxy": st.lists(NUMBERS, max_size=4), "confidence": _SHARES}), max_size=2),
        }
    ),
    max_size=3,
)
_INCIDENTS = _texts(
    {
        "id": st.just("a"),
        "label": st.sampled_from(["", "right", "wrong"]),
        "states": st.lists(records({"state": st.sampled_from(["false_alarm", "deciding"]), "at": NUMBERS}), max_size=2),
        "zone": st.lists(st.lists(NUMBERS | st.floats(0.0, 1.0), max_size=3), max_size=4),
        "frames": _FRAMES,
    },
    json.dumps(
        {
            "id": "a",
            "label": "right",
            "states": [{"state": "deciding", "at": 1.0}],
            "zone": [[0, 0], [1, 0], [1, 1]],
            "frames": [{"file": "001.jpg", "score": 0.9, "detections": [{"xyxy": [0.1, 0.1, 0.2, 0.2], "confidence": 0.9}]}],
        }
    ).encode(),
)


def incident(content: bytes) -> None:
    """An incident is shown, zipped, labelled and taught from, or refused; no file beside its own leaves the folder."""
    with _incident_folder(content) as folder:
        incidents = IncidentFolder(folder, kept=5)
        found: dict[str, Any] | None = None
        with suppress(EvidenceError):
            found = incidents.read("a")
            label_of(found)
            accept({"zones": [found.get("zone")]})
        examine(Facts(Settings(), incident=found))
        for archive in (lambda: zipped(incidents, "a"), lambda: training_set(incidents)):
            with suppress(EvidenceError):
                assert b"outside" not in b"".join(_contents(archive()))
        for change in (lambda: incidents.label("a", "right"), lambda: incidents.note("a", "closed", 2.0)):
            with suppress(EvidenceError):
                change()


def _contents(archive: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        yield from (opened.read(name) for name in opened.namelist() if name.endswith((".jpg", ".txt")))


@contextmanager
def _incident_folder(content: bytes) -> Iterator[Path]:
    with _holding("outside.txt", b"outside") as outside:
        folder = outside.parent / "a"
        folder.mkdir()
        (folder / STATE_FILE).write_bytes(content)
        (folder / "001.jpg").write_bytes(SMALL)
        yield outside.parent


_DRILLS = _texts({"at": NUMBERS, "passed": st.booleans()}, b'{"at": 1799000000.0, "passed": true, "links": []}')


def drill(content: bytes) -> None:
    """Whatever the report of the last fire drill says, one is held within twice the time that lies between two."""
    held: list[float] = []
    with _holding("drill.json", content) as file:
        wall = [_WALL]

        def hold() -> DrillReport:
            held.append(wall[0])
            return DrillReport(wall[0], (), None)

        schedule = DrillSchedule(file, hold, lambda: wall[0], _SILENT)
        json.dumps(schedule.last(), allow_nan=False)
        for _ in range(4):
            schedule.hold_if_due(7.0)
            wall[0] += 3.6 * 86_400.0
    assert held


def remembered(content: bytes) -> None:
    """What a cache holds is an answer or nothing."""
    cache = ScoreCache(None)
    cache.put_bytes("a", content)
    cache.get("a")
    cache.close()


def _kept() -> bytes:
    cache = ScoreCache(None)
    cache.put("a", answer(0.5, box=Box(0.1, 0.1, 0.2, 0.2)))
    kept = cache.get_bytes("a")
    cache.close()
    return kept or b""


TARGETS = (
    Target("beliefs", _BELIEF_FILES, belief, 0.6),
    Target("baselines", _BASELINES, baselines, 0.5),
    Target("incidents", _INCIDENTS, incident, 0.5),
    Target("reports of drills", _DRILLS, drill, 0.3),
    Target("remembered answers", damaged([_kept()]), remembered, 2.0),
)
