"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

#: What each room may import beside the standard library; see the design's table of folders.
ROOMS = {
    "octoprint_spaghetti/core": {"octoprint_spaghetti.core"},
    "octoprint_spaghetti/ports.py": {"octoprint_spaghetti.core"},
    "octoprint_spaghetti/job.py": {"octoprint_spaghetti.core"},
    "octoprint_spaghetti/view.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.job", "octoprint_spaghetti.ports"},
    "octoprint_spaghetti/lineup.py": {
        "octoprint_spaghetti.core",
        "octoprint_spaghetti.job",
        "octoprint_spaghetti.ports",
        "octoprint_spaghetti.view",
    },
    "octoprint_spaghetti/views.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.view"},
    "octoprint_spaghetti/saying.py": {
        "octoprint_spaghetti.core",
        "octoprint_spaghetti.job",
        "octoprint_spaghetti.view",
        "octoprint_spaghetti.views",
    },
    "octoprint_spaghetti/powering.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.ports"},
    "octoprint_spaghetti/response.py": {
        "octoprint_spaghetti.core",
        "octoprint_spaghetti.job",
        "octoprint_spaghetti.ports",
        "octoprint_spaghetti.powering",
        "octoprint_spaghetti.writing",
    },
    "octoprint_spaghetti/watch.py": {
        "octoprint_spaghetti.core",
        "octoprint_spaghetti.job",
        "octoprint_spaghetti.lineup",
        "octoprint_spaghetti.ports",
        "octoprint_spaghetti.response",
        "octoprint_spaghetti.saying",
        "octoprint_spaghetti.view",
        "octoprint_spaghetti.views",
    },
    "octoprint_spaghetti/watcher.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.watch"},
    "octoprint_spaghetti/watchdog.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.watcher"},
    "octoprint_spaghetti/writing.py": {"octoprint_spaghetti.core"},
    "octoprint_spaghetti/broadcast.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.adapters.mqtt"},
    "octoprint_spaghetti/notices.py": {
        "octoprint_spaghetti.core",
        "octoprint_spaghetti.adapters.apprise_channels",
        "octoprint_spaghetti.broadcast",
    },
    "octoprint_spaghetti/orders.py": {"octoprint_spaghetti.core", "octoprint_spaghetti.ports", "octoprint_spaghetti.watcher"},
    "octoprint_spaghetti/testing.py": {"octoprint_spaghetti.core"},
}
THIRD_PARTY = (
    "octoprint",
    "babel",
    "flask",
    "flask_babel",
    "grpc",
    "google",
    "requests",
    "apprise",
    "paho",
    "numpy",
    "cv2",
    "onnxruntime",
    "torch",
    "tritonclient",
    "inference_server",
)


def imports(path: Path) -> Iterator[str]:
    """Yield the absolute names that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def files(room: str) -> list[Path]:
    path = ROOT / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("path", TESTS, ids=[str(path.relative_to(ROOT)) for path in TESTS])
def test_each_test_states_the_behaviour_in_a_sentence(path: Path) -> None:
    """A test without a docstring tells nobody what is broken when it fails."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_imports_only_what_it_may(room: str) -> None:
    """The heart knows no camera, no server and no printer: its imports show it."""
    for path in files(room):
        for name in imports(path):
            ours = name.startswith("octoprint_spaghetti")
            assert not ours or any(name.startswith(allowed) for allowed in ROOMS[room]), f"{path.name} imports {name}"
            assert ours or name.split(".")[0] not in THIRD_PARTY, f"{path.name} imports {name}"


def test_the_server_never_imports_octoprint_or_the_plugin() -> None:
    """The two sides meet only in protos/ and in the tensor names."""
    for path in files("inference_server"):
        for name in imports(path):
            assert name.split(".")[0] not in ("octoprint", "octoprint_spaghetti"), f"{path.name} imports {name}"


def test_every_thread_of_the_plugin_has_an_owner_that_joins_it() -> None:
    """One thread watches, others read, wait, deliver notices or look after it; each file that makes one joins it, with a bound."""
    owners = [path for path in files("octoprint_spaghetti") if "threading.Thread(" in path.read_text(encoding="utf-8")]
    names = ["bounded_reads.py", "rtsp.py", "edge.py", "triton.py", "notices.py", "watchdog.py", "watcher.py"]
    assert [path.name for path in owners] == names
    for path in owners:
        text = path.read_text(encoding="utf-8")
        assert text.count("threading.Thread(") == len(re.findall(r"\.join\(_?[A-Z]", text)) == 1
