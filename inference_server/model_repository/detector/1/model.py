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

from inference_server.triton_tensors import array_of, response_of


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
        inputs = {name: [array_of(request, name) for request in requests] for name in self._inputs}
        if len(requests) == 1:  # as always in the profile cpu; half a MB less to copy
            return [
                response_of(
                    dict(zip(self._outputs, self._session.run(self._outputs, {name: one for name, (one,) in inputs.items()})))
                )
            ]
        answers = self._session.run(self._outputs, {name: np.concatenate(arrays) for name, arrays in inputs.items()})
        ends = np.cumsum([array.shape[0] for array in inputs[self._inputs[0]]])
        parts = zip(*(np.split(answer, ends[:-1]) for answer in answers))
        return [response_of(dict(zip(self._outputs, part))) for part in parts]
