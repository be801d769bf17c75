"""The terminal's two streams and its error boundary: the only place that writes to them.

Results go to stdout, messages to stderr. Every error becomes a sentence and an exit code here.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from typer.core import TyperGroup

from ecoserve.errors import (
    BlockedSlice,
    EcoServeError,
    InfeasibleError,
    ScenarioError,
    SolverError,
)

BAD_INPUT, INFEASIBLE, NO_ANSWER, INTERNAL = 2, 3, 4, 1
INTERRUPTED = 130
"""As shells count it: 128 and the number of the signal."""
CLI_SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every group of commands behaves."""
DEBUG_VARIABLE = "ECOSERVE_DEBUG"
PIPE_WIDTH = 140
"""Columns of a table that goes to a file or another program."""
OPTION_WORDS = {
    "^Value error, ": "",
    "^Input should be a valid integer.*": "must be a whole number",
    "^Input should be a valid number.*": "must be a number",
    "^Input should be greater than or equal to": "must be at least",
    "^Input should be less than or equal to": "must be at most",
    "^Input should be ": "must be ",
}
"""How the library that reads options begins its messages, and what we say."""
INTERRUPTED_WORDS = "interrupted before it was done"
MAX_MESSAGE_CHARS = 500
MAX_MESSAGES = 60


def emit_json(record: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(json_text(record))
    sys.stdout.flush()


def json_text(record: Mapping[str, Any]) -> str:
    """One JSON object as text; a number that is not finite becomes null."""
    return json.dumps(_finite(record), indent=2, allow_nan=False) + "\n"


def emit_text(text: str) -> None:
    """One line of result on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def emit(renderables: Iterable[RenderableType]) -> None:
    """Tables and sentences on stdout, as wide as the terminal is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    after_table = False
    for renderable in renderables:
        if after_table or isinstance(renderable, Table):
            console.print()
        console.print(renderable)
        after_table = isinstance(renderable, Table)
    sys.stdout.flush()


def say(message: str) -> None:
    """One line on stderr, without control characters and of bounded length."""
    clean = "".join(char if char.isprintable() else "?" for char in message)
    if len(clean) > MAX_MESSAGE_CHARS:
        clean = clean[:MAX_MESSAGE_CHARS] + " ..."
    sys.stderr.write(clean + "\n")
    sys.stderr.flush()


@contextmanager
def progress(task_name: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr, fed with done, total and label; none where it is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(file=sys.stderr, quiet=not sys.stderr.isatty())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(task_name, total=None)

        def show(done: int, total: int, label: str) -> None:
            bar.update(task, completed=done, total=total, description=label)

        yield show


class Boundary(TyperGroup):
    """The root command: whatever a command raises leaves as a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command named on the command line."""
        try:
            return super().invoke(ctx)
        except EcoServeError as error:
            _say_all(_sentences(error))
            raise typer.Exit(exit_code(error)) from error
        except typer.BadParameter as error:
            error.message = _option_words(error.message)
            raise
        except KeyboardInterrupt:
            say(INTERRUPTED_WORDS)
            raise typer.Exit(INTERRUPTED) from None
        except (BrokenPipeError, typer.Exit, typer.Abort, typer.TyperException):
            raise
        except Exception as error:
            _say_internal(error)
            raise typer.Exit(INTERNAL) from error


def _option_words(message: str) -> str:
    """What is wrong with an option, without the words of the library that reads them.

    >>> _option_words("Input should be a valid integer, unable to parse string as an integer")
    'must be a whole number'
    >>> _option_words("Input should be greater than or equal to 1")
    'must be at least 1'
    """
    for theirs, ours in OPTION_WORDS.items():
        message = re.sub(theirs, ours, message)
    return message


def exit_code(error: EcoServeError) -> int:
    """2 bad input, 3 infeasible, 4 stopped without an answer."""
    if isinstance(error, InfeasibleError):
        return INFEASIBLE
    return NO_ANSWER if isinstance(error, SolverError) else BAD_INPUT


def _sentences(error: EcoServeError) -> list[str]:
    if isinstance(error, ScenarioError):
        return [str(problem) for problem in error.problems]
    if isinstance(error, InfeasibleError):
        groups = _grouped(error.blocked)
        return [str(error), *(groups if len(groups) > 1 else ())]  # the error tells the first
    return str(error).splitlines()


def _grouped(blocked: Sequence[BlockedSlice]) -> list[str]:
    """One line per workload and kind of reason; ``--json`` has every slice."""
    groups: dict[tuple[str, str], list[BlockedSlice]] = {}
    for item in blocked:
        key = item.slice.partition(",")[0], item.reason.partition(":")[0]
        groups.setdefault(key, []).append(item)
    return [
        f"{workload}, {len(items)} length buckets: {items[0].reason}"
        for (workload, _), items in groups.items()
    ]


def _say_all(sentences: list[str]) -> None:
    for sentence in sentences[:MAX_MESSAGES]:
        say(f"error: {sentence}")
    if len(sentences) > MAX_MESSAGES:
        say(f"error: and {len(sentences) - MAX_MESSAGES} more like these")


def _say_internal(error: Exception) -> None:
    say(f"internal error, please report: {type(error).__name__}: {error}")
    if os.environ.get(DEBUG_VARIABLE) == "1":
        sys.stderr.write("".join(traceback.format_exception(error)))
    else:
        say(f"set {DEBUG_VARIABLE}=1 for the details")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
