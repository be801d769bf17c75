"""The server's end of one planning process."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

COMMAND = (sys.executable, "-P", "-m", "app.solving.worker")
"""Not ``multiprocessing``: that would run the dashboard's page again in the new process."""


class Worker:
    """A process and what it says; ``on_message`` and ``on_end`` are called from a thread."""

    def __init__(
        self,
        on_message: Callable[[Worker, Any], None],
        on_end: Callable[[Worker], None],
        imports: Sequence[str] = (),
    ) -> None:
        found = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            (*COMMAND, *imports),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": found},
        )
        self._on_message, self._on_end = on_message, on_end
        threading.Thread(target=self._listen, daemon=True, name="solving-worker").start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, message: Any) -> None:
        """To the process; where it is gone already, ``on_end`` says so."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(pickle.dumps(message))
            self._process.stdin.flush()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(EOFError, pickle.UnpicklingError, OSError):
            while True:
                self._on_message(self, pickle.load(self._process.stdout))
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._on_end(self)
