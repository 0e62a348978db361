"""Messages between the plugin and the detector's process, over a real socket pair."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.adapters.messages import MOST_BYTES, Messages, MessagesBroken


@pytest.fixture
def ends() -> Iterator[tuple[Messages, socket.socket]]:
    """Return our end, and the bare socket at the other one."""
    ours, theirs = socket.socketpair()
    messages = Messages(ours)
    yield messages, theirs
    messages.close()
    theirs.close()


@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(1, 500))
def test_messages_come_out_as_they_went_in_whatever_the_pieces(sent: list[bytes], size: int) -> None:
    """Empty ones too, and several in one piece."""
    ours, theirs = socket.socketpair()
    with theirs:
        messages = Messages(ours)
        stream = b"".join(struct.pack("!I", len(message)) + message for message in sent)
        received = []
        for at in range(0, len(stream), size):
            theirs.sendall(stream[at : at + size])
            while (message := messages.receive(0.0005)) is not None:
                received.append(message)
        while len(received) < len(sent) and (message := messages.receive(30.0)) is not None:
            received.append(message)
        assert received == sent
        messages.close()


def test_half_a_message_is_kept_until_the_rest_comes(ends: tuple[Messages, socket.socket]) -> None:
    """A time-out in the middle loses nothing."""
    messages, theirs = ends
    theirs.sendall(struct.pack("!I", 6) + b"abc")
    assert messages.receive(0.01) is None
    theirs.sendall(b"def")
    assert messages.receive(30.0) == b"abcdef"


def test_a_length_that_cannot_be_ends_it(ends: tuple[Messages, socket.socket]) -> None:
    """Nothing waits for four gigabytes."""
    messages, theirs = ends
    theirs.sendall(struct.pack("!I", MOST_BYTES + 1))
    with pytest.raises(MessagesBroken, match="a message of"):
        messages.receive(30.0)


def test_the_end_of_the_other_side_is_told(ends: tuple[Messages, socket.socket]) -> None:
    """For whoever receives and for whoever sends."""
    messages, theirs = ends
    theirs.close()
    with pytest.raises(MessagesBroken, match="hung up"):
        messages.receive(30.0)
    with pytest.raises(MessagesBroken):
        messages.send(b"x" * 1_000_000, 1.0)


def test_a_side_that_does_not_read_is_not_waited_for(ends: tuple[Messages, socket.socket]) -> None:
    """A picture that cannot be handed over in time ends it: half of it is on its way."""
    messages, _ = ends
    with pytest.raises(MessagesBroken):
        messages.send(bytes(8_000_000), 0.05)
