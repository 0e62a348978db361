"""Run the exported detector in this process, on the CPU, with numpy and ONNX Runtime alone.

Used where no server is at hand: the Pi's local detector, ``spaghetti check --local`` and the evaluation. It makes
no decision and keeps no state between pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from inference_server.contract import BOXES, CLASSES, CONFIDENCES, FRAME_SCORE, HEATMAP, IMAGE, WINDOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_server.pixels import Prepared

_OUTPUTS = (BOXES, CONFIDENCES, CLASSES, FRAME_SCORE, HEATMAP)


class BadModel(RuntimeError):
    """The model file is missing, damaged or not a spaghetti detector; the message says which and what to do."""


@dataclass(frozen=True)
class Answer:
    """What the detector says of one picture; names, types and units are those of :mod:`inference_server.contract`.

    ``boxes`` float32 (K, 4) fractions of the whole picture; ``confidences`` float32 (K,) descending, 0 = padding;
    ``classes`` int32 (K,); ``frame_score`` probability 0 to 1; ``heatmap`` uint8 (rows, columns), 255 x probability,
    over the window.
    """

    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    classes: NDArray[np.int32]
    frame_score: float
    heatmap: NDArray[np.uint8]


class OnnxDetector:
    """One loaded model file; :meth:`look` may be called from one thread at a time."""

    def __init__(self, path: Path | str, threads: int = 1) -> None:
        """Load ``path``; raises :class:`BadModel`. One thread leaves the other cores to whoever shares the machine."""
        self.path = Path(path)
        if not self.path.is_file():
            raise BadModel(f"there is no model file at {self.path}; install it again or name another one")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning pool would burn a core between two pictures that come seconds apart.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's own exceptions share no public base class
            raise BadModel(f"{self.path} cannot be loaded as a model ({error}); install it again or name another one") from error
        names = {tensor.name for tensor in (*self._session.get_inputs(), *self._session.get_outputs())}
        missing = {IMAGE, WINDOW, *_OUTPUTS} - names
        if missing:
            raise BadModel(f"{self.path} is not a spaghetti detector: it has no tensor {', '.join(sorted(missing))}")
        side = next(tensor for tensor in self._session.get_inputs() if tensor.name == IMAGE).shape[-1]
        if not isinstance(side, int):
            raise BadModel(
                f"{self.path} does not say how many pixels it looks at (its {IMAGE} is {side} wide); export it with one size"
            )
        self._input_size = side

    @property
    def metadata(self) -> Mapping[str, str]:
        """Facts kept in the file: name, version, class_names, input_size, calibration, data_sha256, ..."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    @property
    def input_size(self) -> int:
        """Side in pixels of the square picture that the model looks at."""
        return self._input_size

    def look(self, prepared: Prepared) -> Answer:
        """Look at one picture that :func:`inference_server.pixels.prepare` made; blocks for some milliseconds."""
        feed = {IMAGE: prepared.image[None], WINDOW: prepared.window[None]}
        boxes, confidences, classes, frame_score, heatmap = self._session.run(list(_OUTPUTS), feed)
        return Answer(boxes[0], confidences[0], classes[0], float(frame_score[0, 0]), heatmap[0])
