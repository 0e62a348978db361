"""The benchmark: it counts what a network computes, and says what it measured to people and to programs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402 - after the check that onnx is there

from inference_server.bench import Conv, command, convolutions  # noqa: E402
from inference_server.model_files import default_model, int8_of  # noqa: E402


def network() -> object:
    """Return a network of two convolutions for any number of 3 x 32 x 32 pictures."""
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(size=(8, 3, 3, 3)), "b": rng.normal(size=(16, 1, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["h"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["h", "b"], ["y"], pads=[1, 1, 1, 1], group=8),
    ]
    initialisers = [
        helper.make_tensor(n, TensorProto.FLOAT, w.shape, w.astype(np.float32).tobytes(), raw=True) for n, w in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16, 16, 16])],
        initialisers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_the_work_of_a_network_is_counted_from_its_file() -> None:
    """Channels, stride, groups and the size that comes out give the operations, two for each multiply-accumulate."""
    found = convolutions(network())
    first = Conv(c_in=3, c_out=8, kernel=3, stride=2, groups=1, rows=16, columns=16)
    assert first.flop == 2 * 8 * 3 * 9 * 16 * 16
    last = Conv(c_in=8, c_out=16, kernel=3, stride=1, groups=8, rows=16, columns=16)
    assert found == {first: 1, last: 1}, "what the network answers is computed too"


def test_the_last_line_is_a_json_document() -> None:
    """Table first, then what a program reads: milliseconds of each step, GFLOP/s beside those of the bare convolutions."""
    result = CliRunner().invoke(command, ["--seconds", "0.5"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout.splitlines()[-1])
    kinds = ["fp32"] + ["int8"] * (int8_of(default_model()) is not None)
    rows = {f"{what} {kind}" for what in ("network", "JPEG to answer") for kind in kinds}
    assert set(document["ms"]) == {"decode", *rows}
    assert set(document["pictures_per_s_and_core"]) == set(kinds)
    assert document["ms"]["network fp32"]["median_ms"] >= document["ms"]["network fp32"]["best_ms"] > 0
    assert document["gflop"] > 0
