"""What cannot be written down is said while it is so, and costs two lines of the log."""

from __future__ import annotations

import logging

import pytest

from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.testing import FakeClock
from octoprint_spaghetti.writing import Writing


def refuse() -> None:
    raise EvidenceError("The trace cannot be written; check space.")


def test_a_full_disk_is_remarked_until_it_takes_lines_again(caplog: pytest.LogCaptureFixture) -> None:
    """A line in the log going and one returning, however often it is tried; a single line that fits is not yet well again."""
    clock = FakeClock()
    writing = Writing(logging.getLogger("test"), clock)
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            writing.write("trace", refuse)
            clock.forward(1.0)
            writing.write("trace", lambda: None)
        assert writing.remarks == ("The trace cannot be written; check space.",)
        clock.forward(60.0)
        writing.write("trace", lambda: None)
    assert writing.remarks == ()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_what_can_be_written_says_nothing_of_what_cannot() -> None:
    """On a disk that is full a file may still grow within its last block, while no new one can be made."""
    clock = FakeClock()
    writing = Writing(logging.getLogger("test"), clock)
    writing.write("belief", refuse)
    clock.forward(60.0)
    writing.write("trace", lambda: None)
    assert len(writing.remarks) == 1


def test_another_print_begins_without_the_remarks_of_the_last() -> None:
    """An incident is saved once: nothing that is written later would ever say that it can be again."""
    writing = Writing(logging.getLogger("test"), FakeClock())
    writing.write("incident", refuse)
    writing.forget()
    assert writing.remarks == ()
    writing.write("trace", refuse)
    assert len(writing.remarks) == 1
