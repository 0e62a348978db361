"""The plugin is upgraded while it watches a print: pip replaces its files, and OctoPrint is not restarted before the print has ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.triton import TritonServer
from octoprint_spaghetti.upkeep import EVERY_S
from tests.e2e.conftest import OCTOPRINT_VERSIONS, ROOT, a_print, eventually, octoprint_server

PACKAGE = "octoprint_spaghetti"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package that may be replaced."""
    folder = tmp_path / "site"
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def octoprint(
    copy: Path, camera: Webcam, triton: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OctoPrintServer]:
    """Return an OctoPrint that runs that copy: Python looks for modules in the current folder first."""
    monkeypatch.chdir(copy)
    yield from octoprint_server(OCTOPRINT_VERSIONS[0], camera, triton, tmp_path / "octoprint")


def test_a_print_is_watched_on_by_the_old_version(octoprint: OctoPrintServer, copy: Path, tmp_path: Path, camera: Webcam) -> None:
    """Every file of the new version would end OctoPrint: none is loaded, not even by other settings, and the status says why."""
    with a_print(octoprint):
        assert "upgraded" not in octoprint.plugin_status()["sentence"]
        newer = tmp_path / "newer"
        shutil.copytree(copy / PACKAGE, newer)
        for file in newer.rglob("*.py"):
            file.write_text("import os\nos._exit(9)\n")
        (newer / "__init__.py").write_text('__version__ = "99.0.0"\nimport os\nos._exit(9)\n')
        (copy / PACKAGE).rename(tmp_path / "older")
        newer.rename(copy / PACKAGE)
        eventually(lambda: "upgraded" in octoprint.plugin_status()["sentence"], EVERY_S + 60.0, "the upgrade in the status")
        assert "to 99.0.0) while this print runs; the old version goes on" in octoprint.plugin_status()["sentence"]
        for changes in ({"camera_source": "mjpeg", "camera_url": f"{camera.url}/stream"}, {"camera_source": "octoprint"}):
            octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": changes}})
            before = octoprint.plugin_status()["answers"]
            eventually(lambda before=before: octoprint.plugin_status()["answers"] > before + 1, 60.0, "answers go on")  # type: ignore[misc]
        assert octoprint.printer_state() == "Printing"
    assert "the old version still runs; restart OctoPrint" in octoprint.plugin_status()["sentence"]
