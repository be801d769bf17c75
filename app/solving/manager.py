"""One manager per server: who is served next, by which worker, for how long, and what is kept."""

from __future__ import annotations

import atexit
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from app.solving.jobs import ENDINGS, Job, Lane, Request, Slot, Ticket, always, ending
from app.solving.messages import BUSY, CANCELLED, DIED, TIME_LIMIT, Done, Order, Ready, Stop
from app.solving.process import Worker
from app.solving.queue import FairQueue
from ecoserve.errors import EcoServeError, SolverError

MAX_WORKERS = 2
MAX_WAITING: dict[Lane, int] = {"first": 40, "later": 20, "long": 10}
"""Somebody's first answer is a plan and its baseline."""
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


class Manager:
    """Gives requests to at most ``n_workers`` processes, by turns of their owners.

    One more process does what takes long.
    """

    def __init__(
        self,
        n_workers: int = MAX_WORKERS,
        *,
        is_here: Callable[[str], bool] = always,
        grace_s: float = GRACE_S,
        deaf_s: float = DEAF_S,
        gone_s: float = GONE_S,
        imports: Sequence[str] = (),
    ) -> None:
        """``is_here`` says whether an owner still waits; workers begin with ``imports``."""
        self._lock = threading.RLock()
        self._slots = [*(Slot() for _ in range(n_workers)), Slot(is_long=True)]
        self._most_later = max(1, n_workers - 1)
        self._queues: dict[Lane, FairQueue[Job]] = {lane: FairQueue() for lane in MAX_WAITING}
        self._jobs: dict[Hashable, Job] = {}
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
                if not slot.is_long:
                    self._fill(slot)

    def close(self) -> None:
        """Ends all workers; who waits is told that it was cancelled."""
        with self._lock:
            self._is_closed = True
            for job in [*self._waiting(), *(slot.job for slot in self._slots if slot.job)]:
                self._finish(job, None, ending(CANCELLED))
            for slot in self._slots:
                if slot.worker is not None:
                    slot.worker.kill()
            self._has_work.set()
        atexit.unregister(self.close)

    def pids(self) -> list[int]:
        """Of the workers there are now."""
        with self._lock:
            return [slot.worker.pid for slot in self._slots if slot.worker is not None]

    def place_of(self, job: Job | None) -> int:
        """See :attr:`Ticket.place`."""
        with self._lock:
            if job is None:
                return 0
            mine = self._queues["long"].in_order()
            waiting = mine if job.request.lane == "long" else self._waiting()
            return waiting.index(job) + 1 if job in waiting else 0

    def stop(self, ticket: Ticket) -> None:
        """See :meth:`Ticket.stop`."""
        with self._lock:
            job = ticket.job
            if job is None or ticket.is_done:
                return
            if job.slot is None or job.tickets != [ticket]:
                self.drop(ticket)
            else:
                self._tell_to_stop(job, CANCELLED)

    def drop(self, ticket: Ticket) -> None:
        """See :meth:`Ticket.drop`."""
        with self._lock:
            job = ticket.job
            if job is None or ticket.is_done:
                return
            job.tickets.remove(ticket)
            ticket.finish(None, ending(CANCELLED))
            if job.tickets:
                return
            if job.slot is None:
                self._queues[job.request.lane].remove(job)
                self._forget(job)
            else:
                self._tell_to_stop(job, CANCELLED)

    def _new_job(self, request: Request, owner: str) -> Job:
        if self._is_closed:
            raise ending(CANCELLED)
        most = MAX_WAITING[request.lane]
        if len(self._queues[request.lane]) >= most:
            raise SolverError(ENDINGS[BUSY].format(most), BUSY)
        job = Job(next(self._ids), request)
        self._jobs[request.key] = job
        self._queues[request.lane].push(owner, job)
        if self._minder is None:
            self._minder = threading.Thread(target=self._mind, daemon=True, name="solving-minder")
            self._minder.start()
        self._has_work.set()
        return job

    def _waiting(self) -> list[Job]:
        return [job for queue in self._queues.values() for job in queue.in_order()]

    def _hand_out(self) -> None:
        """Gives work to free workers. One of them is kept for first answers."""
        while not self._is_closed:
            idle = [slot for slot in self._slots if slot.job is None]
            free = [slot for slot in idle if not slot.is_long]
            at_later = [s for s in self._slots if s.job and s.job.request.lane == "later"]
            if free and self._queues["first"]:
                self._start(free[0], self._queues["first"].pop())
            elif free and self._queues["later"] and len(at_later) < self._most_later:
                self._start(free[-1], self._queues["later"].pop())
            elif len(idle) > len(free) and self._queues["long"]:
                self._start(idle[-1], self._queues["long"].pop())
            else:
                return

    def _start(self, slot: Slot, job: Job) -> None:
        worker = self._fill(slot)
        slot.job, job.slot, job.started_at = job, slot, time.monotonic()
        worker.send(Order(job.id, job.request.work, job.request.arguments))

    def _fill(self, slot: Slot) -> Worker:
        if slot.worker is None:
            slot.ready_at, slot.is_killed = None, False
            slot.worker = Worker(self._hear, self._bury, self._imports)
        return slot.worker

    def _tell_to_stop(self, job: Job, why: str) -> None:
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
                job.how_far = message.how_far
                return
            error = message.error
            if job.stop_at is not None and isinstance(error, SolverError):
                error = ending(job.why)
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
                self._finish(job, None, ending(job.why if job.stop_at is not None else DIED))
            if self._is_closed:
                return
            if was_killed and not slot.is_long:  # by our own hand: the next job shall find it ready
                self._fill(slot)
            self._hand_out()

    def _keep(self, job: Job, answer: Any, error: EcoServeError | None) -> None:
        """Answers that are the whole answer, and reasons that will be the same next time."""
        if job.stop_at is not None or isinstance(error, SolverError):
            return
        if error is None and not job.request.is_whole(answer):
            return
        self._kept[job.request.key] = answer, error
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _finish(self, job: Job, answer: Any, error: EcoServeError | None) -> None:
        for ticket in job.tickets:
            ticket.finish(answer, error, is_partial=job.stop_at is not None)
        job.tickets.clear()
        if job.slot is not None:
            job.slot.job = None
        self._queues[job.request.lane].remove(job)
        self._forget(job)

    def _send_away(self, job: Job) -> None:
        """Who waits for a stopped job has waited enough; it may still end by itself."""
        for ticket in job.tickets:
            ticket.finish(None, ending(job.why))
        job.tickets.clear()

    def _forget(self, job: Job) -> None:
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
