"""Opens the file of a request log, packed or not, and bounds what comes out of it."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ecoserve.request_log import RequestLogError

LogSource = Path | BinaryIO
"""A file on disk, or one that is open for reading and can seek."""
MAX_BYTES = 64_000_000_000
"""Of a log after unpacking, where the caller sets no other limit."""
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
BROKEN_FILES = (
    *(EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
    *(NotImplementedError, RuntimeError),
)
"""What the readers of packed files raise; RuntimeError where one wants a password."""


class BoundedStream(io.RawIOBase):
    """The plain text of a log as UTF-8; what is none is marked by replacement characters.

    Remembers what went wrong while somebody else was reading.
    """

    def __init__(self, plain: BinaryIO, raw: BinaryIO, raw_bytes: int, max_bytes: int) -> None:
        super().__init__()
        self._plain, self._raw, self._raw_bytes = plain, raw, raw_bytes
        self._left = max_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._ready = b""
        self._max_bytes = max_bytes
        self._trouble = ""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills a buffer; a file that breaks off or unpacks to too much ends here."""
        content = self._ready or self._next(len(buffer))
        self._ready = content[len(buffer) :]
        given = content[: len(buffer)]
        buffer[: len(given)] = given
        return len(given)

    def _next(self, size: int) -> bytes:
        """Some bytes, none only at the end: a character cut in two waits for its rest."""
        content = b"\0"
        while content:
            content = self._plain_bytes(size)
            text = self._decoder.decode(content, final=not content)
            if text:
                return text.encode()
        return b""

    def _plain_bytes(self, size: int) -> bytes:
        try:
            content = self._plain.read(size)
        except BROKEN_FILES:
            self._trouble = "it is damaged; pack or copy it again"
            return b""
        self._left -= len(content)
        if self._left < 0:
            self._trouble = f"it unpacks to more than {self._max_bytes:,} bytes; split it"
            return b""
        return content

    def progress(self) -> tuple[int, int]:
        """Bytes read of the file and bytes in all."""
        return min(self._raw.tell(), self._raw_bytes), self._raw_bytes

    def complain(self) -> None:
        """Raises what went wrong on the way, if anything did."""
        if self._trouble:
            raise RequestLogError(self._trouble)


@contextmanager
def opened(source: LogSource, max_bytes: int = MAX_BYTES) -> Iterator[BoundedStream]:
    """The plain bytes of a log; raises :class:`RequestLogError` where there are none."""
    try:
        raw = source.open("rb") if isinstance(source, Path) else source
    except OSError as error:
        raise RequestLogError(f"it cannot be read: {error.strerror}") from error
    try:
        raw_bytes = _size(raw)
        stream = BoundedStream(_unpacked(raw), raw, raw_bytes, max_bytes)
        yield stream
        stream.complain()
    finally:
        if isinstance(source, Path):
            raw.close()


def _size(raw: BinaryIO) -> int:
    """Bytes of the file, which then stands at its beginning."""
    try:
        n_bytes = raw.seek(0, io.SEEK_END)
        raw.seek(0)
    except OSError as error:
        raise RequestLogError("it cannot be read twice; give a file, not a stream") from error
    return n_bytes


def _unpacked(raw: BinaryIO) -> BinaryIO:
    start = raw.read(4)
    raw.seek(0)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if start != ZIP:
        return raw
    try:
        archive = zipfile.ZipFile(raw)
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(files) != 1:
            raise RequestLogError(f"the zip has {len(files)} files; pack one CSV file")
        return archive.open(files[0])  # type: ignore[return-value]
    except BROKEN_FILES as error:
        raise RequestLogError("the zip cannot be opened; pack it again without password") from error
