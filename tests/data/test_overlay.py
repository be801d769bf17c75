"""The user's own rows: corrected and added, checked like ours, known as theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from catalog_db import tables
from catalog_db.build import CatalogBuildError, build_catalog, catalog_version
from catalog_db.huggingface import llm_cells, llm_id
from catalog_db.overlay import (
    MAX_FILE_BYTES,
    MAX_FILES,
    OWN_NOTE,
    OWN_SOURCE,
    Overlay,
    OverlayError,
)
from catalog_db.reader import (
    CATALOG_VARIABLE,
    default_catalog_path,
    ensure_catalog,
    load_catalog,
)
from ecoserve.catalog import Catalog

SERVER = (
    "id,name,provider_id,offer,host_id,accelerator_id,n_accelerators,vcpus,dram_gib,ssd_gb,"
    "n_nics,nic_gbps"
)


def overlay(**files: str) -> Overlay:
    """CSV files by table."""
    return Overlay.from_files({f"{k}.csv": text.encode() for k, text in files.items()}, "mine")


def built_with(target: Path, own: Overlay) -> Catalog:
    build_catalog(target, overlay=own)
    return load_catalog(target)


def problems(target: Path, own: Overlay) -> list[str]:
    with pytest.raises(CatalogBuildError) as caught:
        build_catalog(target, overlay=own)
    assert not target.exists()
    return [str(problem) for problem in caught.value.problems]


def test_a_correction_changes_its_cells_and_no_more(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "c.duckdb"
    own = overlay(accelerators="id,tdp_w,idle_w\nl4,70.5,\nt4,,9.5\n")
    changed = built_with(path, own)
    ours, theirs = catalog.accelerators["l4"], changed.accelerators["l4"]
    assert (theirs.tdp_w, theirs.idle_w) == (70.5, ours.idle_w)
    assert (theirs.source_id, theirs.quality) == (ours.source_id, ours.quality)
    assert changed.accelerators["t4"].idle_w == 9.5
    assert changed.accelerators["h100_sxm_80gb"] == catalog.accelerators["h100_sxm_80gb"]
    assert changed.overlay_rows == {
        ("accelerators", "l4"), ("accelerators", "t4"), ("sources", OWN_SOURCE)
    }  # fmt: skip
    watts = tables.figure(path, "accelerators", "l4", "tdp_w")
    assert (watts.source_id, watts.quality, watts.note) == (OWN_SOURCE, "assumed", OWN_NOTE)
    assert watts.is_own
    assert watts.publisher == "mine"
    idle = tables.figure(path, "accelerators", "l4", "idle_w")
    assert not idle.is_own
    assert idle.source_id != OWN_SOURCE
    marked = {row["id"] for row in tables.rows(path, "accelerators") if row["is_own"]}
    assert marked == {"l4", "t4"}
    assert {s.name: s.n_own for s in tables.table_sizes(path)}["accelerators"] == 2


def test_a_correction_can_cite_a_source(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    own = overlay(
        sources="id,title,publisher,url,published,retrieved,licence\n"
        "lab,Our lab,We,https://example.org,2026,2026-01-01,ours\n",
        regions="id,pue,source_id,quality,note\naws_eu_west_1,1.07,lab,measured,One year.\n",
    )
    built_with(path, own)
    pue = tables.figure(path, "regions", "aws_eu_west_1", "pue")
    assert (pue.value, pue.source_title, pue.quality) == (1.07, "Our lab", "measured")
    assert (pue.note, pue.is_own) == ("One year.", True)
    other = tables.figure(path, "regions", "aws_eu_west_1", "gco2e_per_kwh")
    assert other.source_id != "lab"


def test_a_whole_copy_of_our_rows_changes_nothing(tmp_path: Path, data_dir: Path) -> None:
    copied = {file.name: file.read_bytes() for file in sorted(data_dir.glob("re*.csv"))}
    assert set(copied) == {"regions.csv", "rental_prices.csv"}
    changed = built_with(tmp_path / "c.duckdb", Overlay.from_files(copied))
    assert changed.overlay_rows == {("sources", OWN_SOURCE)}


def test_one_changed_cell_in_a_whole_copy_is_the_users(tmp_path: Path, data_dir: Path) -> None:
    text = (data_dir / "llms.csv").read_text(encoding="utf-8")
    assert text.count("Llama 3.1 8B") == 1
    own = overlay(llms=text.replace("Llama 3.1 8B", "Our Llama"))
    changed = built_with(tmp_path / "c.duckdb", own)
    assert changed.overlay_rows - {("sources", OWN_SOURCE)} == {("llms", "llama_3_1_8b")}
    assert changed.cell_sources["llms", "llama_3_1_8b", "name"].source_id == OWN_SOURCE


def test_a_new_server_is_added_as_the_users_word(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    row = "box,My box,own,purchase,host_hgx_spr,h100_sxm_80gb,4,112,1024,7680,4,400"
    changed = built_with(path, overlay(servers=f"{SERVER}\n{row}\n"))
    server = changed.server("box")
    assert (server.n_accelerators, server.dram_gb) == (4, 1024.0)
    assert (server.source_id, server.quality, server.note) == (OWN_SOURCE, "assumed", OWN_NOTE)
    assert ("servers", "box") in changed.overlay_rows
    assert all(figure.is_own for figure in tables.figures(path, "servers", "box"))


def test_problems_name_the_overlays_own_file_and_line(tmp_path: Path) -> None:
    good = "box,My box,own,purchase,host_hgx_spr,h100_sxm_80gb,4,112,1024,7680,4,400"
    own = overlay(
        servers="\n".join([
            SERVER,
            good,
            good.replace("box,", "box2,", 1).replace(",4,112", ",4,9999"),
            good,
            "lonely,1",
        ]),
        regions="id,pue\naws_eu_west_1,0.5\nnowhere,1.2\n",
        acelerators="id\nl4\n",
        llms="id,layerz\nllama_3_1_8b,3\n",
        prices="value\n3\n",
        hosts='id,name\nhost_hgx_spr,"open\n',
    )  # fmt: skip
    found = "\n".join(problems(tmp_path / "c.duckdb", own))
    assert "mine/acelerators.csv: the file: expected a file named after a table" in found
    assert "; nearest: accelerators" in found
    assert "mine/llms.csv:1: the header: expected columns out of id, name" in found
    assert "found layerz; nearest: layers" in found
    assert "mine/prices.csv:1: the header: the column id is missing" in found
    assert "mine/hosts.csv:2: the whole line: a quotation mark is opened and never closed" in found
    assert "mine/servers.csv:4: column id: expected a key that no earlier row has" in found
    assert "mine/servers.csv:5: the whole line: expected 12 cells, found 2" in found
    assert "mine/regions.csv:2: column pue: expected from 1 to 3, found 0.5" in found
    missing = "the columns name, provider_id, gco2e_per_kwh, year, utc_offset_h are missing"
    assert f"mine/regions.csv:1: the header: {missing}; rows with a new id need" in found
    assert "regions.csv:3" not in found
    assert "\nregions.csv" not in found
    own = overlay(servers="\n".join([SERVER, good.replace(",4,112", ",4,4096")]))
    assert problems(tmp_path / "c.duckdb", own) == [
        "mine/servers.csv:2: column vcpus: expected at most the threads of its host: sockets x"
        " cores x threads per core, found 4096 of 224"
    ]


def test_a_mix_of_ones_own_comes_with_its_lengths(tmp_path: Path, catalog: Catalog) -> None:
    percentiles = "mix_id,field,percentile,tokens\n{0},isl,50,700\n{0},isl,90,2000\n" + (
        "{0},osl,50,100\n{0},osl,90,300\n"
    )
    own = overlay(
        length_mixes="id,name,kind\nmy_chat,My chat,percentiles\n",
        length_percentiles=percentiles.format("my_chat"),
    )
    mix = built_with(tmp_path / "c.duckdb", own).length_mix("my_chat")
    assert sum(bucket.fraction for bucket in mix.buckets) == pytest.approx(1.0)
    ours = next(iter(catalog.length_mixes))
    found = problems(tmp_path / "d.duckdb", overlay(length_percentiles=percentiles.format(ours)))
    assert "expected a mix of your own, with a new id in length_mixes.csv" in found[0]


def test_a_full_year_makes_the_zone_the_users(tmp_path: Path, catalog: Catalog) -> None:
    zone_id = next(iter(catalog.grid_zones))
    lines = [f"{zone_id},lifecycle,{hour},{100 + hour % 24}" for hour in range(8760)]
    own = overlay(grid_series="\n".join(["zone_id,kind,hour,gco2e_per_kwh", *lines]))
    changed = built_with(tmp_path / "c.duckdb", own)
    zone = changed.grid_zones[zone_id]
    assert zone.source_id == OWN_SOURCE
    hours = zone.hourly_gco2e_per_kwh["year", "lifecycle"]
    assert hours == pytest.approx([100.0 + hour for hour in range(24)])
    assert changed.overlay_rows >= {("grid_zones", zone_id), ("grid_series", zone_id)}


def test_version_and_path_follow_the_overlay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (overlay(regions=f"id,pue\naws_eu_west_1,{pue}\n") for pue in (1.1, 1.2))
    versions = {catalog_version(), catalog_version(overlay=one), catalog_version(overlay=other)}
    assert len(versions) == 3
    turned = overlay(regions="pue,id\r\n1.1,aws_eu_west_1\r\n\r\n")
    assert catalog_version(overlay=turned) == catalog_version(overlay=one)
    monkeypatch.setenv(CATALOG_VARIABLE, str(tmp_path / "c.duckdb"))
    paths = [ensure_catalog(overlay=own) for own in (None, one, other)]
    assert len(set(paths)) == 3
    pues = [load_catalog(path).region("aws_eu_west_1").pue for path in paths]
    assert pues[1:] == [1.1, 1.2]
    assert pues[0] not in pues[1:]
    assert default_catalog_path(one) == paths[1]
    assert load_catalog(paths[1]).version == catalog_version(overlay=one)


def test_a_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "my-model").mkdir(parents=True)
    (folder / "regions.csv").write_text("id,pue\naws_eu_west_1,1.1\n", encoding="utf-8")
    (folder / "README.txt").write_text("notes", encoding="utf-8")
    (folder / "my-model" / "config.json").write_text(json.dumps(LLAMA_8B), encoding="utf-8")
    own = Overlay.from_folder(folder)
    assert own.name == "mine"
    assert [name for name, _ in own.files] == ["my-model/config.json", "regions.csv"]
    assert own == Overlay.from_folder(folder)
    assert hash(own) == hash(Overlay.from_folder(folder))


def test_an_overlay_over_another_keeps_the_other_files(tmp_path: Path) -> None:
    base = overlay(regions="id,pue\naws_eu_west_1,1.1\n", llms="id,layers\nllama_3_1_8b,31\n")
    both = overlay(regions="id,pue\naws_eu_west_1,1.2\n").over(base)
    changed = built_with(tmp_path / "c.duckdb", both)
    assert changed.region("aws_eu_west_1").pue == 1.2
    assert changed.llm("llama_3_1_8b").layers == 31
    assert base.over(None) == base


def test_what_is_no_overlay_is_named(tmp_path: Path) -> None:
    with pytest.raises(OverlayError, match="no folder"):
        Overlay.from_folder(tmp_path / "absent")
    with pytest.raises(OverlayError, match="has no CSV and no JSON file"):
        Overlay.from_folder(tmp_path)
    with pytest.raises(OverlayError, match="at most 40"):
        Overlay.from_files({f"{n}.csv": b"" for n in range(MAX_FILES + 1)})
    (tmp_path / "servers.xlsx").write_bytes(b"PK")
    with pytest.raises(OverlayError, match=r"no JSON file, only servers\.xlsx; name them"):
        Overlay.from_folder(tmp_path)


def test_files_that_cannot_be_read_do_not_hide_the_problems_of_others(tmp_path: Path) -> None:
    files = {
        "servers.csv": f"{SERVER}\n".encode()
        + b"box,B\xf6x,own,purchase,host_hgx_spr,my_card,4,112,1024,7680,4,400\n"
        + b"bin,Bin,own,purchase,host_hgx_spr,h100,4,9999,1024,7680,4,400\n",
        "accelerators.csv": b"id\0\n",
        "hosts.csv": b"id;name\nmine;Mine\n",
        "cpus.csv": b"",
        "prices.xlsx": b"PK",
        "sources.csv": b"x" * (MAX_FILE_BYTES + 1),
        "regions.csv": b"id,pue\naws_eu_west_1,0.5\n",
    }
    found = problems(tmp_path / "c.duckdb", Overlay.from_files(files, "mine"))
    utf8 = "save it as 'CSV UTF-8'"
    ids = "expected an id of accelerators.csv, found "
    lists = "`ecoserve catalog list accelerators` shows what there is"
    first = "correct accelerators.csv first, not all of its rows could be read"
    for problem in (
        "mine/accelerators.csv: the file: this is no plain text; " + utf8,
        "mine/cpus.csv: the file: the file is empty; write a header and rows",
        "mine/hosts.csv:1: the header: separate the columns by commas, found semicolons",
        "mine/prices.xlsx: the file: expected a CSV or a JSON file",
        "mine/regions.csv:2: column pue: expected from 1 to 3, found 0.5",
        "mine/servers.csv:2: the file: not UTF-8 text; " + utf8,
        "mine/sources.csv: the file: expected at most 5,000,000 bytes; leave out rows that correct"
        " nothing",
    ):
        assert problem in found
    own_card = f"mine/servers.csv:2: column accelerator_id: {ids}my_card"
    assert any(problem.startswith(own_card) for problem in found)
    h100 = next(p for p in found if p.startswith("mine/servers.csv:3: column accelerator_id"))
    assert f"{ids}h100; nearest: h100" in h100
    assert h100.endswith(f"; {lists}; {first}")
    assert any("mine/servers.csv:3: column vcpus: expected from 1 to 4096" in p for p in found)


def test_a_file_that_cannot_be_read_is_never_left_out_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CATALOG_VARIABLE, str(tmp_path / "c.duckdb"))
    files = {"regions.csv": b"id,pue\naws_eu_west_1,1.1\n"}
    ensure_catalog(overlay=Overlay.from_files(files, "mine"))
    for other in (b"id\0", b"id,name\nl4,\xff\n"):
        spoilt = Overlay.from_files({**files, "accelerators.csv": other}, "mine")
        with pytest.raises(CatalogBuildError, match=r"mine/accelerators\.csv"):
            ensure_catalog(overlay=spoilt)
        with pytest.raises(CatalogBuildError, match=r"mine/accelerators\.csv"):
            ensure_catalog(overlay=Overlay.from_files({}, "mine").over(spoilt))


def test_a_missing_column_is_told_once_and_with_those_misspelt(tmp_path: Path) -> None:
    row = ",My box,own,purchase,host_hgx_spr,h100_sxm_80gb,4,112,1024,7680,4,400"
    header = SERVER.replace("vcpus", "vCPUs")
    own = overlay(servers="\n".join([header, *(f"box{n}{row}" for n in range(50))]))
    unknown, missing = problems(tmp_path / "c.duckdb", own)[::-1]
    assert missing == (
        "mine/servers.csv:1: the header: the column vcpus is missing; rows with a new id need every"
        " required column"
    )
    assert "found vCPUs; nearest: vcpus" in unknown


def test_files_of_a_folder_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("servers.xlsx", "deep/regions.csv", "README.txt", ".git/config", ".DS_Store"):
        (folder / name).write_text("x", encoding="utf-8")
    (folder / "regions.csv").write_text("id,pue\naws_eu_west_1,1.1\n", encoding="utf-8")
    own = Overlay.from_folder(folder)
    assert own.ignored == ("deep/regions.csv", "servers.xlsx")
    told = own.ignored_in_words()
    assert told.startswith("not read in mine: deep/regions.csv, servers.xlsx; an overlay has CSV")
    assert Overlay.from_files({}).ignored_in_words() == ""


# --- config.json of Hugging Face -------------------------------------------------------------


def config(
    model_type: str, layers: int, d_model: int, heads: int, kv: int, width: int, vocab: int,
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "model_type": model_type,
        "num_hidden_layers": layers,
        "hidden_size": d_model,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": width,
        "vocab_size": vocab,
        "torch_dtype": "bfloat16",
        **more,
    }


LLAMA_8B = config("llama", 32, 4096, 32, 8, 14336, 128256)
QWEN3_MOE = config(
    "qwen3_moe", 48, 2048, 32, 4, 6144, 151936, head_dim=128, num_experts=128,
    num_experts_per_tok=8, moe_intermediate_size=768, decoder_sparse_step=1, mlp_only_layers=[],
)  # fmt: skip
GPT_OSS_20B = config(
    "gpt_oss", 24, 2880, 64, 8, 2880, 201088, head_dim=64, num_local_experts=32,
    num_experts_per_tok=4, quantization_config={"quant_method": "mxfp4"},
)  # fmt: skip
DEEPSEEK_V3 = config(
    "deepseek_v3", 61, 7168, 128, 128, 18432, 129280, q_lora_rank=1536, kv_lora_rank=512,
    qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128, n_routed_experts=256,
    n_shared_experts=1, num_experts_per_tok=8, moe_intermediate_size=2048, first_k_dense_replace=3,
    moe_layer_freq=1, quantization_config={"quant_method": "fp8"},
)  # fmt: skip
GEMMA_3_27B = {
    "model_type": "gemma3",
    "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 62,
        "hidden_size": 5376,
        "num_attention_heads": 32,
        "num_key_value_heads": 16,
        "head_dim": 128,
        "intermediate_size": 21504,
    },
}


@pytest.mark.parametrize(
    ("given", "params_b", "active_b"),
    [
        (LLAMA_8B, 8.03, 8.03),
        (config("llama", 80, 8192, 64, 8, 28672, 128256), 70.55, 70.55),
        (config("qwen3", 64, 5120, 64, 8, 25600, 151936, head_dim=128), 32.76, 32.76),
        (QWEN3_MOE, 30.5, 3.3),
        (
            config("mixtral", 32, 4096, 32, 8, 14336, 32000, head_dim=None,
                   num_local_experts=8, num_experts_per_tok=2),
            46.7, 12.9,
        ),
        # Published without the input embedding: 3.6 + 201,088 x 2,880 / 1e9.
        (GPT_OSS_20B, 20.9, 3.61 + 0.579),
        (DEEPSEEK_V3, 671.0, 37.0),
        (GEMMA_3_27B, 27.0, 27.0),
        (config("phi3", 40, 5120, 40, 10, 17920, 100352), 14.66, 14.66),
        (config("qwen2", 28, 3584, 28, 4, 18944, 152064), 7.62, 7.62),
    ],
)  # fmt: skip
def test_parameters_are_counted_from_the_shapes(
    given: dict[str, Any], params_b: float, active_b: float
) -> None:
    cells = llm_cells(json.dumps(given))
    assert float(cells["params_b"]) == pytest.approx(params_b, rel=0.02)
    assert float(cells["active_b"]) == pytest.approx(active_b, rel=0.02)


def test_every_parameter_of_a_tiny_model_is_counted() -> None:
    """One dense and one sparse layer; on paper: embeddings 2*1000*64 = 128,000.

    Attention 2*64*16*(4+2) = 12,288 a layer; dense 3*64*128 = 24,576; one expert
    3*64*32 = 6,144, eight of them 49,152, two shared 12,288, router 64*8 = 512.
    """
    tiny = config(
        "deepseek_v3", 2, 64, 4, 2, 128, 1000, n_routed_experts=8, n_shared_experts=2,
        num_experts_per_tok=3, moe_intermediate_size=32, first_k_dense_replace=1,
    )  # fmt: skip
    cells = llm_cells(json.dumps(tiny))
    total = 128_000 + 2 * 12_288 + 24_576 + 49_152 + 12_288 + 512
    assert float(cells["params_b"]) * 1e9 == total
    assert float(cells["active_b"]) * 1e9 == total - 5 * 6_144


def test_shapes_and_formats_are_read() -> None:
    deepseek = llm_cells(json.dumps(DEEPSEEK_V3))
    assert (deepseek["mla"], deepseek["n_kv_heads"], deepseek["head_dim"]) == ("true", "1", "576")
    assert (deepseek["n_experts"], deepseek["experts_per_token"]) == ("256", "8")
    assert deepseek["native_dtype"] == "fp8"
    gemma = llm_cells(json.dumps(GEMMA_3_27B))
    assert (gemma["tied_embeddings"], gemma["vocab"]) == ("true", "262208")
    assert llm_cells(json.dumps(GPT_OSS_20B))["native_dtype"] == "mxfp4"
    assert llm_id("Meta-Llama-3.1-8B.json", "{}") == "meta_llama_3_1_8b"
    assert llm_id("config.json", '{"_name_or_path": "org/My-LLM"}') == "my_llm"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "the file: expected a config.json"),
        ("3", "the file: expected a config.json of Hugging Face, found no JSON object"),
        ('{"model_type": "mamba"}', "key model_type: expected one of deepseek_v2,"),
        ("{}", "the file: the key model_type is missing; it should be one of deepseek_v2,"),
        (json.dumps({**LLAMA_8B, "hidden_size": None}), "the key hidden_size is missing"),
        (json.dumps({**LLAMA_8B, "torch_dtype": None}), "the key torch_dtype is missing"),
        (json.dumps({**LLAMA_8B, "hidden_size": "big"}), "key hidden_size: expected a whole"),
        (json.dumps({**LLAMA_8B, "vocab_size": 0}), "key vocab_size: expected a whole number"),
        (json.dumps({**LLAMA_8B, "torch_dtype": "int3"}), "key torch_dtype: expected bfloat16"),
        (
            json.dumps({**LLAMA_8B, "quantization_config": {"quant_method": "awq"}}),
            "key quantization_config.quant_method: expected fp8 or mxfp4",
        ),
        (json.dumps({**LLAMA_8B, "num_hidden_layers": 5000}), "column layers: expected from 1 to"),
    ],
)
def test_a_config_that_cannot_be_read_says_why(tmp_path: Path, text: str, message: str) -> None:
    own = Overlay.from_files({"my-model.json": text.encode()}, "mine")
    found = problems(tmp_path / "c.duckdb", own)
    assert len(found) == 1
    assert found[0].startswith("mine/my-model.json:")
    assert message in found[0]


def test_a_config_becomes_a_row_that_the_csv_may_correct(tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    files = {
        "my-model/config.json": json.dumps(LLAMA_8B).encode(),
        "llms.csv": b"id,name,aliases\nmy_model,My model,[mine]\n",
    }
    changed = built_with(path, Overlay.from_files(files))
    llm = changed.llm("mine")
    assert (llm.id, llm.name, llm.layers, llm.quality) == ("my_model", "My model", 32, "modelled")
    assert llm.params_b == pytest.approx(8.03, rel=0.001)
    assert tables.figure(path, "llms", "my_model", "layers").is_own


def test_two_configs_of_one_model_are_refused(tmp_path: Path) -> None:
    text = json.dumps(LLAMA_8B).encode()
    own = Overlay.from_files({"my-model.json": text, "my_model/config.json": text}, "mine")
    found = problems(tmp_path / "c.duckdb", own)
    assert any("expected a model that no other file describes" in line for line in found)


@pytest.mark.parametrize("markup", ["<b>x", "[l](u)", "![i](u)", "`x`", "$x$"])
def test_text_of_the_user_begins_no_markup(tmp_path: Path, markup: str) -> None:
    rows = f"id,name,note\nl4,{markup},{markup}\nmine,fine > & *fine*,fine\n"
    found = problems(tmp_path / "c.duckdb", overlay(accelerators=rows))
    assert [p for p in found if "text without any of" in p] == [
        f"mine/accelerators.csv:2: column {column}: expected text without any of < [ ] ` $,"
        f" found {markup}"
        for column in ("name", "note")
    ]
