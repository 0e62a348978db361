"""A camera's address, taken apart: what may be said of it, and what is secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from octoprint_spaghetti.core.errors import CameraMissing
from octoprint_spaghetti.core.sentence import say


@dataclass(frozen=True)
class CameraAddress:
    """Where a camera is: ``host`` (with port, if it has one) is all that may stand in a sentence.

    ``url`` has no name and password any more, but cameras take them in paths and queries too, so it is as secret as
    ``name`` and ``password`` (empty: none).
    """

    host: str
    url: str = field(repr=False)
    name: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def camera_address(url: str, *schemes: str) -> CameraAddress:
    """Take an address apart that must begin with one of ``schemes``; raises :class:`CameraMissing`."""
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        raise CameraMissing(
            say(
                "The camera's address must begin with %(expected)s for this kind of camera; change it in the settings.",
                expected=expected,
            )
        )
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    return CameraAddress(host, bare, unquote(parts.username or ""), unquote(parts.password or ""))
