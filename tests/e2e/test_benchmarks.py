"""The benchmarks run from end to end, each for a moment: what they measure is what a program can read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from inference_server.triton import TritonMissing, find_triton

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def _triton() -> None:
    """Skip where there is no Triton."""
    try:
        find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))


def bench(*options: str) -> tuple[str, dict]:
    """Run `spaghetti-server bench`; return what it said and the document in its last line."""
    command = [sys.executable, "-m", "inference_server", "bench", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


def test_the_server_is_compared_with_the_same_work_in_process() -> None:
    """One client, eight and 64; the ratio is that of the medians."""
    said, found = bench("--served", "--seconds", "8")
    assert {(row["clients"], row["transport"]) for row in found["rows"]} >= {(1, "unary"), (8, "unary"), (64, "unary")}
    for row in found["rows"]:
        assert row["ratio"] == pytest.approx(row["server_ms"] / found["floor_all_ms"], rel=0.01)
        assert row["server_ms"] > 0
        assert row["frames_per_s"] > 0
    assert "in process:" in said


def test_the_server_is_compared_with_a_peer() -> None:
    """Frames per second and CPU per frame of both; --json prints the document alone."""
    pytest.importorskip("flask")
    pytest.importorskip("onnx")
    said, found = bench("--against", "darknet416", "--seconds", "8", "--json")
    assert said.count("\n") == 1
    assert found["ratio"] == pytest.approx(found["ours_per_s"] / found["theirs_per_s"], rel=0.05)
    assert found["ours_per_s"] > found["theirs_per_s"] > 0
    assert found["theirs_cpu_ms"] > found["ours_cpu_ms"] > 0


@pytest.mark.parametrize("gateway", [False, True], ids=["triton alone", "through the gateway"])
def test_a_fleet_loses_nothing_and_sheds_what_is_too_much(gateway: bool) -> None:
    """Ordinary frames are all answered; of twice what the machine can do a part is shed in words; afterwards all is well again."""
    if gateway:
        pytest.importorskip("cryptography")
        from inference_server.nginx import NginxMissing, find_nginx

        try:
            find_nginx()
        except NginxMissing as missing:
            pytest.skip(str(missing))
    said, found = bench("--fleet", "20", "--minutes", "0.1", *([] if gateway else ["--no-gateway"]))
    assert found["gateway"] is gateway
    for phase in ("ordinary", "after"):
        assert found[phase]["fates"] == {"answered": found[phase]["frames"]}
    assert not set(found["overload"]["fates"]) & {"down", "refused"}
    assert found["usage"]["memory_end_mb"] > 0
    assert "through nginx" in said or not gateway


def test_two_benchmarks_at_once_are_wrong_use() -> None:
    """They would disturb each other."""
    command = [sys.executable, "-m", "inference_server", "bench", "--served", "--fleet", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "one after the other" in done.stderr
