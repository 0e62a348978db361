"""The floor under any server: decode and ONNX Runtime in a loop, in processes of their own, with no network and no Triton."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2

from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import prepare

#: Calls before the clock counts: memory is laid out and caches are warm after three.
WARM_UP_CALLS = 3


def look_again_and_again(model: Path, jpegs: Sequence[bytes], seconds: float) -> tuple[int, float]:
    """Look at ``jpegs`` in turns for ``seconds`` on one thread; returns (frames, CPU seconds)."""
    cv2.setNumThreads(1)
    detector = OnnxDetector(model)
    for _ in range(WARM_UP_CALLS):
        detector.look(prepare(jpegs[0], size=detector.input_size))
    frames, cpu, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        detector.look(prepare(jpegs[frames % len(jpegs)], size=detector.input_size))
        frames += 1
    return frames, time.process_time() - cpu


def cpu_ms_per_frame(pool: ProcessPoolExecutor, workers: int, model: Path, jpegs: Sequence[bytes], seconds: float) -> float:
    """Return CPU milliseconds per frame of so many workers at once; blocks for ``seconds`` and what loading takes."""
    done = [pool.submit(look_again_and_again, model, list(jpegs), seconds) for _ in range(workers)]
    frames, cpu = map(sum, zip(*(future.result() for future in done)))
    return cpu / frames * 1e3
