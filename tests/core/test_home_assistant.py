"""MQTT payloads and Home Assistant's discovery, as data."""

from __future__ import annotations

import json

import pytest

from octoprint_spaghetti.core.home_assistant import (
    COMMANDS,
    Topics,
    details_payload,
    discovery,
    event_payload,
    forgotten,
    node_id,
    status_payload,
)
from octoprint_spaghetti.core.words import Notice, NoticeKind, Status, Verdict

TOPICS = Topics("home/printer1")
MESSAGES = discovery(TOPICS, "Left one", "1.2.3", "http://octopi.local", commands=True)
CONFIGS = {topic: json.loads(payload) for topic, payload in MESSAGES.items()}


def test_the_short_status_has_exactly_three_keys() -> None:
    """``timestamp``, ``print_failed`` and ``description``; only a failing print has failed."""
    assert json.loads(status_payload(Status(sentence="All is well."), 1_800_000_000.0)) == {
        "timestamp": "2027-01-15T08:00:00Z",
        "print_failed": False,
        "description": "All is well.",
    }
    for verdict in Verdict:
        failed = json.loads(status_payload(Status(verdict=verdict), 0.0))["print_failed"]
        assert failed is (verdict is Verdict.FAILING)


def test_every_entity_is_unique_belongs_to_one_device_and_knows_when_we_are_away() -> None:
    """Home Assistant drops an entity whose unique id is taken, and shows a dead one as alive without availability."""
    assert len({config["unique_id"] for config in CONFIGS.values()}) == len(CONFIGS)
    for topic, config in CONFIGS.items():
        assert topic.startswith("homeassistant/") and topic.endswith("/config")
        assert config["availability_topic"] == TOPICS.availability
        assert config["device"]["identifiers"] == [node_id(TOPICS.base)]
        assert config["device"]["configuration_url"] == "http://octopi.local"


def test_there_is_an_entity_for_all_a_person_wants_to_see_or_press() -> None:
    """A problem, the state, score, evidence, protection, coverage, a picture, the notices, and a button for each command."""
    kinds = sorted(tuple(topic.split("/")[i] for i in (1, 3)) for topic in CONFIGS)
    sensors = [("sensor", name) for name in ("coverage", "evidence", "protection", "score", "verdict")]
    others = [("binary_sensor", "problem"), ("event", "notice"), ("image", "picture")]
    assert kinds == sorted([*sensors, *others, *(("button", command) for command in COMMANDS)])


def test_templates_read_keys_that_the_payloads_have() -> None:
    """Each ``value_json.<key>`` of a template is in the payload of that entity's state topic."""
    payloads = {
        TOPICS.status: json.loads(status_payload(Status(), 0.0)),
        TOPICS.details: json.loads(details_payload(Status())),
    }
    for config in CONFIGS.values():
        for part in config.get("value_template", "").split("value_json.")[1:]:
            value = payloads[config["state_topic"]]
            for key in part.split(" ")[0].split("."):
                value = value[key]


def test_without_commands_the_buttons_are_taken_away() -> None:
    """An empty retained message removes an entity; the sensors stay."""
    messages = discovery(TOPICS, "Left one", "1.2.3", "", commands=False)
    assert {topic for topic, payload in messages.items() if not payload} == {topic for topic in messages if "/button/" in topic}


def test_what_is_forgotten_is_all_that_was_announced() -> None:
    """Nothing of a printer that moved to another topic stays behind."""
    assert forgotten(TOPICS) == dict.fromkeys(MESSAGES, "")


@pytest.mark.parametrize(
    ("base", "node"),
    [
        ("spaghetti", "spaghetti"),
        ("home/printer1", "spaghetti_home_printer1"),
        ("Küche/3D", "spaghetti_k_che_3d"),
        ("ü", "spaghetti"),
    ],
)
def test_the_node_id_is_made_of_what_an_entity_id_may_have(base: str, node: str) -> None:
    """Lower case letters, digits and underscores."""
    assert node_id(base) == node


def test_an_event_names_its_type_among_those_announced() -> None:
    """Home Assistant refuses an event of a type that discovery did not name."""
    announced = next(config for topic, config in CONFIGS.items() if "/event/" in topic)["event_types"]
    for kind in NoticeKind:
        assert json.loads(event_payload(Notice(kind, "So it is.")))["event_type"] in announced
