"""The MQTT broker, through paho: it connects, and connects again, on paho's own thread; nothing here waits for it.

Every method belongs to one thread, the owner's. What paho's thread has to say (connected, lost, a command) is handed to
``post``, which has it done on the owner's thread.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoprint_spaghetti.core.errors import ChannelError
from octoprint_spaghetti.core.home_assistant import OFFLINE, ONLINE, Topics
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

#: The broker tells the last will 1.5 times this after the last sign of life.
KEEPALIVE_S = 30
CONNECT_S = 5.0
#: Waits between two tries to connect: paho doubles them from the first to the last.
FIRST_WAIT_S, LONGEST_WAIT_S = 1, 60
#: Bound on the farewell in :meth:`Broker.close`.
FAREWELL_S = 1.0
#: Longer ones are nonsense; the words for it are short.
_LONGEST_COMMAND = 32


@dataclass(frozen=True)
class BrokerAddress:
    """Where the broker is and who we are there; two that are equal need no new connection."""

    host: str
    port: int
    tls: bool
    certificate: str
    user: str
    password: str
    base: str
    commands: bool

    @classmethod
    def of(cls, settings: Settings) -> BrokerAddress | None:
        """Return the address that the settings ask for, None when they name no broker."""
        if not settings.mqtt_host:
            return None
        return cls(
            settings.mqtt_host,
            settings.mqtt_port,
            settings.mqtt_tls,
            settings.mqtt_certificate,
            settings.mqtt_user,
            settings.mqtt_password,
            settings.mqtt_topic or "spaghetti",
            settings.mqtt_commands,
        )

    @property
    def shown(self) -> str:
        """Return what may be shown of it."""
        return f"{self.host}:{self.port}"


class Broker:
    """One connection to a broker. ``connected`` and ``problem`` (a sentence, or empty) say how it stands."""

    def __init__(
        self,
        address: BrokerAddress,
        *,
        post: Callable[[Callable[[], None]], None],
        on_connected: Callable[[], None],
        on_command: Callable[[str], None],
        logger: logging.Logger | None = None,
    ) -> None:
        """Prepare the connection. Raises :class:`ChannelError` with a sentence when it can never work like this."""
        self.topics = Topics(address.base)
        self.connected = False
        self.problem: str = say("Connecting to %(broker)s.", broker=address.shown)
        self._address = address
        self._post = post
        self._on_connected = on_connected
        self._on_command = on_command
        self._logger = logger or logging.getLogger(__name__)
        self._said = False  # that it is away, in the log
        self._closed = False
        self._client = self._prepared(address)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_S)
        self._client.loop_start()

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = True, qos: int = 0) -> None:
        """Hand a message to paho's thread; while there is no connection it is dropped, the next one is newer anyway."""
        if self.connected:
            self._client.publish(topic, payload, qos=qos, retain=retain)

    def close(self) -> None:
        """Say that we are offline, and hang up; blocks ``FAREWELL_S`` and paho's last second at most.

        A connection that is just being made is given up by paho's thread itself, after ``CONNECT_S``.
        """
        self._closed = True
        if self.connected:
            farewell = self._client.publish(self.topics.availability, OFFLINE, qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # paho's words for a connection that was lost just now
                farewell.wait_for_publish(FAREWELL_S)
        self._client.disconnect()
        if self.connected:
            self._client.loop_stop()
        self.connected = False

    # -- on the owner's thread ------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        self.connected, self.problem = True, ""
        self._logger.info("Connected to the MQTT broker %s.", self._address.shown)
        self._said = False
        if self._address.commands:
            self._client.subscribe(self.topics.command, qos=1)
        self.publish(self.topics.availability, ONLINE, qos=1)
        self._on_connected()

    def _lose(self, problem: str) -> None:
        self.connected, self.problem = False, problem
        if not self._said and not self._closed:  # once when it goes, once when it is back
            self._logger.warning("%s It is tried again and again.", problem)
            self._said = True

    def _drop(self, problem: str) -> None:
        if self.connected:  # else it was refused, which is already said
            self._lose(problem)

    # -- paho's callbacks, on paho's thread -------------------------------------------------------------------------------

    def _connected(self, client: Client, userdata: object, flags: object, reason: ReasonCode, properties: object) -> None:
        if self._closed:
            client.disconnect()
        elif reason.is_failure:
            problem = say(
                "The MQTT broker %(broker)s refuses us: %(reason)s. Check user name and password.",
                broker=self._address.shown,
                reason=reason,
            )
            self._post(lambda: self._lose(problem))
        else:
            self._post(self._greet)

    def _not_connected(self, client: Client, userdata: object) -> None:
        error = sys.exc_info()[1]  # paho calls this while it handles the error, and does not name it
        self._post(lambda: self._lose(_explained(error, self._address)))

    def _disconnected(self, client: Client, userdata: object, flags: object, reason: ReasonCode, properties: object) -> None:
        if reason.is_failure:
            problem = say(
                "The connection to the MQTT broker %(broker)s was lost (%(reason)s); check that the broker runs.",
                broker=self._address.shown,
                reason=reason,
            )
            self._post(lambda: self._drop(problem))

    def _received(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        if message.retain:
            return  # an order of the past, kept by the broker: nobody gives it now
        word = message.payload[:_LONGEST_COMMAND].decode("utf-8", "replace").strip()
        self._post(lambda: self._on_command(word))

    def _prepared(self, address: BrokerAddress) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise ChannelError(
                say(
                    "paho-mqtt 2 is missing (%(error)s); run: pip install 'paho-mqtt>=2' in OctoPrint's environment.",
                    error=error,
                )
            ) from error
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(FIRST_WAIT_S, LONGEST_WAIT_S)
        client.will_set(self.topics.availability, OFFLINE, qos=1, retain=True)
        if address.user:
            client.username_pw_set(address.user, _secret(address.password) or None)
        if address.tls:
            client.tls_set_context(_verifying(address.certificate))
        callbacks: dict[str, Any] = {
            "on_connect": self._connected,
            "on_connect_fail": self._not_connected,
            "on_disconnect": self._disconnected,
            "on_message": self._received,
        }
        for name, callback in callbacks.items():
            setattr(client, name, callback)
        return client


def _secret(value: str) -> str:
    """Return the value itself, or the first line of the file that ``file:`` names. Raises :class:`ChannelError`."""
    if not value.startswith("file:"):
        return value
    try:
        return Path(value[len("file:") :].strip()).read_text(encoding="utf-8").split("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ChannelError(say("The file with the broker's password cannot be read (%(error)s).", error=error)) from error


def _verifying(certificate: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificate or None)
    except (OSError, ssl.SSLError) as error:
        raise ChannelError(
            say(
                "The broker's CA certificate %(certificate)s cannot be read (%(error)s).",
                certificate=certificate,
                error=error,
            )
        ) from error


def _explained(error: BaseException | None, address: BrokerAddress) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return say(
            "The certificate of the MQTT broker %(broker)s is not trusted (%(why)s); set its CA certificate.",
            broker=address.shown,
            why=error.verify_message,
        )
    if isinstance(error, ssl.SSLError):
        return say(
            "The MQTT broker %(broker)s does not speak TLS as we do (%(why)s); check port and encryption.",
            broker=address.shown,
            why=error.reason,
        )
    reason = say(" (%(why)s)", why=error.strerror or error) if isinstance(error, OSError) else ""
    return say(
        "The MQTT broker %(broker)s cannot be reached%(reason)s; check host and port.", broker=address.shown, reason=reason
    )
