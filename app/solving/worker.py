"""A planning process: takes orders on its standard input, answers on its standard output.

It ends as soon as its input does, so a server that is gone, however it went, leaves none behind.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from app.solving.messages import Order, Searched, Stage
    from ecoserve.answer import Progress, Watch
    from ecoserve.catalog import Catalog
    from ecoserve.structure import Memory

MAX_CATALOGS = 4
TELL_EVERY_S = 0.1
BROKEN = "The planner failed on this question; the server's log says where."


class Bench:
    """What a job finds in its worker: catalogs, the memory of recent plans, and who watches."""

    def __init__(self, outbox: BinaryIO) -> None:
        self._catalogs: OrderedDict[Path, Catalog] = OrderedDict()
        self._outbox = outbox
        self._job, self._told_at = 0, 0.0
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    @cached_property
    def memory(self) -> Memory:
        """Of recent plans."""
        from ecoserve.structure import Memory

        return Memory()

    def catalog(self, path: Path) -> Catalog:
        """The catalog at ``path``; those used last stay at hand."""
        from catalog_db.reader import load_catalog

        if path not in self._catalogs:
            self._catalogs[path] = load_catalog(path)
            while len(self._catalogs) > MAX_CATALOGS:
                self._catalogs.popitem(last=False)
        self._catalogs.move_to_end(path)
        return self._catalogs[path]

    @property
    def watch(self) -> Watch:
        """Tells the server of better answers, and stops the search when it says so."""
        from ecoserve.answer import Watch

        return Watch(report=self._report, is_cancelled=self._stopped.is_set)

    @property
    def is_stopped(self) -> bool:
        """Whether nobody waits for more than what there is."""
        return self._stopped.is_set()

    def _report(self, progress: Progress) -> None:
        from app.solving.messages import Searched

        self._tell(Searched(progress.best.objective, progress.best.bound))

    def tell(self, share: float, words: str) -> None:
        """Tells the server how far a work is that is no search.

        Raises SolverError where nobody waits for it any more.
        """
        from app.solving.messages import CANCELLED, Stage
        from ecoserve.errors import SolverError

        if self.is_stopped:
            raise SolverError("Cancelled.", CANCELLED)
        self._tell(Stage(share, words))

    def _tell(self, how_far: Searched | Stage) -> None:
        from app.solving.messages import Told

        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            self.say(Told(self._job, how_far))

    def say(self, message: Any) -> None:
        """Sends a message to the server."""
        self._outbox.write(pickle.dumps(message))
        self._outbox.flush()

    def begin(self, job: int, stopped: set[int]) -> None:
        """From now on the watch is about this job."""
        with self._lock:
            self._job, self._told_at = job, 0.0
            self._stopped.clear()
            if job in stopped:
                self._stopped.set()

    def stop(self, job: int, stopped: set[int]) -> None:
        """Stops this job, at work or still to come."""
        with self._lock:
            stopped.add(job)
            if job == self._job:
                self._stopped.set()


def main() -> None:
    """Works until the input ends. Modules named on the command line are imported at the start."""
    from app.solving.messages import Ready

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, whose end is ours
    outbox = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print goes to the log
    bench = Bench(outbox)
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    stopped: set[int] = set()
    threading.Thread(target=_listen, args=(bench, orders, stopped), daemon=True).start()
    for name in sys.argv[1:]:
        importlib.import_module(name)
    bench.say(Ready())
    while True:
        order = orders.get()
        bench.begin(order.job, stopped)
        bench.say(_done(order, bench))
        stopped.discard(order.job)


def _listen(bench: Bench, orders: queue.SimpleQueue[Order], stopped: set[int]) -> None:
    """Hands orders on and hears the word to stop while the main thread works."""
    from app.solving.messages import Order

    try:
        while True:
            message = pickle.load(sys.stdin.buffer)
            if isinstance(message, Order):
                orders.put(message)
            else:
                bench.stop(message.job, stopped)
    except EOFError:
        os._exit(0)  # even in the middle of a search: nobody is left to hear its answer
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _done(order: Order, bench: Bench) -> Any:
    from app.solving.messages import DIED, Done
    from ecoserve.errors import EcoServeError, SolverError

    try:
        done = Done(order.job, answer=order.work(bench, *order.arguments))
        pickle.dumps(done)
    except EcoServeError as error:
        return Done(order.job, error=error)
    except Exception:  # the edge of the process: it is told in the log, and the page says so
        traceback.print_exc()
        return Done(order.job, error=SolverError(BROKEN, DIED))
    return done


if __name__ == "__main__":
    main()
