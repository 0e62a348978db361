"""Remember what a detector said of a picture, so that a print is looked at once and replayed as often as one likes.

One SQLite file in the user's cache folder, of the standard library: several programs may use it at once, and a program that
is killed leaves it whole. A cache that cannot be used is no reason to stop: the pictures are looked at again.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene

#: About 1 kB each; beyond it the oldest go.
MOST_ANSWERS = 100_000
#: Wait for another program that writes, in seconds.
_BUSY_S = 5.0


def default_file() -> Path:
    """Return where the cache of this user is (XDG base directory specification; ``~/.cache`` by default)."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(root) if Path(root).is_absolute() else Path.home() / ".cache"
    return folder / "octoprint-spaghetti" / "answers.sqlite"


class ScoreCache:
    """Answers by key; a key names the picture's bytes and who looked."""

    def __init__(self, file: Path | None, *, fresh: bool = False) -> None:
        """Open or make ``file``; None, or one that cannot be used, remembers nothing beyond this object.

        When ``fresh``, what was kept before is not known, and is replaced by what is kept now.
        """
        self._known: set[str] | None = set() if fresh else None
        self._connection = _opened(file) if file is not None else _opened(Path(":memory:"))

    def get(self, key: str) -> Answer | None:
        """Return the answer that was kept under ``key``."""
        kept = self.get_bytes(key)
        with suppress(ValueError, TypeError, KeyError, zlib.error):
            return None if kept is None else _decoded(kept)
        return None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        self.put_bytes(key, _encoded(answer))

    def get_bytes(self, key: str) -> bytes | None:
        """Return what was kept under ``key``."""
        if self._known is not None and key not in self._known:
            return None
        with suppress(sqlite3.Error):
            found = self._connection.execute("SELECT content FROM kept WHERE key = ?", (key,)).fetchone()
            return None if found is None else bytes(found[0])
        return None

    def put_bytes(self, key: str, content: bytes) -> None:
        """Keep ``content``."""
        if self._known is not None:
            self._known.add(key)
        with suppress(sqlite3.Error), self._connection:
            self._connection.execute("INSERT OR REPLACE INTO kept (key, content) VALUES (?, ?)", (key, content))

    def close(self) -> None:
        """Drop what is too old, and let go of the file."""
        with suppress(sqlite3.Error), self._connection:
            self._connection.execute("DELETE FROM kept WHERE rowid <= (SELECT max(rowid) FROM kept) - ?", (MOST_ANSWERS,))
        self._connection.close()


def _opened(file: Path) -> sqlite3.Connection:
    try:
        return _prepared(file)
    except (OSError, sqlite3.OperationalError):  # read-only, full, or held by another program for too long
        return _prepared(Path(":memory:"))
    except sqlite3.DatabaseError:  # damaged: nothing in it that could not be found out again
        with suppress(OSError):
            file.unlink()
        return _prepared(Path(":memory:"))


def _prepared(file: Path) -> sqlite3.Connection:
    if str(file) != ":memory:":
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(str(file), timeout=_BUSY_S)
    try:
        connection.execute("PRAGMA journal_mode = WAL")  # with NORMAL: no fsync for each answer
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT UNIQUE NOT NULL, content BLOB NOT NULL)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _encoded(answer: Answer) -> bytes:
    scene, heatmap = answer.scene, answer.heatmap
    content = {
        "score": answer.score,
        "detections": [[*seen.box.xyxy, seen.confidence, seen.label] for seen in answer.detections],
        "scene": [scene.brightness, scene.contrast, scene.sharpness],
        "heatmap": [heatmap.rows, heatmap.columns, base64.b64encode(heatmap.cells).decode()],
        "thumbnail": base64.b64encode(answer.thumbnail).decode(),
        "detector": answer.detector,
    }
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def _decoded(kept: bytes) -> Answer:
    content: dict[str, Any] = json.loads(zlib.decompress(kept))
    rows, columns, cells = content["heatmap"]
    return Answer(
        score=content["score"],
        detections=tuple(Detection(Box(*corners), sure, label) for *corners, sure, label in content["detections"]),
        scene=Scene(*content["scene"]),
        heatmap=Heatmap(rows, columns, base64.b64decode(cells)),
        thumbnail=base64.b64decode(content["thumbnail"]),
        detector=content["detector"],
    )
