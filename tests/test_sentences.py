"""Every sentence that a person may read is said by ``say``, where translators find it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "octoprint_spaghetti"

#: English is what these speak: a shell, tests, and programs that read metrics or Home Assistant's discovery.
ENGLISH = {
    "adapters/video.py",
    "checking.py",
    "cli.py",
    "core/home_assistant.py",
    "doctor.py",
    "doctor_command.py",
    "metrics.py",
    "recordings.py",
    "replay_chart.py",
    "replay_command.py",
    "replay_text.py",
    "shell.py",
    "testing.py",
}
#: Files that hold words of other programs, which are looked for in what those say, and names of states.
QUOTING = {"adapters/cameras/rtsp.py", "adapters/grpc_trouble.py", "adapters/triton.py", "core/power.py"}
#: What is called with a text that is collected elsewhere (settings, gettext), goes to the log or a shell, or is an error inside.
COLLECTED = {"say", "setting", "number", "gettext"}
LOGGED = {"debug", "info", "warning", "error", "exception", "log", "add_argument"}
INTERNAL = {"ValueError", "TypeError", "AssertionError", "NotImplementedError", "MessagesBroken", "compile"}
#: Texts for programs: what a request must look like is read by who writes one. OctoPrint's list of plugins is English.
FOR_PROGRAMS = re.compile(
    r"Watches prints through the webcam|The body must be |visible: |attachment; |ffconcat |PRAGMA |SELECT |INSERT |DELETE |CREATE "
)
#: Two words in lower case after another word: ``"filament change"`` is none, ``"It is on."`` is.
READS_LIKE_A_SENTENCE = re.compile(r"\w+,? [a-z]{2,} \S+")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of what reads like a sentence and no translator finds."""
    yield from _bare(ast.parse(source))


def _bare(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Call) and _name(node.func) in COLLECTED | LOGGED | INTERNAL:
        return
    if isinstance(node, ast.JoinedStr):
        yield from _told(
            node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "{x}" for part in node.values)
        )
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _told(node.lineno, node.value)
    for child in ast.iter_child_nodes(node):
        yield from _bare(child)


def _told(line: int, text: str) -> Iterator[tuple[int, str]]:
    if READS_LIKE_A_SENTENCE.search(text) and not FOR_PROGRAMS.match(text):
        yield line, text


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def test_every_sentence_is_said_where_a_translator_finds_it() -> None:
    """A sentence built past say() would stay English for ever, on every page and in every message."""
    bare = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in ENGLISH and "_proto" not in name:
            found = [
                (line, text)
                for line, text in texts(path.read_text(encoding="utf-8"))
                if name not in QUOTING or text[:1].isupper() or text.endswith(".")
            ]
            if found:
                bare[name] = found
    assert bare == {}


def test_every_place_of_a_sentence_has_its_value() -> None:
    """A value that is missing would end the watch in the very moment that something is wrong."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) == "say" and all(word.arg for word in node.keywords):
                [template] = node.args
                assert isinstance(template, ast.Constant)
                places = re.findall(r"%\((\w+)\)|%[^(%]", str(template.value).replace("%%", ""))
                assert set(places) == {word.arg for word in node.keywords}, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param('raise CameraError("The camera is off.")', ["The camera is off."], id="an error"),
        pytest.param('raise CameraError(f"The camera {name} is off.")', ["The camera {x} is off."], id="an f-string"),
        pytest.param('Notice(KIND, "The print goes on.")', ["The print goes on."], id="a notice"),
        pytest.param('joined(("It goes on well.", other))', ["It goes on well."], id="joined past say"),
        pytest.param('return "It goes on." if on else ""', ["It goes on."], id="returned"),
        pytest.param('raise CameraError(say("The camera is off."))', [], id="said"),
        pytest.param('logger.warning("The camera is off.")', [], id="logged"),
        pytest.param('def f():\n    """The camera is off."""', [], id="a docstring"),
        pytest.param('states = {"warming_up": "hourglass", "busy": "filament change"}', [], id="words"),
    ],
)
def test_a_sentence_past_say_is_found(source: str, found: list[str]) -> None:
    """The rule above sees what it is for, and nothing else."""
    assert [text for _, text in texts(source)] == found


def test_what_is_exempt_is_still_there() -> None:
    """A list of exceptions that outlives its files hides the next ones of that name."""
    assert {name for name in ENGLISH | QUOTING if not (PACKAGE / name).is_file()} == set()
