"""The one picture that tells most of an incident, for a message."""

from __future__ import annotations

from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.core.errors import EvidenceError


def telling_picture(folder: IncidentFolder, incident_id: str) -> bytes | None:
    """Return the JPEG that led to the decision, with its boxes where such a copy is kept; None when there is no picture."""
    try:
        frames = folder.read(incident_id)["frames"]
        return folder.picture(incident_id, frames[-1].get("boxed") or frames[-1]["file"]) if frames else None
    except EvidenceError:
        return None  # the disk was full, or the incident is pruned: the words go without
