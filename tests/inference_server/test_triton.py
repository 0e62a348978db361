"""Triton's command line, its log, and the life of its process (with a stand-in program; the real one is in e2e)."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from inference_server.triton import Addresses, TritonFailed, TritonServer, command_line, free_port
from inference_server.triton_binary import TritonBinary
from inference_server.triton_log import cause

PLACE = Addresses("127.0.0.1", 8001, 8000)


def arguments(addresses: Addresses = PLACE, profile: str = "cpu", key: str | None = None) -> list[str]:
    binary = TritonBinary(Path("/t"), Path("/b"), {}, "0", "a test's")
    return command_line(binary, "name", Path("/r"), Path("/b"), profile, addresses, key)[1:]  # type: ignore[arg-type]


def options(addresses: Addresses = PLACE, profile: str = "cpu") -> dict[str, str]:
    given = arguments(addresses, profile)
    return {name.removeprefix("--"): value for name, _, value in (argument.partition("=") for argument in given)}


def stand_in(folder: Path, script: str) -> TritonBinary:
    """Return a Triton that is a shell script: only how its process is handled is tested with it."""
    program = folder / "tritonserver"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return TritonBinary(program, folder, {}, "0", "stand-in")


def group_members(group: int) -> list[int]:
    """Return the live processes of a process group."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(pgrp) == group and state != "Z":
            members.append(int(stat.parent.name))
    return members


def wait_for_members(group: int, count: int) -> None:
    """Wait, at most 60 s, until the script has its children, or until the last of those killed is gone (0)."""
    end = time.monotonic() + 60
    while len(group_members(group)) != count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(group_members(group)) == count


def test_only_grpc_listens_where_it_was_asked_to() -> None:
    """HTTP and metrics stay on loopback, and there are no metrics unless somebody wants them."""
    given = options(Addresses("0.0.0.0", 8001, 8000))
    assert (given["grpc-address"], given["http-address"], given["allow-metrics"]) == ("0.0.0.0", "127.0.0.1", "0")
    given = options(Addresses("0.0.0.0", 8001, 8000, 8002))
    assert (given["allow-metrics"], given["metrics-address"], given["metrics-port"]) == ("1", "127.0.0.1", "8002")


def test_metrics_can_be_read_from_another_container_where_that_is_wanted() -> None:
    """Their address is one of its own; gRPC and HTTP stay where they are."""
    given = options(Addresses("127.0.0.1", 8001, 8000, 8002, metrics_host="0.0.0.0"))
    assert (given["metrics-address"], given["grpc-address"], given["http-address"]) == ("0.0.0.0", "127.0.0.1", "127.0.0.1")


def test_a_gateways_key_locks_what_printers_need_but_not_health() -> None:
    """Without a key nothing of it is locked; whoever restarts containers can ask for health in any case."""
    locks = [argument for argument in arguments(key="secret") if "grpc-restricted-protocol" in argument]
    assert locks[1] == "--grpc-restricted-protocol=inference,metadata,model-config,statistics:printers-key=secret"
    assert not any("health" in lock for lock in locks)
    assert "printers-key" not in " ".join(arguments())


def test_what_no_printer_needs_is_locked_with_a_new_key_each_time() -> None:
    """Model repository, shared memory, trace and log settings are closed on gRPC and HTTP."""
    first, second = options(), options()
    assert first["grpc-restricted-protocol"].startswith("shared-memory,model-repository,trace,logging:closed=")
    assert first["http-restricted-api"].startswith("shared-memory,model-repository,trace,logging:closed=")
    assert first["grpc-restricted-protocol"] != second["grpc-restricted-protocol"]
    assert first["model-control-mode"] == "none"


@pytest.mark.parametrize(("profile", "name"), [("cpu", "cpu"), ("onnx", "onnx"), ("tensorrt", None)])
def test_the_profile_chooses_the_configurations(profile: str, name: str | None) -> None:
    """config.pbtxt itself is the one for TensorRT."""
    assert options(profile=profile).get("model-config-name") == name


def test_a_free_port_is_free() -> None:
    """Somebody else can listen on it."""
    with socket.create_server(("127.0.0.1", free_port("127.0.0.1"))):
        pass


def test_a_triton_that_dies_while_it_starts_says_why(tmp_path: Path) -> None:
    """The error is the one from the log, and nothing is left to stop."""
    script = """echo 'E1121 02:59:18.331048 11214 main.cc:245] "failed to start GRPC service: Socket in use "'; exit 1"""
    with TritonServer(tmp_path, log=tmp_path / "log", binary=stand_in(tmp_path, script)) as server:
        with pytest.raises(TritonFailed, match="stopped while it started: failed to start GRPC service: Socket in use .*log"):
            server.wait_ready(60.0)
        assert not server.is_running()


def test_a_triton_that_hangs_while_it_starts_is_given_up(tmp_path: Path) -> None:
    """A stub that lacks a library makes Triton wait for ever; the linker's complaint is in the message."""
    script = "echo '/b/stub: error while loading shared libraries: libcudart.so: cannot open'; sleep 60"
    with (
        TritonServer(tmp_path, log=tmp_path / "log", binary=stand_in(tmp_path, script)) as server,
        pytest.raises(TritonFailed, match=r"not ready after 1 s: error while loading shared libraries: libcudart\.so"),
    ):
        wait_for_members(server.pid, 2)
        server.wait_ready(1.0)


def test_stopping_ends_children_and_a_server_that_ignores_the_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM first, then SIGKILL, and the whole process group is gone."""
    monkeypatch.setattr("inference_server.triton.TERM_PATIENCE_S", 0.2)
    server = TritonServer(tmp_path, log=tmp_path / "log", binary=stand_in(tmp_path, "trap '' TERM; sleep 60 & sleep 60"))
    server.start()
    group = server.pid
    assert os.getpgid(group) == group
    wait_for_members(group, 3)
    server.stop()
    wait_for_members(group, 0)
    server.stop()  # a second time does nothing


def test_a_killed_server_leaves_no_child(tmp_path: Path) -> None:
    """A stub that outlives its Triton is ended with the rest."""
    server = TritonServer(tmp_path, log=tmp_path / "log", binary=stand_in(tmp_path, "sleep 60 & sleep 60"))
    server.start()
    group = server.pid
    wait_for_members(group, 3)
    os.kill(group, signal.SIGKILL)
    server.stop()
    wait_for_members(group, 0)


def test_a_killed_server_leaves_no_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python stubs' regions bear its name and go with it; those of another Triton stay."""
    monkeypatch.setattr("inference_server.triton.SHARED_MEMORY", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    others = tmp_path / "shm" / "triton_python_backend_shm_region_1"
    others.touch()
    script = f"""for a in "$@"; do case $a in *shm-region-prefix-name=*) : > {tmp_path}/shm/${{a##*=}}1;; esac; done; sleep 60"""
    server = TritonServer(tmp_path, log=tmp_path / "log", binary=stand_in(tmp_path, script))
    server.start()
    wait_for_members(server.pid, 2)
    assert len(list((tmp_path / "shm").iterdir())) == 2
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert list((tmp_path / "shm").iterdir()) == [others]


def test_a_server_that_was_not_started_has_no_process(tmp_path: Path) -> None:
    """Asking for its number is an error with a sentence, stopping it does nothing."""
    server = TritonServer(tmp_path, log=tmp_path / "log", binary=stand_in(tmp_path, "exit"), grpc_port=8001)
    with pytest.raises(TritonFailed, match="was not started"):
        _ = server.pid
    assert server.target == "127.0.0.1:8001"
    server.stop()


@pytest.mark.parametrize(
    ("name", "log", "says"),
    [
        (
            "a model that does not load, and the ensemble that needs it",
            'E1121 02:59:05.1 1 server.cc:241] "CudaDriverHelper has not been initialized."\n'
            'E1121 02:59:06.3 1 backend_model.cc:692] "ERROR: Failed to create instance: Boom\\n\\nAt:\\n  x.py(1)"\n'
            "E1121 02:59:06.3 1 model_lifecycle.cc:642] \"failed to load 'detector' version 1: Internal: Boom\\n\\nAt:\\n  x.py(1)\"\n"
            "E1121 02:59:06.3 1 manager.cc:703] \"Invalid argument: ensemble 'spaghetti' depends on 'detector' ...\"\n"
            'I1121 02:59:07.3 1 server.cc:305] "Waiting for in-flight requests to complete."\n',
            "failed to load 'detector' version 1: Internal: Boom",
        ),
        (
            "a mistake in a configuration",
            "[libprotobuf ERROR /x/text_format.cc:337] Error parsing text-format inference.ModelConfig: 1:7: Expected string, got: 3",
            "Error parsing text-format inference.ModelConfig: 1:7: Expected string, got: 3",
        ),
        ("the same twice", "stub: error while loading a\nstub: error while loading a", "error while loading a"),
        ("no error at all", '\nI1121 1 1 a.cc:1] "one"\n| table |\nI1121 1 1 a.cc:1] "two"\n', '"one" / I1121 1 1 a.cc:1] "two"'),
        ("silence", "", "its log is empty"),
    ],
)
def test_the_log_names_the_cause(name: str, log: str, says: str) -> None:
    """Each error once, without tracebacks and without what every machine without a GPU complains of."""
    assert cause(log).endswith(says)
    assert "CudaDriverHelper" not in cause(log)
