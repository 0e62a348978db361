"""Where new versions come from: the releases of the repository that the installed distribution's own metadata names.

``Project-URL: Repository, https://github.com/OWNER/NAME`` is all there is to it, so that a fork is updated from the fork.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

DISTRIBUTION = "octoprint-spaghetti"
#: Releases are made from the first; what is tried before a release is made from the second, and tagged as a pre-release.
STABLE_BRANCH, PRERELEASE_BRANCH = "main", "rc"
_REPOSITORY = re.compile(r"repository\s*,\s*https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?/?\s*", re.IGNORECASE)


def check_config(identifier: str, version: str, logger: logging.Logger) -> dict[str, dict[str, Any]]:
    """Return what OctoPrint's Software Update asks a plugin for, or nothing when the metadata name no repository on GitHub."""
    found = repository(_project_urls())
    if found is None:
        logger.debug("The metadata of %s name no repository; OctoPrint will not look for new versions.", DISTRIBUTION)
        return {}
    return {identifier: github_release(*found, version)}


def repository(project_urls: Iterable[str]) -> tuple[str, str] | None:
    """Return owner and name of the repository among ``Project-URL`` values, or None."""
    matches = (_REPOSITORY.fullmatch(url) for url in project_urls)
    return next(((match[1], match[2]) for match in matches if match), None)


def github_release(owner: str, name: str, version: str) -> dict[str, Any]:
    """Return a check of type ``github_release`` with a stable channel and one for pre-releases.

    A release's tag is its version; pip takes GitHub's archive of it.
    """
    return {
        "displayName": "Spaghetti",
        "displayVersion": version,
        "type": "github_release",
        "user": owner,
        "repo": name,
        "current": version,
        "stable_branch": {"name": "Stable", "branch": STABLE_BRANCH, "commitish": [STABLE_BRANCH]},
        "prerelease_branches": [
            {"name": "Release candidate", "branch": PRERELEASE_BRANCH, "commitish": [PRERELEASE_BRANCH, STABLE_BRANCH]}
        ],
        "pip": f"https://github.com/{owner}/{name}/archive/{{target_version}}.zip",
    }


def _project_urls() -> list[str]:
    try:
        return list(metadata(DISTRIBUTION).get_all("Project-URL") or ())
    except PackageNotFoundError:  # a folder below OctoPrint's plugins, not an installed distribution
        return []
