"""The command line: every verb is listed, none is imported before it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from inference_server import cli
from inference_server.cli import VERBS, main

_IMPORTED = """
import sys
from click.testing import CliRunner
from inference_server.cli import main
assert CliRunner().invoke(main, {arguments!r}).exit_code == 0
print(sorted({{"torch", "numpy", "cv2", "onnxruntime", "tritonclient"}} & set(sys.modules)))
"""


def test_the_help_lists_every_verb() -> None:
    """Also those whose packages are not installed."""
    shown = CliRunner().invoke(main, ["--help"]).output
    assert all(verb in shown for verb in VERBS)


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help comes at once, and on a machine without torch."""
    program = _IMPORTED.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_verb_is_wrong_use() -> None:
    """Exit status 2, as everywhere."""
    done = CliRunner().invoke(main, ["dance"])
    assert done.exit_code == 2
    assert "dance" in done.output


def test_a_verb_whose_packages_are_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command installs what it needs."""

    def missing(module: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(cli.importlib, "import_module", missing)
    done = CliRunner().invoke(main, ["train"])
    assert done.exit_code == 1
    assert done.output == "Error: spaghetti-server train needs torch: run pip install 'octoprint-spaghetti[train]'\n"


def test_an_old_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's code would end in the middle of its work there."""
    monkeypatch.setattr(cli.sys, "version_info", (3, 9, 18))
    done = CliRunner().invoke(main, ["gateway"])
    assert done.exit_code == 1
    assert "needs Python 3.11 or newer" in done.output


def test_the_listed_serve_is_the_commands_own_sentence() -> None:
    """The table of verbs repeats what the command says of itself."""
    assert VERBS["serve"][1] in str(main.get_command(None, "serve").help)  # type: ignore[arg-type,union-attr]
