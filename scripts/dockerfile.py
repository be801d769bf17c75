"""Reads the project's Dockerfile: its stages, and each stage's instructions in order."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "Dockerfile"
IGNORE_FILE = ROOT / ".dockerignore"

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, and the rest on one line."""

    word: str
    rest: str

    def pairs(self) -> dict[str, str]:
        """The ``NAME=value`` pairs of an ARG or ENV."""
        return dict(part.split("=", 1) for part in shlex.split(self.rest) if "=" in part)

    def words(self) -> list[str]:
        """The command of an ENTRYPOINT, CMD or HEALTHCHECK in its exec form."""
        return list(json.loads(self.rest[self.rest.index("[") :]))


def stages(text: str) -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM to the next; what stands before is dropped."""
    found: list[list[Instruction]] = []
    for instruction in _instructions(text):
        if instruction.word == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield Instruction(word.upper(), " ".join(rest.split()))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with ``$NAME`` and ``${NAME}`` filled in; names that are not known become empty."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)
