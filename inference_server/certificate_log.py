"""When the certificate that printers meet ends: asked at the gateway's own door, kept where ``status`` and mtail read it."""

from __future__ import annotations

import re
import ssl
from datetime import datetime, timezone
from pathlib import Path

from inference_server import certificate as certificates
from inference_server.certificate import Certificate

#: mtail begins with the next line after its own start, so Prometheus knows the end a minute after that.
EVERY_S = 60.0
TIMEOUT_S = 5.0
#: 70 bytes a line: ten days of them.
LARGEST_LOG_BYTES = 1 << 20
#: Addresses that mean "all of this machine", and where to call it then.
_DOOR = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_LINE = re.compile(r"^\S+ certificate ends=(?P<ends>\d+) ", re.MULTILINE)


def served(host: str, port: int) -> Certificate:
    """Return the certificate that whoever calls this address is shown, valid or not.

    Raises ``OSError`` when nobody answers with TLS, :class:`~inference_server.certificate.CertificateError` for one without names.
    """
    pem = ssl.get_server_certificate((_DOOR.get(host, host), port), timeout=TIMEOUT_S)
    return certificates.parse(pem.encode("ascii"), f"{host}:{port}")


def note(log: Path, found: Certificate, now: datetime) -> None:
    """Add a line to ``log``; the one before is kept as ``.1`` when it has grown long."""
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("a", encoding="ascii") as file:
        file.write(f"{now:%Y-%m-%dT%H:%M:%S}+00:00 certificate ends={found.ends_at.timestamp():.0f} names={len(found.names)}\n")


def last(log: Path) -> datetime | None:
    """Return the end (UTC) that was noted last, None where none was."""
    try:
        ends = _LINE.findall(log.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None
    return datetime.fromtimestamp(int(ends[-1]), timezone.utc) if ends else None
