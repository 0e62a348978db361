"""Prove, before a printer relies on it, that a TensorRT engine answers as the ONNX file it was built from does.

Rendered frames, good prints and failing ones, go through the Triton that is going to serve, all at once so that they meet
in batches; the answers are held against ONNX Runtime's in this process. What was proven is noted beside the engine with
its hash, so that a restart serves at once and a damaged file does not.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import numpy as np

from inference_server import oip
from inference_server.contract import CONFIDENCES, FRAME_SCORE, HEATMAP
from inference_server.engine import EngineFailed
from inference_server.onnx_detector import Answer, OnnxDetector
from inference_server.pixels import prepare
from inference_server.repository import assemble
from inference_server.scene import Scene
from inference_server.triton import TritonBinary, TritonFailed, TritonServer

#: Printers, and of each story of 40 frames, in which the part comes off in frame 16: early, grown, the first loose strand, a heap.
SEEDS = range(4)
FRAMES, FAILURE_AT, LOOKED_AT = 40, 16, (4, 14, 18, 30)
#: Half precision itself moved 40 such frames by at most 0.004 and 2 of 255 (the file converted to fp16, in ONNX Runtime).
MOST_SCORE = 0.02
MOST_HEAT = 8
#: The first frames may meet a GPU that is still waking up.
ANSWER_TIMEOUT_S = 60.0
#: Loading takes 1 s on a PC, and up to a minute on a cold disk or while CUDA initialises.
READY_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Agreement:
    """How far two detectors are apart on the same frames, at most.

    ``frame_score`` and ``confidence`` (of each frame's first box) as differences of probabilities, 0 to 1; ``heatmap`` in
    steps of 255; ``detected`` is how many frames scored above one half. What is no number is no agreement.
    """

    frames: int
    detected: int
    frame_score: float
    confidence: float
    heatmap: int

    @property
    def holds(self) -> bool:
        """Tell whether the two are the same detector, within what half precision explains."""
        return self.frame_score <= MOST_SCORE and self.confidence <= MOST_SCORE and self.heatmap <= MOST_HEAT


class EngineUnfaithful(EngineFailed):
    """The engine answers otherwise than the model it was built from; nothing may be served with it."""


def prove(engine: Path, model: Path, binary: TritonBinary, work: Path) -> Agreement:
    """Serve ``engine`` to nobody but us and hold its answers against ONNX Runtime's with ``model``; blocks for some seconds.

    The proof is noted beside the engine. Raises :class:`EngineUnfaithful` when it fails; the engine is then out of the way.
    """
    repository = assemble(work / "proof", profile="tensorrt", model=engine)
    try:
        with TritonServer(repository, log=work / "proof.log", profile="tensorrt", binary=binary) as server:
            server.wait_ready(READY_TIMEOUT_S)
            found = compare(server.target, model, rendered_frames())
    except TritonFailed as error:
        raise EngineUnfaithful(f"Triton cannot serve the TensorRT engine, which is kept as {_reject(engine)}: {error}") from error
    note_proof(engine, found)
    return found


def rendered_frames() -> list[bytes]:
    """Return JPEG files of several rendered printers, before and after the failure; takes two seconds."""
    scenes = [Scene(seed, frames=FRAMES, failure_at=FAILURE_AT) for seed in SEEDS]
    return [scene.jpeg(index) for scene in scenes for index in LOOKED_AT]


def compare(target: str, model: Path, jpegs: Sequence[bytes]) -> Agreement:
    """Ask the server at ``target`` and the ONNX file ``model`` about each of ``jpegs``.

    Raises :class:`EngineUnfaithful` when the server does not answer with a detector's outputs.
    """
    detector = OnnxDetector(model)
    expected = [detector.look(prepare(jpeg, size=detector.input_size)) for jpeg in jpegs]
    return agreement(expected, _ask_all(target, jpegs))


def agreement(expected: Sequence[Answer], served: Sequence[Answer]) -> Agreement:
    """Return the largest differences between two detectors' answers to the same frames; NaN where an answer is none.

    Raises :class:`EngineUnfaithful` when they are not of one shape.
    """
    pairs = list(zip(expected, served, strict=True))
    shapes = {answer.heatmap.shape for answer in (*expected, *served)}
    if len(shapes) != 1:
        raise EngineUnfaithful(f"The engine is not of this model: heatmaps are of {', '.join(map(str, sorted(shapes)))} cells.")
    return Agreement(
        frames=len(pairs),
        detected=sum(mine.frame_score > 0.5 for mine, _ in pairs),
        frame_score=_largest(mine.frame_score - theirs.frame_score for mine, theirs in pairs),
        confidence=_largest(float(mine.confidences[0]) - float(theirs.confidences[0]) for mine, theirs in pairs),
        heatmap=max(int(np.abs(mine.heatmap.astype(int) - theirs.heatmap).max()) for mine, theirs in pairs),
    )


def _largest(differences: Iterable[float]) -> float:
    """Return the largest, signs aside; NaN when one is (Python's own ``max`` would pass over it)."""
    return float(np.abs(np.fromiter(differences, float)).max())


def note_of(engine: Path) -> Path:
    """Return the file beside ``engine`` that says what was proven of it."""
    return engine.with_suffix(".json")


def is_proven(engine: Path) -> bool:
    """Tell whether these very bytes were proven before."""
    try:
        noted = json.loads(note_of(engine).read_text(encoding="utf-8"))
        return bool(noted["sha256"] == hashlib.sha256(engine.read_bytes()).hexdigest())
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return False


def note_proof(engine: Path, found: Agreement) -> None:
    """Write down that ``engine`` holds; raises :class:`EngineUnfaithful` when it does not, and puts the engine out of the way."""
    if not found.holds:
        raise EngineUnfaithful(
            f"The TensorRT engine answers otherwise than the model it was built from: scores differ by up to {found.frame_score:.3f} "
            f"(allowed: {MOST_SCORE}), first boxes by {found.confidence:.3f}, heatmaps by {found.heatmap} of 255 (allowed: {MOST_HEAT}). "
            f"It is kept as {_reject(engine)} and not served; serve with --profile onnx, and try another driver or container release."
        )
    digest = hashlib.sha256(engine.read_bytes()).hexdigest()
    draft = note_of(engine).with_suffix(f".{secrets.token_hex(4)}.new")  # another container may prove the same engine
    draft.write_text(json.dumps({"sha256": digest, **asdict(found)}) + "\n", encoding="utf-8")
    draft.replace(note_of(engine))


def _reject(engine: Path) -> Path:
    """Put an engine where no start takes it for a good one; the next builds another."""
    return engine.replace(engine.with_suffix(".rejected"))


def _ask_all(target: str, jpegs: Sequence[bytes]) -> list[Answer]:
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(oip.INFER, request_serializer=bytes, response_deserializer=bytes)
        waiting = [call.future(oip.infer_request(jpeg), timeout=ANSWER_TIMEOUT_S) for jpeg in jpegs]
        try:
            return [_answer(oip.infer_response(future.result())) for future in waiting]
        except grpc.RpcError as error:
            raise EngineUnfaithful(f"The server does not answer rendered frames: {error.details()}") from error
        except (oip.AnswerMalformed, KeyError) as error:
            raise EngineUnfaithful(
                f"The server answers rendered frames with something else than a detector's outputs: {error}"
            ) from error


def _answer(outputs: dict[str, np.ndarray]) -> Answer:
    return Answer(
        boxes=outputs["boxes"][0],
        confidences=outputs[CONFIDENCES][0],
        classes=outputs["classes"][0],
        frame_score=float(outputs[FRAME_SCORE][0, 0]),
        heatmap=outputs[HEATMAP][0],
    )
