"""The end of the certificate is looked up where printers meet it, written down, and told in time."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from inference_server import certificate, certificate_log  # noqa: E402 - after the check for what makes certificates
from inference_server.certificate import Certificate, warning  # noqa: E402
from inference_server.gateway import Gateway  # noqa: E402
from inference_server.gateway_verbs import tell_of_its_end  # noqa: E402
from inference_server.status import days_left  # noqa: E402

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def ending(days: float) -> Certificate:
    return Certificate(("farm.example.org",), NOON + timedelta(days=days))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[int, Certificate]]:
    """Show an expired certificate to one caller; yields the port and what is shown."""
    made = certificate.make(("127.0.0.1",), tmp_path / "crt", tmp_path / "key", days=30, now=NOON - timedelta(days=400))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def show() -> None:
            caller, _ = listening.accept()
            with context.wrap_socket(caller, server_side=True):
                pass

        thread = threading.Thread(target=show)
        thread.start()
        yield listening.getsockname()[1], made
        thread.join(10.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_what_is_shown_is_looked_at(door: tuple[int, Certificate], host: str) -> None:
    """Also when it has ended, which is when it matters; and of a gateway that listens everywhere."""
    port, made = door
    assert certificate_log.served(host, port) == made


def test_the_last_note_counts(tmp_path: Path) -> None:
    """A renewal is known from the next line on; half a line or none is no end."""
    log = tmp_path / "certificate.log"
    assert certificate_log.last(log) is None
    certificate_log.note(log, ending(20), NOON)
    certificate_log.note(log, ending(90), NOON)
    log.write_text(log.read_text() + "2026-11-21T12:10:00+00:00 certif")
    assert certificate_log.last(log) == NOON + timedelta(days=90)


def test_the_log_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long one begins anew, and the one before is kept."""
    monkeypatch.setattr(certificate_log, "LARGEST_LOG_BYTES", 100)
    log = tmp_path / "certificate.log"
    for _ in range(5):
        certificate_log.note(log, ending(20), NOON)
    assert log.stat().st_size < 200
    assert (tmp_path / "certificate.log.1").is_file()
    assert certificate_log.last(log) == NOON + timedelta(days=20)


@pytest.mark.parametrize(
    ("days", "said"), [(21, None), (20, "ends in 20 days"), (0, "ends in 0 days"), (-1, "has ended; printers refuse")]
)
def test_three_weeks_are_time_enough(days: int, said: str | None) -> None:
    """Before that nothing is said; after the end it is said that it has ended."""
    assert (warning(days) is None) if said is None else (said in str(warning(days)))


def test_a_running_gateway_warns_once_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    """The same number of days is not told twice, and a certificate far from its end is not told at all."""
    now = datetime.now(timezone.utc)
    near, far = (Certificate(("a",), now + timedelta(days=days, hours=1)) for days in (5, 50))
    assert tell_of_its_end(None, 9) == 9
    assert tell_of_its_end(near, tell_of_its_end(near, 6)) == 5
    assert capsys.readouterr().err.count("the certificate ends in 5 days") == 1
    assert tell_of_its_end(far, 5) == 50
    assert capsys.readouterr().err == ""


def test_status_counts_the_days(tmp_path: Path) -> None:
    """From the gateway's last note; without one nothing is claimed."""
    gateway = Gateway(tmp_path)
    assert days_left(gateway, NOON.timestamp()) is None
    gateway.certificate_log.parent.mkdir()
    certificate_log.note(gateway.certificate_log, ending(12.5), NOON)
    assert days_left(gateway, NOON.timestamp()) == 12
