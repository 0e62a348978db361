"""Finding Triton: which one, with what around it, and what to do where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from inference_server import triton_binary
from inference_server.triton_binary import (
    STUB,
    TritonBinary,
    TritonMissing,
    find_triton,
    libpython_folder,
    triton_in,
    wheel_environment,
    why_missing,
)

MINOR = sys.version_info.minor


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "says"),
    [
        ("Darwin", "arm64", "", "no Triton wheel for this system (Darwin arm64)"),
        ("Windows", "AMD64", "", "no Triton wheel for this system (Windows AMD64)"),
        ("Linux", "armv7l", "2.36", "no Triton wheel for this system (Linux armv7l)"),
        ("Linux", "x86_64", "2.31", "glibc 2.31, needs 2.35"),
        ("Linux", "x86_64", "2.36", "pip install 'octoprint-spaghetti[server]'"),
        ("Linux", "aarch64", "", "pip install 'octoprint-spaghetti[server]'"),
    ],
)
def test_one_sentence_says_how_to_get_triton(system: str, machine: str, glibc: str, says: str) -> None:
    """Where there is a wheel the command is named, elsewhere that there is none, and what to do instead."""
    assert says in why_missing(system, machine, glibc)


def test_nvidias_container_is_preferred(tmp_path: Path) -> None:
    """Where /opt/tritonserver is, it has all the backends, and a wheel would have fewer."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tritonserver").touch()
    (tmp_path / "backends" / "tensorrt").mkdir(parents=True)
    (tmp_path / "TRITON_VERSION").write_text("2.60.0\n")
    binary = find_triton(ngc=tmp_path)
    assert (binary.version, binary.origin) == ("2.60.0", f"{tmp_path}, Triton 2.60.0")
    assert binary.has_backend("tensorrt")
    assert not binary.has_backend("onnxruntime")
    assert binary.lay_out_backends(tmp_path / "work") == tmp_path / "backends"


def test_a_folder_that_was_named_holds_a_triton_or_is_an_error(tmp_path: Path) -> None:
    """Nothing else is served instead of what was asked for."""
    with pytest.raises(TritonMissing, match=r"holds no Triton: there is no bin/tritonserver"):
        triton_in(tmp_path)


def test_an_environment_without_triton_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither container nor wheel: the error is the sentence for this system."""
    monkeypatch.setattr(triton_binary.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TritonMissing, match="Triton"):
        find_triton(ngc=tmp_path)


def test_the_wheels_stub_is_laid_where_triton_looks(tmp_path: Path) -> None:
    """The backend folder is a copy with the stub in it, no symbolic link, and making it again changes nothing."""
    (tmp_path / "backends" / "python").mkdir(parents=True)
    (tmp_path / "backends" / "python" / "libtriton_python.so").write_bytes(b"so")
    (tmp_path / "stub").write_bytes(b"stub")
    (tmp_path / "stub").chmod(0o755)
    binary = TritonBinary(tmp_path / "tritonserver", tmp_path / "backends", {}, "0", "test", stub=tmp_path / "stub")
    for _ in range(2):
        laid = binary.lay_out_backends(tmp_path / "work")
    assert laid == tmp_path / "work" / "backends"
    assert os.access(laid / "python" / STUB, os.X_OK)
    assert not any(path.is_symlink() for path in laid.rglob("*"))


def test_the_server_gets_this_environment_first() -> None:
    """The stub takes its packages from the first python3 on PATH, and its libraries before the system's."""
    environment = wheel_environment(Path("/libs"), Path("/py/lib"), {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/cuda"})
    assert environment == {"PATH": f"{sys.prefix}/bin:/usr/bin", "LD_LIBRARY_PATH": "/py/lib:/libs:/cuda"}


def test_an_empty_library_path_stays_without_an_empty_part() -> None:
    """An empty part would mean the current folder."""
    assert wheel_environment(Path("/libs"), None, {})["LD_LIBRARY_PATH"] == "/libs"


def test_a_bundled_libpython_needs_no_other(tmp_path: Path) -> None:
    """The wheel brings the library of one Python version under a name of its own."""
    (tmp_path / "libpython3-419a3a08.13.so.1.0").touch()
    assert libpython_folder(tmp_path, 13) is None


def test_a_missing_libpython_is_named_with_its_package(tmp_path: Path) -> None:
    """On Debian one command helps; without the library Triton would wait for ever."""
    with pytest.raises(TritonMissing, match=r"libpython3\.99\.so\.1\.0: run apt install libpython3\.99"):
        libpython_folder(tmp_path, 99)


def test_the_interpreters_own_libpython_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another patch release's library beside this standard library would be a mismatch."""
    (tmp_path / f"libpython3.{MINOR}.so.1.0").touch()
    monkeypatch.setattr(triton_binary.sysconfig, "get_config_var", lambda name: str(tmp_path))
    assert libpython_folder(tmp_path / "none", MINOR) == tmp_path


def test_a_python_without_a_stub_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python newer than the wheel gets the list of those that work."""
    for minor in (9, 10):
        (tmp_path / "pytriton" / "tritonserver" / "python_backend_stubs" / f"3.{minor}").mkdir(parents=True)
    monkeypatch.setattr(triton_binary.importlib.metadata, "version", lambda name: "0.7.0")
    with pytest.raises(TritonMissing, match=r"one of 3\.9, 3\.10"):
        triton_binary.from_wheel(tmp_path / "pytriton")
