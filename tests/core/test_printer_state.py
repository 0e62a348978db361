"""What OctoPrint says of the printer, and what is meant: an upload that calls itself printing, an end that is told twice."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.printer_state import Upload, is_connected, is_echo


@pytest.mark.parametrize(
    ("event", "payload", "echo"),
    [
        pytest.param("PrintFailed", {"reason": "cancelled"}, True, id="after PrintCancelled"),
        pytest.param("PrintFailed", {"reason": "error"}, False, id="an error of the printer"),
        pytest.param("PrintFailed", {}, False, id="for no reason"),
        pytest.param("PrintCancelled", {"reason": "cancelled"}, False, id="the first word"),
    ],
)
def test_the_second_word_of_a_cancelled_print_is_known(event: str, payload: dict[str, object], echo: bool) -> None:
    """It may come when the next print runs already, and must not end that one."""
    assert is_echo(event, payload) is echo


def told(*events: str, job_runs: bool = False) -> Upload:
    upload = Upload(job_runs=job_runs)
    for event in events:
        upload.tell(event)
    return upload


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(("TransferStarted",), id="an upload"),
        pytest.param(("PrintStarted", "PrintDone", "TransferStarted"), id="after a print"),
        pytest.param(("TransferStarted", "TransferFailed", "TransferStarted"), id="tried again"),
    ],
)
def test_an_upload_to_the_printer_is_no_print(events: tuple[str, ...]) -> None:
    """OctoPrint says PRINTING while it sends a file to the printer's card; a cancel then would delete the file."""
    assert told(*events).seen_through("PRINTING") == "TRANSFERRING_FILE"
    assert not is_connected(told(*events).seen_through("PRINTING"))
    assert told(*events).seen_through("OPERATIONAL") == "OPERATIONAL"


@pytest.mark.parametrize(
    "events",
    [
        pytest.param((), id="nothing was told"),
        pytest.param(("TransferStarted", "TransferDone"), id="after the upload"),
        pytest.param(("TransferStarted", "TransferFailed"), id="after one that failed"),
        pytest.param(("TransferStarted", "PrintStarted"), id="its end was not heard of"),
        pytest.param(("TransferStarted", "Disconnected"), id="the printer was switched off"),
        pytest.param(("PrintStarted", "TransferStarted"), id="beside a print"),
    ],
)
def test_a_print_is_a_print(events: tuple[str, ...]) -> None:
    """To lose sight of one is worse than to watch an upload."""
    assert told(*events).seen_through("PRINTING") == "PRINTING"


def test_a_print_that_was_found_running_stays_one() -> None:
    """A plugin that was updated in mid-print has not heard it begin."""
    assert told("TransferStarted", job_runs=True).seen_through("PRINTING") == "PRINTING"
