"""How programs end that started others: by Ctrl-C, by SIGTERM, and when their terminal is closed; what they started ends with them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: What ends a program in order. SIGHUP is what a closed terminal or a broken ssh sends; Windows has neither it nor SIGQUIT.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as Ctrl-C does, by KeyboardInterrupt, at whatever it is: building or serving.

    As process 1 of a container we would otherwise not hear of SIGTERM at all. What somebody had ignored, as ``nohup`` does SIGHUP,
    stays ignored.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no impatient second signal leave behind what the block is about to end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
