"""Turns the ``config.json`` of a Hugging Face model into the cells of a row of ``llms``.

Parameters are counted from the shapes: embeddings, attention, feed-forward layers, experts and
routers. Norms and biases are left out; they hold less than 0.2 %.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from catalog_db.csvfiles import CONFIG_KEY, THE_FILE

SUPPORTED = (
    *("deepseek_v2", "deepseek_v3", "gemma", "gemma2", "gemma3", "gemma3_text", "glm4_moe"),
    *("gpt_oss", "kimi_k2", "llama", "ministral", "mistral", "mixtral", "phi3"),
    *("qwen2", "qwen2_moe", "qwen3", "qwen3_moe"),
)
"""Values of ``model_type`` whose layers are those counted here."""

LEFT_OUT: dict[str, dict[str, Any]] = {
    "gemma": {"tie_word_embeddings": True},
    "gemma2": {"tie_word_embeddings": True},
    "gemma3_text": {"tie_word_embeddings": True, "vocab_size": 262208},
}
"""What a family's published configs leave out because it is the default of its code."""

NATIVE_DTYPES = {"bfloat16": "bf16", "float16": "fp16"}
QUANTIZED_DTYPES = {"fp8": "fp8", "mxfp4": "mxfp4"}
MATRICES_OF_GATED_MLP = 3
LARGEST = 10**9


class ConfigError(ValueError):
    """The config cannot become a row: what it is about, what was expected and what stands there.

    ``expected`` is empty where ``found`` is a sentence that says it all.
    """

    def __init__(self, about: str, expected: str, found: str = "") -> None:
        self.about, self.expected, self.found = about, expected, found
        super().__init__(f"{about}: {expected or found}")


def _wrong_key(name: str, expected: str, found: object) -> ConfigError:
    if found is None:
        return ConfigError(THE_FILE, "", f"the key {name} is missing; it should be {expected}")
    return ConfigError(f"{CONFIG_KEY}{name}", expected, str(found))


@dataclass(frozen=True, slots=True)
class _Config:
    """The keys of the language model, wherever the file has them."""

    keys: Mapping[str, Any]

    def size(self, *names: str, least: int = 1) -> int:
        """The first of the keys that is there. Raises :class:`ConfigError` where none is."""
        for name in names:
            value = self.keys.get(name)
            if value is None:
                continue
            if type(value) is not int or not least <= value <= LARGEST:
                raise _wrong_key(name, f"a whole number of at least {least}", repr(value))
            return value
        raise _wrong_key(" or ".join(names), "a whole number", None)

    def size_or(self, default: int, *names: str) -> int:
        """The first of the keys that is there, else ``default``."""
        has_one = any(self.keys.get(name) is not None for name in names)
        return self.size(*names, least=0) if has_one else default

    def flag(self, name: str) -> bool:
        """A switch; absent means false."""
        value = self.keys.get(name, False)
        if type(value) is not bool:
            raise _wrong_key(name, "true or false", repr(value))
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Experts:
    """The mixture of experts; without one every number is 0."""

    n_routed: int = 0
    n_per_token: int = 0
    n_layers: int = 0
    parameters_of_one: int = 0
    parameters_shared: int = 0
    """Per layer, the router included."""


def llm_id(file: str, text: str) -> str:
    """The row's id: the file's name, its folder's where it is ``config.json``, or the model's own.

    >>> llm_id("Qwen3-8B.json", "{}"), llm_id("my-model/config.json", "{}")
    ('qwen3_8b', 'my_model')
    """
    path = PurePosixPath(file)
    name = path.parent.name if path.name == "config.json" else path.stem
    if not name:
        name = own_name(text)
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not slug:
        raise ConfigError(THE_FILE, "a file named after the model, for example my-model.json")
    return slug


def own_name(text: str) -> str:
    """The model's name as its ``config.json`` says it; empty where it does not.

    >>> own_name('{"_name_or_path": "org/My-LLM"}'), own_name("{}")
    ('My-LLM', '')
    """
    path = _parse(text).get("_name_or_path")
    return PurePosixPath(path).name if isinstance(path, str) else ""


def llm_cells(text: str) -> dict[str, str]:
    """The cells of ``llms`` that a ``config.json`` gives: shapes, parameters and format.

    Raises :class:`ConfigError` for an unknown architecture, a missing key or a wrong value.
    """
    config = _language_model(_parse(text))
    layers, d_model = config.size("num_hidden_layers"), config.size("hidden_size")
    heads, vocab = config.size("num_attention_heads"), config.size("vocab_size")
    tied, is_latent = config.flag("tie_word_embeddings"), _is_latent(config)
    experts = _experts(config, layers, d_model)
    total = (
        (1 if tied else 2) * vocab * d_model
        + layers * _attention_parameters(config, d_model, heads)
        + (layers - experts.n_layers) * _dense_mlp_parameters(config, experts, layers, d_model)
        + experts.n_layers
        * (experts.n_routed * experts.parameters_of_one + experts.parameters_shared)
    )
    resting = experts.n_layers * (experts.n_routed - experts.n_per_token)
    return {
        "layers": str(layers),
        "d_model": str(d_model),
        "n_heads": str(heads),
        "n_kv_heads": str(1 if is_latent else config.size_or(heads, "num_key_value_heads")),
        "head_dim": str(_cached_head_dim(config, d_model, heads)),
        "vocab": str(vocab),
        "params_b": f"{total / 1e9:.6g}",
        "active_b": f"{(total - resting * experts.parameters_of_one) / 1e9:.6g}",
        "n_experts": str(experts.n_routed),
        "experts_per_token": str(experts.n_per_token),
        "tied_embeddings": str(tied).lower(),
        "mla": str(is_latent).lower(),
        "native_dtype": _native_dtype(config),
    }


def _parse(text: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(THE_FILE, "a config.json of Hugging Face", str(error)) from error
    if not isinstance(config, dict):
        raise ConfigError(THE_FILE, "a config.json of Hugging Face", "no JSON object")
    return config


def _language_model(config: Mapping[str, Any]) -> _Config:
    """The keys of the language model; models that also see keep them in ``text_config``."""
    inner = config.get("text_config", {})
    keys = {**config, **inner} if isinstance(inner, dict) else dict(config)
    family = keys.get("model_type")
    if family not in SUPPORTED:
        expected = f"one of {', '.join(SUPPORTED)}; write a row of llms.csv for any other"
        raise _wrong_key("model_type", expected, family)
    return _Config({**LEFT_OUT.get(family, {}), **keys})


def _is_latent(config: _Config) -> bool:
    return config.keys.get("kv_lora_rank") is not None


def _cached_head_dim(config: _Config, d_model: int, heads: int) -> int:
    if _is_latent(config):
        return config.size("kv_lora_rank") + config.size("qk_rope_head_dim")
    return _head_dim(config, d_model, heads)


def _head_dim(config: _Config, d_model: int, heads: int) -> int:
    return config.size_or(d_model // heads, "head_dim")


def _attention_parameters(config: _Config, d_model: int, heads: int) -> int:
    """Of one layer: queries, keys, values and output."""
    if _is_latent(config):
        return _latent_attention_parameters(config, d_model, heads)
    head_dim = _head_dim(config, d_model, heads)
    kv_heads = config.size_or(heads, "num_key_value_heads")
    return 2 * d_model * head_dim * (heads + kv_heads)


def _latent_attention_parameters(config: _Config, d_model: int, heads: int) -> int:
    """Of one layer with compressed queries, keys and values (DeepSeek-V2, arXiv 2405.04434)."""
    kv_rank, q_rank = config.size("kv_lora_rank"), config.size_or(0, "q_lora_rank")
    rope, nope = config.size("qk_rope_head_dim"), config.size("qk_nope_head_dim")
    value = config.size("v_head_dim")
    query_width = heads * (nope + rope)
    queries = q_rank * (d_model + query_width) if q_rank else d_model * query_width
    keys_values = d_model * (kv_rank + rope) + kv_rank * heads * (nope + value)
    return queries + keys_values + heads * value * d_model


def _dense_mlp_parameters(config: _Config, experts: _Experts, layers: int, d_model: int) -> int:
    """Of one layer without experts; 0 where there is none, as such configs need not say."""
    if experts.n_layers == layers:
        return 0
    return MATRICES_OF_GATED_MLP * d_model * config.size("intermediate_size")


def _experts(config: _Config, layers: int, d_model: int) -> _Experts:
    n_routed = config.size_or(0, "n_routed_experts", "num_local_experts", "num_experts")
    if n_routed == 0:
        return _Experts()
    width = config.size("moe_intermediate_size", "intermediate_size")
    shared_width = config.size_or(
        config.size_or(0, "n_shared_experts") * width, "shared_expert_intermediate_size"
    )
    return _Experts(
        n_routed=n_routed,
        n_per_token=config.size("num_experts_per_tok", "experts_per_token"),
        n_layers=_n_expert_layers(config, layers),
        parameters_of_one=MATRICES_OF_GATED_MLP * d_model * width,
        parameters_shared=MATRICES_OF_GATED_MLP * d_model * shared_width + d_model * n_routed,
    )


def _n_expert_layers(config: _Config, layers: int) -> int:
    """All layers but the dense first ones, those named and those between the sparse steps."""
    n_first = config.size_or(0, "first_k_dense_replace")
    step = max(1, config.size_or(1, "decoder_sparse_step"))
    named = config.keys.get("mlp_only_layers") or []
    if not isinstance(named, list):
        raise _wrong_key("mlp_only_layers", "a list of layers", repr(named))
    return sum(
        layer >= n_first and layer not in named and (layer + 1) % step == 0
        for layer in range(layers)
    )


def _native_dtype(config: _Config) -> str:
    quantized = config.keys.get("quantization_config")
    if isinstance(quantized, dict):
        method = quantized.get("quant_method")
        if method not in QUANTIZED_DTYPES:
            expected = "fp8 or mxfp4; for others take the config of the model as first published"
            raise _wrong_key("quantization_config.quant_method", expected, method)
        return QUANTIZED_DTYPES[method]
    dtype = config.keys.get("torch_dtype") or config.keys.get("dtype")
    if dtype not in NATIVE_DTYPES:
        raise _wrong_key("torch_dtype", "bfloat16 or float16", dtype)
    return NATIVE_DTYPES[dtype]
