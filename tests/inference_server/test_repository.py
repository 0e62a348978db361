"""The model repository: its configurations agree with the contract, and assembling one is safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from inference_server import contract
from inference_server.model_files import DamagedModel, default_model
from inference_server.repository import SOURCE, RepositoryError, assemble, decoders

CONFIGS = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.pbtxt"))
#: For each side of the pictures, of nano and of base, the cells of its heatmap.
CELLS = {416: 26, 640: 40}


def contracted(model: str, pixels: int) -> tuple[dict[str, tuple[str, list[int]]], dict[str, tuple[str, list[int]]]]:
    """Return the inputs and outputs that contract.py promises of a model for pictures of that side."""
    outputs = {
        contract.BOXES: ("TYPE_FP32", [contract.TOP_K, 4]),
        contract.CONFIDENCES: ("TYPE_FP32", [contract.TOP_K]),
        contract.CLASSES: ("TYPE_INT32", [contract.TOP_K]),
        contract.FRAME_SCORE: ("TYPE_FP32", [1]),
        contract.HEATMAP: ("TYPE_UINT8", [CELLS[pixels], CELLS[pixels]]),
    }
    prepared = {contract.IMAGE: ("TYPE_UINT8", [3, pixels, pixels]), contract.WINDOW: ("TYPE_FP32", [4])}
    extras = {
        contract.SCENE: ("TYPE_FP32", [3]),
        contract.THUMBNAIL: ("TYPE_UINT8", [contract.THUMBNAIL_ROWS, contract.THUMBNAIL_COLUMNS]),
    }
    jpeg = {contract.JPEG: ("TYPE_UINT8", [-1])}
    return {
        contract.ENSEMBLE: (jpeg, {**outputs, **extras}),
        contract.DECODE: (jpeg, {**prepared, **extras}),
        contract.DETECTOR: (prepared, outputs),
    }[model]


def parsed(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def tensors(declared: object) -> dict[str, tuple[str, list[int]]]:
    return {tensor.name: (model_config_pb2.DataType.Name(tensor.data_type), list(tensor.dims)) for tensor in declared}  # type: ignore[attr-defined]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return named(tmp_path)


def named(folder: Path, pixels: int = 416) -> Path:
    """Return a model file of which only the name is true."""
    path = folder / f"spaghetti-test-{pixels}-v1.onnx"
    path.write_bytes(b"not read by assemble")
    return path


@pytest.fixture
def repository(tmp_path: Path, model: Path) -> Path:
    """Return what is assembled of the shipped tree."""
    return assemble(tmp_path / "repository", profile="cpu", model=model)


@pytest.mark.parametrize("pixels", CELLS)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_each_configuration_has_the_contracts_tensors(tmp_path: Path, config: Path, pixels: int) -> None:
    """Names, types and shapes are those of contract.py, in every profile and for every size of model."""
    found = parsed(assemble(tmp_path / "repository", profile="cpu", model=named(tmp_path, pixels)) / config)
    assert found.name == config.parts[0]
    assert (tensors(found.input), tensors(found.output)) == contracted(found.name, pixels)


@pytest.mark.parametrize("config", [path for path in CONFIGS if path.parts[0] != contract.ENSEMBLE], ids=str)
def test_each_step_batches_and_sheds_what_it_cannot_do(repository: Path, config: Path) -> None:
    """Frames of many printers are done together, and a crowd is refused instead of queued for ever."""
    batching = parsed(repository / config).dynamic_batching
    policy = batching.default_queue_policy
    assert policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
    assert policy.max_queue_size > 0
    assert policy.default_timeout_microseconds > batching.max_queue_delay_microseconds


@pytest.mark.parametrize("config", [path for path in CONFIGS if path.parts[0] == contract.DETECTOR], ids=str)
def test_a_frame_that_waited_in_vain_is_refused_before_its_printer_gives_it_up(repository: Path, config: Path) -> None:
    """Both steps' waits together stay below the plugin's deadline of 5 s, so that a busy server can say that it is busy."""
    waits = [parsed(repository / path).dynamic_batching.default_queue_policy for path in (config, Path("decode/config.pbtxt"))]
    assert sum(policy.default_timeout_microseconds for policy in waits) < 5_000_000


@pytest.mark.parametrize("config", [path for path in CONFIGS if path.parts[0] == contract.DETECTOR], ids=str)
def test_each_detector_is_warm_before_it_is_ready(repository: Path, config: Path) -> None:
    """The first printer's first frame is no slower than the second's."""
    (warm_up,) = parsed(repository / config).model_warmup
    wanted, _ = contracted(contract.DETECTOR, 416)
    assert {name: list(given.dims) for name, given in warm_up.inputs.items()} == {
        name: dims for name, (_, dims) in wanted.items()
    }


def test_the_production_detector_is_an_engine(repository: Path) -> None:
    """The configuration without a name is that of TensorRT."""
    assert parsed(repository / "detector" / "config.pbtxt").platform == "tensorrt_plan"


@pytest.mark.parametrize(("profile", "file"), [("cpu", "model.onnx"), ("onnx", "model.onnx"), ("tensorrt", "model.plan")])
def test_a_repository_is_complete(tmp_path: Path, profile: str, file: str) -> None:
    """Each model has its version folder, and the detector its file under the name its backend looks for."""
    model = tmp_path / f"spaghetti-some-416-v1{Path(file).suffix}"
    model.write_bytes(b"weights")
    repository = assemble(tmp_path / "made" / "repository", profile=profile, model=model, cores=4)  # type: ignore[arg-type]
    assert sorted(path.name for path in repository.iterdir()) == ["decode", "detector", "spaghetti"]
    assert (repository / "detector" / "1" / file).read_bytes() == b"weights"
    assert (repository / "decode" / "1" / "model.py").is_file()
    assert (repository / "spaghetti" / "1").is_dir()
    for config in CONFIGS:
        parsed(repository / config)


def test_what_is_served_says_its_name(tmp_path: Path, model: Path) -> None:
    """Class names, model name and hash are in the configuration that a client can ask for."""
    parameters = parsed(assemble(tmp_path / "r", profile="cpu", model=model) / "spaghetti" / "config.pbtxt").parameters
    assert parameters["class_names"].string_value == ",".join(contract.CLASS_NAMES)
    assert parameters["model_name"].string_value == "spaghetti-test-416-v1"
    assert len(parameters["model_sha256"].string_value) == 64


def test_a_files_strange_name_does_not_break_the_configuration(tmp_path: Path) -> None:
    """Quotes and backslashes come back as they were."""
    model = tmp_path / 'my "best"\\ model.onnx'
    model.write_bytes(default_model(size="nano").read_bytes())
    repository = assemble(tmp_path / "r", profile="cpu", model=model)
    assert parsed(repository / "spaghetti" / "config.pbtxt").parameters["model_name"].string_value == 'my "best"\\ model'


@pytest.mark.parametrize(("cores", "detectors"), [(1, 3), (2, 2), (8, 8), (96, 16)])
def test_the_detector_gets_one_instance_per_core(tmp_path: Path, model: Path, cores: int, detectors: int) -> None:
    """Each instance is single-threaded; there are at most 16, and never one alone, which makes frames wait that come together."""
    repository = assemble(tmp_path / "r", profile="cpu", model=model, cores=cores)
    (group,) = parsed(repository / "detector" / "configs" / "cpu.pbtxt").instance_group
    assert group.count == detectors
    (group,) = parsed(repository / "decode" / "config.pbtxt").instance_group
    assert 2 <= group.count <= detectors


@pytest.mark.parametrize("config", ["config.pbtxt", "configs/onnx.pbtxt"])
def test_a_gpu_gets_two_instances(tmp_path: Path, model: Path, config: str) -> None:
    """Of which kind is left to Triton: the same file loads where there is no GPU."""
    repository = assemble(tmp_path / "r", profile="onnx", model=model)
    (group,) = parsed(repository / "detector" / config).instance_group
    assert (group.count, group.kind, list(group.gpus)) == (2, model_config_pb2.ModelInstanceGroup.KIND_AUTO, [])


def test_a_gpus_decoders_get_all_cores() -> None:
    """Where the GPU detects, decoding is all that the cores do."""
    assert decoders(8, "tensorrt") == 8
    assert decoders(8, "cpu") == 2
    assert decoders(16, "cpu") == 4
    assert decoders(1, "cpu") == decoders(1, "tensorrt") == 2


def test_an_older_repository_is_replaced(tmp_path: Path, model: Path) -> None:
    """What an earlier version left behind is gone, and nothing else lies beside it."""
    target = tmp_path / "r"
    assemble(target, profile="cpu", model=model)
    (target / "old-model").mkdir()
    assemble(target, profile="cpu", model=model)
    assert not (target / "old-model").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r", model.name]


def test_a_folder_that_is_no_repository_is_left_alone(tmp_path: Path, model: Path) -> None:
    """Nobody's home directory is replaced by a model repository."""
    with pytest.raises(RepositoryError, match="name another folder"):
        assemble(tmp_path, profile="cpu", model=model)
    assert model.is_file()


def test_a_model_of_any_name_is_asked_how_large_its_pictures_are(tmp_path: Path) -> None:
    """Whoever calls his own model as he likes need not say it twice."""
    model = tmp_path / "mine.onnx"
    model.write_bytes(default_model(size="nano").read_bytes())
    repository = assemble(tmp_path / "r", profile="cpu", model=model)
    assert tensors(parsed(repository / "decode" / "config.pbtxt").output)[contract.IMAGE] == ("TYPE_UINT8", [3, 416, 416])


@pytest.mark.parametrize(
    ("profile", "name", "says"), [("tensorrt", "mine.plan", "name it like"), ("cpu", "a.onnx", "cannot be loaded")]
)
def test_a_model_that_does_not_say_how_large_its_pictures_are_is_refused(
    tmp_path: Path, profile: str, name: str, says: str
) -> None:
    """An engine cannot be asked; the message says how to name it."""
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DamagedModel, match=says):
        assemble(tmp_path / "r", profile=profile, model=tmp_path / name)  # type: ignore[arg-type]


@pytest.mark.parametrize(("profile", "name"), [("cpu", "a.plan"), ("tensorrt", "a.onnx")])
def test_a_model_of_the_wrong_kind_is_refused(tmp_path: Path, profile: str, name: str) -> None:
    """An engine is no ONNX file, and the other way round."""
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RepositoryError, match="needs a"):
        assemble(tmp_path / "r", profile=profile, model=tmp_path / name)  # type: ignore[arg-type]


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    """The message says which file is not there."""
    with pytest.raises(RepositoryError, match=r"gone\.onnx"):
        assemble(tmp_path / "r", profile="cpu", model=tmp_path / "gone.onnx")


def test_a_damaged_model_is_not_served(tmp_path: Path) -> None:
    """One changed byte and the checksum beside the file does not match: nothing is assembled."""
    model = tmp_path / default_model().name
    model.write_bytes(default_model().read_bytes()[:-1] + b"\0")
    model.with_suffix(".onnx.sha256").write_bytes(default_model().with_suffix(".onnx.sha256").read_bytes())
    with pytest.raises(DamagedModel):
        assemble(tmp_path / "r", profile="cpu", model=model)
    assert not (tmp_path / "r").exists()
