"""Work in other processes of this machine, which leave an interrupt to the one that asked."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib
from joblib.externals.loky.backend import resource_tracker


def in_processes(jobs: Iterable[Any], n_workers: int) -> Iterator[Any]:
    """Results of ``joblib.delayed`` calls, in their order.

    Threads would not help, since the search holds Python's lock.
    """
    pool = joblib.Parallel(n_jobs=n_workers, backend="loky", return_as="generator")
    with _interrupts_held_back():
        results: Iterator[Any] = pool(jobs)
    return results


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """What is started meanwhile never hears of Ctrl-C; this process hears of it afterwards.

    Else every worker would say where it was. They end when this process ends its pool.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it lets the signal through again, so it is started before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
