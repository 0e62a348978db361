"""``spaghetti-server <verb>``: each verb lives in its own module, imported only when it is called.

So ``spaghetti-server serve`` starts without torch, and ``--help`` without anything.
"""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Mapping

import click

#: Verb: (module with a click command named ``command``, what it does, the extra that installs what it needs).
VERBS: Mapping[str, tuple[str, str, str]] = {
    "serve": ("inference_server.serve", "Serve the detector with Triton, in the best way this machine allows.", "server"),
    "fetch-model": ("inference_server.fetch_model", "Download a detector and check it against its sha256.", "server"),
    "verify": ("inference_server.verify_model", "Check a detector against its sha256, and that it can be loaded.", "server"),
    "build-engine": ("inference_server.build_engine", "Build and prove the TensorRT engine of this machine's GPU.", "server"),
    "gateway": ("inference_server.gateway_verbs", "Run nginx with TLS and a token per printer in front of Triton.", "gateway"),
    "token": ("inference_server.token_verbs", "Give each printer a token of its own, and take it away again.", "gateway"),
    "status": ("inference_server.status", "Show the running server's load and its printers.", "gateway"),
    "train": ("inference_server.detector.train", "Train a detector on labelled pictures.", "train"),
    "evaluate": ("inference_server.detector.evaluate", "Measure a detector file on labelled pictures.", "train"),
    "bench": ("inference_server.benchmarks.verb", "Measure the detector's speed on this machine.", "train"),
    "export": ("inference_server.detector.export", "Write a trained network as ONNX.", "train"),
    "quantise": ("inference_server.detector.quantise", "Write an exported network as int8, if it sees as much.", "train"),
}


#: The plugin, and what its own detector shares with the server, run on Python 3.9 too.
OLDEST_PYTHON = (3, 11)


class VerbMissing(click.ClickException):
    """The packages that a verb needs are not installed."""

    def __init__(self, verb: str, package: str, extra: str) -> None:
        super().__init__(f"spaghetti-server {verb} needs {package}: run pip install 'octoprint-spaghetti[{extra}]'")


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all verbs in the order of :data:`VERBS`."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb, None when there is no such; raises :class:`VerbMissing` when its packages are missing."""
        if cmd_name not in VERBS:
            return None
        if sys.version_info < OLDEST_PYTHON:
            raise click.ClickException(
                f"spaghetti-server needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer, this is {platform.python_version()}; "
                "the plugin itself runs on older ones"
            )
        module, _, extra = VERBS[cmd_name]
        try:
            found: click.Command = importlib.import_module(module).command
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("inference_server"):
                raise
            raise VerbMissing(cmd_name, str(error.name), extra) from error
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, does) for verb, (_, does, _) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train, check and serve the detector that watches 3D prints."""
