"""Laws of operating points: what is found holds in the forward model, and more never hurts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ecoserve.account import Operation, Use
from ecoserve.demand import workload_demands
from ecoserve.errors import InfeasibleError, MissingDataError
from ecoserve.hourly import site_days
from ecoserve.latency import eligibility
from ecoserve.operating_point import largest_batch
from ecoserve.options import services
from ecoserve.performance import (
    decode_step_s,
    first_token_s,
    kv_batch_limit,
    mean_context_tokens,
    prefill_s,
)
from ecoserve.power import server_idle_w
from ecoserve.profile import ServingProfile, load_power, profile_at_slo
from ecoserve.profile_query import ProfileQuery
from ecoserve.service import Service
from ecoserve.structure import price_terms
from tests.builders import BIG, mix, offline, online, tiny_catalog, tiny_scenario

SAME = 1e-9
CATALOG = tiny_catalog()
QUERY = ProfileQuery(
    llm_id="toy", accelerator_id="big", tp=1, stack="vllm_v1", precision="bf16",
    isl_tokens=1000.0, osl_tokens=200.0,
)  # fmt: skip
queries = st.builds(
    lambda llm, tp, isl, osl, hit, seqs: replace(
        QUERY, llm_id=llm, tp=tp, isl_tokens=isl, osl_tokens=osl, prefix_cache_hit=hit,
        max_num_seqs=seqs,
    ),
    st.sampled_from(["toy", "toy_moe"]),
    st.sampled_from([1, 2, 4]),
    st.floats(1, 30_000),
    st.floats(1, 4_000),
    st.floats(0, 0.95),
    st.sampled_from([1, 7, 256, 1000]),
)  # fmt: skip
limits = st.tuples(st.floats(0.002, 3.0), st.floats(0.002, 0.2))
growth = st.floats(1.0, 4.0)


def at_slo(query: ProfileQuery, limit: tuple[float, float], **card: float) -> ServingProfile | None:
    catalog = tiny_catalog(replace(BIG, **card)) if card else CATALOG
    try:
        return profile_at_slo(catalog, query, *limit)
    except InfeasibleError:
        return None


def tokens_per_s(found: ServingProfile | None) -> float:
    return found.tokens_per_s if found else 0.0


@given(queries, limits, growth, growth)
def test_a_looser_slo_never_lowers_throughput(query, limit, more_ttft, more_tpot):
    looser = limit[0] * more_ttft, limit[1] * more_tpot
    tight, loose = (tokens_per_s(at_slo(query, each)) for each in (limit, looser))
    assert loose >= tight * (1 - SAME)


@pytest.mark.parametrize("figure", ["memory_gb_per_s", "bf16_tflops", "memory_gb"])
@given(queries, limits, growth)
def test_more_hardware_never_lowers_throughput(figure, query, limit, more):
    better = at_slo(query, limit, **{figure: getattr(BIG, figure) * more})
    assert tokens_per_s(better) >= tokens_per_s(at_slo(query, limit)) * (1 - SAME)


@given(queries, limits, growth)
def test_longer_prompts_never_raise_throughput(query, limit, more):
    longer = replace(query, isl_tokens=query.isl_tokens * more)
    found = tokens_per_s(at_slo(longer, limit))
    assert found <= tokens_per_s(at_slo(query, limit)) * (1 + SAME)


@given(queries, limits)
def test_a_profile_keeps_its_limits_and_is_the_largest(query, limit):
    found = at_slo(query, limit)
    assume(found is not None)
    assert found.ttft_s * 1.1 <= limit[0]
    assert found.tpot_s * 1.1 <= limit[1]
    one_more = at_slo(replace(query, max_num_seqs=found.batch), limit)
    assert one_more == found
    assert found.memory_gb <= query.tp * (0.9 * 80 - 1.75) * (1 + SAME)


@given(queries, limits, st.floats(0, 1))
def test_part_load_costs_no_less_spread_than_packed(query, limit, load):
    found = at_slo(query, limit)
    assume(found is not None)
    part = load_power(CATALOG, query, found.batch, load)
    idle_w = query.tp * 100.0
    assert idle_w * (1 - SAME) <= part.packed_w <= found.power_w * (1 + SAME)
    assert idle_w * (1 - SAME) <= part.spread_w <= query.tp * 500.0
    assert part.spread_w >= part.packed_w * (1 - SAME)
    assert found.j_per_token * found.tokens_per_s == pytest.approx(found.power_w)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1, max_size=6))
def test_halving_finds_what_trying_every_batch_finds(cases):
    keep = np.array([float(most) for most, _ in cases])
    limit = np.array([float(cap) for _, cap in cases])
    expected = np.maximum(np.minimum(keep, limit), 1.0)
    assert largest_batch(lambda batch: batch <= keep, limit).tolist() == expected.tolist()


def offered(workload: dict[str, Any], catalog: Any = CATALOG, **parts: Any) -> tuple[Service, ...]:
    scenario = tiny_scenario(workload, **parts)
    return services(scenario, catalog, workload_demands(scenario, catalog))


@given(
    limit=limits,
    hit=st.floats(0, 0.95),
    cap=st.sampled_from([1.0, 0.8, 0.6]),
    kv=st.sampled_from(["bf16", "fp8"]),
    seqs=st.sampled_from([5, 256]),
    lengths=st.tuples(st.floats(1, 30_000), st.floats(1, 4_000)),
)
def test_an_options_batch_keeps_memory_and_slo_in_the_forward_model(
    limit, hit, cap, kv, seqs, lengths
):
    catalog = tiny_catalog(mix("drawn", (0.5, *lengths), (0.5, 500.0, 100.0)))
    slo = {"ttft_s": limit[0], "tpot_s": limit[1]}
    workload = online(mix="drawn", slo=slo, prefix_cache_hit=hit)
    hardware = {"kv_precision": kv, "max_num_seqs": seqs, "power_cap_ratios": [cap]}
    isl, osl = np.array([lengths[0], 500.0]), np.array([lengths[1], 100.0])
    for option in offered(workload, catalog, hardware=hardware):
        if option.role == "prefill":
            continue
        replica, tp = option.device.replica, option.device.tp
        assert (
            option.batch[option.fits] <= kv_batch_limit(replica, isl, osl, seqs)[option.fits]
        ).all()
        card = catalog.accelerator(option.device.accelerator_id)
        assert (option.busy_w <= min(cap, 0.985) * card.tdp_w * (1 + SAME)).all()
        assert (option.dynamic_w >= -SAME * tp * card.tdp_w).all()
        good = option.keeps_tpot
        assert (option.tpot_s[good] * 1.1 <= limit[1] * (1 + SAME)).all()
        if cap == 1.0:
            step = option.batch, mean_context_tokens(isl, osl)
            prefill = prefill_s(replica, isl, hit) if option.role == "mixed" else 0.0 * isl
            expected = _step(option, *step) + (option.batch - 1) * prefill / osl
            assert option.tpot_s == pytest.approx(expected)
        if option.role == "mixed" and cap == 1.0:
            step = _step(option, option.batch, mean_context_tokens(isl, osl))
            assert option.own_ttft_s == pytest.approx(first_token_s(replica, isl, step, hit))


def _step(option: Service, batch: Any, context: Any) -> Any:
    return decode_step_s(option.device.replica, batch, context)


def test_a_capped_option_serves_no_faster_and_its_twin_without_a_cap_is_untouched():
    caps = {"power_cap_ratios": [1.0, 0.8, 0.6]}
    found = {s.id: s for s in offered(online(mix="three"), hardware=caps)}
    plain = {s.id: s for s in offered(online(mix="three"))}
    for name, option in plain.items():
        assert (found[name].load_s == option.load_s).all()
        for cap in ("cap80", "cap60"):
            slow = found[name.replace(".bf16.", f".bf16.{cap}.")]
            assert (slow.load_s >= option.load_s * (1 - SAME)).all()
            assert (slow.busy_w <= option.busy_w * (1 + SAME)).all()


@given(st.lists(st.floats(0, 5), min_size=24, max_size=24), st.integers(1, 5))
def test_the_account_draws_idle_plus_the_busy_replicas_and_nothing_else(busy, count):
    # The packing rule: power above idle goes with busy replicas; zero load draws idle.
    scenario = tiny_scenario(offline())
    demands = workload_demands(scenario, CATALOG)
    options = [s for s in services(scenario, CATALOG, demands) if s.role == "mixed"]
    judged = eligibility(options, demands, scenario.policy, {})
    terms = price_terms(scenario, CATALOG, demands, options, judged)
    option = next(s for s in options if s.device.accelerator_id == "big" and s.device.tp == 1)
    replicas = np.array(busy)
    use = Use(service=option, shares=np.ones(1), busy_replicas=replicas, peak_replicas=replicas)
    counts = {"own_4x_big": count}
    idle_kw = count * server_idle_w(CATALOG.server("own_4x_big"), CATALOG) / 1000

    def drawn(uses: tuple[Use, ...]) -> Any:
        fleet = Operation(
            counts=counts,
            on={("own_4x_big", 0): count},
            replicas={("own_4x_big", option.pool_id): (4,)},
            uses=uses,
        )
        (day,) = site_days(fleet, terms, CATALOG, [np.zeros(24)])
        return day.hourly.it_power_kw

    assert drawn(()) == pytest.approx([idle_kw] * 24)
    above = option.dynamic_w[0] / 0.8 / 1000  # a fifth is lost in the power supplies
    assert drawn((use,)) == pytest.approx(idle_kw + above * replicas)


@pytest.mark.parametrize(
    ("changes", "without", "missing"),
    [
        ({"stack": "other"}, (), "no serving parameters for big_family with other at bf16"),
        ({"precision": "int4"}, (), "no serving parameters for big_family with vllm_v1 at int4"),
        ({"accelerator_id": "small", "precision": "fp8"}, (), "small has no native fp8"),
        ({"accelerator_id": "small", "kv_precision": "fp8"}, (), "small has no native fp8 for the"),
        ({}, ("big_family",), "no power parameters for big_family"),
    ],
)
def test_what_is_unknown_is_said_not_guessed(changes, without, missing):
    with pytest.raises(MissingDataError, match=missing):
        profile_at_slo(tiny_catalog(without=without), replace(QUERY, **changes), 2.0, 0.1)


@given(limits, growth, growth)
def test_a_looser_slo_never_lowers_the_throughput_of_any_bucket(limit, more_ttft, more_tpot):
    def loads(ttft_s: float, tpot_s: float) -> dict[str, Any]:
        workload = online(mix="three", slo={"ttft_s": ttft_s, "tpot_s": tpot_s})
        scenario = tiny_scenario(workload, hardware={"accelerators": ["big"]})
        found = services(scenario, CATALOG, workload_demands(scenario, CATALOG))
        return {service.id: service.load_s for service in found if service.role != "prefill"}

    tight, loose = loads(*limit), loads(limit[0] * more_ttft, limit[1] * more_tpot)
    assert tight.keys() == loose.keys()
    for name, load_s in loose.items():
        assert (load_s <= tight[name] * (1 + SAME)).all()
