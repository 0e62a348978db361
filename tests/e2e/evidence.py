"""Evidence as a watched print leaves it, put where the plugin keeps its own."""

from __future__ import annotations

from demo.octoprint_server import OctoPrintServer
from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Detection, Exhibit, Frame, Heatmap, Incident, Scene
from tests.pictures import jpeg


def keep_incident(
    octoprint: OctoPrintServer,
    print_name: str,
    pictures: int,
    incident_id: str = "20300102T030405Z-678",
    explanation: str = "Spaghetti in 5 of 6 pictures.",
) -> None:
    """Write an incident that ended with a pause where the plugin keeps its own."""
    answer = Answer(
        score=0.9,
        detections=(Detection(Box(0.1, 0.2, 0.4, 0.3), 0.9, "spaghetti"),),
        scene=Scene(0.5, 0.5, 0.5),
        heatmap=Heatmap(1, 1, b"\xff"),
        thumbnail=b"",
        detector="triton 192.0.2.7:8001",
    )
    incident = Incident(
        id=incident_id,
        opened_at=1893553445.0,
        print_name=print_name,
        action="pause",
        explanation=explanation,
        evidence=0.6,
        failing_at=0.55,
        exhibits=tuple(Exhibit(Frame(jpeg(seed), float(seed), "classic"), answer) for seed in range(pictures)),
        zone=((0.1, 0.2), (0.4, 0.2), (0.4, 0.3), (0.1, 0.3)),
    )
    folder = IncidentFolder(octoprint.base / "data" / "spaghetti" / "incidents", kept=50)
    folder.open(incident)
    folder.note(incident.id, "acted", incident.opened_at + 1)
