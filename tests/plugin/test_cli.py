"""``spaghetti check`` and ``spaghetti replay`` with the shipped model: pictures in, lines or a document out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from octoprint_spaghetti.adapters.score_cache import ScoreCache
from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.cli import main
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.testing import answer
from tests.pictures import jpeg

pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let each test remember on its own."""
    root = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root))
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    return tmp_path


def test_a_folder_gives_one_json_line_per_picture(folder: Path) -> None:
    """The lines come in the order of the names, and hold score, boxes and milliseconds."""
    result = CliRunner().invoke(main, ["check", "--json", str(folder)])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0, result.output
    assert [Path(line["file"]).name for line in lines] == ["0.jpg", "1.jpg", "2.jpg"]
    for line in lines:
        assert 0.0 <= line["frame_score"] <= 1.0
        assert line["ms"] > 0.0
        for detection in line["detections"]:
            assert set(detection) == {"xyxy", "confidence", "label"}


def test_a_picture_that_cannot_be_read_is_told_and_the_rest_is_checked(folder: Path) -> None:
    """A web page called .jpg is named in its line; the exit status says that not all went well."""
    (folder / "1.jpg").write_text("<html>not found</html>")
    result = CliRunner().invoke(main, ["check", "--json", str(folder)])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert "web page" in lines[1]["error"]
    assert ["frame_score" in line for line in lines] == [True, False, True]


def test_boxed_copies_are_written_beside_nothing_else(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With --out each picture gets a copy, and the originals stay as they were."""
    out = tmp_path_factory.mktemp("boxed")
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert CliRunner().invoke(main, ["check", str(folder), "--out", str(out)]).exit_code == 0
    assert sorted(file.name for file in out.iterdir()) == ["0.jpg.boxed.jpg", "1.jpg.boxed.jpg", "2.jpg.boxed.jpg"]
    assert before == {file: file.read_bytes() for file in folder.iterdir()}


def test_copies_are_never_looked_at_nor_overwritten(folder: Path) -> None:
    """Run twice into the same folder, it looks at three pictures each time and keeps six copies."""
    for copies in (3, 6):
        result = CliRunner().invoke(main, ["check", "--json", str(folder), "--out", str(folder / "boxed")])
        assert len(result.stdout.splitlines()) == 3
        assert len(list((folder / "boxed").iterdir())) == copies


def test_nothing_to_look_at_is_said(tmp_path: Path) -> None:
    """An empty folder is not a success."""
    result = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert result.exit_code == 2
    assert "no picture" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--server", "http://x"], "not an address", id="a URL for an address"),
        pytest.param(["--server", "a:1", "--local"], "not both", id="both ways at once"),
        pytest.param(["--model", "MODEL"], "cannot be used", id="a model that is none"),
    ],
)
def test_bad_arguments_get_a_sentence(folder: Path, arguments: list[str], said: str) -> None:
    """The exit status is 2 and the message says what to do, without a traceback."""
    (folder / "model.onnx").write_bytes(b"nothing")
    named = [str(folder / "model.onnx") if argument == "MODEL" else argument for argument in arguments]
    result = CliRunner().invoke(main, ["check", str(folder), *named])
    assert result.exit_code == 2
    assert said in result.output


def replayed(*arguments: str) -> Any:
    """Run ``spaghetti replay --json`` and return its document."""
    result = CliRunner().invoke(main, ["replay", "--json", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    """Run ``spaghetti replay`` and return why it would not."""
    result = CliRunner().invoke(main, ["replay", *arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    return result.output


def test_a_folder_is_replayed_in_simulated_time(folder: Path) -> None:
    """The timeline has a moment per picture, spaced by the interval, and a calm folder is never paused."""
    outcome = replayed(str(folder), "--interval", "7")
    assert list(outcome) == ["policy", "paused_at_frame", "paused_at_s", "suspect_at_frame", "max_evidence", "timeline"]
    assert [moment["at"] for moment in outcome["timeline"]] == [0.0, 7.0, 14.0]
    assert outcome["paused_at_frame"] is None
    assert outcome["policy"] == "spaghetti"


def test_all_policies_give_a_document_each(folder: Path) -> None:
    """Side by side, over the same frames."""
    assert [outcome["policy"] for outcome in replayed(str(folder), "--policy", "all")] == ["spaghetti", "obico"]


def test_pictures_are_looked_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second replay needs no detector at all and says the same; --fresh looks again."""
    first = replayed(str(folder))
    monkeypatch.setattr("octoprint_spaghetti.shell.detector_for", lambda server: pytest.fail("it looked again"))
    assert replayed(str(folder)) == first
    with pytest.raises(pytest.fail.Exception):
        replayed(str(folder), "--fresh")


def test_a_cache_that_is_damaged_is_no_obstacle(folder: Path, cache: Path) -> None:
    """The pictures are looked at again."""
    first = replayed(str(folder))
    file = cache / "octoprint-spaghetti" / "answers.sqlite"
    file.write_bytes(b"no database" * 100)
    assert replayed(str(folder)) == first


def video(folder: Path, frames: int = 12, rate: float = 2.0) -> Path:
    """Write a video of ``frames`` frames at ``rate`` a second."""
    cv2, numpy = pytest.importorskip("cv2"), pytest.importorskip("numpy")
    file = folder / "lapse.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"mp4v"), rate, (320, 240))
    for number in range(frames):
        writer.write(cv2.imdecode(numpy.frombuffer(jpeg(number, 320, 240), numpy.uint8), cv2.IMREAD_COLOR))
    writer.release()
    return file


@pytest.mark.parametrize(
    ("options", "numbers", "seconds"),
    [
        pytest.param((), range(1, 13), [5.0 * place for place in range(12)], id="a time-lapse, each frame"),
        pytest.param(("--nth", "5", "--interval", "10"), (1, 6, 11), (0.0, 10.0, 20.0), id="each fifth frame, 10 s apart"),
        pytest.param(("--every", "2"), (1, 5, 9), (0.0, 2.0, 4.0), id="by the clock of the video"),
    ],
)
def test_a_video_is_replayed(tmp_path: Path, options: tuple[str, ...], numbers: Sequence[int], seconds: Sequence[float]) -> None:
    """Frames are numbered from 1; their times come from the interval, or from the video's own clock."""
    timeline = replayed(str(video(tmp_path)), *options)["timeline"]
    assert [moment["frame"] for moment in timeline] == list(numbers)
    assert [moment["at"] for moment in timeline] == pytest.approx(list(seconds), abs=0.01)


def test_a_video_that_was_looked_at_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames are known by the bytes of the file."""
    file = video(tmp_path)
    first = replayed(str(file))
    monkeypatch.setattr("octoprint_spaghetti.recordings.video_frames", lambda *given: pytest.fail("it was decoded again"))
    assert replayed(str(file)) == first
    assert [moment["at"] for moment in replayed(str(file), "--interval", "9")["timeline"][:2]] == [0.0, 9.0]


@pytest.mark.parametrize("plan", [b"", b"{}", b"[[1]]", b'[["one", 0, false]]', b"\xff\x00", b"[" * 100_000])
def test_what_was_remembered_of_a_video_and_is_damaged_is_found_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: bytes
) -> None:
    """A cache whose content is none of ours is rebuilt, and then it helps again."""
    file = video(tmp_path, frames=3)
    first = replayed(str(file))
    with monkeypatch.context() as patched:
        patched.setattr(ScoreCache, "get_bytes", lambda cache, key: plan)
        assert replayed(str(file)) == first
    monkeypatch.setattr("octoprint_spaghetti.recordings.video_frames", lambda *given: pytest.fail("it was decoded again"))
    assert replayed(str(file)) == first


def trace(folder: Path, scores: Sequence[float]) -> Path:
    """Write the trace of a print that extrudes from its start, one frame each 5 s, all hits in one place."""
    traces = TraceFolder(folder, kept=9)
    traces.begin("benchy.gcode", 0.0, 1.8e9)
    traces.tell(PrintEvent.EXTRUSION_BEGAN, 0.0)
    for number, score in enumerate(scores):
        traces.add(Sighting(5.0 * number, answer(score, box=Box(0.4, 0.4, 0.6, 0.6))))
    traces.end()
    return next(folder.glob("*.trace.jsonl"))


def test_a_trace_is_replayed_to_its_end(tmp_path: Path) -> None:
    """The pause is told with frame and second; what came after it is in the timeline."""
    outcome = replayed(str(trace(tmp_path, [0.02] * 40 + [0.95] * 40)))
    assert 40 < outcome["paused_at_frame"] < 55
    assert outcome["paused_at_s"] == (outcome["paused_at_frame"] - 1) * 5.0
    assert outcome["suspect_at_frame"] <= outcome["paused_at_frame"]
    assert len(outcome["timeline"]) == 80


def test_a_long_print_fits_on_a_screen(tmp_path: Path) -> None:
    """A thousand frames become at most a hundred lines and a verdict, and the failure stays visible in them."""
    file = trace(tmp_path, [0.02] * 960 + [0.95] * 40)
    lines = CliRunner().invoke(main, ["replay", str(file)]).stdout.splitlines()
    assert len(lines) <= 101
    assert any("failing" in line for line in lines)
    assert lines[-1].startswith("spaghetti: paused at frame 96")


def test_a_sweep_recommends_a_sensitivity(tmp_path: Path) -> None:
    """A row for each position of the slider, and a recommendation for what the print is said to have been."""
    file = trace(tmp_path, [0.02] * 40 + [0.95] * 40)
    found = replayed(str(file), "--sweep", "--failed-at", "41")
    assert [one["sensitivity"] for one in found["sweep"]] == list(range(1, 10))
    assert found["recommended"] == 5
    result = CliRunner().invoke(main, ["replay", str(file), "--sweep"])
    assert result.exit_code == 0
    assert "went well" in result.stdout.splitlines()[-1]


def test_a_chart_is_written(folder: Path) -> None:
    """A PNG with both policies."""
    pytest.importorskip("matplotlib")
    chart = folder / "chart.png"
    replayed(str(folder), "--policy", "all", "--chart", str(chart))
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert "cannot be written" in refused(str(folder), "--chart", str(folder / "nowhere" / "chart.png"))


def test_a_number_of_the_judge_can_be_changed_for_a_replay(tmp_path: Path) -> None:
    """A level that nothing reaches pauses nothing; a switch takes a word."""
    file = trace(tmp_path, [0.02] * 40 + [0.9] * 40)
    assert replayed(str(file))["paused_at_frame"] is not None
    assert replayed(str(file), "--set", "failing_at=0.95", "--set", "scene_gate=off")["paused_at_frame"] is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param("patience=1", "failing_at", id="a number that is none, answered with those that are"),
        pytest.param("failing_at=nan", "number from", id="not a number"),
        pytest.param("failing_at=inf", "number from", id="infinite"),
        pytest.param("failing_at=7", "number from", id="out of range"),
        pytest.param("failing_at=", "number from", id="nothing"),
        pytest.param("failing_at", "number from", id="no value"),
        pytest.param("scene_gate=perhaps", "on or off", id="a switch that is neither"),
    ],
)
def test_a_number_that_cannot_be_is_refused(folder: Path, change: str, said: str) -> None:
    """With its range, and without a word of Python."""
    assert said in refused(str(folder), "--set", change)


def test_a_server_that_is_gone_ends_the_check_with_one_sentence(folder: Path) -> None:
    """Not with one for each of a thousand pictures, each after its deadline."""
    result = CliRunner().invoke(main, ["check", "--server", "127.0.0.1:9", str(folder)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("127.0.0.1:9") == 1 and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("other.jsonl", b'{"a": 1}\n', "not a trace", id="other JSON"),
        pytest.param("notes.txt", b"bought filament\n" * 20, "neither a folder", id="text"),
        pytest.param("noise.mp4", bytes(range(256)) * 20, "neither a folder", id="a video that is none"),
        pytest.param("empty.mp4", b"", "neither a folder", id="an empty file"),
        pytest.param("one.jpg", b"\xff\xd8\xff\xd9", "spaghetti check", id="a single picture"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_told_as_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """One sentence, no traceback, no word of a library."""
    (tmp_path / name).write_bytes(content)
    sentence = refused(str(tmp_path / name))
    assert said in sentence
    assert "codec" not in sentence


def test_a_server_that_is_gone_ends_the_replay_with_one_sentence(folder: Path) -> None:
    """Not with one for each of a thousand pictures, each after its deadline."""
    said = refused(str(folder), "--server", "127.0.0.1:9")
    assert "127.0.0.1:9" in said
    assert said.count("Error:") == 1


def test_a_picture_that_cannot_be_read_leaves_a_gap_in_time(folder: Path) -> None:
    """The rest is replayed where it was."""
    (folder / "1.jpg").write_text("<html>not found</html>")
    result = CliRunner().invoke(main, ["replay", "--json", str(folder)])
    assert "web page" in result.stderr
    assert [moment["at"] for moment in json.loads(result.stdout)["timeline"]] == [0.0, 10.0]


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    """Nothing to look at is not a calm print."""
    assert "nothing that could be looked at" in refused(str(tmp_path))
    assert "nothing that could be looked at" in refused(str(tmp_path), "--sweep")
