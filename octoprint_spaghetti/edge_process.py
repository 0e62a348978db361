"""The process in which the detector on this computer looks, apart from OctoPrint: low in priority, one thread, bounded memory.

Standard input is a socket to the plugin: requests and answers of the Open Inference Protocol, as on the wire to a server.
The process ends when that socket does, so it cannot outlive OctoPrint, and the kernel's alarm clock ends it when it hangs.
``adapters/edge.py`` starts it; nobody else should.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import socket
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.messages import CPU_SECONDS, Messages, MessagesBroken
from octoprint_spaghetti.core.sentence import say

if TYPE_CHECKING:
    from inference_server.model_files import Size
    from inference_server.onnx_detector import Answer, OnnxDetector
    from inference_server.pixels import Prepared

#: Below everything that moves the printer or serves a page; above nothing but idle work.
NICENESS = 10
#: Of 1000: when memory runs out the kernel ends this process, and not the OctoPrint that prints.
OUT_OF_MEMORY_SCORE = 800
#: Here `base` does not fit beside OctoPrint (a Pi 3, a Zero 2 W): `nano` looks instead.
LEAST_MEMORY_MB = 1200.0
#: And here it would be late: beside a dead server a picture has two seconds on this computer, which does other things too.
LONGEST_LOOK_S = 0.8


def main() -> None:
    """Look at pictures until the plugin hangs up."""
    options = _options()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in OctoPrint's terminal is for OctoPrint, which then hangs up
    os.nice(NICENESS)
    with suppress(OSError):  # other systems have no such file, and some containers do not let it be written
        Path("/proc/self/oom_score_adj").write_text(str(OUT_OF_MEMORY_SCORE))
    resource.setrlimit(resource.RLIMIT_DATA, (options.memory_mb << 20, options.memory_mb << 20))
    messages = Messages(socket.socket(fileno=0))
    try:
        signal.setitimer(signal.ITIMER_REAL, options.start_s)
        looker = _loaded(options.model, messages)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        while looker is not None:
            request = messages.receive(options.idle_s)
            if request is None:
                return
            signal.setitimer(signal.ITIMER_REAL, options.hang_s)
            messages.send(looker.answer(pb.ModelInferRequest.FromString(request)).SerializeToString(), None)
            signal.setitimer(signal.ITIMER_REAL, 0.0)
    except MessagesBroken:
        return  # OctoPrint has hung up, or is gone


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="ONNX file; empty: the one shipped")
    parser.add_argument("--memory-mb", type=int, required=True, help="private memory that it may take")
    parser.add_argument("--start-s", type=float, required=True, help="a start that takes longer is ended")
    parser.add_argument("--hang-s", type=float, required=True, help="a look that takes longer is ended")
    parser.add_argument("--idle-s", type=float, required=True, help="without a request for this long it ends")
    return parser.parse_args()


def _loaded(model: str, messages: Messages) -> _Looker | None:
    """Load the model and say so, or say why not and return None."""
    reply = pb.ModelStreamInferResponse()
    looker = None
    try:
        looker = _Looker(model)
        reply.infer_response.model_name = looker.name
    except Exception as error:  # noqa: BLE001 - the process's top: whatever a damaged installation raises is told, in words
        traceback.print_exc()
        reply.error_message = f"{type(error).__name__}: {error}"
    messages.send(reply.SerializeToString(), None)
    return looker


class _Looker:
    """The same code and model as on the server; imported here, so that OctoPrint never loads numpy for it."""

    def __init__(self, model: str) -> None:
        import cv2

        from inference_server import onnx_detector, pixels

        cv2.setNumThreads(1)
        self._pixels = pixels
        self._detector = onnx_detector.OnnxDetector(model, threads=1) if model else affordable()
        self.name = self._detector.path.stem

    def answer(self, request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
        """Return the answer to one request, or the message that says why its picture could not be read."""
        started = time.process_time()
        reply = pb.ModelStreamInferResponse()
        reply.infer_response.id = request.id
        try:
            roi = request.parameters["roi"].string_param if "roi" in request.parameters else ""
            region = self._pixels.parse_region(roi) if roi else None
            drill = "drill" in request.parameters and request.parameters["drill"].bool_param
            prepared = self._pixels.prepare(
                self._picture(request.raw_input_contents[0], drill), region, size=self._detector.input_size
            )
        except self._pixels.BadPicture as error:
            reply.error_message = str(error)
        except MemoryError:
            reply.error_message = say(
                "a picture that needs more memory than the detector may take; lower the camera's resolution"
            )
        else:
            _fill(reply.infer_response, prepared, self._detector.look(prepared))
        reply.infer_response.parameters[CPU_SECONDS].double_param = time.process_time() - started
        return reply

    @staticmethod
    def _picture(jpeg: bytes, drill: bool) -> bytes:
        if not drill:
            return jpeg
        from inference_server.drill import with_tangle  # the scene it draws with is loaded for a drill alone

        return with_tangle(jpeg)


def affordable(memory_mb: float | None = None, longest_s: float = LONGEST_LOOK_S) -> OnnxDetector:
    """Return the shipped detector that sees most of those that this computer can pay for, loaded.

    ``memory_mb`` is all that it has (None: to be found out), ``longest_s`` the processor time that a picture may take.
    """
    from inference_server.onnx_detector import OnnxDetector

    if (_all_memory_mb() if memory_mb is None else memory_mb) >= LEAST_MEMORY_MB:
        base = OnnxDetector(_shipped("base"), threads=1)
        if _look_s(base) <= longest_s:
            return base
    return OnnxDetector(_shipped("nano"), threads=1)


def _all_memory_mb() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20


def _look_s(detector: OnnxDetector) -> float:
    """Return the processor time of a 720p picture, the better of two: the first lays out memory."""
    import cv2
    import numpy as np

    from inference_server.pixels import prepare

    jpeg = cv2.imencode(".jpg", np.zeros((720, 1280, 3), np.uint8))[1].tobytes()
    took = []
    for _ in range(2):
        started = time.process_time()
        detector.look(prepare(jpeg, size=detector.input_size))
        took.append(time.process_time() - started)
    return min(took)


def _shipped(size: Size) -> Path:
    """Return the shipped model, which must be whole; in eight bits, which cost least, where this processor does not round them anew."""
    from inference_server import model_files, precision

    path = model_files.default_model(size=size)
    quantised = model_files.int8_of(path)
    chosen = quantised if quantised is not None and precision.sums_bytes_exactly() else path
    model_files.verify(chosen)
    return chosen


def _fill(response: pb.ModelInferResponse, prepared: Prepared, answer: Answer) -> None:
    """Write the tensors that a server would answer."""
    import numpy as np

    for name, datatype, array in (
        ("boxes", "FP32", answer.boxes),
        ("confidences", "FP32", answer.confidences),
        ("classes", "INT32", answer.classes),
        ("frame_score", "FP32", np.asarray([answer.frame_score], np.float32)),
        ("scene", "FP32", prepared.scene),
        ("thumbnail", "UINT8", prepared.thumbnail),
        ("heatmap", "UINT8", answer.heatmap),
    ):
        response.outputs.add(name=name, datatype=datatype, shape=[1, *array.shape])
        response.raw_output_contents.append(array.tobytes())


if __name__ == "__main__":
    main()
