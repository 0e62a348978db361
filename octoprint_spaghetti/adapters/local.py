"""The detector on this computer, for prints without a server; needs the extra ``[edge]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from octoprint_spaghetti.core.errors import AnswerInvalid, DetectorMissing, PictureRefused
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Answer, Detection, Frame, Heatmap, ProtectionLevel, Scene

if TYPE_CHECKING:
    from inference_server.onnx_detector import Answer as Tensors
    from inference_server.pixels import Prepared


class LocalDetector:
    """Decodes and looks in this process, on one thread, with the same code and model as the server."""

    level = ProtectionLevel.LOCAL
    why = ""
    earliest_s = 0.0

    def __init__(self, model: str = "") -> None:
        """Load the ONNX file ``model``, or the one shipped. Raises :class:`DetectorMissing` when a part is not installed."""
        try:
            from inference_server import contract, drill, model_files, onnx_detector, pixels
        except ImportError as error:
            raise DetectorMissing(
                say(
                    'The local detector is not installed (%(error)s); run: pip install "octoprint-spaghetti[edge]", '
                    "or use a server.",
                    error=error,
                )
            ) from error
        self._pixels = pixels
        self._with_tangle = drill.with_tangle
        self._class_names = contract.CLASS_NAMES
        try:
            path = Path(model) if model else model_files.default_model()
            if not model:
                model_files.verify(path)
            self._detector = onnx_detector.OnnxDetector(path, threads=1)
        except (model_files.DamagedModel, onnx_detector.BadModel) as error:
            raise DetectorMissing(say("The local detector cannot be used: %(error)s.", error=error)) from error
        self._name = f"local {path.stem}"

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what is seen in the frame, or in the region ``roi`` of it; raises :class:`PictureRefused`."""
        try:
            jpeg = self._with_tangle(frame.jpeg) if frame.drill else frame.jpeg
            prepared = self._pixels.prepare(jpeg, None if roi is None else roi.xyxy, size=self._detector.input_size)
        except self._pixels.BadPicture as error:
            raise PictureRefused(say("The local detector could not read the picture: %(error)s.", error=error)) from error
        return self._answer(prepared, self._detector.look(prepared))

    def check(self) -> None:
        """Return; that the model loads was found out when it was made."""

    def close(self) -> None:
        """Nothing is held but memory."""

    def _answer(self, prepared: Prepared, tensors: Tensors) -> Answer:
        brightness, contrast, sharpness = (float(value) for value in prepared.scene)
        rows, columns = tensors.heatmap.shape
        rows_of_boxes = zip(tensors.boxes.tolist(), tensors.confidences.tolist(), tensors.classes.tolist())
        try:
            return Answer(
                score=tensors.frame_score,
                detections=tuple(
                    Detection(Box(*corners), confidence, self._class_names[index])
                    for corners, confidence, index in rows_of_boxes
                    if confidence > 0.0
                ),
                scene=Scene(brightness, contrast, sharpness),
                heatmap=Heatmap(rows, columns, tensors.heatmap.tobytes()),
                thumbnail=prepared.thumbnail.tobytes(),
                detector=self._name,
            )
        except (ValueError, IndexError) as error:
            raise AnswerInvalid(
                say("The local model answered what cannot be (%(error)s); use the shipped one.", error=error)
            ) from error
