"""The package on the disk against the one that runs: an upgrade replaces files under a process that has read them already."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

_PACKAGE = __name__.split(".")[0]
_INIT = Path(sys.modules[_PACKAGE].__file__ or "")

#: What tells one file from another of the same name: its inode, its time of change in ns, its size.
_Mark = tuple[int, int, int]


class Installation:
    """Remembers the files of all our modules that were read; belongs to one thread."""

    def __init__(self, modules: Mapping[str, ModuleType] = sys.modules) -> None:
        """Take the files as they are now for those that were read."""
        self._modules = modules
        self._read: dict[str, _Mark | None] = {}
        self._replaced = False
        self._add()

    def is_replaced(self) -> bool:
        """Return whether any file is another one than what runs was read from; once it was, it stays so. Takes a millisecond."""
        self._replaced = self._replaced or any(_mark(file) != mark for file, mark in self._read.items())
        if not self._replaced:
            self._add()
        return self._replaced

    def _add(self) -> None:
        """Remember the files of modules that were imported meanwhile."""
        for name, module in list(self._modules.items()):
            file = getattr(module, "__file__", None)
            if file and name.split(".")[0] == _PACKAGE and file not in self._read:
                self._read[file] = _mark(file)


def version_on_disk(init: Path = _INIT) -> str:
    """Return the version of the package that would be loaded now, empty while it cannot be read, as in the middle of an upgrade."""
    try:
        found = re.search(r'^__version__ = "([^"]+)"', init.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return ""
    return found.group(1) if found else ""


def _mark(file: str) -> _Mark | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - a Path for each of a hundred files, each minute
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
