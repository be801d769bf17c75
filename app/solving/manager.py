"""One manager per server: who is served next, by which worker, for how long, and what is kept."""

from __future__ import annotations

import atexit
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.solving.messages import (
    BUSY,
    CANCELLED,
    DIED,
    TIME_LIMIT,
    Done,
    Order,
    Ready,
    Searched,
    Stop,
)
from app.solving.process import Worker
from app.solving.queue import FairQueue
from ecoserve.errors import EcoServeError, SolverError

Lane = Literal["first", "later"]
"""``first``: somebody looks at an empty page; ``later``: something is shown already."""

MAX_WORKERS = 2
MAX_WAITING = 20
MAX_KEPT = 512
TICK_S = 0.1
START_S = 60.0
"""For a worker to start, on a machine with much else to do."""
GRACE_S = 1.0
"""From the word to stop until whoever said it has waited enough."""
DEAF_S = 5.0
"""From the word to stop until the process is ended, with all it remembers."""
GONE_S = 5.0
"""A connection that is away for less is taken for a hiccup."""

ENDINGS = {
    CANCELLED: "Cancelled.",
    TIME_LIMIT: "The time limit was reached before there was an answer. Allow fewer kinds of"
    " hardware, or use the terminal, which has no limit.",
    BUSY: "The server has {} plans waiting already. Try again in a minute.",
    DIED: "The planning process ended without an answer, perhaps for want of memory. Try again, or"
    " allow fewer kinds of hardware.",
}


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One piece of work for a worker."""

    key: Hashable
    """Equal keys have equal answers: who asks second shares the answer of the first."""
    work: Callable[..., Any]
    """A function of a module; it is given the worker's bench, then the arguments."""
    arguments: tuple[Any, ...] = ()
    lane: Lane = "later"
    limit_s: float = 60.0
    """After that it is stopped, with the best it has."""
    is_whole: Callable[[Any], bool] = _always
    """Whether an answer may be kept for whoever asks again."""


@dataclass(slots=True, eq=False)
class _Job:
    """A request on its way."""

    id: int
    request: Request
    tickets: list[Ticket] = field(default_factory=list)
    slot: _Slot | None = None
    started_at: float = 0.0
    stop_at: float | None = None
    why: str = ""
    """Of the stop."""
    searched: Searched | None = None


@dataclass(slots=True, eq=False)
class _Slot:
    """A place for a worker; empty until there is work for it."""

    worker: Worker | None = None
    job: _Job | None = None
    ready_at: float | None = None
    """When the worker had started; until then it hears nothing."""
    is_killed: bool = False


class Ticket:
    """What one owner holds of a request: its place, how far it is, and in the end the answer."""

    def __init__(self, manager: Manager, owner: str, job: _Job | None) -> None:
        self.owner = owner
        self.is_partial = False
        """Whether the answer is what there was when it was stopped."""
        self._manager, self._job = manager, job
        self._done = threading.Event()
        self._answer: Any = None
        self._error: EcoServeError | None = None

    @property
    def is_done(self) -> bool:
        """Whether :meth:`result` is there."""
        return self._done.is_set()

    @property
    def place(self) -> int:
        """How many start before it, counted from 1; 0 once it is at work."""
        return self._manager.place_of(self._job)

    @property
    def searched(self) -> Searched | None:
        """How far the search is, as far as it has told."""
        return self._job.searched if self._job else None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it is done within this time."""
        return self._done.wait(timeout_s)

    def result(self) -> Any:
        """Waits for the answer; raises what was raised in its place."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._answer

    def stop(self) -> None:
        """Takes the best there is, if it comes in time, unless others want more of it."""
        self._manager.stop(self)

    def drop(self) -> None:
        """Gives it up now; its result is that it was cancelled."""
        self._manager.drop(self)

    def finish(self, answer: Any, error: EcoServeError | None, *, is_partial: bool = False) -> None:
        """For the manager: the end."""
        self._answer, self._error, self.is_partial = answer, error, is_partial
        self._done.set()


class Manager:
    """Gives requests to at most ``n_workers`` processes, by turns of their owners."""

    def __init__(
        self,
        n_workers: int = MAX_WORKERS,
        *,
        is_here: Callable[[str], bool] = _always,
        grace_s: float = GRACE_S,
        deaf_s: float = DEAF_S,
        gone_s: float = GONE_S,
        imports: Sequence[str] = (),
    ) -> None:
        """``is_here`` says whether an owner still waits; workers begin with ``imports``."""
        self._lock = threading.RLock()
        self._slots = [_Slot() for _ in range(n_workers)]
        self._queues: dict[Lane, FairQueue[_Job]] = {"first": FairQueue(), "later": FairQueue()}
        self._jobs: dict[Hashable, _Job] = {}
        self._kept: OrderedDict[Hashable, tuple[Any, EcoServeError | None]] = OrderedDict()
        self._ids = itertools.count(1)
        self._is_here, self._gone_s = is_here, gone_s
        self._grace_s, self._deaf_s = grace_s, deaf_s
        self._imports = imports
        self._gone_at: dict[str, float] = {}
        self._has_work = threading.Event()
        self._is_closed = False
        self._minder: threading.Thread | None = None
        atexit.register(self.close)

    def ask(self, request: Request, owner: str) -> Ticket:
        """A ticket for the answer. Raises :class:`SolverError` where too many wait already."""
        with self._lock:
            if request.key in self._kept:
                self._kept.move_to_end(request.key)
                ticket = Ticket(self, owner, None)
                ticket.finish(*self._kept[request.key])
                return ticket
            job = self._jobs.get(request.key) or self._new_job(request, owner)
            ticket = Ticket(self, owner, job)
            job.tickets.append(ticket)
            self._hand_out()
            return ticket

    def known(self, key: Hashable) -> Any | None:
        """The answer kept under this key, if there is one."""
        with self._lock:
            answer, _ = self._kept.get(key, (None, None))
            return answer

    def warm_up(self) -> None:
        """Starts the workers, so that the first visitor finds them ready."""
        with self._lock:
            for slot in self._slots:
                self._fill(slot)

    def close(self) -> None:
        """Ends all workers; who waits is told that it was cancelled."""
        with self._lock:
            self._is_closed = True
            for job in [*self._waiting(), *(slot.job for slot in self._slots if slot.job)]:
                self._finish(job, None, _ending(CANCELLED))
            for slot in self._slots:
                if slot.worker is not None:
                    slot.worker.kill()
            self._has_work.set()
        atexit.unregister(self.close)

    def pids(self) -> list[int]:
        """Of the workers there are now."""
        with self._lock:
            return [slot.worker.pid for slot in self._slots if slot.worker is not None]

    def place_of(self, job: _Job | None) -> int:
        """See :attr:`Ticket.place`."""
        with self._lock:
            waiting = self._waiting()
            return waiting.index(job) + 1 if job in waiting else 0

    def stop(self, ticket: Ticket) -> None:
        """See :meth:`Ticket.stop`."""
        with self._lock:
            job = ticket._job
            if job is None or ticket.is_done:
                return
            if job.slot is None or job.tickets != [ticket]:
                self.drop(ticket)
            else:
                self._tell_to_stop(job, CANCELLED)

    def drop(self, ticket: Ticket) -> None:
        """See :meth:`Ticket.drop`."""
        with self._lock:
            job = ticket._job
            if job is None or ticket.is_done:
                return
            job.tickets.remove(ticket)
            ticket.finish(None, _ending(CANCELLED))
            if job.tickets:
                return
            if job.slot is None:
                self._queues[job.request.lane].remove(job)
                self._forget(job)
            else:
                self._tell_to_stop(job, CANCELLED)

    def _new_job(self, request: Request, owner: str) -> _Job:
        if self._is_closed:
            raise _ending(CANCELLED)
        if len(self._waiting()) >= MAX_WAITING:
            raise _ending(BUSY)
        job = _Job(next(self._ids), request)
        self._jobs[request.key] = job
        self._queues[request.lane].push(owner, job)
        if self._minder is None:
            self._minder = threading.Thread(target=self._mind, daemon=True, name="solving-minder")
            self._minder.start()
        self._has_work.set()
        return job

    def _waiting(self) -> list[_Job]:
        return [*self._queues["first"].in_order(), *self._queues["later"].in_order()]

    def _hand_out(self) -> None:
        """Gives work to free workers. One of them is kept for first answers."""
        while not self._is_closed:
            free = [slot for slot in self._slots if slot.job is None]
            at_later = [s for s in self._slots if s.job and s.job.request.lane == "later"]
            if free and self._queues["first"]:
                self._start(free[0], self._queues["first"].pop())
            elif free and self._queues["later"] and len(at_later) < max(1, len(self._slots) - 1):
                self._start(free[-1], self._queues["later"].pop())
            else:
                return

    def _start(self, slot: _Slot, job: _Job) -> None:
        worker = self._fill(slot)
        slot.job, job.slot, job.started_at = job, slot, time.monotonic()
        worker.send(Order(job.id, job.request.work, job.request.arguments))

    def _fill(self, slot: _Slot) -> Worker:
        if slot.worker is None:
            slot.ready_at, slot.is_killed = None, False
            slot.worker = Worker(self._hear, self._bury, self._imports)
        return slot.worker

    def _tell_to_stop(self, job: _Job, why: str) -> None:
        """Nobody joins it any more, and its answer is not kept."""
        if job.stop_at is None and job.slot is not None and job.slot.worker is not None:
            job.stop_at, job.why = time.monotonic(), why
            self._forget(job)
            job.slot.worker.send(Stop(job.id))

    def _hear(self, worker: Worker, message: Any) -> None:
        with self._lock:
            slot = next(slot for slot in self._slots if slot.worker is worker)
            if isinstance(message, Ready):
                slot.ready_at = time.monotonic()
                return
            job = slot.job
            if job is None or job.id != message.job:
                return
            if not isinstance(message, Done):
                job.searched = message.searched
                return
            error = message.error
            if job.stop_at is not None and isinstance(error, SolverError):
                error = _ending(job.why)
            self._keep(job, message.answer, error)
            self._finish(job, message.answer, error)
            self._hand_out()

    def _bury(self, worker: Worker) -> None:
        """A worker has ended, by our hand or by its own."""
        with self._lock:
            slot = next(slot for slot in self._slots if slot.worker is worker)
            was_killed, job = slot.is_killed, slot.job
            slot.worker = None
            if job is not None:
                self._finish(job, None, _ending(job.why if job.stop_at is not None else DIED))
            if self._is_closed:
                return
            if was_killed:  # by our own hand: the next job shall find it ready
                self._fill(slot)
            self._hand_out()

    def _keep(self, job: _Job, answer: Any, error: EcoServeError | None) -> None:
        """Answers that are the whole answer, and reasons that will be the same next time."""
        if job.stop_at is not None or isinstance(error, SolverError):
            return
        if error is None and not job.request.is_whole(answer):
            return
        self._kept[job.request.key] = answer, error
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _finish(self, job: _Job, answer: Any, error: EcoServeError | None) -> None:
        for ticket in job.tickets:
            ticket.finish(answer, error, is_partial=job.stop_at is not None)
        job.tickets.clear()
        if job.slot is not None:
            job.slot.job = None
        self._queues[job.request.lane].remove(job)
        self._forget(job)

    def _send_away(self, job: _Job) -> None:
        """Who waits for a stopped job has waited enough; it may still end by itself."""
        for ticket in job.tickets:
            ticket.finish(None, _ending(job.why))
        job.tickets.clear()

    def _forget(self, job: _Job) -> None:
        if self._jobs.get(job.request.key) is job:
            del self._jobs[job.request.key]

    def _mind(self) -> None:
        """Limits, processes that do not hear, and owners who have left."""
        while not self._is_closed:
            self._has_work.wait()
            time.sleep(TICK_S)
            self._mind_limits()
            self._mind_owners()
            with self._lock:
                if not self._waiting() and not any(slot.job for slot in self._slots):
                    self._has_work.clear()

    def _mind_limits(self) -> None:
        now = time.monotonic()
        with self._lock:
            for slot in self._slots:
                job = slot.job
                if job is None or slot.worker is None:
                    continue
                begun_at = max(job.started_at, slot.ready_at or job.started_at + START_S)
                if job.stop_at is None:
                    if now - begun_at > job.request.limit_s:
                        self._tell_to_stop(job, TIME_LIMIT)
                    continue
                if now - job.stop_at > self._grace_s:
                    self._send_away(job)
                if now - max(job.stop_at, begun_at) > self._deaf_s:
                    slot.is_killed = True
                    slot.worker.kill()

    def _mind_owners(self) -> None:
        with self._lock:
            jobs = [*self._waiting(), *(slot.job for slot in self._slots if slot.job)]
            tickets = [ticket for job in jobs for ticket in job.tickets]
        here = {owner: self._is_here(owner) for owner in {t.owner for t in tickets}}
        now = time.monotonic()
        self._gone_at = {
            owner: self._gone_at.get(owner, now) for owner, is_here in here.items() if not is_here
        }
        for ticket in tickets:
            if now - self._gone_at.get(ticket.owner, now) > self._gone_s:
                ticket.drop()


def _ending(why: str) -> SolverError:
    return SolverError(ENDINGS[why].format(MAX_WAITING), why)
