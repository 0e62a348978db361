"""What the watch says over MQTT: its topics, its payloads, and the discovery messages from which Home Assistant makes entities.

Pure. Topic and key names follow https://www.home-assistant.io/integrations/mqtt/ (one ``config`` topic per entity, which
every version of Home Assistant understands).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.words import Notice, NoticeKind, ProtectionLevel, Status, Verdict

#: Where Home Assistant listens unless somebody changed it there.
DISCOVERY_PREFIX = "homeassistant"
ONLINE, OFFLINE = "online", "offline"
#: Home Assistant stores at most this many characters of a sensor's state.
_LONGEST_STATE = 255

#: What may be written to the command topic, and the label and icon of its button.
COMMANDS = {
    "pause": ("Pause", "mdi:pause"),
    "resume": ("Resume", "mdi:play"),
    "false_alarm": ("False alarm", "mdi:thumb-up"),
    "mute": ("Mute for this print", "mdi:bell-off"),
    "unmute": ("No longer muted", "mdi:bell"),
}


@dataclass(frozen=True)
class Topics:
    """The topics below ``base``."""

    base: str

    @property
    def availability(self) -> str:
        """``online``, or ``offline`` as the last will; retained."""
        return f"{self.base}/availability"

    @property
    def status(self) -> str:
        """``{"timestamp", "print_failed", "description"}`` once per cycle; retained."""
        return f"{self.base}/status"

    @property
    def details(self) -> str:
        """The whole status, as the REST API answers it; retained."""
        return f"{self.base}/details"

    @property
    def picture(self) -> str:
        """The last picture, the bytes of a JPEG file; retained."""
        return f"{self.base}/picture"

    @property
    def event(self) -> str:
        """One message per notice; not retained."""
        return f"{self.base}/event"

    @property
    def command(self) -> str:
        """Where commands are taken from, one word each."""
        return f"{self.base}/command"


def status_payload(status: Status, wall: float) -> str:
    """Return the short status; ``timestamp`` is ``wall`` (Unix seconds) as ISO 8601 in UTC, ``print_failed`` a bool."""
    return json.dumps(
        {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall)),
            "print_failed": status.verdict is Verdict.FAILING,
            "description": status.sentence,
        }
    )


def details_payload(status: Status) -> str:
    """Return the whole status."""
    return json.dumps(status.as_json())


def event_payload(notice: Notice) -> str:
    """Return a notice: its payload on OctoPrint's bus, and ``event_type``, by which Home Assistant tells them apart."""
    return json.dumps({"event_type": str(notice.kind), **notice.as_json()})


def discovery(topics: Topics, device_name: str, version: str, link: str, commands: bool) -> dict[str, str]:
    """Return the retained discovery messages by topic; those of the buttons are empty, which removes them, without ``commands``.

    ``device_name`` is what Home Assistant shows, ``link`` an address of OctoPrint for its device page, or empty.
    """
    node = node_id(topics.base)
    device = {
        "identifiers": [node],
        "name": device_name,
        "model": "octoprint-spaghetti",
        "sw_version": version,
        **({"configuration_url": link} if link else {}),
    }
    always = {
        "availability_topic": topics.availability,
        "device": device,
        "origin": {"name": "octoprint-spaghetti", "sw_version": version},
    }
    messages = {}
    for (component, name), entity in {**_sensors(topics), **_buttons(topics)}.items():
        content = {**entity, "unique_id": f"{node}_{name}", **always}
        wanted = commands or component != "button"
        messages[_config_topic(component, node, name)] = json.dumps(content) if wanted else ""
    return messages


def forgotten(topics: Topics) -> dict[str, str]:
    """Return the messages that remove everything that :func:`discovery` made."""
    return dict.fromkeys(discovery(topics, "", "", "", commands=True), "")


def node_id(base: str) -> str:
    """Return the id of this printer in Home Assistant: the base topic, in letters that an entity id may have."""
    slug = re.sub(r"[^a-z0-9]+", "_", base.lower()).strip("_")
    return slug if slug.startswith("spaghetti") else f"spaghetti_{slug}".rstrip("_")


def _config_topic(component: str, node: str, name: str) -> str:
    return f"{DISCOVERY_PREFIX}/{component}/{node}/{name}/config"


def _sensors(topics: Topics) -> dict[tuple[str, str], dict[str, Any]]:
    def detail(expression: str) -> dict[str, Any]:
        return {"state_topic": topics.details, "value_template": "{{ " + expression + " }}"}

    return {
        ("binary_sensor", "problem"): {
            "name": "Problem",
            "device_class": "problem",
            "state_topic": topics.status,
            "value_template": "{{ 'ON' if value_json.print_failed else 'OFF' }}",
            "json_attributes_topic": topics.status,
        },
        ("sensor", "verdict"): {
            "name": "State",
            "device_class": "enum",
            "options": [str(verdict) for verdict in Verdict],
            **detail("value_json.verdict"),
        },
        ("sensor", "score"): {
            "name": "Score",
            "icon": "mdi:noodles",
            "state_class": "measurement",
            "suggested_display_precision": 2,
            **detail("value_json.score"),
        },
        ("sensor", "evidence"): {
            "name": "Evidence",
            "icon": "mdi:chart-bell-curve-cumulative",
            "state_class": "measurement",
            "suggested_display_precision": 2,
            **detail("value_json.evidence"),
        },
        ("sensor", "protection"): {
            "name": "Protection",
            "icon": "mdi:shield-check",
            "device_class": "enum",
            "options": [str(level) for level in ProtectionLevel],
            **detail("value_json.protection.level"),
        },
        ("sensor", "coverage"): {
            "name": "Coverage of the last print",
            "icon": "mdi:eye-check",
            **detail(f"(value_json.coverage or '-')[:{_LONGEST_STATE}]"),
        },
        ("image", "picture"): {"name": "Picture", "image_topic": topics.picture, "content_type": "image/jpeg"},
        ("event", "notice"): {
            "name": "Notice",
            "state_topic": topics.event,
            "event_types": [str(kind) for kind in NoticeKind],
        },
    }


def _buttons(topics: Topics) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        ("button", command): {"name": label, "icon": icon, "command_topic": topics.command, "payload_press": command}
        for command, (label, icon) in COMMANDS.items()
    }
