"""`spaghetti-server verify`: whole and loadable, or a sentence and status 1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from inference_server.model_files import checksum, default_model, write_checksum
from inference_server.verify_model import command


def test_the_shipped_detector_is_whole() -> None:
    """Without arguments it is the one that `serve` would take; its facts are those in the file."""
    done = CliRunner().invoke(command, ["--json"])
    assert done.exit_code == 0
    said = json.loads(done.output)
    assert (said["file"], said["whole"]) == (str(default_model()), True)
    assert said["sha256"] == checksum(default_model())
    assert "class_names" in said["facts"]


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """Against the note beside the file, and against a checksum that is given."""
    copy = Path(shutil.copy(default_model(), tmp_path))
    write_checksum(copy, checksum(copy))
    assert CliRunner().invoke(command, [str(copy)]).exit_code == 0
    content = bytearray(copy.read_bytes())
    content[1000] ^= 1
    copy.write_bytes(content)
    for arguments in ([str(copy)], [str(copy), "--sha256", checksum(default_model())]):
        done = CliRunner().invoke(command, arguments)
        assert done.exit_code == 1
        assert "changed or damaged" in done.output


def test_a_file_that_is_no_detector_is_found(tmp_path: Path) -> None:
    """Whole, as far as its checksum goes, and still of no use."""
    file = tmp_path / "a.onnx"
    file.write_bytes(b"not a graph")
    done = CliRunner().invoke(command, [str(file), "--sha256", checksum(file)])
    assert done.exit_code == 1
    assert "cannot be loaded as a model" in done.output


def test_a_missing_file_or_note_is_named(tmp_path: Path) -> None:
    """Which of the two it is, and what to do."""
    done = CliRunner().invoke(command, [str(tmp_path / "a.onnx")])
    assert (done.exit_code, "a.onnx is missing" in done.output) == (1, True)
    (tmp_path / "a.onnx").write_bytes(b"")
    done = CliRunner().invoke(command, [str(tmp_path / "a.onnx")])
    assert (done.exit_code, "a.onnx.sha256 is missing" in done.output) == (1, True)
