"""``spaghetti-server token add|list|revoke``: one bearer token per printer."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from inference_server.gateway import GatewayError
from inference_server.gateway_verbs import home_option
from inference_server.nginx import NginxMissing, find_nginx, reload
from inference_server.tokens import TokenError, TokenFile

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def command() -> None:
    """Give each printer a token of its own, and take it away again."""


@command.command()
@click.argument("name")
@click.option("--replace", is_flag=True, help="Give a printer that has a token a new one; the old one ends.")
@home_option
@_as_json
def add(name: str, replace: bool, home: Path, as_json: bool) -> None:
    """Make a token for the printer NAME and show it, once."""
    try:
        token = TokenFile(home).add(name, replace=replace)
    except TokenError as error:
        raise click.ClickException(str(error)) from error
    known = _tell_gateway(home)
    if as_json:
        click.echo(json.dumps({"printer": name, "token": token, "gateway_reloaded": known}))
        return
    click.echo(token)
    click.echo(f"This is the token of {name}; it is not shown again. Enter it in the plugin's settings.{_when(known)}", err=True)


@command.command(name="list")
@home_option
@_as_json
def list_verb(home: Path, as_json: bool) -> None:
    """Name the printers that have a token, and since when."""
    try:
        tokens = TokenFile(home).tokens()
    except TokenError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        kept = [{name: value for name, value in asdict(token).items() if name != "digest"} for token in tokens]
        click.echo(json.dumps({"tokens": kept}))
        return
    for token in tokens:
        click.echo(f"{token.printer:<40} {token.added_at}")
    if not tokens:
        click.echo("No printer has a token yet: spaghetti-server token add NAME", err=True)


@command.command()
@click.argument("name")
@home_option
@_as_json
def revoke(name: str, home: Path, as_json: bool) -> None:
    """Take the token of the printer NAME away; its open streams end within 5 s."""
    try:
        TokenFile(home).revoke(name)
    except TokenError as error:
        raise click.ClickException(str(error)) from error
    known = _tell_gateway(home)
    if as_json:
        click.echo(json.dumps({"printer": name, "gateway_reloaded": known}))
        return
    click.echo(f"{name} has no token any more.{_when(known)}")


def _tell_gateway(home: Path) -> bool:
    """Reload the gateway that runs, if one does; raises when it cannot read what was changed."""
    try:
        return reload(home, find_nginx())
    except NginxMissing:
        return False
    except GatewayError as error:
        raise click.ClickException(f"The change is stored, but the running gateway did not take it: {error}") from error


def _when(known: bool) -> str:
    return "" if known else " No gateway of this folder runs on this machine; it counts from its next start."
