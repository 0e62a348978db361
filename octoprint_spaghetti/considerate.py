"""Long work in pure Python, beside OctoPrint's threads: none of them, above all not the one that feeds the printer, waits for its end.

Python hands over between threads after 5 ms; one that is woken for each line of G-code waits for so long each time. Measured with 17,280
rows judged again beside a thread that writes, reads and sleeps 2 ms in turn: ``python -m tests.plugin.measure_considerate``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")

#: Work for this long at a stretch, then rest for as long, in seconds: the work takes twice as long, which nobody waits for in a hurry.
_STRETCH_S = 0.001


def considerate(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield the items, and rest between two of them whenever a millisecond of work has been done since the last rest."""
    since = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - since >= _STRETCH_S:
            time.sleep(_STRETCH_S)
            since = time.monotonic()
