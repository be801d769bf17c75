"""What to start on the servers of a plan: settings per pool, and commands where vLLM serves.

Flags are those of vLLM's documentation of the commands and of its quantization, read in 2026.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from app.terminal import json_text
from ecoserve.catalog import Catalog
from ecoserve.plan import Plan, Pool
from ecoserve.rows import Llm
from ecoserve.scenario import Scenario

Record = dict[str, Any]
VLLM = "vllm"
"""How the ids of its stacks begin."""
LENGTH_STEP_TOKENS = 1024
"""Context lengths are rounded up to it."""
SIXTEEN_BITS = ("bf16", "fp16")
PLACEHOLDER = "MODEL"
PUBLISHED = (
    "Each command names the publisher's checkpoint on Hugging Face. Put your own directory in its"
    " place where the servers have no way there, or where yours is another."
)
CHECKPOINT = (
    "MODEL stands for your checkpoint of the model named above the command, a directory or a name"
    " on a hub; the catalog names none."
)
CONTEXT = (
    "--max-model-len holds the longest requests of the pool's length buckets. Where the model's own"
    " context is shorter vLLM refuses to start: lower it, and longer requests are refused."
)
ONLINE_FP8 = (
    "--quantization fp8 turns 16-bit weights to fp8 on loading; leave it out where the checkpoint"
    " is fp8 already."
)
QUANTISED = (
    "{precision} weights need a checkpoint that is quantised so; vLLM reads the format from it."
)
APART = (
    "Prefill and decode apart: a command starts one replica and no more. Not covered: the connector"
    " that moves the KV cache (--kv-transfer-config), its network, and the proxy that sends a"
    " request first to prefill and then to decode. vLLM calls this experimental."
)
CAPPED = "Power is capped at {ratio:.0%} of TDP, which is set at the driver and not in a command."
PREFIX = "The plan counts on prefix caching: send prompts that begin alike to the same replica."
NO_COMMAND = "No command for the stack {stack}, whose flags are not known here."


def launch_record(plan: Plan, scenario: Scenario, catalog: Catalog) -> Record:
    """All pools as plain data; equal settings on unlike servers stay apart."""
    return {
        "scenario": scenario.name,
        "scenario_fingerprint": plan.scenario_fingerprint,
        "engine_version": plan.engine_version,
        "catalog_version": plan.catalog_version,
        "pools": [_pool(pool, scenario, catalog) for pool in plan.pools],
    }


def launch_json(plan: Plan, scenario: Scenario, catalog: Catalog) -> str:
    """:func:`launch_record` as a file."""
    return json_text(launch_record(plan, scenario, catalog))


def launch_commands(plan: Plan, scenario: Scenario, catalog: Catalog) -> str:
    """The same to read: what to know first, then per pool the command of one replica."""
    record = launch_record(plan, scenario, catalog)
    stamp = (
        f"scenario {record['scenario_fingerprint']}, engine {record['engine_version']}, "
        f"catalog {record['catalog_version']}"
    )
    remarks = dict.fromkeys(remark for pool in record["pools"] for remark in pool["remarks"])
    head = (
        f"Launch settings of {record['scenario']}: {stamp}.",
        "A command starts one replica; start as many as its pool says. Not a script to run whole.",
        *remarks,
    )
    blocks = [line for pool in record["pools"] for line in _block(pool)]
    return "\n".join([*_comment(*head), *blocks]) + "\n"


def _pool(pool: Pool, scenario: Scenario, catalog: Catalog) -> Record:
    llm = catalog.llm(pool.llm)
    settings = {
        "model": llm.name,
        "model_id": llm.id,
        "model_aliases": list(llm.aliases),
        "checkpoint": llm.hub_id or PLACEHOLDER,
        "tensor_parallel_size": pool.tp,
        "checkpoint_dtype": llm.native_dtype,
        "dtype": _dtype(pool, llm, catalog),
        "weight_precision": pool.precision,
        "kv_cache_dtype": "auto" if pool.kv_precision == "bf16" else pool.kv_precision,
        "max_num_seqs": scenario.hardware.max_num_seqs,
        "planned_batch_requests": pool.batch,
        "max_model_len_tokens": longest_request_tokens(pool, scenario, catalog),
        "prefix_caching": _has_prefixes(pool, scenario),
    }
    return {
        "site": pool.site,
        "workloads": list(pool.workloads),
        "role": pool.role,
        "server": pool.server,
        "server_name": catalog.server(pool.server).name,
        "host_variant": pool.variant,
        "accelerator": pool.accelerator,
        "power_cap_ratio": pool.power_cap_ratio,
        "stack": pool.stack,
        "replicas": pool.replicas,
        "replicas_by_hour": list(pool.replicas_by_hour),
        **settings,
        "command": shlex.join(arguments) if (arguments := _arguments(pool, settings)) else None,
        "remarks": list(_remarks(pool, settings)),
    }


def _dtype(pool: Pool, llm: Llm, catalog: Catalog) -> str:
    """Of what is not quantised; hardware without bfloat16 takes halves."""
    card = catalog.accelerators.get(pool.accelerator)
    takes_halves = llm.native_dtype == "fp16" or (card is not None and not card.has_bf16)
    return "float16" if takes_halves else "bfloat16"


def longest_request_tokens(pool: Pool, scenario: Scenario, catalog: Catalog) -> int:
    """Prompt and answer of the longest request in the pool's length buckets, rounded up."""
    mixes = {row.name: catalog.length_mix(row.mix) for row in scenario.workloads}
    longest = max(
        bucket.isl_hi_tokens + bucket.osl_hi_tokens
        for part in pool.served
        for bucket in mixes[part.workload].buckets
        if bucket.isl_tokens <= part.isl_tokens[1] and bucket.osl_tokens <= part.osl_tokens[1]
    )
    return LENGTH_STEP_TOKENS * math.ceil(longest / LENGTH_STEP_TOKENS)


def _has_prefixes(pool: Pool, scenario: Scenario) -> bool:
    hits = {row.name: row.prefix_cache_hit for row in scenario.workloads}
    return any(hits[name] > 0 for name in pool.workloads)


def _arguments(pool: Pool, settings: Record) -> list[str]:
    """The command of one replica; none for a stack that is not vLLM."""
    if not pool.stack.startswith(VLLM):
        return []
    words = ["vllm", "serve", settings["checkpoint"], "--served-model-name", settings["model_id"]]
    words += ["--tensor-parallel-size", str(pool.tp), "--dtype", settings["dtype"]]
    if _is_quantised_on_loading(settings):
        words += ["--quantization", "fp8"]
    words += ["--kv-cache-dtype", settings["kv_cache_dtype"]]
    words += ["--max-num-seqs", str(settings["max_num_seqs"])]
    words += ["--max-model-len", str(settings["max_model_len_tokens"])]
    return words + (["--enable-prefix-caching"] if settings["prefix_caching"] else [])


def _is_quantised_on_loading(settings: Record) -> bool:
    return settings["weight_precision"] == "fp8" and settings["checkpoint_dtype"] in SIXTEEN_BITS


def _remarks(pool: Pool, settings: Record) -> Iterator[str]:
    if not pool.stack.startswith(VLLM):
        yield NO_COMMAND.format(stack=pool.stack)
        return
    yield CHECKPOINT if settings["checkpoint"] == PLACEHOLDER else PUBLISHED
    yield CONTEXT
    if _is_quantised_on_loading(settings):
        yield ONLINE_FP8
    elif pool.precision != "bf16":
        yield QUANTISED.format(precision=pool.precision)
    if pool.role in ("prefill", "decode"):
        yield APART
    if pool.power_cap_ratio < 1:
        yield CAPPED.format(ratio=pool.power_cap_ratio)
    if settings["prefix_caching"]:
        yield PREFIX


def _block(pool: Record) -> list[str]:
    """What a pool is for, and its command."""
    who = f"{pool['site']}: {pool['replicas']} x {pool['role'].replace('_', ' ')}, {pool['model']}"
    where = f"{', '.join(pool['workloads'])} on {pool['server_name']} ({pool['server']})"
    told = ["", *_comment(f"{who}, for {where}.")]
    return [*told, pool["command"] or _comment(*pool["remarks"])[0]]


def _comment(*texts: str) -> Sequence[str]:
    """Each text as one line of comment, whatever it holds."""
    return ["# " + "".join(char if char.isprintable() else " " for char in text) for text in texts]
