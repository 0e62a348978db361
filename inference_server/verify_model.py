"""``spaghetti-server verify``: are these the bytes that were published, and are they a detector?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from inference_server.model_files import DamagedModel, checksum, default_model, verify
from inference_server.onnx_detector import BadModel, OnnxDetector


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--sha256", help="Its checksum; default: what is written in FILE.sha256 beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(file: Path | None, sha256: str | None, as_json: bool) -> None:
    """Check a detector (default: the shipped one) against its sha256, and that it can be loaded. Exit status 1 when it fails."""
    try:
        chosen = file or default_model()
        verify(chosen, sha256)
        facts = dict(OnnxDetector(chosen).metadata) if chosen.suffix == ".onnx" else {}
    except (DamagedModel, BadModel) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"file": str(chosen), "sha256": checksum(chosen), "whole": True, "facts": facts}))
    else:
        click.echo(f"{chosen} is whole: sha256 {checksum(chosen)}")
