"""Run ``model.onnx`` with ONNX Runtime on the CPU, with the tensors that the model's configuration names.

It knows nothing of this detector. Laid down as ``<backends>/<name>/model.py`` it stands in for a whole Triton
backend, which is how the production configurations are loaded and tested on a machine without a GPU.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Triton makes one of these per instance, each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model that lies beside this file (or, for a stand-in backend, in the model's version folder)."""
        config = json.loads(args["model_config"])
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        options = onnxruntime.SessionOptions()
        # Measured: one thread per instance and instances = cores beats more threads; a spinning pool burns a core while idle.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run all requests as one batch and cut the answers apart again."""
        frames = [pb_utils.get_input_tensor_by_name(request, self._inputs[0]).shape()[0] for request in requests]
        answers = self._session.run(self._outputs, {name: _joined(requests, name) for name in self._inputs})
        ends = np.cumsum(frames)
        return [self._response(answers, end - count, end) for count, end in zip(frames, ends)]

    def _response(self, answers: list[Any], start: int, end: int) -> Any:
        named = zip(self._outputs, answers)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, np.ascontiguousarray(array[start:end])) for name, array in named]
        )


def _joined(requests: list[Any], name: str) -> Any:
    return np.concatenate([pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests])
