"""``spaghetti-server serve``: find the best way to serve on this machine, say which, and never be on the CPU in secret."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from inference_server.build_engine import proven_engine
from inference_server.contract import DETECTOR, ENSEMBLE
from inference_server.ending import ended_by_signal, undisturbed
from inference_server.engine import EngineFailed
from inference_server.gpu import visible_gpus
from inference_server.listening import HostNotHere, KeyUnusable, check_host, is_loopback, read_key
from inference_server.model_files import DEFAULT_SIZE, SIZES, DamagedModel, Size, default_model, verify
from inference_server.precision import Asked as AskedPrecision
from inference_server.precision import Chosen, NoChoice, byte_instructions, for_cpu
from inference_server.repository import Profile, RepositoryError, assemble, usable_cores
from inference_server.triton import LOOPBACK, TritonBinary, TritonFailed, TritonMissing, TritonServer, find_triton, free_port
from inference_server.triton_binary import triton_in
from inference_server.work_folder import default_work

Asked = Literal["auto", "cpu", "onnx", "tensorrt"]

#: The backend folder that each profile needs of a Triton.
BACKEND: dict[Profile, str] = {"cpu": "python", "onnx": "onnxruntime", "tensorrt": "tensorrt"}
#: Loading takes 1 s on a PC, and up to a minute on a cold disk or while CUDA initialises.
READY_TIMEOUT_S = 180.0
LOOK_EVERY_S = 0.5
EXIT_WRONG_USE = 2
EXIT_NO_TRITON = 3
EXIT_NO_GPU = 4


class GpuNotUsed(RuntimeError):
    """A GPU was asked for and would not be used; the message says why and what to do."""


@dataclass(frozen=True)
class Choice:
    """What to serve with, and why, in words for the person who started it."""

    profile: Profile
    why: str


@dataclass(frozen=True)
class Serving:
    """What runs: printed for people, and with ``--json`` for programs."""

    target: str
    model: str
    profile: Profile
    device: str
    why: str
    precision: str
    precision_why: str
    triton: str
    origin: str
    pid: int
    http_port: int
    metrics_port: int | None
    log: str


def choose(asked: Asked, require_gpu: bool, gpus: Sequence[str], triton: TritonBinary) -> Choice:
    """Choose the profile for a machine with these GPUs and this Triton.

    ``auto`` takes TensorRT where both GPU and backend are there. Raises :class:`GpuNotUsed` when ``require_gpu`` or
    ``tensorrt`` cannot be had, :class:`RepositoryError` when another profile's backend is missing.
    """
    needs_gpu = require_gpu or asked == "tensorrt"
    if needs_gpu and asked == "cpu":
        raise GpuNotUsed("A GPU was asked for together with --profile cpu: leave one of the two out.")
    if needs_gpu and not gpus:
        raise GpuNotUsed(
            "A GPU was asked for, but nvidia-smi shows none: install the driver, or start the container with --gpus all."
        )
    profile: Profile = asked if asked != "auto" else "tensorrt" if gpus and triton.has_backend("tensorrt") else "cpu"
    if needs_gpu and (profile == "cpu" or not triton.has_backend(BACKEND[profile])):
        raise GpuNotUsed(f"A GPU was asked for, but this Triton ({triton.origin}) has no backend for it: use Dockerfile.triton.")
    if not triton.has_backend(BACKEND[profile]):
        raise RepositoryError(
            f"This Triton ({triton.origin}) has no {BACKEND[profile]} backend: use --profile cpu, or Dockerfile.triton."
        )
    if asked != "auto":
        return Choice(profile, "asked for")
    if profile == "tensorrt":
        return Choice(profile, f"{gpus[0]} and TensorRT are there")
    return Choice(
        profile, f"{gpus[0]} is there, but this Triton has no TensorRT; Dockerfile.triton has" if gpus else "no GPU is visible"
    )


def detector_file(
    given: Path | None,
    asked: AskedPrecision,
    profile: Profile,
    gpus: Sequence[str],
    triton: TritonBinary,
    work: Path,
    size: Size = DEFAULT_SIZE,
) -> Chosen:
    """Return the file to serve: what was given, else the shipped detector of ``size`` as it suits this machine.

    On the CPU that is the int8 copy where the processor gains by it; for TensorRT the engine, built and proven when it is new.
    Raises :class:`DamagedModel`, :class:`EngineFailed`, or :class:`NoChoice` when a precision was asked for where there is only one.
    """
    if asked != "auto" and (given is not None or profile != "cpu"):
        raise NoChoice(
            f"--precision {asked} chooses between the shipped files on the CPU: leave it out "
            + ("together with --model." if given is not None else f"with the profile {profile}.")
        )
    if profile == "cpu" and given is None:
        chosen = for_cpu(asked, byte_instructions(), default_model(size=size))
        verify(chosen.path)
        return chosen
    model = given or default_model(size=size)
    if given is None:
        verify(model)
    if profile != "tensorrt" or model.suffix == ".plan":
        return Chosen(model, "as it is", f"{model.name} was named") if given else Chosen(model, "fp32", f"profile {profile}")
    return Chosen(proven_engine(model, gpus, triton, work), "fp16", "TensorRT's engine")


def device_of(server: TritonServer, gpus: Sequence[str]) -> tuple[bool, str]:
    """Ask the running server what the detector runs on; returns (is it a GPU, its name)."""
    kinds = {group["kind"] for group in server.model_config(DETECTOR).get("instance_group", [])}
    if kinds == {"KIND_GPU"}:
        return True, " + ".join(gpus) or "GPU"
    return False, f"CPU ({usable_cores()} cores)"


def serve_until_stopped(
    server: TritonServer, choice: Choice, detector: Chosen, gpus: Sequence[str], needs_gpu: bool, as_json: bool
) -> None:
    """Start ``server``, say what it runs on, and block until KeyboardInterrupt; then everything it started is gone.

    Raises :class:`TritonFailed` when Triton does not start or dies by itself, :class:`GpuNotUsed` when it ended up on the CPU.
    """
    try:
        server.start()
        server.wait_ready(READY_TIMEOUT_S)
        on_gpu, device = device_of(server, gpus)
        if needs_gpu and not on_gpu:
            raise GpuNotUsed(f"A GPU was asked for, but Triton runs the detector on the {device}: see {server.log}.")
        _announce(_describe(server, choice, detector, device), as_json)
        while server.is_running():
            time.sleep(LOOK_EVERY_S)
        raise TritonFailed(f"Triton stopped by itself: {server.trouble()}")
    finally:
        with undisturbed():
            server.stop()


def _describe(server: TritonServer, choice: Choice, detector: Chosen, device: str) -> Serving:
    return Serving(
        target=server.target,
        model=server.model_config(ENSEMBLE)["parameters"]["model_name"]["string_value"],
        profile=choice.profile,
        device=device,
        why=choice.why,
        precision=detector.precision,
        precision_why=detector.why,
        triton=server.version,
        origin=server.binary.origin,
        pid=server.pid,
        http_port=server.addresses.http_port,
        metrics_port=server.addresses.metrics_port,
        log=str(server.log),
    )


def _announce(serving: Serving, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(serving)))
        return
    click.echo(f"Serving {serving.model} on {serving.target}")
    click.echo(f"  runs on  {serving.device}, profile {serving.profile} ({serving.why})")
    click.echo(f"  numbers  {serving.precision} ({serving.precision_why})")
    click.echo(f"  Triton   {serving.triton}, {serving.origin}, process {serving.pid}")
    click.echo(f"  log      {serving.log}")


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 = every network of this machine."
)
@click.option("--port", default=8001, show_default=True, type=click.IntRange(0, 65535), help="gRPC port; 0 = any free one.")
@click.option(
    "--http-port", default=0, type=click.IntRange(0, 65535), help="Port for health checks, on loopback; default: any free one."
)
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Port for Prometheus; default: no metrics.")
@click.option(
    "--metrics-host", default=LOOPBACK, show_default=True, help="Address for Prometheus; anybody who reaches it can read them."
)
@click.option("--profile", type=click.Choice(["auto", "cpu", "onnx", "tensorrt"]), default="auto", show_default=True)
@click.option("--require-gpu", "--gpu", is_flag=True, help="Refuse to serve when the detector would not run on a GPU.")
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An .onnx or .plan file; default: the shipped one.",
)
@click.option(
    "--size",
    type=click.Choice(SIZES),
    default=DEFAULT_SIZE,
    show_default=True,
    help="Of the shipped detectors: base sees more, nano costs a quarter.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "int8"]),
    default="auto",
    show_default=True,
    help="Of the shipped detector on the CPU; auto: int8 where the processor gains by it.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for repository, engines and log; default: in ~/.cache.",
)
@click.option(
    "--triton",
    "triton_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a Triton laid out as in NVIDIA's container; default: that one, else the PyPI wheel.",
)
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the key that a gateway must add to each call; default: whoever reaches the port may ask.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document when ready.")
def command(
    host: str,
    port: int,
    http_port: int,
    metrics_port: int | None,
    metrics_host: str,
    profile: Asked,
    require_gpu: bool,
    model: Path | None,
    size: Size,
    precision: AskedPrecision,
    work: Path | None,
    triton_folder: Path | None,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Serve the detector with Triton, in the best way this machine allows.

    Runs until Ctrl-C, SIGTERM, or until its terminal is closed. Exit status: 0 stopped, 1 failed, 2 wrong use, 3 no Triton here,
    4 a GPU was asked for and is not used.
    """
    folder = work or default_work()
    try:
        with ended_by_signal():
            key = read_key(key_file) if key_file else None
            check_host(host)
            check_host(metrics_host)
            triton = triton_in(triton_folder) if triton_folder else find_triton()
            gpus = visible_gpus()
            choice = choose(profile, require_gpu, gpus, triton)
            if not is_loopback(host):
                click.echo(_exposed(host, key), err=True)
            detector = detector_file(model, precision, choice.profile, gpus, triton, folder, size)
            port = port or free_port(host)
            place = folder / f"port-{port}"
            server = TritonServer(
                assemble(place / "repository", profile=choice.profile, model=detector.path),
                log=place / "triton.log",
                profile=choice.profile,
                binary=triton,
                host=host,
                grpc_port=port,
                http_port=http_port,
                metrics_port=metrics_port,
                metrics_host=metrics_host,
                key=key,
            )
            serve_until_stopped(server, choice, detector, gpus, require_gpu or profile == "tensorrt", as_json)
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
    except TritonMissing as error:
        raise _Failure(error, EXIT_NO_TRITON) from error
    except GpuNotUsed as error:
        raise _Failure(error, EXIT_NO_GPU) from error
    except (HostNotHere, KeyUnusable, NoChoice) as error:
        raise _Failure(error, EXIT_WRONG_USE) from error
    except (TritonFailed, RepositoryError, DamagedModel, EngineFailed) as error:
        raise _Failure(error, 1) from error


def _exposed(host: str, key: str | None) -> str:
    reach = f"Warning: the network can reach {host}, with no TLS"
    return f"{reach}; calls need the key." if key else f"{reach} and no token; put a gateway in front of it."


class _Failure(click.ClickException):
    """One sentence and the exit status that goes with it."""

    def __init__(self, error: Exception, status: int) -> None:
        super().__init__(str(error))
        self.exit_code = status  # type: ignore[misc] # click reads it from the instance too
