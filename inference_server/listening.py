"""Where a server may listen, who can reach it there, and the key that a gateway shows it."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from inference_server.triton import free_port

#: A key must not be guessed; 16 characters of base64 are 96 bits.
SHORTEST_KEY = 16


class HostNotHere(RuntimeError):
    """Nothing can listen where it was asked to; the message says what to use instead."""


class KeyUnusable(RuntimeError):
    """The file that was named holds no key that may be relied on; the message says how to make one."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``; a name that is no address counts as public, except localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_host(host: str) -> None:
    """Raise :class:`HostNotHere` when nothing on this machine can listen on ``host``."""
    try:
        free_port(host)
    except socket.gaierror:
        raise HostNotHere(
            f"{host} is no address and no name that this machine can look up: listen on 127.0.0.1 or 0.0.0.0."
        ) from None
    except OSError:
        raise HostNotHere(
            f"{host} is not an address of this machine, so nothing can listen on it here. It is the address to listen on, not "
            "who may call: use 127.0.0.1 for this machine alone, 0.0.0.0 for all its networks."
        ) from None


def read_key(file: Path) -> str:
    """Return the key in ``file``, without the line's end; raises :class:`KeyUnusable` when anybody could guess or read it."""
    key = file.read_text(encoding="utf-8", errors="replace").strip()
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyUnusable(f"{file} holds no key: write one with  (umask 077; openssl rand -base64 24 > {file})")
    if file.stat().st_mode & 0o007:  # a group may: that is how Kubernetes hands a secret to a process that is not root
        raise KeyUnusable(f"{file} can be read by every user of this machine: run  chmod 600 {file}")
    return key
