"""Find the Triton Inference Server of this machine, start it, wait until it is ready, and stop it without leaving a trace.

Two kinds are known: NVIDIA's container (``/opt/tritonserver``, with every backend) and the server binary inside the PyPI
wheel of nvidia-pytriton (no GPU backends, but the same server). Nothing here knows what the models do.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NGC = Path("/opt/tritonserver")
#: The oldest C library that the wheel runs on (its tag is manylinux_2_35: Debian 12, Ubuntu 22.04 and newer).
OLDEST_GLIBC = (2, 35)
MACHINES = ("x86_64", "aarch64")
STUB = "triton_python_backend_stub"


class TritonMissing(RuntimeError):
    """There is no Triton that can run here; the message says in one sentence what to do."""


@dataclass(frozen=True)
class TritonBinary:
    """One installed Triton.

    ``path`` is the executable; ``backends`` the folder that holds one folder per backend; ``environment`` what its process
    needs beside ours; ``version`` that of the package it came in; ``origin`` says where it is from, for people; ``stub`` is the
    Python backend's helper where it lies outside ``backends`` and has to be put there, else None; ``python_backends`` are those
    that run Python.
    """

    path: Path
    backends: Path
    environment: Mapping[str, str] = field(repr=False)
    version: str
    origin: str
    stub: Path | None = None
    python_backends: tuple[str, ...] = ("python",)

    def has_backend(self, name: str) -> bool:
        """Tell whether models of that backend ("tensorrt", "python", ...) can be served."""
        return (self.backends / name).is_dir()

    def lay_out_backends(self, folder: Path) -> Path:
        """Return a folder for ``--backend-directory``, made below ``folder`` where the installed one is incomplete.

        The wheel keeps the stub apart, and Triton follows no symbolic link out of its backend folder: hence copies (3 MB).
        """
        if self.stub is None:
            return self.backends
        backends = folder / "backends"
        shutil.copytree(self.backends, backends, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        shutil.copy2(self.stub, backends / "python" / STUB)
        return backends


def find_triton(ngc: Path = NGC) -> TritonBinary:
    """Return the Triton of this machine: NVIDIA's container if we are in it, else the PyPI wheel of the running environment.

    Raises :class:`TritonMissing`.
    """
    if (ngc / "bin" / "tritonserver").is_file():
        return triton_in(ngc)
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise TritonMissing(why_missing(platform.system(), platform.machine(), platform.libc_ver()[1]))
    return from_wheel(Path(spec.submodule_search_locations[0]))


def triton_in(folder: Path) -> TritonBinary:
    """Describe a Triton laid out as in NVIDIA's container (``bin/``, ``backends/``); raises :class:`TritonMissing`."""
    program, note = folder / "bin" / "tritonserver", folder / "TRITON_VERSION"
    if not program.is_file():
        raise TritonMissing(f"{folder} holds no Triton: there is no bin/tritonserver in it.")
    version = note.read_text().strip() if note.is_file() else "unknown"
    origin = "NVIDIA container" if folder == NGC else str(folder)
    return TritonBinary(program, folder / "backends", {}, version, f"{origin}, Triton {version}")


def why_missing(system: str, machine: str, glibc: str) -> str:
    """Say in one sentence how to get a Triton, or that there is none for this system (described as by module platform)."""
    if system != "Linux" or machine not in MACHINES:
        return (
            f"There is no Triton wheel for this system ({system} {machine}): run the server on 64-bit Linux, "
            "or let the plugin detect on its own computer."
        )
    numbers = tuple(int(part) for part in glibc.split(".") if part.isdigit())
    if numbers and numbers < OLDEST_GLIBC:
        return (
            f"There is no Triton wheel for this system (glibc {glibc}, needs 2.35): use Debian 12, Ubuntu 22.04 or newer, "
            "or Dockerfile.triton."
        )
    return (
        "Triton is not installed in this environment: run pip install 'octoprint-spaghetti[server]' (with Python 3.13 then also "
        "pip install --no-deps nvidia-pytriton==0.7.0, whose own numpy is too old for it), or use Dockerfile.triton."
    )


def from_wheel(package: Path) -> TritonBinary:
    """Describe the server in an installed nvidia-pytriton, whose folder is ``package``; raises :class:`TritonMissing`."""
    server = package / "tritonserver"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / python / STUB
    version = importlib.metadata.version("nvidia-pytriton")
    if not stub.is_file():
        known = ", ".join(sorted((folder.name for folder in stub.parent.parent.glob("3.*")), key=lambda name: int(name[2:])))
        raise TritonMissing(
            f"nvidia-pytriton {version} does not work with Python {python}: make the environment with one of {known}."
        )
    libraries = package.parent / "nvidia_pytriton.libs"
    return TritonBinary(
        path=server / "bin" / "tritonserver",
        backends=server / "backends",
        environment=wheel_environment(libraries, libpython_folder(libraries, sys.version_info.minor), os.environ),
        version=version,
        origin=f"PyPI wheel nvidia-pytriton {version}",
        stub=stub,
    )


def wheel_environment(libraries: Path, libpython: Path | None, base: Mapping[str, str]) -> dict[str, str]:
    """Return PATH and LD_LIBRARY_PATH for the wheel's server.

    The stub takes its packages from the environment of the first ``python3`` on PATH, and hangs without its libraries.
    """
    found = [str(folder) for folder in (libpython, libraries) if folder is not None]
    return {
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), base.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": os.pathsep.join([*found, *filter(None, [base.get("LD_LIBRARY_PATH")])]),
    }


def libpython_folder(libraries: Path, minor: int) -> Path | None:
    """Return the folder of ``libpython3.<minor>.so.1.0``, which the stub links; None when the wheel brings its own.

    Raises :class:`TritonMissing` with the name of the Debian package when there is none.
    """
    if any(libraries.glob(f"libpython3-*.{minor}.so*")):
        return None
    name = f"libpython3.{minor}.so.1.0"
    # The interpreter's own library first: another patch release's beside this standard library is a mismatch.
    own = [Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib"), Path(sys.base_prefix) / "lib"]
    for folder in (*own, *_linker_folders(name)):
        if (folder / name).is_file():
            return folder
    raise TritonMissing(
        f"Triton's Python backend needs {name}: run apt install libpython3.{minor}, or use a Python built with --enable-shared."
    )


def _linker_folders(library: str) -> list[Path]:
    ldconfig = shutil.which("ldconfig", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/sbin", "/usr/sbin"]))
    if ldconfig is None:
        return []
    listing = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, timeout=10, check=False).stdout
    return [Path(line.rpartition("=> ")[2]).parent for line in listing.splitlines() if line.split(" ", 1)[0].strip() == library]
