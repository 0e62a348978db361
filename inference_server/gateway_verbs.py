"""``spaghetti-server gateway run|check|reload|certificate``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from inference_server import certificate as certificates
from inference_server.certificate import CertificateError
from inference_server.ending import ended_by_signal
from inference_server.gateway import BURST, CALLS_PER_S, Gateway, GatewayError
from inference_server.listening import KeyUnusable, read_key
from inference_server.nginx import GatewayServer, find_nginx, prepare, reload
from inference_server.tokens import TokenError, TokenFile

LOOK_EVERY_S = 1.0


def default_home() -> Path:
    """Return the folder for tokens, certificate and logs."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "spaghetti-gateway"


def _absolute(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Return a path as nginx needs it; links stay links, because ACME clients and mounted secrets change where they lead."""
    return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100 - absolute() would keep ".."


def home_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--home`` to a verb."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        callback=_absolute,
        default=default_home,
        envvar="SPAGHETTI_GATEWAY_HOME",
        help="Folder for tokens, certificate and logs; default: ~/.config/spaghetti-gateway.",
    )(function)


def gateway_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what describes a gateway to a verb."""
    existing: Any = {"type": click.Path(exists=True, dir_okay=False, path_type=Path), "callback": _absolute}
    for option in reversed(
        (
            click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 = every network."),
            click.option("--port", default=8443, show_default=True, type=click.IntRange(1, 65535)),
            click.option(
                "--triton", multiple=True, default=("127.0.0.1:8001",), help="Triton's gRPC address; repeat for replicas."
            ),
            click.option("--triton-key-file", **existing, help="File with the key that Triton expects of its gateway."),
            click.option("--certificate", **existing, help="Certificate with its chain (PEM); default: the one made here."),
            click.option("--key", **existing, help="The certificate's private key (PEM)."),
            click.option(
                "--rate", default=CALLS_PER_S, show_default=True, type=click.IntRange(1, 1000), help="Calls per s and printer."
            ),
            click.option(
                "--burst", default=BURST, show_default=True, type=click.IntRange(1, 10000), help="Calls above that rate at once."
            ),
            click.option("--streams", is_flag=True, help="Let streams through; they are limited by bytes, not by frames."),
            click.option(
                "--acme-port", type=click.IntRange(1, 65535), help="Answer certificate challenges here, over plain HTTP."
            ),
        )
    ):
        function = option(function)
    return home_option(function)


@click.group()
def command() -> None:
    """Run nginx with TLS and a token per printer in front of Triton."""


@command.command()
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document when ready.")
def run(as_json: bool, **options: Any) -> None:
    """Run the gateway until Ctrl-C, SIGTERM, or until its terminal is closed."""
    gateway = _gateway(**options)
    try:
        with ended_by_signal(), GatewayServer(gateway) as server:
            told = _announce(gateway, server.target, as_json)
            while server.is_running():
                time.sleep(LOOK_EVERY_S)
                _keep_house(server)
                told = tell_of_its_end(server.certificate, told)
            raise GatewayError("nginx ended by itself; it has said why above.")
    except KeyboardInterrupt:
        click.echo("Stopping.", err=True)
    except (GatewayError, TokenError) as error:
        raise click.ClickException(str(error)) from error


@command.command()
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(as_json: bool, **options: Any) -> None:
    """Write the configuration and let nginx test it."""
    gateway = _gateway(**options)
    try:
        prepare(gateway, find_nginx())
        _announce(gateway, None, as_json)
    except (GatewayError, TokenError) as error:
        raise click.ClickException(str(error)) from error


@command.command(name="reload")
@home_option
def reload_verb(home: Path) -> None:
    """Let the running gateway read tokens and certificate again."""
    try:
        if not reload(home, find_nginx()):
            raise GatewayError(f"No gateway of {home} runs here.")
    except GatewayError as error:
        raise click.ClickException(str(error)) from error
    click.echo("The gateway reads its tokens and certificate again.")


@command.command()
@home_option
@click.option("--name", "names", multiple=True, required=True, help="Name or address that printers call; repeat for more.")
@click.option("--days", default=certificates.DAYS, show_default=True, type=click.IntRange(1, 3650))
@click.option("--replace", is_flag=True, help="Make a new one though there is one; every printer needs the new file then.")
def certificate(home: Path, names: tuple[str, ...], days: int, replace: bool) -> None:
    """Make a self-signed certificate that printers can verify."""
    gateway = Gateway(home)
    if gateway.certificate_file.exists() and not replace:
        raise click.ClickException(f"There is a certificate at {gateway.certificate_file}; --replace makes a new one.")
    try:
        made = certificates.make(names, gateway.certificate_file, gateway.key_file, days)
    except CertificateError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{gateway.certificate_file} is good for {', '.join(made.names)} until {made.ends_at:%Y-%m-%d}.")
    click.echo("Copy it to each printer's computer and name it in the plugin's setting 'certificate'.")


def _gateway(triton_key_file: Path | None, rate: int, triton: tuple[str, ...], **options: Any) -> Gateway:
    try:
        key = read_key(triton_key_file) if triton_key_file else ""
    except KeyUnusable as error:
        raise click.ClickException(str(error)) from error
    return Gateway(triton=triton, triton_key=key, calls_per_s=rate, **options)


def _keep_house(server: GatewayServer) -> None:
    try:
        server.keep_house()
    except (OSError, GatewayError) as error:  # a renewal may be half done; nginx goes on with what it has
        click.echo(f"Warning: {error}", err=True)


def tell_of_its_end(found: certificates.Certificate | None, told: int) -> int:
    """Warn once a day of a certificate that is near its end; ``told`` and the result are the days left that were told last."""
    left = told if found is None else found.days_left(datetime.now(timezone.utc))
    said = certificates.warning(left)
    if left != told and said:
        click.echo(f"Warning: {said}", err=True)
    return left


def _announce(gateway: Gateway, target: str | None, as_json: bool) -> int:
    """Say what the gateway is; returns the days that its certificate has left."""
    printers = [token.printer for token in TokenFile(gateway.home).tokens()]
    found = certificates.read(gateway.certificate_file)
    left = found.days_left(datetime.now(timezone.utc))
    if as_json:
        facts = {"target": target, "triton": gateway.triton, "printers": printers, "names": found.names, "days_left": left}
        click.echo(json.dumps(facts))
    else:
        click.echo(f"The gateway listens on {target}." if target else f"nginx accepts {gateway.conf}.")
        click.echo(f"  passes on to  {', '.join(gateway.triton)}{'' if gateway.triton_key else ' (without a key)'}")
        click.echo(f"  certificate   {', '.join(found.names)}, {left} days left")
        click.echo(f"  printers      {', '.join(printers) or 'none yet: spaghetti-server token add NAME'}")
    said = certificates.warning(left)
    if said:
        click.echo(f"Warning: {said}", err=True)
    return left
