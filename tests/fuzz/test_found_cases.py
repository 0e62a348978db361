"""What fuzzing has found, kept: each input once broke what read it."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from inference_server.oip import AnswerMalformed, stream_response
from octoprint_spaghetti.adapters.apprise_channels import read_news
from octoprint_spaghetti.adapters.incidents import STATE_FILE, IncidentFolder
from octoprint_spaghetti.core.environment import overrides
from octoprint_spaghetti.core.errors import EvidenceError, SettingRefused
from octoprint_spaghetti.core.sentence import from_parts
from octoprint_spaghetti.core.settings import Settings, accept, check
from octoprint_spaghetti.core.toolhead import Toolhead
from tests.fuzz import answers, messages, states, traces
from tests.fuzz.inputs import ENDLESS

BEYOND = 10**400  # no float holds it


@pytest.mark.parametrize(
    ("name", "value"), [("interval", BEYOND), ("zones", [[[BEYOND, 0], [1, 0], [1, 1]]]), ("numbers", {"failing_at": BEYOND})]
)
def test_a_number_beyond_a_float_is_refused(name: str, value: object) -> None:
    """A stored one of these kept the plugin from starting; in a form it was an error without words."""
    with pytest.raises(SettingRefused):
        check(name, value)
    assert Settings.read({name: value})[0] == Settings()
    assert accept({name: value})[0] == {}


def test_an_environment_nested_without_end_is_refused() -> None:
    """JSON of ten thousand brackets is no zone, and no error of Python's own."""
    given, refused = overrides({"SPAGHETTI_ZONES": ENDLESS})
    assert given == {}
    assert [problem.name for problem in refused] == ["zones"]


@pytest.mark.parametrize("feed", [states.belief, states.baselines, states.incident, states.drill], ids=lambda feed: feed.__name__)
def test_a_file_nested_without_end_is_no_file(feed: Callable[[bytes], None]) -> None:
    """Ten thousand brackets are refused like any other damage."""
    feed(ENDLESS.encode())


@pytest.mark.parametrize("changed", [{"last_at": 1e308}, {"resumed_at": 1e300}, {"layer": 1e999}, {"usual": BEYOND}])
def test_a_belief_about_a_time_to_come_blinds_nobody(changed: dict[str, object]) -> None:
    """It had every frame ignored for as long as the print ran, or its level beyond what can be computed."""
    states.belief(states.belief_file(changed))


@pytest.mark.parametrize("at", ["NaN", "1e999", str(BEYOND), str(-BEYOND), "4000000000"])
def test_a_drill_at_no_time_at_all_keeps_no_other_from_being_held(at: str) -> None:
    """A report dated to the future, when the clock was wrong, had put off every drill until then."""
    states.drill(b'{"at": %s, "passed": true}' % at.encode())


@pytest.mark.parametrize(
    "content",
    [
        "[1]",
        "{}",
        '{"states": 7, "frames": []}',
        '{"states": [7], "frames": []}',
        '{"states": [], "frames": [{"file": "../outside.txt"}]}',
    ],
)
def test_an_incident_that_is_none_is_refused_in_words(tmp_path: Path, content: str) -> None:
    """One of these made the whole list of incidents an error, or handed out a file beside the incident."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / STATE_FILE).write_text(content)
    (tmp_path / "outside.txt").write_text("outside")
    incidents = IncidentFolder(tmp_path, 5)
    for ask in (
        lambda: incidents.read("a"),
        lambda: incidents.picture("a", "../outside.txt"),
        lambda: incidents.note("a", "closed", 1.0),
    ):
        with pytest.raises(EvidenceError):
            ask()


@pytest.mark.parametrize(
    "rows",
    [
        '{"format": 2, "print": "a", "started_at": NaN}\n',
        '{"format": 2}\n[1.0, 0.1]\n{"at": 2.0, "event": "paused"}\n{"at": 1e300, "event": "resumed"}\n[3.0, 0.1]\n',
        '{"format": 2}\n[-1e308, 0.1]\n[1e308, 0.1]\n',
    ],
    ids=["no date", "resumed in a time to come", "longer than there are numbers"],
)
def test_a_trace_with_impossible_times_is_judged_or_refused(rows: str) -> None:
    """They ended the replay with an error, or the list of prints with a number that no browser reads."""
    traces.one_trace(rows.encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"heatmap": ("UINT8", [1, -2, -3], bytes(6))},
        {"heatmap": ("UINT8", [1, 2**62, 0], b"")},
        {"thumbnail": ("UINT8", [1, 24, 33], bytes(792))},
        {
            "boxes": ("FP32", [1, 1001, 4], bytes(16016)),
            "confidences": ("FP32", [1, 1001], bytes(4004)),
            "classes": ("INT32", [1, 1001], bytes(4004)),
        },
    ],
    ids=["sides below zero", "a heatmap of no size", "another thumbnail", "more boxes than anybody draws"],
)
def test_an_answer_of_another_shape_is_refused(changed: dict[str, tuple[str, list[int], bytes]]) -> None:
    """The contract's shapes are checked, also where the number of bytes agrees."""
    assert answers.read(answers.wire()) is not None
    assert answers.read(answers.wire(**changed)) is None


def test_a_streamed_answer_that_was_cut_off_is_malformed() -> None:
    """The benchmarks' reader names it so, instead of an index."""
    with pytest.raises(AnswerMalformed):
        stream_response(b"\x0a")


@pytest.mark.parametrize("line", ["G1 X" + "9" * 400, "G1 X-" + "9" * 309])
def test_a_place_that_no_printer_has_is_left_out(line: str) -> None:
    """An infinite place could not be rounded: the trace ended with an error in the middle of a print."""
    head = Toolhead()
    for command in ("G91", line, line, "G1 X1 E1"):
        head.follow(command, command.split()[0])
    assert head.tool.position is not None
    assert all(map(math.isfinite, head.tool.position))


@pytest.mark.parametrize(
    "line", ["hello", "7", "[]", '{"channel": []}', '{"channel": {}, "problem": ""}', '{"channel": 0, "problem": 5}', ENDLESS]
)
def test_what_a_services_library_prints_is_no_answer(line: str) -> None:
    """Anything but an answer between the answers had ended the thread that delivers all messages."""
    assert read_news(line + "\n" + json.dumps({"channel": 1, "problem": ""}) + "\n", {0, 1}) == {1: ""}


def test_a_message_longer_than_any_picture_ends_the_talk() -> None:
    """Four bytes that claim 4 GB are no reason to wait for them."""
    answers.from_a_process([struct.pack("!I", 0xFFFFFFFF), b"x" * 100])


def test_a_body_nested_without_end_is_no_body() -> None:
    """Ten thousand brackets are no JSON to a route; they were a failure of the server."""
    flask = pytest.importorskip("flask", reason="flask is not installed; run scripts/test")
    from octoprint_spaghetti.questions import given_json

    with flask.Flask(__name__).test_request_context(method="POST", data=ENDLESS, content_type="application/json"):
        assert given_json() is None


def test_a_name_longer_than_any_file_has_is_no_incident(tmp_path: Path) -> None:
    """The file system calls 256 characters an error, which the routes passed on as a failure of the server."""
    incidents = IncidentFolder(tmp_path, 5)
    for ask in (incidents.read, incidents.delete, lambda name: incidents.picture(name, "a.jpg")):
        with pytest.raises(EvidenceError):
            ask("a" * 300)


@pytest.mark.parametrize(
    "parts",
    [
        {"template": "%(a)99999999d", "values": {"a": 1}},
        {"template": "%9999(a)s", "values": {"a": 1}},
        {"template": "%(a)d", "values": {"a": math.inf}},
        messages.nested(400),
    ],
    ids=["a column of 100 MB", "a column before its name", "no number", "sentences within sentences without end"],
)
def test_a_sentence_in_parts_that_we_never_wrote_is_none(parts: dict[str, object]) -> None:
    """Each filled the memory or ended the thread that delivers all messages."""
    assert len(from_parts(parts, "as it was")) < 100
