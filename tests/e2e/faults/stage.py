"""What all rows share: Tritons, gateways, folders and one OctoPrint, each started when the first row needs it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.triton import TritonServer, find_triton

if TYPE_CHECKING:
    from tests.e2e.faults.octoprint_bench import OctoPrintBench

READY_S = 120.0


class Stage:
    """A context manager; everything that was started on it is stopped at its end. Its methods may be called by any thread."""

    def __init__(
        self, folder: Path, octoprint: Path | None, octoprint_with_edge: Path | None, triton: TritonServer | None = None
    ) -> None:
        """Use ``folder`` for all files, the interpreters of an OctoPrint and of one that has the extra [edge] (None: there is
        none), and a ``triton`` that runs already, if there is one.
        """
        self.octoprint_python = octoprint
        self.octoprint_with_edge = octoprint_with_edge
        self._folder = folder
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._octoprint_turn = threading.Lock()
        self._stack = ExitStack()
        self._triton = triton
        self._octoprint: OctoPrintBench | None = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def folder(self, name: str) -> Path:
        """Return a new, empty folder."""
        made = self._folder / f"{next(self._numbers):02d}-{name}"
        made.mkdir(parents=True)
        return made

    def at_end(self, work: Callable[[], object]) -> None:
        """Do something when the stage is left."""
        with self._lock:
            self._stack.callback(work)

    @cached_property
    def repository(self) -> Path:
        """What Triton serves: the smaller model, for ten rows happen at once on few cores; two instances, because one makes
        frames that come together wait for half a second.
        """
        return assemble(self.folder("triton") / "repository", profile="cpu", model=default_model(size="nano"), cores=2)

    @property
    def triton(self) -> TritonServer:
        """A Triton that nobody breaks."""
        with self._lock:
            if self._triton is None:
                self._triton = self.start_triton(self.repository)
            return self._triton

    def start_triton(self, repository: Path | None = None, port: int = 0) -> TritonServer:
        """Start a Triton on ``port`` (0: any) that may be broken; it is stopped with the stage, if not before."""
        with self._lock:
            server = TritonServer(
                repository or self.repository, log=self.folder("log") / "triton.log", binary=find_triton(), grpc_port=port
            )
            self._stack.callback(server.stop)
        server.start()
        server.wait_ready(READY_S)
        return server

    @contextmanager
    def octoprint(self, make: Callable[[], OctoPrintBench]) -> Iterator[OctoPrintBench]:
        """Give the one OctoPrint that rows take turns with, printing; the first one ``make``s it."""
        with self._octoprint_turn:
            if self._octoprint is None:
                self._octoprint = make()
                self._stack.callback(self._octoprint.close)
            yield self._octoprint
