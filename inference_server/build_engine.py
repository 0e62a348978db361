"""``spaghetti-server build-engine``: the TensorRT engine of this machine's GPU, built and proven before anybody waits for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from inference_server.engine import EngineFailed, build_engine, engine_path, find_trtexec, tensorrt_version
from inference_server.gpu import visible_gpus
from inference_server.model_files import DEFAULT_SIZE, SIZES, DamagedModel, Size, default_model
from inference_server.triton import TritonBinary, TritonMissing, find_triton
from inference_server.triton_binary import triton_in
from inference_server.work_folder import default_work


def proven_engine(model: Path, gpus: Sequence[str], triton: TritonBinary, work: Path) -> Path:
    """Return the engine of ``model`` for these ``gpus`` (their names), built and proven unless that was done before.

    Blocks for minutes the first time and says so. Raises :class:`EngineFailed`.
    """
    from inference_server.engine_proof import is_proven, prove  # needs ONNX Runtime and OpenCV, which a finished engine does not

    if len(set(gpus)) != 1:
        raise EngineFailed(
            f"An engine fits one kind of GPU, and here are {', '.join(gpus) or 'none'}: start the container with --gpus device=0."
        )
    trtexec = find_trtexec()
    engine = engine_path(work / "engines", model, gpus[0], tensorrt_version(trtexec))
    if not engine.is_file():
        click.echo(f"Building the TensorRT engine {engine.name}, once; this takes some minutes.", err=True)
        build_engine(model, engine, trtexec)
    if not is_proven(engine):
        click.echo("Comparing its answers with ONNX Runtime's on rendered frames, once.", err=True)
        found = prove(engine, model, triton, work)
        click.echo(
            f"They agree on {found.frames} frames: scores within {found.frame_score:.4f}, heatmaps within {found.heatmap} of 255.",
            err=True,
        )
    return engine


@click.command()
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An .onnx file; default: the shipped one.",
)
@click.option("--size", type=click.Choice(SIZES), default=DEFAULT_SIZE, show_default=True, help="Of the shipped detectors.")
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), help="Folder that keeps engines; default: in ~/.cache.")
@click.option(
    "--triton",
    "triton_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a Triton laid out as in NVIDIA's container; default: that one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: Path | None, size: Size, work: Path | None, triton_folder: Path | None, as_json: bool) -> None:
    """Build the TensorRT engine of this machine's GPU, and prove that it answers as the model does.

    `serve` does the same when it starts; here nobody waits for it.
    """
    from inference_server.engine_proof import note_of

    chosen = model or default_model(size=size)
    try:
        triton = triton_in(triton_folder) if triton_folder else find_triton()
        engine = proven_engine(chosen, visible_gpus(), triton, work or default_work())
    except (DamagedModel, EngineFailed, TritonMissing) as error:
        raise click.ClickException(str(error)) from error
    found = {"engine": str(engine), "model": str(chosen), **json.loads(note_of(engine).read_text(encoding="utf-8"))}
    click.echo(json.dumps(found) if as_json else f"{engine} answers as {chosen.name} does.")
