"""A print of the past, judged again with another sensitivity."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoprint_spaghetti.adapters.traces import SUFFIX, TraceFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.replay import Moment
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene, Sighting, Verdict
from octoprint_spaghetti.what_if import prints, thinned, what_if

#: Scores of a tangle that is plain to see for the alert and nothing yet for the calm.
DOUBTFUL = 0.55


def sighting(at: float, score: float) -> Sighting:
    seen = (Detection(Box(0.3, 0.3, 0.5, 0.5), score, "spaghetti"),)
    return Sighting(at, Answer(score, seen, Scene(0.5, 0.5, 0.5), Heatmap(0, 0, b""), b"", "triton"), layer=int(at // 100) + 1)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Return a folder with one print that becomes doubtful after 600 s, is paused and resumed, and goes blind."""
    folder = TraceFolder(tmp_path, kept=10)
    folder.begin("vase.gcode", 1000.0, 1.7e9)
    folder.tell(PrintEvent.EXTRUSION_BEGAN, 1001.0)
    for second in range(10, 900, 5):
        folder.add(sighting(1000.0 + second, DOUBTFUL if second > 600 else 0.02))
    folder.tell(PrintEvent.PAUSED, 1900.0)
    folder.tell(PrintEvent.RESUMED, 1950.0)
    folder.lost("The camera is gone.", 1960.0)
    folder.end()
    return tmp_path


def the_print(folder: Path) -> str:
    return str(prints(folder)[0]["id"])


def test_prints_are_listed_newest_first_and_strangers_left_out(traces: Path) -> None:
    """What is no trace, or one of a later version, is not offered."""
    (traces / f"20990101T000000Z{SUFFIX}").write_text("{}\n")
    other = TraceFolder(traces, kept=10)
    other.begin("later.gcode", 0.0, 1.8e9)
    other.end()
    assert [one["print"] for one in prints(traces)] == ["later.gcode", "vase.gcode"]


def test_an_alert_judge_pauses_where_a_calm_one_does_not(traces: Path) -> None:
    """The same pictures, another slider: the moment of the pause is seconds into the print."""
    alert, calm = (what_if(traces, the_print(traces), Settings(), sensitivity) for sensitivity in (9.0, 1.0))
    assert calm["pauses"] == []
    assert 600 < alert["pauses"][0] < 700
    assert 600 < alert["suspect_s"] < alert["pauses"][0]
    assert alert["failing_at"] < calm["failing_at"]


def test_the_curve_shows_what_happened_and_what_would_have(traces: Path) -> None:
    """Bursts are the judge's, pause and blindness the print's own."""
    answer = what_if(traces, the_print(traces), Settings(), 9.0)
    kinds = {one["kind"]: (one["since"], one["until"]) for one in answer["curve"]["stretches"]}
    assert kinds["paused"] == (900.0, 950.0)
    assert kinds["blind"] == (960.0, None)
    assert kinds["burst"][0] == answer["suspect_s"]
    assert answer["curve"]["points"][0][0] == 10.0
    assert answer["curve"]["layers"][0] == (10.0, 11)


def test_a_print_that_is_not_there_is_named(traces: Path) -> None:
    """No path leads out of the folder."""
    for name in ("nothing", "../secrets", "*"):
        with pytest.raises(EvidenceError):
            what_if(traces, name, Settings(), 5.0)


def test_of_many_moments_the_peaks_stay() -> None:
    """However long a print is, its highest moment is in the chart."""
    timeline = tuple(Moment(n, float(n), 0.0, 0.9 if n == 7777 else 0.1, Verdict.WATCHING, 0.3, 0.55) for n in range(17_279))
    few = thinned(timeline, 600)
    assert len(few) <= 600
    assert max(moment.evidence for moment in few) == 0.9
    assert thinned(timeline[:5], 600) == list(timeline[:5])
