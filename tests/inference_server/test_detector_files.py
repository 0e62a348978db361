"""A model file that is missing, damaged or of another kind is named with what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from inference_server.model_files import SIZES, DamagedModel, default_model, int8_of, put_in_place, verify


@pytest.mark.parametrize("size", SIZES)
def test_the_shipped_model_is_whole(size):
    """The newest detector of each size in the package matches the checksum beside it."""
    verify(default_model(size=size))


def test_the_newest_version_is_taken_by_number(tmp_path):
    """Version 10 is newer than version 9; other sizes and files are not looked at, and base is the default."""
    for name in ("spaghetti-nano-416-v9.onnx", "spaghetti-nano-416-v10.onnx", "spaghetti-base-416-v11.onnx", "notes.onnx"):
        (tmp_path / name).touch()
    assert default_model(tmp_path, "nano").name == "spaghetti-nano-416-v10.onnx"
    assert default_model(tmp_path).name == "spaghetti-base-416-v11.onnx"


def test_the_int8_file_is_found_beside_its_own(tmp_path):
    """The one of the same version counts, and none is none."""
    path = tmp_path / "spaghetti-nano-416-v9.onnx"
    (tmp_path / "spaghetti-nano-416-v8-int8.onnx").touch()
    assert int8_of(path) is None
    (tmp_path / "spaghetti-nano-416-v9-int8.onnx").touch()
    assert int8_of(path) == tmp_path / "spaghetti-nano-416-v9-int8.onnx"


def test_an_int8_file_is_never_taken_by_itself(tmp_path):
    """It is faster on some processors alone, so whoever wants it names it."""
    for name in ("spaghetti-nano-416-v9.onnx", "spaghetti-nano-416-v9-int8.onnx", "spaghetti-nano-416-v10-int8.onnx"):
        (tmp_path / name).touch()
    assert default_model(tmp_path, "nano").name == "spaghetti-nano-416-v9.onnx"


def test_an_empty_folder_is_named(tmp_path):
    """Without any model the sentence says to install again."""
    with pytest.raises(DamagedModel, match="install the package again"):
        default_model(tmp_path)


def test_a_changed_byte_is_noticed(tmp_path):
    """One flipped byte is enough, and so is a missing checksum."""
    source = default_model()
    copy = tmp_path / source.name
    shutil.copy(source, copy)
    with pytest.raises(DamagedModel, match="missing"):
        verify(copy)
    shutil.copy(source.with_suffix(".onnx.sha256"), copy.with_suffix(".onnx.sha256"))
    verify(copy)
    data = bytearray(copy.read_bytes())
    data[100] ^= 1
    copy.write_bytes(data)
    with pytest.raises(DamagedModel, match="changed or damaged"):
        verify(copy)


@pytest.mark.parametrize("older", [b"older", None], ids=["over an older file", "where none was"])
def test_a_kill_while_a_model_is_put_in_place_is_noticed(tmp_path, monkeypatch, older):
    """Between the two moves lies a checksum that fits nothing, never a new file with an old checksum or none; the next try mends it."""
    draft, path = tmp_path / "draft" / "model.onnx", tmp_path / "model.onnx"
    draft.parent.mkdir()
    if older is not None:
        path.write_bytes(older)
    draft.write_bytes(b"newer")
    move = Path.replace

    def killed(self, target):
        if self.suffix == ".onnx":
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", killed)
        put_in_place(draft, path)
    assert (path.read_bytes() if path.exists() else None) == older
    with pytest.raises(DamagedModel, match="install the package again, or fetch the file again"):
        verify(path)
    put_in_place(draft, path)
    verify(path)
    assert path.read_bytes() == b"newer"


def test_what_is_no_model_is_refused_in_words(tmp_path):
    """A missing file and a text file each get a sentence."""
    pytest.importorskip("onnxruntime")
    from inference_server.onnx_detector import BadModel, OnnxDetector

    with pytest.raises(BadModel, match="no model file"):
        OnnxDetector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(BadModel, match="cannot be loaded"):
        OnnxDetector(tmp_path / "text.onnx")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_the_shipped_model_tells_a_rendered_failure_from_a_rendered_print(size, seed):
    """On pictures that it never saw, the score rises above one half only when loose filament lies there, and a box shows where."""
    pytest.importorskip("onnxruntime")
    from inference_server.onnx_detector import OnnxDetector
    from inference_server.pixels import prepare
    from inference_server.scene import Scene

    detector, scene = OnnxDetector(default_model(size=size)), Scene(seed, frames=60, failure_at=20)
    good, failed = (detector.look(prepare(scene.jpeg(frame), size=detector.input_size)) for frame in (15, 55))
    assert good.frame_score < 0.5 < failed.frame_score
    left, top, right, bottom = scene.tangle_box(55)
    x, y = (failed.boxes[0, :2] + failed.boxes[0, 2:]) / 2
    assert left < x < right and top < y < bottom
