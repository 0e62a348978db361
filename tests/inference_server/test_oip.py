"""Our few bytes of the protocol, read and written by a protobuf library on the other side."""

from __future__ import annotations

import numpy as np
import pytest

from inference_server import oip
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb


def response() -> pb.ModelInferResponse:
    """Return an answer with three kinds of tensors, an id and a parameter, as Triton sends it."""
    answer = pb.ModelInferResponse(model_name="spaghetti", model_version="1", id="7")
    answer.parameters["sequence_id"].int64_param = 300
    for name, kind, array in (
        ("frame_score", "FP32", np.float32([[0.25]])),
        ("classes", "INT32", np.int32([[0, -1, 70000]])),
        ("heatmap", "UINT8", np.arange(6, dtype=np.uint8).reshape(1, 2, 3)),
    ):
        answer.outputs.add(name=name, datatype=kind, shape=array.shape)
        answer.raw_output_contents.append(array.tobytes())
    return answer


@pytest.mark.parametrize("size", [1, 127, 128, 20_000, 3_000_000])
def test_a_request_is_what_a_printer_sends(size: int) -> None:
    """Whatever the size, a protobuf library reads name, id, shape and bytes."""
    read = pb.ModelInferRequest.FromString(oip.infer_request(b"x" * size, "frame-1"))
    assert (read.model_name, read.id) == ("spaghetti", "frame-1")
    (tensor,) = read.inputs
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("JPEG", "UINT8", [1, size])
    assert list(read.raw_input_contents) == [b"x" * size]


def test_an_answer_is_read_by_name() -> None:
    """Types and shapes come back as they were sent."""
    found = oip.infer_response(response().SerializeToString())
    assert found["frame_score"].tolist() == [[0.25]]
    assert found["classes"].tolist() == [[0, -1, 70000]]
    assert found["heatmap"].tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_streams_answer_is_an_error_or_an_answer() -> None:
    """An error has words and nothing else."""
    good = pb.ModelStreamInferResponse(infer_response=response())
    error, answer = oip.stream_response(good.SerializeToString())
    assert (error, set(oip.infer_response(answer))) == ("", {"frame_score", "classes", "heatmap"})
    bad = pb.ModelStreamInferResponse(error_message="Exceeds maximum queue size")
    assert oip.stream_response(bad.SerializeToString()) == ("Exceeds maximum queue size", b"")


@pytest.mark.parametrize(
    "message",
    [
        response().SerializeToString()[:-3],
        b"\xff",
        b"\x0b",
        pb.ModelInferResponse(raw_output_contents=[b"1234"]).SerializeToString(),
    ],
    ids=["cut off", "no number ends", "unknown kind", "contents without a tensor"],
)
def test_what_is_no_answer_is_an_error(message: bytes) -> None:
    """Never half an answer, and never another exception."""
    with pytest.raises(oip.AnswerMalformed):
        oip.infer_response(message)
