"""Lines of G-code, as slicers, people and scripts write them, and what the program that sends messages prints."""

from __future__ import annotations

import json
import math

from hypothesis import strategies as st

from octoprint_spaghetti.adapters.apprise_channels import read_news
from octoprint_spaghetti.adapters.apprise_sender import redacted
from octoprint_spaghetti.core.toolhead import Toolhead
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import NUMBERS, anything

_CODES = ("G0", "G1", "G2", "G28", "G29", "G90", "G91", "G92", "M82", "M83", "M109", "M600", None, "")
_LONG = st.sampled_from(["9" * 400, "-" + "9" * 309 + ".5", "1" * 5000, "." + "3" * 500, "\u0661\u0662", "1e5", "--1", "", " 7"])
_AXES = st.tuples(st.sampled_from("XYZEPFxyz"), NUMBERS.map(str) | _LONG | st.floats(-300, 300).map("{:.3f}".format))
_LINES = st.tuples(
    st.lists(_AXES, max_size=5).map(lambda axes: " ".join(map("".join, axes))) | st.text(max_size=30), st.sampled_from(_CODES)
)


def gcode(lines: list[tuple[str, str | None]]) -> None:
    """Whatever is sent to the printer, the tool is somewhere, in numbers that can be rounded, and layers are counted from 1."""
    head = Toolhead()
    for words, code in lines:
        assert isinstance(head.follow(f"{code} {words}", code), bool)
        assert head.tool.position is None or all(map(math.isfinite, head.tool.position))
        assert head.tool.layer is None or head.tool.layer >= 1


_LINE = (
    st.fixed_dictionaries({"channel": st.integers(-1, 4), "problem": st.text(max_size=9)}).map(json.dumps)
    | anything(("channel", "problem", "problem_parts", "template", "values")).map(json.dumps)
    | st.text(max_size=20)
)


def channel_replies(lines: list[str]) -> None:
    """Only channels that were asked are told of, each with a sentence; whatever else is printed is nobody's."""
    news = read_news("\n".join(lines), {0, 1, 2})
    assert news.keys() <= {0, 1, 2}
    assert all(isinstance(problem, str) for problem in news.values())


_SECRET = st.text("abcdefgh0123456789%", min_size=4, max_size=12)


def complaints(given: tuple[str, str, str]) -> None:
    """A service's complaint is short, one line, and without the secret of its address."""
    before, secret, after = given
    problem = redacted(f"{before} {secret} {after}", f"ntfy://user:{secret}@host/topic?key={secret}")
    assert secret not in problem
    assert len(problem) <= 200
    assert "\n" not in problem


TARGETS = (
    Target("lines of G-code", st.lists(_LINES, max_size=12), gcode, 2.0),
    Target("replies of channels", st.lists(_LINE, max_size=5), channel_replies, 2.0),
    Target("complaints of channels", st.tuples(st.text(max_size=99), _SECRET, st.text(max_size=99)), complaints, 2.0),
)
