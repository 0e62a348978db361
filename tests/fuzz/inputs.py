"""Inputs that are almost right: bytes of the real thing with damage, JSON of any shape, the numbers that break arithmetic."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

#: Numbers that a check for a range may forget: not finite, beyond a float, beyond 64 bits, the smallest there is.
AWKWARD = (math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 10**400, -(10**400), 2**63, -(2**31), 0, -0.0, 1, -1, True)
#: Deeper than Python's parser of JSON goes.
ENDLESS = "[" * 10_000
_LONGEST = 4096

NUMBERS = st.sampled_from(AWKWARD) | st.integers() | st.floats()
_SCALARS = st.none() | NUMBERS | st.text(max_size=12)


def anything(words: Sequence[str] = ()) -> st.SearchStrategy[Any]:
    """Return JSON of any shape, whose names are often among ``words``."""
    names = (st.sampled_from(words) | st.text(max_size=5)) if words else st.text(max_size=5)
    return st.recursive(
        _SCALARS | names, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=6), max_leaves=12
    )


def records(likely: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with these names, some of them left out, each value what it should be or anything else."""
    return st.fixed_dictionaries({}, optional={name: value | anything(tuple(likely)) for name, value in likely.items()})


def damaged(whole: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return one of ``whole`` with up to six edits: bytes changed or put in, stretches cut out or doubled."""
    return st.builds(_edited, st.sampled_from(whole), st.binary(max_size=6 * _EDIT.size))


def _replace(data: bytearray, start: int, end: int, fresh: bytes) -> None:
    data[start : start + len(fresh)] = fresh


def _insert(data: bytearray, start: int, end: int, fresh: bytes) -> None:
    data[start:start] = fresh


def _cut(data: bytearray, start: int, end: int, fresh: bytes) -> None:
    del data[start:end]


def _double(data: bytearray, start: int, end: int, fresh: bytes) -> None:
    data[start:start] = data[start : min(end, start + _LONGEST)]


_EDITS: tuple[Callable[[bytearray, int, int, bytes], None], ...] = (_replace, _replace, _insert, _cut, _double)


#: An edit as bytes: which, where it begins and ends as shares of the whole, and what to put there.
_EDIT = struct.Struct("<BHH4s")


def _edited(whole: bytes, edits: bytes) -> bytes:
    data = bytearray(whole)
    for kind, first, second, fresh in _EDIT.iter_unpack(edits[: len(edits) - len(edits) % _EDIT.size]):
        start, end = sorted((first * len(data) >> 16, second * len(data) >> 16))
        _EDITS[kind % len(_EDITS)](data, start, end, fresh[: 1 + kind // 64])
    return bytes(data)


@st.composite
def pieces(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    """Return bytes in pieces of any size, as a network delivers them."""
    whole = draw(data)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])]
