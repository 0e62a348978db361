"""What the commands of ``spaghetti`` share: how they refuse, and who looks at the pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import click

from octoprint_spaghetti import __version__
from octoprint_spaghetti.adapters.remembering import RememberingDetector
from octoprint_spaghetti.adapters.score_cache import ScoreCache, default_file
from octoprint_spaghetti.core.errors import DetectorMissing, SpaghettiError
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.parts import build_detector
from octoprint_spaghetti.ports import Detector
from octoprint_spaghetti.unhurried import Unhurried


class Unusable(click.ClickException):
    """Nothing could be done with what was given; the message says why, the exit status is 2."""

    exit_code = 2


@dataclass(frozen=True)
class Server:
    """An inference server as the options of a command name it; its parts are what the settings of the plugin are.

    ``addresses`` one host:port or several with commas; ``certificate`` the path of a CA certificate, empty for the system's own.
    """

    addresses: str
    tls: bool = False
    certificate: str = ""
    token: str = field(default="", repr=False)


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which server looks; it is called with ``server``, which is None without one."""

    @click.option("--server", metavar="HOST:PORT", help="Ask this inference server (gRPC) instead of this computer.")
    @click.option("--tls", is_flag=True, help="Encrypt the connection to --server and verify its certificate.")
    @click.option(
        "--certificate",
        type=click.Path(exists=True, dir_okay=False),
        help="A CA certificate (PEM) to verify --server with, instead of the system's own; implies --tls.",
    )
    @click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file that holds the bearer token for --server. Without --tls the token travels readable.",
    )
    @wraps(command)
    def with_server(*, server: str | None, tls: bool, certificate: str | None, token_file: Path | None, **others: Any) -> None:
        if not server and (tls or certificate or token_file):
            raise click.UsageError("--tls, --certificate and --token-file say how to ask a server; name it with --server.")
        asked = Server(server, tls or bool(certificate), certificate or "", _token(token_file)) if server else None
        command(server=asked, **others)

    return with_server


def _token(file: Path | None) -> str:
    """Return the token in a file, empty without one; raises :class:`Unusable`, which does not repeat what the file holds."""
    if file is None:
        return ""
    try:
        token = check("token", file.read_text(encoding="utf-8", errors="replace").strip())
    except OSError as error:
        raise Unusable(f"{file} cannot be read ({error.strerror}).") from error
    except SpaghettiError as error:
        raise Unusable(f"{file} holds no token ({error}).") from error
    if not token:
        raise Unusable(f"{file} is empty; write the server's token into it.")
    return str(token)


def detector_for(server: Server | None, model: str | None = None) -> Detector:
    """Return the detector of ``server``, or the one of this computer; raises :class:`SpaghettiError`."""
    if server is None:
        return build_detector(Settings(detector="local", local_model=model or ""))
    asked = Settings(
        detector="server",
        servers=check("servers", server.addresses),
        transport="unary",
        tls=server.tls,
        certificate=server.certificate,
        token=server.token,
    )
    return Unhurried(build_detector(asked))


def remembering_detector_for(server: Server | None, *, fresh: bool = False) -> RememberingDetector:
    """Return that detector, asked once for each picture and remembered in the user's cache; ``fresh`` asks again.

    Raises :class:`SpaghettiError`.
    """
    cache = ScoreCache(default_file(), fresh=fresh)
    return RememberingDetector(lambda: detector_for(server), _identity(server), cache)


def _identity(server: Server | None) -> str:
    """Name who looks: the shipped model by its bytes, a server by its addresses, for its model's bytes are not known."""
    if server is not None:
        return f"{__version__} server {','.join(check('servers', server.addresses))}"
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
