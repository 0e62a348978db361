"""What may become of the ways by which the owner is told; none of it may concern the watch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from octoprint_spaghetti.core.words import Notice, NoticeKind
from tests.e2e.faults.bench import PATIENT_S, Bench, watch_bench
from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stage import Stage
from tests.e2e.mosquitto import Mosquitto
from tests.e2e.ports import free_port
from tests.receiver import Receiver


@contextmanager
def _with_a_broker(stage: Stage) -> Iterator[Bench]:
    port = free_port()
    with (
        Mosquitto(stage.folder("mosquitto"), port) as broker,
        watch_bench(
            stage.folder("watch"), stage.triton.target, deadline=PATIENT_S, mqtt_host="127.0.0.1", mqtt_port=port
        ) as bench,
    ):
        bench.beside = broker
        yield bench


@contextmanager
def _broker_down(bench: Bench) -> Iterator[None]:
    bench.beside.stop()
    yield
    bench.beside.start()


def _with_a_channel(path: str) -> Any:
    @contextmanager
    def opened(stage: Stage) -> Iterator[Bench]:
        with (
            Receiver() as receiver,
            watch_bench(
                stage.folder("watch"), stage.triton.target, deadline=PATIENT_S, channels=(receiver.address(path),)
            ) as bench,
        ):
            bench.beside = receiver
            yield bench

    return opened


@contextmanager
def _told(bench: Any) -> Iterator[None]:
    """Have something to say."""
    bench.notices.tell(Notice(NoticeKind.FAILURE, "A trial."))
    yield
    bench.beside.broken = False
    bench.beside.released.set()


FAULTS = (
    Fault("MQTT broker down", "a real mosquitto stopped", _with_a_broker, _broker_down, "watching", "broker", most_lost=0),
    Fault(
        "channel hangs",
        "an Apprise address that accepts and never answers",
        _with_a_channel("hang"),
        _told,
        "watching",
        "Connection error",
        within_s=90.0,
        most_lost=0,
    ),
    Fault(
        "channel refuses",
        "an Apprise address that answers 500",
        _with_a_channel("fail"),
        _told,
        "watching",
        "500|refused|did not",
        within_s=90.0,
        most_lost=0,
    ),
)
