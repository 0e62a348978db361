"""Read from what Triton printed why it did not start, in the few words a person can act on."""

from __future__ import annotations

import re

#: One error: Triton's own line, protobuf's complaint of a configuration, the dynamic linker's of a missing library.
_ERROR = re.compile(
    r'^(?:E\d{4} \S+\s+\d+ \S+?\] +"?(?P<triton>.*?)"?'
    r"|\[libprotobuf ERROR \S+\] (?P<protobuf>.*)"
    r"|.*?(?P<linker>error while loading .*))$"
)
#: Errors that are said on every machine without a GPU, repeat another one, or give only its details.
_NOISE = (
    "CudaDriverHelper",
    "unable to create stream",
    "ERROR: Failed to create instance",
    "depends on",
    "UNKNOWN:No address added",
    "DCGM",
    "NVML",
)
_MOST_ERRORS = 3
_MOST_LINES = 3


def cause(text: str) -> str:
    """Return the errors that ``text``, all that Triton printed, names; where it names none, its last lines."""
    errors = [
        message for line in text.splitlines() if (message := _message(line)) and not any(noise in message for noise in _NOISE)
    ]
    if errors:
        return "; ".join(list(dict.fromkeys(errors))[:_MOST_ERRORS])
    lines = [line.strip() for line in text.splitlines() if line.strip() and line[0] not in "+|"]
    return " / ".join(lines[-_MOST_LINES:]) or "its log is empty"


def _message(line: str) -> str:
    match = _ERROR.match(line)
    if match is None:
        return ""
    message = match["triton"] or match["protobuf"] or match["linker"] or ""
    return message.split("\\n", 1)[0].strip()  # what follows is the Python traceback, escaped into one line
