"""Visitors without a browser: each speaks Streamlit's protocol over a websocket of its own."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.AutoRerun_pb2 import AutoRerun
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.Slider_pb2 import Slider
from websockets.sync.client import connect

ANSWER_LIMIT_S, REST_LIMIT_S = 60.0, 120.0
EARLY_END, WHOLE_PAGE = ForwardMsg.FINISHED_EARLY_FOR_RERUN, ForwardMsg.FINISHED_SUCCESSFULLY


@dataclass(slots=True)
class Seen:
    """What the crowd met: seconds from each edit to the end of the run that drew it."""

    edits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Visitor:
    """One tab of the Plan page. Its socket closes with the block."""

    def __init__(self, url: str, slider_name: str) -> None:
        address = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
        self._socket = connect(address, subprotocols=["streamlit"], origin=url, max_size=None)
        self._slider_name = slider_name
        self._slider: Slider | None = None
        self._fragment = ""
        self._again: AutoRerun | None = None
        self.n_charts = 0
        self.errors: list[str] = []

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def open(self) -> None:
        """Loads the page and waits, as the page does, until nothing is worked out any more."""
        self._run(BackMsg())
        self._follow()

    def move(self, value: float) -> float:
        """Moves the slider; seconds until the run that it began has ended."""
        assert self._slider is not None, "the page has no such slider"
        message, before = BackMsg(), self.n_charts
        state = message.rerun_script.widget_states.widgets.add()
        state.id = self._slider.id
        state.double_array_value.data.append(value)
        message.rerun_script.fragment_id = self._fragment
        started = time.perf_counter()
        self._run(message)
        took = time.perf_counter() - started
        self._follow()
        if self.n_charts == before:
            self.errors.append("an edit drew no chart")
        return took

    def _follow(self) -> None:
        """Looks again as often as the page asks, until it comes to rest."""
        until = time.monotonic() + REST_LIMIT_S
        while self._again is not None:
            if time.monotonic() > until:
                raise TimeoutError("the page did not come to rest")
            time.sleep(self._again.interval)
            message = BackMsg()
            message.rerun_script.fragment_id = self._again.fragment_id
            self._run(message, looks_again=True)

    def _run(self, message: BackMsg, *, looks_again: bool = False) -> None:
        """Sends it and takes all that comes of it.

        A part that asks to be looked at again does so until what is around it is drawn anew.
        """
        if not looks_again:
            self._again = None
        message.rerun_script.SetInParent()
        self._socket.send(message.SerializeToString())
        asked: AutoRerun | None = None
        for received in self._until_the_end():
            kind = received.WhichOneof("type")
            if kind == "new_session":
                asked = None
            elif kind == "auto_rerun":
                self._again = asked = received.auto_rerun
            elif kind == "script_finished" and received.script_finished == WHOLE_PAGE:
                self._again = asked
            self._look_at(received)

    def _until_the_end(self) -> Iterator[ForwardMsg]:
        """The messages of a run, and of those that it began itself."""
        while True:
            received = ForwardMsg()
            received.ParseFromString(self._socket.recv(timeout=ANSWER_LIMIT_S))
            yield received
            is_end = received.WhichOneof("type") == "script_finished"
            if is_end and received.script_finished != EARLY_END:
                return

    def _look_at(self, received: ForwardMsg) -> None:
        if received.WhichOneof("type") != "delta":
            return
        element = received.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "slider" and element.slider.label == self._slider_name:
            self._slider, self._fragment = element.slider, received.delta.fragment_id
        elif kind == "plotly_chart":
            self.n_charts += 1
        elif kind == "exception" or (kind == "alert" and element.alert.format == Alert.ERROR):
            self.errors.append(str(element)[:200])


def crowd(
    url: str, slider_name: str, values: Sequence[float], n_users: int, pause_s: float, rounds: int
) -> Seen:
    """So many visitors, evenly apart, each with so many edits and a pause after each."""
    seen, lock = Seen(), threading.Lock()

    def visit(number: int) -> None:
        mine = itertools.cycle(values[number % len(values) :] + values[: number % len(values)])
        time.sleep(number * pause_s / n_users)
        taken: list[float] = []
        try:
            with Visitor(url, slider_name) as visitor:
                visitor.open()
                for _ in range(rounds):
                    time.sleep(pause_s)
                    taken.append(visitor.move(next(mine)))
                errors = visitor.errors
        except (OSError, TimeoutError, EOFError) as error:
            errors = [repr(error)]
        with lock:
            seen.edits.extend(taken)
            seen.errors.extend(errors)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(n_users)]
    for thread in visitors:
        thread.start()
    for thread in visitors:
        thread.join()
    return seen
