"""Reading request logs: the columns of known traces, packed files, and files that are no log."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from catalog_db.request_log import LogColumns, read_head, read_log, requests
from ecoserve.request_log import LogFindings, RequestLogError
from ecoserve.request_tally import LogTally

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROWS = 200_000
"""So many short rows take more than a block of the reader."""


def found(text: str | bytes, **arguments: object) -> LogFindings:
    content = text.encode() if isinstance(text, str) else text
    return read_log(io.BytesIO(content), **arguments)  # type: ignore[arg-type]


def packed(*files: tuple[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return target.getvalue()


@pytest.mark.parametrize(
    ("text", "first_s", "is_dated"),
    [
        (AZURE + "2023-11-16 18:17:03.9799600,4808,10\n", 1_700_158_623.97996, True),
        (AZURE + "2024-05-10 00:00:00.009930+00:00,4808,10\n", 1_715_299_200.00993, True),
        (AZURE + "2024-05-10T02:00:00+02:00,4808,10\n", 1_715_299_200.0, True),
        (AZURE + "2024-05-10 00:00:00 UTC,4808,10\n", 1_715_299_200.0, True),
        (
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
            "5,ChatGPT,4808,10,4818,Conversation log\n",
            5.0,
            False,
        ),
        ("t_s,context_tokens,generated_tokens\n0.5,4808,10\n", 0.5, False),
        ("arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,4808,10\n", 0.5, False),
        ("request_id,arrival_timestamp,prompt_size,token_size\n0,0.1,4808,10\n", 0.1, False),
        (
            "created,prompt_tokens,completion_tokens,total_tokens\n1700000000,4808,10,4818\n",
            1.7e9,
            True,
        ),
        ("arrival_time,prompt_len,output_len\n1700000000123,4808,10\n", 1_700_000_000.123, True),
        ("start_time,gen_ai.usage.input_tokens,gen_ai.usage.output_tokens\n"
         "2024-01-01T00:00:00Z,4808,10\n", 1_704_067_200.0, True),
        ("timestamp_ms,input_length,output_length\n1500,4808,10\n", 1.5, False),
        ("\ufeff ContextTokens , TIMESTAMP , GeneratedTokens \r\n 4808 , 7 , 10 \r\n", 7.0, False),
    ],
)  # fmt: skip
def test_columns_of_known_logs_are_found_by_name(text: str, first_s: float, is_dated: bool):
    log = found(text)
    assert (log.mean_isl_tokens, log.mean_osl_tokens) == (4808, 10)
    assert log.arrivals is not None
    assert log.arrivals.first_s == pytest.approx(first_s, abs=1e-6)
    assert log.arrivals.is_dated is is_dated


def test_lengths_alone_are_a_log_without_times():
    assert found("input_tokens,output_tokens\n5,6\n").arrivals is None


def test_unknown_names_are_asked_for_and_given():
    text = "when,a,b\n3000,5,6\n9000,7,8\n"
    with pytest.raises(RequestLogError, match=r"input tokens and the output tokens.*when, a, b"):
        found(text)
    log = found(text, columns=LogColumns(time="when", input="b", output="a", unit="ms"))
    assert (log.mean_isl_tokens, log.mean_osl_tokens) == (7, 6)
    assert log.arrivals is not None
    assert log.arrivals.duration_s == 6
    with pytest.raises(RequestLogError, match="no column c"):
        found(text, columns=LogColumns(time=None, input="c", output="a"))
    with pytest.raises(RequestLogError, match="named twice"):
        found(text, columns=LogColumns(time="a", input="b", output="a"))


def test_two_columns_alike_are_not_guessed_between():
    head = read_head(io.BytesIO(b"ts,input_len,prompt_len,output_tokens\n1,2,3,4\n"))
    assert (head.time, head.input, head.output) == ("ts", None, "output_tokens")
    with pytest.raises(RequestLogError, match="more than one column is called n"):
        found("n,n,o\n1,2,3\n", columns=LogColumns(time=None, input="n", output="o"))


def test_bad_rows_are_counted_by_reason_with_their_numbers():
    lines = ["1,2,3", "", "4,5", "6,7,8,9", "7,nan,1", "8,9,-4", "yesterday,9,9", "9,9,9", "3,9,9"]
    log = found(AZURE + "\n".join(lines) + "\n")
    shown = {bad.reason: [(e.row, e.text) for e in bad.examples] for bad in log.bad}
    assert shown == {
        "blank": [(3, ", ,")],
        "cells": [(4, "4,5"), (5, "6,7,8,9")],
        "input": [(6, "7, nan, 1")],
        "output_negative": [(7, "8, 9, -4")],
        "time": [(8, "yesterday, 9, 9")],
    }
    assert (log.n_rows, log.n_used) == (9, 3)
    assert log.arrivals is not None
    assert log.arrivals.n_out_of_order == 1


def test_a_log_comes_in_batches_and_row_numbers_hold_across_them(tmp_path: Path):
    file = tmp_path / "log.csv"
    lines = [f"{i},{1 + i % 500},7" for i in range(ROWS)]
    lines[10] = lines[ROWS - 5] = "only,two"
    lines[ROWS - 3] = "x,1,1"
    file.write_text(AZURE + "\n".join(lines) + "\n", encoding="utf-8")
    tally, seen = LogTally(), []
    batches = [
        len(batch.row)
        for batch in requests(file, tally=tally, progress=lambda done, total: seen.append(done))
    ]
    assert len(batches) > 1
    assert max(batches) < ROWS - 3
    assert seen == sorted(seen)
    assert seen[-1] == file.stat().st_size
    log = tally.findings()
    rows = {bad.reason: [example.row for example in bad.examples] for bad in log.bad}
    assert rows == {"cells": [12, ROWS - 3], "time": [ROWS - 1]}
    assert log.n_used == ROWS - 3


def test_rows_are_shown_without_control_characters_and_not_at_length():
    log = found(AZURE + "1,2,3\n\x1b[2J,5,6\n" + "9" * 400 + "\n")
    shown = {bad.reason: bad.examples[0].text for bad in log.bad}
    assert shown == {"time": "?[2J, 5, 6", "cells": "9" * 60 + " ..."}


def test_a_reader_that_stops_early_leaves_nothing_open(tmp_path: Path):
    file = tmp_path / "log.csv"
    file.write_text(AZURE + "1,2,3\n" * 400_000, encoding="utf-8")
    batches = requests(file)
    assert len(next(batches).row) > 0
    batches.close()
    file.unlink()


def test_packed_logs_are_read_alike():
    text = AZURE + "1,2,3\n2,3,4\n"
    plain = found(text)
    assert found(gzip.compress(text.encode())).counts == plain.counts
    assert found(packed(("log.csv", text))).counts == plain.counts


NO_LOG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "blank": (b"\n \n", "it is empty"),
    "header only": (AZURE.encode(), "a header and no rows"),
    "header without end": (AZURE.strip().encode(), "a header and no rows"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x01", "no plain text"),
    "noise": (bytes(range(1, 256)) * 20, "no plain text"),
    "utf-16": ((AZURE + "1,2,3\n").encode("utf-16"), "no plain text"),
    "semicolons": (AZURE.replace(",", ";").encode(), "separated by semicolons; use commas"),
    "tabs": (AZURE.replace(",", "\t").encode(), "separated by tabs; use commas"),
    "one column": (b"tokens\n5\n", "one column"),
    "no header": (b"2023-11-16 18:17:03,4808,10\n1,2,3\n", "no header"),
    "json": (b'{"prompt_tokens": 5}\n', "it is JSON"),
    "cut gzip": (gzip.compress(AZURE.encode() * 99)[:40], "damaged"),
    "no gzip": (b"\x1f\x8b" + b"x" * 99, "damaged"),
    "no zip": (b"PK\x03\x04" + b"x" * 99, "zip cannot be opened"),
    "two in a zip": (packed(("a.csv", AZURE), ("b.csv", AZURE)), "the zip has 2 files"),
    "dates of nobody knows": (
        (AZURE + "05/10/2024 12:00,1,2\n").encode(),
        r"none of its rows can be used: the time .* \(1 row\)",
    ),
    "open quote": (
        (AZURE + '1,"2,3\n' + "1000000,2,3\n" * 200_000).encode(),
        "near row 2: a row is longer than 1,000,000 bytes, or a quotation mark",
    ),
    "bomb": (gzip.compress((AZURE + "1,2,3\n" * 300_000).encode()), "unpacks to more than"),
}


@pytest.mark.parametrize("name", NO_LOG)
def test_what_is_no_log_is_refused_in_one_sentence(name: str):
    content, message = NO_LOG[name]
    with pytest.raises(RequestLogError, match=message) as caught:
        found(content, max_bytes=1_000_000 if name == "bomb" else 10**9)
    assert "\n" not in str(caught.value)


def test_letters_of_another_encoding_spoil_only_their_cells():
    text = "TIMESTAMP,Modèle,ContextTokens,GeneratedTokens\n1,é,2,3\n2,é,3é,4\n3,é\n"
    log = found(text.encode("latin-1"))
    assert {bad.reason: bad.rows for bad in log.bad} == {"input": 1, "cells": 1}
    assert log.n_used == 1


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(RequestLogError, match="cannot be read: No such file"):
        read_log(tmp_path / "none.csv")
