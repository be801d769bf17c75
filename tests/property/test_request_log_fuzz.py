"""Whatever happens to a log, it is read or refused in one sentence, and every row is counted."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_db.request_log import read_log
from ecoserve.request_log import LogFindings, RequestLogError

LINES = ["TIMESTAMP,ContextTokens,GeneratedTokens,prompt"] + [
    f'2024-05-13 0{i % 10}:00:00.{i},{37 * i % 4000 + 1},{i + 1},"a, {i}"' for i in range(40)
]
LOG = "\n".join(LINES).encode() + b"\n"
JUNK = [
    *(b'"', b",", b"\n", b"\r", b"\0", b"\xff", b";", b"\t", b"nan", b"inf", b"-1", b"1e999"),
    *(b"9" * 400, b"99999-01-01", b"0001-01-01", b"2262-04-12 00:00:00", b"0x10", b"\xef\xbb\xbf"),
]
places = st.integers(0, len(LOG))
edits = st.lists(
    st.tuples(places, st.integers(0, 30), st.sampled_from(JUNK) | st.binary(max_size=8)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(edits)
def test_a_mutated_log_is_read_or_refused(edits: list[tuple[int, int, bytes]]) -> None:
    content = bytearray(LOG)
    for start, length, junk in edits:
        content[start : start + length] = junk
    try:
        log = read_log(io.BytesIO(bytes(content)), max_bytes=10**6)
    except RequestLogError as error:
        refusal = str(error)
    else:
        refusal = ""
        check(log)
    assert len(refusal.splitlines()) < 2


def check(log: LogFindings) -> None:
    assert log.n_used + sum(bad.rows for bad in log.bad) == log.n_rows
    assert sum(bucket.fraction for bucket in log.buckets) == pytest.approx(1)
    if log.arrivals is not None:
        assert log.arrivals.requests == log.n_used
        assert min(log.arrivals.hourly_ratio, default=0) >= 0
