"""Work of many questions: one thread that asks them, one bar, one Cancel, kept until it is seen.

A page asks for the same task at every run and draws what there is. Another question of the same
owner under the same name takes the old one's place: the last one wins.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from app.solving.jobs import Request, Ticket
from app.solving.manager import Manager
from app.solving.messages import CANCELLED, DIED, Searched, Stage
from ecoserve.errors import EcoServeError, SolverError

MAX_DONE = 200
BROKEN = "Something went wrong on the server; its log says what. Try again."


@dataclass(frozen=True, slots=True)
class Bar:
    """So many done of so many; the label is that of what is in work."""

    done: int
    total: int
    label: str


class Task:
    """Work under way or done, and how far it is."""

    def __init__(self, manager: Manager, owner: str, what: str, key: Hashable) -> None:
        self.owner, self.what, self.key = owner, what, key
        self.shown: Any = None
        """The best so far, where the work shows something before its end."""
        self.bar: Bar | None = None
        self.is_stopped = False
        """Whether somebody wants no more of it."""
        self._manager = manager
        self._tickets: list[Ticket] = []
        self._began_at, self._ended_at = time.monotonic(), 0.0
        self._changed = threading.Condition()
        self._is_done = False
        self._answer: Any = None
        self._error: EcoServeError | None = None

    @property
    def is_done(self) -> bool:
        """Whether :meth:`result` is there."""
        return self._is_done

    @property
    def elapsed_s(self) -> float:
        """Since it was asked for, until its end."""
        return (self._ended_at or time.monotonic()) - self._began_at

    @property
    def place(self) -> int:
        """In the queue, of what it waits for; 0 while something of it is at work."""
        places = [ticket.place for ticket in self._live()]
        return min(places, default=0)

    @property
    def searched(self) -> Searched | None:
        """How far the search in work is."""
        return next((told for told in self._told() if isinstance(told, Searched)), None)

    @property
    def stage(self) -> Stage | None:
        """How far the work is that is no search."""
        return next((told for told in self._told() if isinstance(told, Stage)), None)

    def wait(self, timeout_s: float, *, for_anything: bool = False) -> None:
        """Until it is done; or, if asked for, until it shows something."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_done or (for_anything and self.shown is not None), timeout_s
            )

    def result(self) -> Any:
        """The answer of a task that is done; raises what was raised in its place."""
        if self._error is not None:
            raise copy(self._error)  # a page asks again at every run
        return self._answer

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, undisturbed and with an answer."""
        return self._is_done and self._error is None and not self.is_stopped

    def best(self) -> Any:
        """The answer, or what was shown before it; None as long as there is nothing.

        Raises what was raised where the search did not merely end early.
        """
        if self._error is not None and (
            self.shown is None or not isinstance(self._error, SolverError)
        ):
            raise copy(self._error)  # a page asks again at every run
        return self.shown if self._answer is None else self._answer

    def stop(self) -> None:
        """Ends it soon: what is in work gives the best it has, nothing more is asked."""
        self.is_stopped = True
        for ticket in self._live():
            ticket.stop()

    def drop(self) -> None:
        """Ends it now; nobody will look at its answer."""
        self.is_stopped = True
        for ticket in self._live():
            ticket.drop()

    def tell(self, done: int, total: int, label: str) -> None:
        """For the work: how far it is."""
        self.bar = Bar(done, total, label)

    def show(self, best: Any) -> None:
        """For the work: something to look at before the end."""
        with self._changed:
            self.shown = best
            self._changed.notify_all()

    def known(self, request: Request) -> Any | None:
        """For the work: the answer kept for whoever asks again, if there is one."""
        return self._manager.known(request.key)

    def ask(self, request: Request) -> Any:
        """For the work: an answer, whole. Raises what was raised in its place."""
        (ticket,) = self.ask_all([request])
        answer = ticket.result()
        if ticket.is_partial:
            raise SolverError("Cancelled.", CANCELLED)
        return answer

    def ask_all(self, requests: Sequence[Request]) -> list[Ticket]:
        """For the work: tickets for answers that may be worked out side by side."""
        if self.is_stopped:
            raise SolverError("Cancelled.", CANCELLED)
        tickets = [self._manager.ask(request, self.owner) for request in requests]
        self._tickets = [*self._live(), *tickets]
        if self.is_stopped:  # in between
            self.drop()
        return tickets

    def run(self, work: Callable[[Task], Any]) -> None:
        """For the registry: does the work."""
        answer, error = None, None
        try:
            answer = work(self)
        except EcoServeError as trouble:
            error = trouble
        except Exception:  # the edge of the thread: told in the log, and the page says so
            traceback.print_exc()
            error = SolverError(BROKEN, DIED)
        with self._changed:
            self._answer, self._error = answer, error
            self._ended_at, self._is_done = time.monotonic(), True
            self._changed.notify_all()

    def _told(self) -> list[Searched | Stage | None]:
        return [ticket.how_far for ticket in self._live()]

    def _live(self) -> list[Ticket]:
        return [ticket for ticket in self._tickets if not ticket.is_done]


class Tasks:
    """The tasks of all owners, by what they are for."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self._held: dict[tuple[str, str], Task] = {}
        self._lock = threading.Lock()

    def get(
        self, owner: str, what: str, key: Hashable, work: Callable[[Task], Any] | None = None
    ) -> Task | None:
        """The owner's task for this; begun now where it is another question and work is given."""
        with self._lock:
            held = self._held.get((owner, what))
            if held is not None and held.key == key:
                return held
            if work is None:
                return None
            task = Task(self.manager, owner, what, key)
            self._held.pop((owner, what), None)
            self._held[owner, what] = task
            self._let_go()
        if held is not None:
            held.drop()
        threading.Thread(target=task.run, args=(work,), daemon=True, name="solving-task").start()
        return task

    def forget(self, task: Task) -> None:
        """Drops it; asked for again, it begins anew."""
        with self._lock:
            if self._held.get((task.owner, task.what)) is task:
                del self._held[task.owner, task.what]
        task.drop()

    def drop_all(self) -> None:
        """Ends and forgets everything."""
        with self._lock:
            held, self._held = self._held, {}
        for task in held.values():
            task.drop()

    def _let_go(self) -> None:
        """Of those done the oldest, where there are many."""
        done = [place for place, task in self._held.items() if task.is_done]
        for place in done[: max(0, len(self._held) - MAX_DONE)]:
            del self._held[place]
