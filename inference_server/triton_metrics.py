"""What Triton's own metrics say of a span of time: how many frames, how long in each stage, in batches of what size."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from inference_server.contract import DECODE, DETECTOR, ENSEMBLE

STAGES = (DECODE, DETECTOR)
TIMEOUT_S = 3.0
#: (metric, value of the label ``model`` or ``reason`` or ``gpu_uuid``) is enough to tell all of Triton's apart that are used here.
_Key = tuple[str, str, str]


class MetricsMissing(RuntimeError):
    """Triton's metrics cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Snapshot:
    """All metrics at one moment; ``at`` monotonic seconds."""

    at: float
    values: Mapping[_Key, float]

    def of(self, name: str, model: str, reason: str = "") -> float:
        """Return one metric of a model, 0 when it is not there (yet)."""
        return self.values.get((name, model, reason), 0.0)


@dataclass(frozen=True)
class Stage:
    """One step of the ensemble: means over the span in ms (None: nothing came), ``batch`` frames per execution, ``pending`` now."""

    name: str
    frames_per_s: float
    queue_ms: float | None
    compute_ms: float | None
    batch: float | None
    pending: int


@dataclass(frozen=True)
class Load:
    """What the server did in a span: frames answered and refused per second, the mean time of one in ms, and each stage.

    ``gpu`` is the mean utilisation of all GPUs, 0 to 1; None where Triton reports none.
    """

    frames_per_s: float
    refused_per_s: float
    failed_per_s: float
    frame_ms: float | None
    stages: tuple[Stage, ...]
    gpu: float | None


def fetch(url: str) -> str:
    """Return the text at ``url``; raises :class:`MetricsMissing`."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            text: str = response.read().decode("utf-8")
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise MetricsMissing(
            f"Triton's metrics cannot be read at {url} ({error}): start it with spaghetti-server serve --metrics-port 8002, "
            "or name the address with --triton."
        ) from error
    return text


def snapshot(text: str, at: float) -> Snapshot:
    """Read metrics in Prometheus' text format; raises :class:`MetricsMissing` when they are none of Triton's."""
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError as error:
        raise MetricsMissing(f"What answers there does not speak Prometheus' text format ({error}).") from error
    values = {_key(sample.name, sample.labels): sample.value for sample in samples}
    if not any(name.startswith("nv_inference") for name, _, _ in values):
        raise MetricsMissing("What answers there has metrics, but is no Triton with a model.")
    return Snapshot(at, values)


def _key(name: str, labels: Mapping[str, str]) -> _Key:
    # The parser gives each counter the ending that newer formats ask for, and Triton's have none.
    return name.removesuffix("_total"), labels.get("model", labels.get("gpu_uuid", "")), labels.get("reason", "")


def load(before: Snapshot, after: Snapshot) -> Load:
    """Return what happened between two snapshots; a counter that went back (Triton was restarted) counts from zero."""
    span = max(after.at - before.at, 1e-6)
    gained = _gained(before, after)
    answered = gained.of("nv_inference_request_success", ENSEMBLE)
    failed = sum(gained.of("nv_inference_request_failure", ENSEMBLE, reason) for reason in ("OTHER", "BACKEND"))
    utilisation = [value for (name, _, _), value in after.values.items() if name == "nv_gpu_utilization"]
    return Load(
        frames_per_s=answered / span,
        refused_per_s=sum(gained.of("nv_inference_request_failure", model, "REJECTED") for model in STAGES) / span,
        failed_per_s=failed / span,
        frame_ms=_mean_ms(gained.of("nv_inference_request_duration_us", ENSEMBLE), answered),
        stages=tuple(_stage(model, gained, after, span) for model in STAGES),
        gpu=sum(utilisation) / len(utilisation) if utilisation else None,
    )


def _gained(before: Snapshot, after: Snapshot) -> Snapshot:
    """Return by how much each counter grew."""
    grown = {key: value - before.values.get(key, 0.0) for key, value in after.values.items()}
    return Snapshot(after.at, {key: gain if gain >= 0.0 else after.values[key] for key, gain in grown.items()})


def _stage(model: str, gained: Snapshot, after: Snapshot, span: float) -> Stage:
    done, executed = gained.of("nv_inference_count", model), gained.of("nv_inference_exec_count", model)
    compute = sum(gained.of(f"nv_inference_compute_{part}_duration_us", model) for part in ("input", "infer", "output"))
    return Stage(
        name=model,
        frames_per_s=done / span,
        queue_ms=_mean_ms(gained.of("nv_inference_queue_duration_us", model), done),
        compute_ms=_mean_ms(compute, done),
        batch=done / executed if executed else None,
        pending=round(after.of("nv_inference_pending_request_count", model)),
    )


def _mean_ms(microseconds: float, count: float) -> float | None:
    return microseconds / count / 1000.0 if count else None
