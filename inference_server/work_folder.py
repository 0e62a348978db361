"""Where the server keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def default_work() -> Path:
    """Return the folder for what can be made again: repositories, engines, logs, fetched models."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spaghetti-server"
