#!/usr/bin/env python3
"""Check that whatever the plugin brings to a printer may be combined with the AGPL-3.0-or-later: ``scripts/licences.py``.

Reads what installed distributions say of themselves (``License-Expression``, else the classifiers, else ``License``), from the
plugin's own requirements and those of the extra ``edge`` down to the last one. No tool is needed for it: pip-licenses lists
all of an environment, tests and linters too, and knows no dependency of one on another.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

#: SPDX names that the Free Software Foundation calls compatible with the GNU GPL 3 (and 13 of it: with the AGPL).
COMPATIBLE = frozenset(
    [
        "0BSD",
        "AGPL-3.0",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "GPL-3.0",
        "HPND",
        "ISC",
        "LGPL-2.1",
        "LGPL-3.0",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    ]
)
#: What stands in metadata that is older than SPDX names there; the whole text, without case.
_NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license v2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
#: Where the metadata name no licence that can be told from another: read in the distribution itself.
_READ = {"paho-mqtt": "EPL-2.0 OR BSD-3-Clause"}
_ROOT, _EXTRAS = "octoprint-spaghetti", ("", "edge")


def is_compatible(expression: str) -> bool:
    """Return whether an SPDX expression allows the combination: one side of an OR, both sides of an AND, all within brackets."""
    if "(" in expression:
        return all(_name(part) in COMPATIBLE for part in re.split(r"\s+(?:AND|OR)\s+", expression))
    return any(
        all(_name(part) in COMPATIBLE for part in re.split(r"\s+AND\s+", side)) for side in re.split(r"\s+OR\s+", expression)
    )


def licence_of(found: Distribution) -> str:
    """Return the licence of a distribution as an SPDX expression where it can be told, else as it is written; never empty."""
    meta = found.metadata
    name = canonical(meta["Name"])
    classified = [
        line.rpartition(" :: ")[2] for line in meta.get_all("Classifier", []) if line.startswith("License :: OSI Approved ::")
    ]
    said = meta["License-Expression"] or _READ.get(name) or " AND ".join(map(_spdx, classified)) or _spdx(meta["License"] or "")
    return said or "not named"


def needed(root: str = _ROOT, extras: tuple[str, ...] = _EXTRAS) -> Iterator[tuple[str, Distribution | None]]:
    """Yield each distribution below ``root``, by its canonical name; None when it is not installed here."""
    waiting, seen = list(_requirements(distribution(root), extras)), set()
    while waiting:
        wanted = waiting.pop()
        name = canonical(wanted.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            yield name, None
            continue
        yield name, found
        waiting.extend(_requirements(found, ("", *wanted.extras)))


def canonical(name: str) -> str:
    """Return a distribution's name as all tools compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    """Print each licence; return 1 when one does not fit, or what is needed is not installed."""
    bad = 0
    for name, found in sorted(needed(), key=lambda one: one[0]):
        said = "not installed" if found is None else licence_of(found)
        fits = found is not None and is_compatible(said)
        bad += not fits
        print(f"{name:32} {said}{'' if fits else '   NOT KNOWN TO FIT THE AGPL'}")  # noqa: T201 - for a terminal
    return int(bad > 0)


def _requirements(found: Distribution, extras: tuple[str, ...]) -> Iterator[Requirement]:
    for text in found.requires or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            yield wanted


def _spdx(text: str) -> str:
    return _NAMES.get(text.strip().lower(), text.strip().splitlines()[0] if text.strip() else "")


def _name(part: str) -> str:
    """Return a licence's bare name: without brackets, an exception, or "or later"."""
    return re.sub(r"(-or-later|-only|\+)$", "", part.strip(" ()").partition(" WITH ")[0].strip(" ()"))


if __name__ == "__main__":
    sys.exit(main())
