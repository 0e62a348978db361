"""Ports of loopback that stay ours from the moment they are chosen until the tests are over, whoever else asks for one."""

from __future__ import annotations

import socket

_HELD: list[socket.socket] = []


def held_port(host: str) -> socket.socket:
    """Return a socket that is bound to a port of its own and does not listen.

    While it is open the system gives the port to nobody who asks for any. Who calls is refused; a server that is told this
    port and sets SO_REUSEADDR, as all do that the tests start, listens beside it.
    """
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, 0))
    return holder


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on, and that nobody else is given."""
    _HELD.append(held_port(host))
    return int(_HELD[-1].getsockname()[1])
