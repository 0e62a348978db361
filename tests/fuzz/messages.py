"""Messages that wait on the disk, and sentences that come back in parts from the process that sends them."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from octoprint_spaghetti.adapters.waiting_file import WaitingFile
from octoprint_spaghetti.core import notice_rules, waiting_record
from octoprint_spaghetti.core.notice_rules import Desk, Message, Urgency, Waiting
from octoprint_spaghetti.core.outbox import MOST_WAITING, Delivery
from octoprint_spaghetti.core.sentence import from_parts, say, translated, with_parts
from octoprint_spaghetti.core.waiting_record import Queued
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import ENDLESS, NUMBERS, anything, damaged, records

_NOW, _WALL = 500.0, 1.8e9
_CHANNELS = 2
_SILENT = logging.getLogger("tests.fuzz.messages")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def _waiting() -> dict[str, Any]:
    message = Message("incident a", "Print paused", "It failed.", Urgency.WARNING, True, "a", False)
    desk = Desk((Waiting(message, 510.0, True),), ("sight",), 450.0)
    return waiting_record.as_json(Queued(desk, ((Delivery(message, 490.0, 2),), ())), _NOW, _WALL)


_WAITING = _waiting()
_MESSAGES = records(
    {
        **dict.fromkeys(("topic", "title", "body", "incident"), st.text(max_size=8)),
        "urgency": st.sampled_from([str(urgency) for urgency in Urgency]),
        **dict.fromkeys(("pictured", "rings"), st.booleans()),
    }
)
_RECORDS = st.builds(
    lambda changed: {**_WAITING, **changed},
    records(
        {
            "format": st.just(1),
            "wall": st.just(_WALL) | NUMBERS,
            "told": st.lists(st.text(max_size=5), max_size=3),
            "sight_told_at": NUMBERS,
            "held": st.lists(records({"message": _MESSAGES, "due_at": NUMBERS, "opens": st.booleans()}), max_size=3),
            "messages": st.lists(_MESSAGES, max_size=3),
            "channels": st.lists(st.lists(st.tuples(st.integers(-1, 3), NUMBERS, NUMBERS).map(list), max_size=30), max_size=3),
        }
    ),
)
_FILES = (
    damaged([json.dumps(_WAITING).encode()])
    | _RECORDS.map(lambda content: json.dumps(content).encode())
    | anything(tuple(_WAITING)).map(lambda content: json.dumps(content).encode())
    | st.just(ENDLESS.encode())
)


def waiting(content: bytes) -> None:
    """Whatever the file says, what waits is bounded, comes out within minutes or is given up, and can be kept again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waiting.json"
        file.write_bytes(content)
        kept = WaitingFile(file, _SILENT)
        queued = kept.load(_NOW, _WALL, _CHANNELS)
        assert all(len(box) <= MOST_WAITING for box in queued.channels)
        assert all(delivery.since <= _NOW for box in queued.channels for delivery in box)
        due = notice_rules.next_due(queued.desk, quiet=False)
        assert not queued.desk.waiting or due <= _NOW + waiting_record.SAME_PRINT_S
        notice_rules.release(queued.desk, _NOW + waiting_record.SAME_PRINT_S, quiet=True)
        kept.save(queued, _NOW, _WALL)
        json.loads(file.read_text(), parse_constant=_no_number)


def _no_number(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


_TEMPLATES = st.text(max_size=20) | st.lists(
    st.sampled_from(["%", "%%", "%(a)s", "%(b).1f", "%(a)d", "%(c)s", "%(a)*d", "%(a)99999999d", "%s", "text "]), max_size=4
).map("".join)
_PARTS = st.recursive(
    anything(("template", "values")),
    lambda inner: st.fixed_dictionaries(
        {
            "template": _TEMPLATES,
            "values": st.dictionaries(st.sampled_from("abc"), inner | NUMBERS | st.text(max_size=5), max_size=3),
        }
    ),
    max_leaves=4,
)


def nested(depth: int) -> dict[str, Any]:
    """Return a sentence within a sentence, so deep."""
    parts: dict[str, Any] = {"template": "x", "values": {}}
    for _ in range(depth):
        parts = {"template": "%(a)s", "values": {"a": parts}}
    return parts


def sentence(parts: Any) -> None:
    """What comes back in parts is a text of a bounded length, can be taken apart again and said in another language."""
    said = from_parts(parts, "as it was")
    assert isinstance(said, str)
    assert len(said) < 100_000
    assert isinstance(translated(said, lambda template: template), str)
    assert isinstance(from_parts(with_parts({"x": say("%(a)s", a=said)})["x_parts"]), str)


TARGETS = (
    Target("messages that wait", _FILES, waiting, 0.6),
    Target("sentences in parts", _PARTS | st.integers(1, 400).map(nested), sentence),
)
