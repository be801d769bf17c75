"""A queue in which everybody has a turn before anybody has a second one."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Things wait by owner; owners take turns, and each owner's things keep their order.

    >>> queue = FairQueue[str]()
    >>> for owner, thing in (("ann", "a1"), ("ann", "a2"), ("bob", "b1")):
    ...     queue.push(owner, thing)
    >>> queue.in_order(), queue.pop(), queue.pop()
    (['a1', 'b1', 'a2'], 'a1', 'b1')
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(things) for things in self._waiting.values())

    def push(self, owner: str, thing: T) -> None:
        """At the end of the owner's own."""
        self._waiting.setdefault(owner, deque()).append(thing)

    def pop(self) -> T:
        """The next thing; its owner goes to the end. Raises IndexError where nothing waits."""
        if not self._waiting:
            raise IndexError("nothing waits")
        owner, things = self._waiting.popitem(last=False)
        thing = things.popleft()
        if things:
            self._waiting[owner] = things
        return thing

    def remove(self, thing: T) -> None:
        """Takes a thing out, wherever it stands."""
        for owner, things in self._waiting.items():
            if thing in things:
                things.remove(thing)
                if not things:
                    del self._waiting[owner]
                return

    def in_order(self) -> list[T]:
        """All of it, the next first."""
        rounds = max((len(things) for things in self._waiting.values()), default=0)
        queues = self._waiting.values()
        return [things[i] for i in range(rounds) for things in queues if i < len(things)]
