"""What the gateway's access log says: who called, when, and how each call ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

#: As much of the log as is read: 130 bytes a call, so more than ten minutes of a farm of 200 printers.
TAIL_BYTES = 4 << 20
OK, RATE_LIMITED = "0", "8"
_LINE = re.compile(
    r"(?P<at>\S+) printer=(?P<printer>\S+) call=(?P<call>\S+) http=\d+ grpc=(?P<grpc>\S+) bytes=(?P<size>\d+) seconds=(?P<seconds>[\d.]+) "
)


@dataclass(frozen=True)
class Call:
    """One call: ``at`` Unix seconds when it ended, ``printer`` (None: nobody we know), ``grpc`` the status code as nginx saw it
    ("-": none was sent), ``size`` bytes received, ``seconds`` how long it took."""

    at: float
    printer: str | None
    call: str
    grpc: str
    size: int
    seconds: float


@dataclass(frozen=True)
class Use:
    """What one printer did in a span of time: its calls, those that were limited, that failed otherwise; ``last_at`` Unix seconds."""

    printer: str
    calls: int
    limited: int
    failed: int
    received_bytes: int
    slowest_s: float
    last_at: float


def recent(log: Path, since: float) -> list[Call]:
    """Return the calls that ended after ``since`` (Unix seconds), oldest first; none when there is no log yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("ascii", errors="replace")
    except FileNotFoundError:
        return []
    return [call for call in parsed(text.splitlines()) if call.at >= since]


def parsed(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the calls that lines of the log tell of; half a line, as at the start of a tail, is left out."""
    for line in lines:
        found = _LINE.match(line)
        if found is not None:
            printer = found["printer"]
            yield Call(
                datetime.fromisoformat(found["at"]).timestamp(),
                None if printer == "-" else printer,
                found["call"],
                found["grpc"],
                int(found["size"]),
                float(found["seconds"]),
            )


def by_printer(calls: Iterable[Call]) -> list[Use]:
    """Return what each known printer did, by name."""
    grouped: dict[str, list[Call]] = {}
    for call in calls:
        if call.printer is not None:
            grouped.setdefault(call.printer, []).append(call)
    return [_use(printer, its) for printer, its in sorted(grouped.items())]


def _use(printer: str, calls: list[Call]) -> Use:
    return Use(
        printer=printer,
        calls=len(calls),
        limited=sum(call.grpc == RATE_LIMITED for call in calls),
        failed=sum(call.grpc not in (OK, RATE_LIMITED) for call in calls),
        received_bytes=sum(call.size for call in calls),
        slowest_s=max(call.seconds for call in calls),
        last_at=max(call.at for call in calls),
    )
