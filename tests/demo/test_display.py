"""What the terminal shows of a run."""

from __future__ import annotations

import io

from rich.console import Console

from demo.display import LiveDisplay, Moment, PlainDisplay


def moment(
    elapsed_s: float = 1.0, verdict: str = "watching", failing: bool | None = False, answers: int = 1, score: float = 0.1
) -> Moment:
    """Return a moment of a print."""
    status = {
        "verdict": verdict,
        "score": score,
        "evidence": score / 2,
        "suspect_at": 0.3,
        "failing_at": 0.55,
        "answers": answers,
        "frames_sent": answers,
        "protection": {"level": "remote", "reason": ""},
        "sentence": "All is well.",
    }
    return Moment(elapsed_s, int(elapsed_s), int(elapsed_s), 60, failing, "Printing", status)


def plain(*moments: Moment) -> list[str]:
    """Return the lines that the plain display prints."""
    text = io.StringIO()
    with PlainDisplay(Console(file=text, width=200)) as display:
        for each in moments:
            display.show(each)
    return text.getvalue().splitlines()


def test_a_log_has_one_line_for_each_change():
    """Moments that differ only in their figures are not repeated; a new verdict is a new line."""
    lines = plain(moment(1), moment(2, score=0.2), moment(3, verdict="suspect"), moment(4, verdict="suspect"))
    assert len(lines) == 2
    assert "watching" in lines[0]
    assert "suspect" in lines[1]
    assert "All is well." in lines[0]


def test_a_log_says_when_the_scenes_failure_begins():
    """The onset has a line of its own, with its frame."""
    lines = plain(moment(1), moment(44, failing=True), moment(45, failing=True))
    assert [line for line in lines if "failure begins at frame 44" in line] == [lines[1]]


def test_a_status_that_says_nothing_is_shown_all_the_same():
    """Before the first answer score and evidence are unknown; nothing breaks."""
    empty = Moment(0.0, 0, 0, 60, None, "Printing", {})
    assert "off" in plain(empty)[0]


def test_the_chart_has_one_column_for_each_answer():
    """Polls between two answers redraw the last column, so the chart looks back on minutes and not on polls."""
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True, color_system=None)
    with LiveDisplay(console) as display:
        for answers, score in ((1, 0.1), (1, 0.1), (2, 0.99), (2, 0.99), (2, 0.99)):
            display.show(moment(answers, answers=answers, score=score))
    last = [line for line in text.getvalue().splitlines() if line.startswith("score     ")][-1]
    assert last.split()[-1] == "▁█"
