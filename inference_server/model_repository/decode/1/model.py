"""Triton's first step: one JPEG per request to the pixels that the detector eats. A bad one fails alone, not its batch."""

from __future__ import annotations

import json
from typing import Any

import cv2
import triton_python_backend_utils as pb_utils

from inference_server.contract import DRILL, IMAGE, JPEG, ROI, SCENE, THUMBNAIL, WINDOW
from inference_server.drill import with_tangle
from inference_server.pixels import BadPicture, Fractions, parse_region, prepare
from inference_server.triton_tensors import array_of, response_of


class TritonPythonModel:
    """Triton makes one of these per instance, each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Keep OpenCV to one thread: the instances are what uses the cores."""
        cv2.setNumThreads(1)
        outputs = json.loads(args["model_config"])["output"]
        self._size = int(next(tensor for tensor in outputs if tensor["name"] == IMAGE)["dims"][-1])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request of the batch, in order."""
        return [_answer(request, self._size) for request in requests]


def _answer(request: Any, size: int) -> Any:
    try:
        asked = json.loads(request.parameters() or "{}")
        jpeg = with_tangle(_jpeg(request)) if asked.get(DRILL) is True else _jpeg(request)
        prepared = prepare(jpeg, _region(asked), size=size)
    except BadPicture as error:
        return pb_utils.InferenceResponse([], pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
    named = {IMAGE: prepared.image, WINDOW: prepared.window, SCENE: prepared.scene, THUMBNAIL: prepared.thumbnail}
    return response_of({name: array[None] for name, array in named.items()})


def _jpeg(request: Any) -> Any:
    batch = array_of(request, JPEG)  # uint8 (1, bytes)
    if batch.shape[0] != 1 or batch.size == 0:
        raise BadPicture(f"{JPEG} must hold one file: shape [1, bytes], not {list(batch.shape)}")
    return batch[0]


def _region(asked: dict[str, Any]) -> Fractions | None:
    text = asked.get(ROI)
    return None if text is None else parse_region(str(text))
