"""A real mosquitto on loopback, and an independent client that says what is on it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import TracebackType

    from paho.mqtt.client import Client, MQTTMessage

#: Debian puts it where only root looks.
_ELSEWHERE = "/usr/sbin:/usr/local/sbin"


class Mosquitto:
    """One broker process with a configuration of its own; a context manager."""

    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        """Prepare it; ``lines`` are added to a configuration that listens on ``port`` of loopback. Skips without mosquitto."""
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path=_ELSEWHERE)
        if found is None:
            pytest.skip("mosquitto is not installed; run scripts/test")
        self.port = port
        self._program = found
        self._folder = folder
        self._config = folder / f"mosquitto-{port}.conf"
        access = () if any("allow_anonymous" in line for line in lines) else ("allow_anonymous true",)
        # mosquitto drops root's rights unless it is told otherwise, and could then not read the files of the test.
        self._config.write_text(
            "\n".join([f"listener {port} 127.0.0.1", "persistence false", "user root", *access, *lines]) + "\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self._folder / f"mosquitto-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"mosquitto does not listen: {(self._folder / f'mosquitto-{self.port}.log').read_text()}")

    def stop(self) -> None:
        """End it; harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(10.0)

    def add_password(self, user: str, password: str) -> str:
        """Make a password file and return the line of the configuration that names it."""
        file = self._folder / "passwords"
        file.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", str(file), user, password], check=True, timeout=60, capture_output=True)
        return f"password_file {file}"

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


@dataclass(frozen=True)
class Heard:
    """One message as a subscriber gets it."""

    topic: str
    payload: bytes = field(repr=False)
    retained: bool


class Listener:
    """An independent client that subscribes to everything; a context manager."""

    def __init__(self, port: int, **login: str) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[Heard] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        if login:
            self._client.username_pw_set(login["user"], login["password"])
        self._client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Listener:
        self._client.loop_start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def heard(self, topic: str) -> list[bytes]:
        """Return the payloads of a topic so far, oldest first."""
        return [message.payload for message in self.messages if message.topic == topic]

    def retained(self) -> dict[str, bytes]:
        """Return what the broker kept for those who come later, by topic."""
        return {message.topic: message.payload for message in self.messages if message.retained}

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Publish, and wait until the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10.0)

    def _hear(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        self.messages.append(Heard(message.topic, bytes(message.payload), bool(message.retain)))
