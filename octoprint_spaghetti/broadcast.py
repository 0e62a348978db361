"""What the MQTT broker is told, and when: the status once per cycle, pictures sparingly, notices, and Home Assistant's discovery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from octoprint_spaghetti.adapters.mqtt import Broker, BrokerAddress
from octoprint_spaghetti.core import home_assistant
from octoprint_spaghetti.core.errors import ChannelError
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Detection, Frame, Notice, Status, Verdict

_ALARMED = frozenset({Verdict.SUSPECT, Verdict.FAILING})
#: A connection that could not even be prepared, for a file that is not there yet, is tried again after this.
OPEN_AGAIN_S = 60.0


@dataclass(frozen=True)
class Shown:
    """What was last published as the picture: its number, the incident of then, and when (monotonic seconds)."""

    number: int = 0
    incident: str | None = None
    at: float = float("-inf")


class Broadcast:
    """Keeps the broker informed; all methods belong to the thread of ``post``, on which it also runs what the broker sends.

    ``device_name`` is what Home Assistant calls the printer; ``obey`` is called with a command's word; ``drawn`` returns a JPEG
    with boxes, which costs a process: it is asked only while something is wrong.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        post: Callable[[Callable[[], None]], None],
        obey: Callable[[str], None],
        drawn: Callable[[bytes, Iterable[Detection]], bytes],
        device_name: str,
        version: str,
        logger: logging.Logger,
    ) -> None:
        self._settings = settings
        self._post = post
        self._obey = obey
        self._drawn = drawn
        self._device_name = device_name
        self._version = version
        self._logger = logger
        self._broker: Broker | None = None
        self._trouble = ""
        self._open_again_at = 0.0  # monotonic second, while there is trouble
        self._last: tuple[Status, Frame | None, float, float] | None = None  # the arguments of the last show()
        self._shown = Shown()

    @property
    def connected(self) -> bool:
        """Return whether the broker takes messages now."""
        return self._broker is not None and self._broker.connected

    @property
    def problem(self) -> str:
        """Return why it does not, in a sentence; empty when it does, and when none is wanted."""
        return self._trouble or ("" if self._broker is None else self._broker.problem)

    def open(self) -> None:
        """Connect to the broker of the settings, if they name one; returns at once."""
        address = BrokerAddress.of(self._settings)
        said, self._trouble = self._trouble, ""
        if address is None:
            return
        try:
            self._broker = Broker(
                address, post=self._post, on_connected=self._introduce, on_command=self._command, logger=self._logger
            )
        except ChannelError as error:
            self._trouble = str(error)
            if self._trouble != said:
                self._logger.warning("%s", error)
        else:
            self._broker.start()

    def configure(self, settings: Settings) -> None:
        """Use other settings; only those that concern the connection make a new one."""
        before, self._settings = self._settings, settings
        if BrokerAddress.of(before) != BrokerAddress.of(settings):
            self.close(forget=before.mqtt_discovery)
            self.open()
        elif self.connected and (before.mqtt_discovery, before.link_base) != (settings.mqtt_discovery, settings.link_base):
            self._discover()

    def show(self, status: Status, frame: Frame | None, now: float, wall: float) -> None:
        """Publish a status of Unix time ``wall``, and the picture when it is due at monotonic second ``now``."""
        self._last = status, frame, now, wall
        if self._trouble and now >= self._open_again_at:
            self._open_again_at = now + OPEN_AGAIN_S
            self.open()
        if self._broker is None or not self._broker.connected:
            return
        topics = self._broker.topics
        self._broker.publish(topics.status, home_assistant.status_payload(status, wall))
        self._broker.publish(topics.details, home_assistant.details_payload(status))
        if frame is not None and self._picture_due(status, now):
            alarmed = status.verdict in _ALARMED or self._is_new_incident(status)
            self._broker.publish(topics.picture, self._drawn(frame.jpeg, status.detections) if alarmed else frame.jpeg)
            self._shown = Shown(status.picture_number, status.incident, now)

    def tell(self, notice: Notice) -> None:
        """Publish a notice."""
        if self._broker is not None:
            self._broker.publish(self._broker.topics.event, home_assistant.event_payload(notice), retain=False, qos=1)

    def close(self, forget: bool = False) -> None:
        """Hang up; with ``forget`` Home Assistant is told first that the printer is no more."""
        broker, self._broker = self._broker, None
        if broker is not None:
            if forget:
                for topic, payload in home_assistant.forgotten(broker.topics).items():
                    broker.publish(topic, payload, qos=1)
            broker.close()

    def _picture_due(self, status: Status, now: float) -> bool:
        if status.picture_number == self._shown.number:
            return False
        return self._is_new_incident(status) or now - self._shown.at >= self._settings.mqtt_picture_interval

    def _is_new_incident(self, status: Status) -> bool:
        return status.incident is not None and status.incident != self._shown.incident

    def _introduce(self) -> None:
        """Say what a broker that has just been reached must know: who we are, and how things stand."""
        self._discover()
        self._shown = Shown()
        if self._last is not None:
            self.show(*self._last)

    def _discover(self) -> None:
        if self._broker is None:
            return
        messages = home_assistant.discovery(
            self._broker.topics, self._device_name, self._version, self._settings.link_base, self._settings.mqtt_commands
        )
        for topic, payload in messages.items():
            self._broker.publish(topic, payload if self._settings.mqtt_discovery else "", qos=1)

    def _command(self, word: str) -> None:
        if word in home_assistant.COMMANDS:
            self._logger.info("The MQTT broker sent the command %s.", word)
            self._obey(word)
        else:
            self._logger.warning("The MQTT broker sent an unknown command; there are %s.", ", ".join(home_assistant.COMMANDS))
