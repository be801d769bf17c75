"""Where many plans are made: in this process, in several, or on a Dask cluster by address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecoserve.errors import EcoServeError
from ecoserve.questions import (
    Answer,
    InProcesses,
    Progress,
    Question,
    Runner,
    chunks,
    collect,
    serially,
)

if TYPE_CHECKING:
    from ecoserve.catalog import Catalog
    from ecoserve.planner import Effort

CONNECT_TIMEOUT_S = 10
ADDRESS = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
MAX_PORT = 65_535


class ClusterError(EcoServeError):
    """No Dask cluster to be reached, or no Dask to reach it with."""


@dataclass(frozen=True, slots=True)
class OnCluster:
    """The runner of a Dask cluster; its workers need this package in the same version."""

    address: str

    def __call__(
        self,
        questions: Sequence[Question],
        catalog: Catalog,
        effort: Effort,
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """The catalog travels once to every worker, questions in chunks, answers in order."""
        try:
            from distributed import Client
        except ImportError as error:
            message = "Dask is not installed; install ecoserve-planner[cluster]"
            raise ClusterError(message) from error
        try:
            client = Client(self.address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            message = f"no Dask scheduler answers at {self.address}; start one or check the address"
            raise ClusterError(message) from error
        with client:
            n_workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
            shared = client.scatter(catalog, broadcast=True, hash=False)
            futures = [
                client.submit(serially, chunk, shared, effort, pure=False)
                for chunk in chunks(questions, n_workers)
            ]
            return collect((future.result() for future in futures), questions, on_progress)


def runner(workers: int | None, dask: str | None) -> Runner:
    """The runner that the command line asks for; all processors without a wish.

    Raises :class:`ClusterError` for what is no address of a scheduler.
    """
    import joblib

    if dask is not None:
        _check_address(dask)
        return OnCluster(dask)
    n_workers = joblib.cpu_count() if workers is None else workers
    return serially if n_workers == 1 else InProcesses(n_workers)


def _check_address(address: str) -> None:
    """Dask's client fails late and noisily on an address that it cannot read."""
    found = ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[2]) <= MAX_PORT:
        raise ClusterError(f"{address!r} is no address of a Dask scheduler; give tcp://host:port")
