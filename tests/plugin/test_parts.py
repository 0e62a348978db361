"""From settings to parts: who looks under which settings, and what is said when that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoprint_spaghetti import parts
from octoprint_spaghetti.adapters.edge import EdgeDetector
from octoprint_spaghetti.adapters.ladder import Ladder
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import DetectorMissing
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, ProtectionLevel
from tests.pictures import jpeg

needs_edge = pytest.mark.skipif(bool(parts.missing_here()), reason=parts.missing_here())


@needs_edge
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        pytest.param(Settings(), Ladder, id="a server, and below it this computer"),
        pytest.param(Settings(fallback=False), TritonDetector, id="a server alone"),
        pytest.param(Settings(detector="local"), EdgeDetector, id="this computer alone"),
    ],
)
def test_who_looks_follows_from_the_settings(settings: Settings, kind: type) -> None:
    """Nothing is connected to and no process started by that."""
    detector = parts.build_protection(settings)
    assert isinstance(detector, kind)
    detector.close()


def test_a_computer_that_cannot_look_leaves_the_server_its_whole_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed the switch changes nothing."""
    monkeypatch.setattr(parts, "missing_here", lambda: "not installed")
    detector = parts.build_protection(Settings(deadline=5.0))
    assert isinstance(detector, TritonDetector)
    assert detector._deadline == 5.0
    detector.close()
    with pytest.raises(DetectorMissing, match="not installed"):
        parts.build_protection(Settings(detector="local"))


@needs_edge
def test_a_server_that_cannot_be_set_up_does_not_take_the_fallback_with_it() -> None:
    """Without an address, or with a certificate that is gone, this computer looks and the reason is said."""
    detector = parts.build_protection(Settings(servers=(), local_share=100.0, deadline=150.0))
    try:
        assert detector.look(Frame(jpeg(), 0.0, "test")).detector.startswith("local ")
        assert "No inference server is configured" in detector.why
        with pytest.raises(DetectorMissing):
            detector.check()
        assert detector.level is ProtectionLevel.LOCAL
    finally:
        detector.close()


@pytest.mark.parametrize(
    "content", [b"-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n", b"<html>", b"\x30\x82"]
)
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    """The key, a page, DER: gRPC would say of each connection that no server answers."""
    file = tmp_path / "server.key"
    file.write_bytes(content)
    with pytest.raises(DetectorMissing, match=r"server\.key holds no certificate"):
        parts.build_server(Settings(tls=True, certificate=str(file)))
