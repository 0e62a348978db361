"""The generated stubs: fresh, and loadable beside anything a shared environment may hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "octoprint_spaghetti" / "adapters" / "_proto"


def test_the_stubs_are_what_the_proto_generates(tmp_path: Path) -> None:
    """Running scripts/protos gives the committed files, byte for byte."""
    subprocess.run([ROOT / "scripts" / "protos", tmp_path], check=True, capture_output=True, timeout=170)
    for generated in tmp_path.iterdir():
        assert generated.read_text() == (STUBS / generated.name).read_text(), f"run scripts/protos: {generated.name} is stale"


def test_the_stubs_do_not_ask_for_a_new_protobuf() -> None:
    """No runtime check of a version: the stubs load with any protobuf from 3.20 on."""
    stub = (STUBS / "spaghetti_inference_pb2.py").read_text()
    assert "runtime_version" not in stub


def test_the_package_is_our_own() -> None:
    """Another plugin may load tritonclient into the same process, and protobuf takes each name once."""
    assert pb.DESCRIPTOR.package == "spaghetti.inference"
