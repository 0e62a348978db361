"""``spaghetti check`` with the shipped model: pictures in, one line each out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from octoprint_spaghetti.cli import main
from tests.pictures import jpeg

pytest.importorskip("onnxruntime")


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


def test_a_folder_is_replayed_in_simulated_time(folder: Path) -> None:
    """The timeline has a moment per picture, spaced by the interval, and a calm folder is never paused."""
    result = CliRunner().invoke(main, ["replay", str(folder), "--interval", "7", "--json"])
    outcome = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert [moment["at"] for moment in outcome["timeline"]] == [0.0, 7.0, 14.0]
    assert outcome["paused_at_frame"] is None
    assert outcome["policy"] == "spaghetti"


def test_a_number_of_the_judge_can_be_changed_for_a_replay(folder: Path) -> None:
    """--set names the numbers that exist, and refuses what is none."""
    assert CliRunner().invoke(main, ["replay", str(folder), "--set", "failing_at=0.6"]).exit_code == 0
    result = CliRunner().invoke(main, ["replay", str(folder), "--set", "patience=1"])
    assert result.exit_code == 2
    assert "failing_at" in result.output
