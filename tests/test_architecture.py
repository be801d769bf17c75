"""The house rules that a reader of the imports can check: the arrow, the edges, safe pages.

Ruff enforces the same in coarser form (pyproject.toml); here every file is held to its own home.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ecoserve", "catalog_db", "app")

SOLVER_FILES = tuple(
    f"ecoserve/{name}.py"
    for name in (
        "highs",
        "nodes",
        "cuts",
        "relaxation",
        "cbc",
        "program",
        "formulation",
        "cohort_program",
    )
)
FILES_AND_PROCESSES = frozenset(
    {"os", "pathlib", "io", "shutil", "tempfile", "glob", "fileinput", "codecs", "sqlite3"}
    | {"subprocess", "socket", "urllib", "http", "requests", "importlib", "pkgutil"}
)
CLOCKS = frozenset({"time", "datetime"})
SOLVERS = frozenset({"pulp", "highspy"})
WIDGETS = frozenset({"streamlit"})
CHARTS = frozenset({"plotly"})
DATABASES = frozenset({"duckdb", "sqlite3"})

# A string that starts with somebody's directory, or names one after a blank or a quote.
ABSOLUTE_PATH = re.compile(
    r"(?:^|[\s'\"`=(])(?:/(?:bin|data|etc|home|mnt|opt|root|srv|tmp|usr|Users|var)/|[A-Za-z]:\\)"
)


def banned_imports(path: str) -> frozenset[str]:
    """Top-level modules that the file at ``path`` (relative, posix) may not import."""
    package = path.partition("/")[0]
    if package == "ecoserve":
        outside = WIDGETS | CHARTS | DATABASES | FILES_AND_PROCESSES | CLOCKS
        solvers = frozenset() if path in SOLVER_FILES else SOLVERS
        return outside | solvers | {"app", "catalog_db"}
    if package == "catalog_db":
        return WIDGETS | CHARTS | SOLVERS | {"app"}
    if path.startswith("app/figures"):
        return WIDGETS | DATABASES | SOLVERS
    return DATABASES | SOLVERS


def violations(path: str, source: str) -> list[str]:
    """Every broken rule in one file, as `path:line: what`."""
    tree = ast.parse(source, filename=path)
    found = [*_imports(path, tree), *_absolute_paths(tree)]
    if path.startswith("ecoserve/"):
        found += _opened_files(tree)
    if path.startswith("app/"):
        found += _raw_html(tree)
    return [f"{path}:{line}: {what}" for line, what in sorted(found)]


def _imports(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    banned = banned_imports(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "relative import"
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and _name(node.func) in {"__import__", "import_module"}:
            names = [str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in banned:
                yield node.lineno, f"imports {name}"


def _opened_files(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "open"
        ):
            yield node.lineno, "opens a file"


def _raw_html(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "unsafe_allow_html":
            yield node.value.lineno, "unsafe_allow_html"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "html":
                yield node.lineno, "html()"
        elif (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("streamlit")
            and "html" in {alias.name for alias in node.names}
        ):
            yield node.lineno, "imports html"


def _absolute_paths(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and ABSOLUTE_PATH.search(text):
            yield node.lineno, f"absolute path {text[:40]!r}"


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _sources() -> list[tuple[str, str]]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return [(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files]


def test_every_file_keeps_the_house_rules() -> None:
    sources = _sources()
    assert {path.partition("/")[0] for path, _ in sources} == set(PACKAGES)
    assert [line for path, source in sources for line in violations(path, source)] == []


@pytest.mark.parametrize(
    ("path", "snippet"),
    [
        ("ecoserve/plan.py", "import app"),
        ("ecoserve/plan.py", "from catalog_db.reader import load_catalog"),
        ("ecoserve/plan.py", "def f():\n    import catalog_db"),
        ("ecoserve/plan.py", "import streamlit as st"),
        ("ecoserve/plan.py", "import plotly.graph_objects as go"),
        ("ecoserve/plan.py", "import duckdb"),
        ("ecoserve/plan.py", "import highspy"),
        ("ecoserve/plan.py", "from pathlib import Path"),
        ("ecoserve/plan.py", "import os"),
        ("ecoserve/plan.py", "import io, json"),
        ("ecoserve/plan.py", "import sqlite3"),
        ("ecoserve/plan.py", "from time import perf_counter"),
        ("ecoserve/plan.py", "from datetime import datetime"),
        ("ecoserve/plan.py", "__import__('time')"),
        ("ecoserve/plan.py", "open('x.csv')"),
        ("ecoserve/plan.py", "from . import units"),
        ("ecoserve/runtime/replay.py", "import time"),
        ("ecoserve/solver.py", "import app.state"),
        ("ecoserve/solver.py", "import duckdb"),
        ("catalog_db/reader.py", "from app.state import load"),
        ("catalog_db/reader.py", "import streamlit"),
        ("catalog_db/reader.py", "import pulp"),
        ("app/figures.py", "import streamlit as st"),
        ("app/figures.py", "from streamlit import markdown"),
        ("app/views/plan.py", "import duckdb"),
        ("app/views/plan.py", "import pulp"),
        ("app/views/plan.py", "st.markdown('x', unsafe_allow_html=True)"),
        ("app/views/plan.py", "st.html('<b>x</b>')"),
        ("app/views/plan.py", "st.components.v1.html('<b>x</b>')"),
        ("app/views/plan.py", "from streamlit import html"),
        ("app/main.py", "DATA = '/home/someone/data.csv'"),
        ("catalog_db/reader.py", r"DATA = 'C:\\data'"),
    ],
)
def test_a_planted_violation_is_found(path: str, snippet: str) -> None:
    assert len(violations(path, snippet)) == 1


@pytest.mark.parametrize(
    ("path", "snippet"),
    [
        ("ecoserve/plan.py", "from ecoserve.units import g_from_kg"),
        ("ecoserve/highs.py", "import highspy"),
        ("ecoserve/formulation.py", "import pulp"),
        (
            "catalog_db/reader.py",
            "import duckdb\nfrom pathlib import Path\nimport ecoserve.catalog",
        ),
        ("app/figures.py", "import plotly.graph_objects as go\nfrom app.style import ACCENT"),
        ("app/views/plan.py", "import streamlit as st\nfrom catalog_db import load_catalog"),
        ("app/views/plan.py", "html.escape(name)\nHEALTH = '/_stcore/health'"),
    ],
)
def test_what_belongs_there_passes(path: str, snippet: str) -> None:
    assert violations(path, snippet) == []
