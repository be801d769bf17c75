"""Would it hold? Traffic replayed against the plan when asked for, and what came of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import streamlit as st

from app import figures_replay as figures
from app import records, replay_words, state
from app.replay_asks import ReplayAsked
from app.replays import Simulation
from app.reports_simulate import simulation_record
from app.safe_csv import safe_csv
from app.solving.desk import Desk
from app.text import in_words, plain, sentence
from app.views import analyses, on_demand
from app.views import answer as draw
from app.views.log_panel import show_bad
from app.views.replay_closing import show_fix, show_saving
from app.views.replay_controls import Chosen, chosen
from app.views.solve import Effort
from ecoserve.errors import EcoServeError, SolverError
from ecoserve.runtime.result import PoolReplay, Replay
from ecoserve.scenario import Scenario

SPLITS = {"workload": "Workload", "side": "Accelerators and host CPUs"}
PLACE, LAST = "replay", "replay:last"
WHAT = (
    "Sends requests one by one through the planned fleet, with queues, batches and memory as they"
    " are at each moment, and sets what users saw and what the meter read beside the plan."
)


def show() -> None:
    """The controls, the button, and what the last replay of this scenario came to."""
    st.markdown("### Would it hold?")
    st.caption(WHAT)
    choice = chosen()
    scenario = state.scenario()
    asked = _last().get(scenario.fingerprint())
    if choice is not None and choice.asked != asked:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(choice.button, key="replay:begin", on_click=_begin, args=(choice,))
            st.caption(plain(choice.about))
    if asked is None:
        return
    found = _found(asked, scenario, choice)
    if found is not None:
        _show(found, asked, choice)


def _last() -> dict[str, ReplayAsked]:
    """What this tab asked for last, by scenario."""
    held: dict[str, ReplayAsked] = st.session_state.setdefault(LAST, {})
    return held


def _begin(choice: Chosen) -> None:
    scenario = state.scenario()
    _last()[scenario.fingerprint()] = choice.asked
    ask = partial(_replayed, choice=choice)
    if analyses.known(_name(choice.asked), scenario) is None:
        analyses.begin(_name(choice.asked), scenario, "interactive", ask, PLACE)


def _name(asked: ReplayAsked) -> str:
    return f"replay:{asked.name}"


def _replayed(desk: Desk, scenario: Scenario, effort: Effort, choice: Chosen) -> Simulation:
    """In a task: the plan as it is best, then the replay in a worker."""
    plan = desk.our_plan(scenario, effort)
    with on_disk(choice) as file:
        return desk.replayed(scenario, plan, choice.asked, file)


@contextmanager
def on_disk(choice: Chosen) -> Iterator[Path | None]:
    """The log as a file for the workers, gone afterwards."""
    if choice.content is None or choice.asked.log is None:
        yield None
        return
    ending = PurePosixPath(choice.asked.log.file).suffix[:8]
    with tempfile.NamedTemporaryFile(prefix="ecoserve-", suffix=ending) as file:
        file.write(choice.content)
        file.flush()
        yield Path(file.name)


def _found(asked: ReplayAsked, scenario: Scenario, choice: Chosen | None) -> Simulation | None:
    """The replay, if it is done; else how far it is, or why there is none."""
    known = analyses.known(_name(asked), scenario)
    if known is not None:
        answer: Simulation = known.answer
        return answer
    task = analyses.finding(_name(asked), scenario, "interactive", PLACE)
    if task is None:
        _last().pop(scenario.fingerprint(), None)
        st.rerun()
    if not task.is_done:
        on_demand.follow(task, "The plan is finished first")
        return None
    again = choice is not None and choice.asked == asked
    begin = partial(_begin, choice) if again and choice is not None else _forget
    try:
        found: Simulation = task.result().answer
    except SolverError as error:
        on_demand.broken_off(task, error, begin)
    except EcoServeError as error:
        file = "" if asked.log is None else f"{asked.log.file} was not replayed: "
        st.error(plain(sentence(f"{file}{state.readable(str(error))}")))
    else:
        return found
    return None


def _forget() -> None:
    _last().pop(state.scenario().fingerprint(), None)


def _show(found: Simulation, asked: ReplayAsked, choice: Chosen | None) -> None:
    """The finding, promise beside replay with the reasons, pictures, tables, what follows."""
    seen, plan = found.replay, found.plan
    named = partial(in_words, names=_names(seen))
    st.markdown(f"#### {plain(named(replay_words.finding(seen, plan)))}.")
    st.caption(plain(replay_words.conditions(seen, asked)))
    if found.log is not None and found.log.bad:
        st.warning(plain(replay_words.bad_rows_words(found.log)))
    draw.show_table(replay_words.promise_rows(seen, plan), "", wide="What")
    differ = replay_words.reasons(seen, named)
    if differ:
        st.markdown("**Where it differs, and why**")
        st.markdown("\n".join(f"- {plain(reason)}" for reason in differ))
    if not seen.meets_slos:
        show_fix(found, asked, choice, on_disk)
    _pictures(found)
    st.markdown("### Latency and pools")
    draw.show_table(replay_words.latency_rows(seen, plan), "")
    draw.show_table(replay_words.pool_rows(seen, _on_what), "", wide="Pool")
    for remark in replay_words.left_out_words(found)[1 if found.log and found.log.bad else 0 :]:
        st.caption(plain(remark))
    if found.log is not None and found.log.bad:
        show_bad(found.log)
    _downloads(found)
    show_saving(found, asked)


def _pictures(found: Simulation) -> None:
    seen, plan = found.replay, found.plan
    first = next(iter(SPLITS))
    split = st.segmented_control(
        "Replay stacked by", list(SPLITS), default=first, required=True, key="replay:split",
        format_func=SPLITS.__getitem__, persist_state="session",
    )  # fmt: skip
    chart = figures.power_by_minute(seen, plan, "side" if split == "side" else "workload")
    draw.show_chart(chart, "replay:power")
    queue, latency = st.columns(2, gap="large")
    with queue:
        draw.show_chart(figures.waiting(seen), "replay:waiting")
    lately = figures.latency(seen, plan.slo)
    if lately is not None:
        with latency:
            draw.show_chart(lately, "replay:latency")


def _names(seen: Replay) -> dict[str, str]:
    """Of what the pools run on, by id."""
    rows = state.catalog()
    cards = {pool.accelerator for pool in seen.pools if pool.accelerator}
    names = {card: rows.accelerator(card).name for card in cards}
    return names | {pool.server: draw.server_name(pool.server) for pool in seen.pools}


def _on_what(pool: PoolReplay) -> str:
    rows = state.catalog()
    if not pool.accelerator:
        return f"the CPUs of {draw.server_name(pool.server)}"
    return rows.accelerator(pool.accelerator).name


def _downloads(found: Simulation) -> None:
    name = f"ecoserve-replay-{found.scenario.fingerprint()}"
    with st.container(horizontal=True):
        for label, make, ending, mime in (
            ("Replay as JSON", _as_json, "json", "application/json"),
            ("Replay by minute as CSV", _as_csv, "csv", "text/csv"),
        ):
            make_it: Callable[[], str] = partial(make, found)
            st.download_button(
                label, make_it, file_name=f"{name}.{ending}", mime=mime,
                key=f"replay:download:{ending}", on_click="ignore",
            )  # fmt: skip


def _as_json(found: Simulation) -> str:
    stamp = records.stamp(state.catalog(), found.scenario, found.plan.notes)
    return json.dumps({**stamp, **simulation_record(found)}, indent=1)


def _as_csv(found: Simulation) -> str:
    return safe_csv(minute_rows(found))


def minute_rows(found: Simulation) -> list[dict[str, Any]]:
    """A row per minute: traffic, queues, replicas, the meter, every layer of the power."""
    minutes = found.replay.minutes
    layers = [(layer, layer.it_power_kw) for layer in found.replay.layers]
    return [
        {
            "minute": minute,
            "clock": replay_words.clock(found.replay.start_h + minute / 60.0),
            **{
                name: getattr(minutes, name)[minute]
                for name in (
                    "arrivals", "waiting", "deferred", "running", "busy_replicas", "up_replicas",
                    "it_power_kw", "gco2e_per_kwh", "kgco2e",
                )
            },
            **{
                f"{one.workload or one.kind} on {one.side} at {one.site}, kW": kw[minute]
                for one, kw in layers
            },
        }
        for minute in range(len(minutes.it_power_kw))
    ]  # fmt: skip
