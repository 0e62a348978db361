"""The watch as Prometheus metrics: the text format, written here.

The format is lines of ``name{label="value"} number``. Prometheus' own library would bring a registry, threads and collectors
of the process to a Pi for that; what is easy to get wrong is the escaping, so the tests read this with that library's parser.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from octoprint_spaghetti.core.words import CameraStatus, ProtectionLevel, Status, Verdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """One metric: name without prefix, ``gauge`` or ``counter``, a sentence, and (labels, value) of each series."""

    name: str
    kind: str
    sentence: str
    series: tuple[tuple[Mapping[str, str], float], ...]


def exposition(status: Status, version: str) -> str:
    """Return the status in Prometheus' text format, ready to be served as :data:`CONTENT_TYPE`."""
    return "".join(f"{line}\n" for metric in metrics(status, version) for line in lines(metric))


def metrics(status: Status, version: str) -> Iterator[Metric]:
    """Yield all metrics; shares and levels are 0 to 1, times seconds. What is not known has no series."""
    yield Metric("info", "gauge", "Always 1; the version of the plugin.", (({"version": version}, 1.0),))
    yield Metric("verdict", "gauge", "1 for what is thought of the print.", _one_of("verdict", Verdict, status.verdict))
    yield Metric(
        "protection", "gauge", "1 for who looks at the print.", _one_of("level", ProtectionLevel, status.protection.level)
    )
    yield _single("evidence", "Evidence that the print fails, on the scale of the levels.", status.evidence)
    yield _single("suspect_level", "Evidence above this makes the print suspect.", status.suspect_at)
    yield _single("failing_level", "Evidence above this, when it lasts, makes the print failing.", status.failing_at)
    yield _single("score", "Probability that the last picture shows spaghetti.", status.score)
    yield _single("seen_ratio", "Share of this print, or of the last one, that was seen.", status.seen)
    yield _single("muted", "1 when nothing is done about this print.", float(status.muted))
    yield _single(
        "frames_sent_total", "Pictures of this print that were sent to a detector.", float(status.frames_sent), "counter"
    )
    yield _single("answers_total", "Answers about this print.", float(status.answers), "counter")
    yield from _of_cameras(status.cameras)
    steps = tuple(({"step": step}, ms / 1000.0) for step, ms in status.timings_ms)
    yield Metric("step_seconds", "gauge", "How long each step took for the last picture.", steps)


def _of_cameras(cameras: Sequence[CameraStatus]) -> Iterator[Metric]:
    """Yield the metrics of each of several cameras; one alone has those of the print."""

    def of_each(value: Callable[[CameraStatus], float | None]) -> tuple[tuple[Mapping[str, str], float], ...]:
        known = ((one.name, value(one)) for one in cameras)
        return tuple(({"camera": name}, number) for name, number in known if number is not None)

    if cameras:
        sees, evidence = of_each(lambda one: float(one.verdict is not Verdict.BLIND)), of_each(lambda one: one.evidence)
        yield Metric("camera_sees", "gauge", "1 for each camera of several that sees the print.", sees)
        yield Metric("camera_evidence", "gauge", "Evidence by what each camera sees.", evidence)
        yield Metric("camera_score", "gauge", "Probability by each camera's last picture.", of_each(lambda one: one.score))
        interval = of_each(lambda one: one.every_s)
        yield Metric("camera_interval_seconds", "gauge", "Time between the last two pictures of each camera.", interval)


def _single(name: str, sentence: str, value: float | None, kind: str = "gauge") -> Metric:
    return Metric(name, kind, sentence, () if value is None else (({}, value),))


def _one_of(label: str, all_values: Iterable[object], current: object) -> tuple[tuple[Mapping[str, str], float], ...]:
    return tuple(({label: str(value)}, float(value == current)) for value in all_values)


def lines(metric: Metric) -> Iterator[str]:
    """Yield the lines of one metric: what it is, of what kind, and each series."""
    name = f"spaghetti_{metric.name}"
    yield f"# HELP {name} {metric.sentence}"
    yield f"# TYPE {name} {metric.kind}"
    for labels, value in metric.series:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {value!r}" if pairs else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
