"""Command-line options that several commands share, so that each is named and explained once."""

from __future__ import annotations

from pathlib import Path

import click

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


def multiple_of_32(_: click.Context, __: click.Parameter, pixels: int | None) -> int | None:
    """Refuse a picture's side that cannot be halved five times, as the network does; a click callback."""
    if pixels is not None and (pixels <= 0 or pixels % 32):
        raise click.BadParameter(f"{pixels} is not a multiple of 32.")
    return pixels


data = click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder with labels.jsonl."
)
checkpoint = click.option("--checkpoint", type=EXISTING_FILE, required=True, help="A run's .pt file.")
