"""From the tensors on the wire to an :class:`Answer`, read by name and checked; no numpy on the Pi."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.core.errors import AnswerInvalid
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene

CLASS_NAMES = ("spaghetti",)
#: 24 rows of 32.
THUMBNAIL_BYTES = 24 * 32
#: Our models answer 20; a message of 4 MB could hold 260,000, which are 100 MB as objects.
MOST_BOXES = 1000

_FORMATS = {"FP32": ("f", 4), "INT32": ("i", 4), "UINT8": ("B", 1)}
_EXPECTED = {
    "boxes": "FP32",
    "confidences": "FP32",
    "classes": "INT32",
    "frame_score": "FP32",
    "scene": "FP32",
    "thumbnail": "UINT8",
    "heatmap": "UINT8",
}


def read_answer(response: pb.ModelInferResponse, detector: str) -> Answer:
    """Build the answer from a response; ``detector`` says who gave it.

    Raises :class:`AnswerInvalid` when a tensor is missing, of another type or shape, or holds what cannot be.
    """
    try:
        return _answer(_tensors(response), detector)
    except (ValueError, struct.error, KeyError) as error:
        raise AnswerInvalid(
            say(
                "%(detector)s answered something that is not the model this plugin knows (%(error)s); check the "
                "model's name and version.",
                detector=detector,
                error=error,
            )
        ) from error


def _answer(tensors: Mapping[str, tuple[tuple[int, ...], bytes]], detector: str) -> Answer:
    score = _numbers(tensors, "frame_score", 1)[0]
    brightness, contrast, sharpness = (_share("scene", value) for value in _numbers(tensors, "scene", 3))
    shape, cells = tensors["heatmap"]
    if len(shape) != 3 or min(shape) < 1 or shape[1] * shape[2] != len(cells):
        raise ValueError(f"a heatmap of shape {list(shape)}")
    return Answer(
        score=_share("frame_score", score),
        detections=_detections(tensors),
        scene=Scene(brightness, contrast, sharpness),
        heatmap=Heatmap(shape[1], shape[2], cells),
        thumbnail=_thumbnail(tensors["thumbnail"][1]),
        detector=detector,
    )


def _detections(tensors: Mapping[str, tuple[tuple[int, ...], bytes]]) -> tuple[Detection, ...]:
    confidences = _numbers(tensors, "confidences")
    if len(confidences) > MOST_BOXES:
        raise ValueError(f"{len(confidences)} boxes")
    classes = _numbers(tensors, "classes", len(confidences))
    corners = _numbers(tensors, "boxes", 4 * len(confidences))
    return tuple(
        Detection(Box(*corners[4 * row : 4 * row + 4]), _share("confidences", confidence), _label(int(classes[row])))
        for row, confidence in enumerate(confidences)
        if confidence > 0.0
    )


def _thumbnail(luma: bytes) -> bytes:
    if len(luma) != THUMBNAIL_BYTES:
        raise ValueError(f"a thumbnail of {len(luma)} bytes instead of {THUMBNAIL_BYTES}")
    return luma


def _label(index: int) -> str:
    if not 0 <= index < 1000:
        raise ValueError(f"a class of {index}")
    return CLASS_NAMES[index] if index < len(CLASS_NAMES) else f"class {index}"


def _share(name: str, value: float) -> float:
    if not math.isfinite(value) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} of {value}")
    return value


def _numbers(tensors: Mapping[str, tuple[tuple[int, ...], bytes]], name: str, count: int | None = None) -> Sequence[float]:
    """Return a tensor's elements in order; ``count`` is how many there must be."""
    code, size = _FORMATS[_EXPECTED[name]]
    raw = tensors[name][1]
    numbers = struct.unpack(f"<{len(raw) // size}{code}", raw)
    if count is not None and len(numbers) != count:
        raise ValueError(f"{name} of {len(numbers)} numbers instead of {count}")
    return numbers


def _tensors(response: pb.ModelInferResponse) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Return name to (shape, bytes) for the outputs we know; outputs we do not know are a newer server's affair."""
    if len(response.raw_output_contents) != len(response.outputs):
        raise ValueError(f"{len(response.outputs)} outputs with {len(response.raw_output_contents)} contents")
    found = {}
    for output, raw in zip(response.outputs, response.raw_output_contents):
        if output.name in _EXPECTED:
            if output.datatype != _EXPECTED[output.name]:
                raise ValueError(f"{output.name} of type {output.datatype}")
            found[output.name] = (tuple(output.shape), raw)
    missing = [name for name in _EXPECTED if name not in found]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    return found
