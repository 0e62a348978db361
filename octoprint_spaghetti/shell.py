"""What the commands of ``spaghetti`` share: how they refuse, and who looks at the pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from octoprint_spaghetti import __version__
from octoprint_spaghetti.adapters.remembering import RememberingDetector
from octoprint_spaghetti.adapters.score_cache import ScoreCache, default_file
from octoprint_spaghetti.core.errors import DetectorMissing
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.parts import build_detector
from octoprint_spaghetti.ports import Detector


class Unusable(click.ClickException):
    """Nothing could be done with what was given; the message says why, the exit status is 2."""

    exit_code = 2


def detector_for(server: str | None, model: str | None = None) -> Detector:
    """Return the detector at ``server`` (host:port), or the one of this computer; raises :class:`SpaghettiError`."""
    servers = check("servers", server) if server else ()
    return build_detector(
        Settings(detector="server" if server else "local", servers=servers, transport="unary", local_model=model or "")
    )


def remembering_detector_for(server: str | None, *, fresh: bool = False) -> RememberingDetector:
    """Return that detector, asked once for each picture and remembered in the user's cache; ``fresh`` asks again.

    Raises :class:`SpaghettiError`.
    """
    cache = ScoreCache(default_file(), fresh=fresh)
    return RememberingDetector(lambda: detector_for(server), _identity(server), cache)


def _identity(server: str | None) -> str:
    """Name who looks: the shipped model by its bytes, a server by its addresses, for its model's bytes are not known."""
    if server:
        return f"{__version__} server {','.join(check('servers', server))}"
    return f"{__version__} local {hashlib.sha256(_shipped_model().read_bytes()).hexdigest()}"


def _shipped_model() -> Path:
    try:
        from inference_server import model_files
    except ImportError as error:
        raise DetectorMissing("The local detector is not installed; install the package again, or name a --server.") from error
    try:
        return model_files.default_model()
    except model_files.DamagedModel as error:
        raise DetectorMissing(f"The local detector cannot be used: {error}.") from error
