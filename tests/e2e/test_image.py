"""What the Dockerfile promises, read from it; ``make image-check`` builds and runs it all."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts import trim
from scripts.dockerfile import DOCKERFILE, IGNORE_FILE, ROOT, Instruction, expanded, stages

BUILD, LAST = stages(DOCKERFILE.read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = [ROOT / "requirements" / name for name in ("image.lock", "build.lock")]
TEST_TOOLS = ("pytest", "playwright", "hypothesis", "mypy", "ruff", "build", "psutil", "dask")
PACKAGES = ("ecoserve", "catalog_db", "app", "assets")
ADVISED = {"streamlit": "1.54.0", "starlette": "1.1.0"}
"""Releases that repaired what the latest published advisories tell: GHSA-7p48-42j8-8846 (before it
GHSA-rxff-vr5r-8cj5, GHSA-8qw9-gf7w-42x5, GHSA-v4hr-4jpx-56gc) and GHSA-wqp7-x3pw-xc5r."""


def found(stage: list[Instruction], word: str) -> list[Instruction]:
    return [step for step in stage if step.word == word]


def variables(stage: list[Instruction]) -> dict[str, str]:
    known: dict[str, str] = {}
    for step in stage:
        if step.word in ("ARG", "ENV"):
            known |= {name: expanded(value, known) for name, value in step.pairs().items()}
    return known


def locked(lock: Path) -> dict[str, str]:
    """Versions by name."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in pins}


def test_instructions_are_read_with_their_continuations_and_without_comments():
    text = "ARG A=1\nFROM base AS one\n# no\nRUN a \\\n && b\nFROM base\nENV X=$A Y='2 3'\n"
    one, two = stages(text)
    assert one == [Instruction("FROM", "base AS one"), Instruction("RUN", "a && b")]
    assert two[1].pairs() == {"X": "$A", "Y": "2 3"}
    assert expanded("${A}/$B$C", {"A": "x", "B": "y"}) == "x/y"


def test_it_runs_as_nobody_in_particular_and_keeps_only_the_library():
    assert found(LAST, "USER")[-1].rest == "10001:10001"
    known = variables(LAST)
    [volume] = found(LAST, "VOLUME")
    assert str(Path(known["ECOSERVE_LIBRARY"]).parent) == volume.rest
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        assert known[name].startswith("/tmp")
    catalog = f"{known['PREFIX']}/share/catalog.duckdb"
    assert known["ECOSERVE_CATALOG"] == catalog
    assert 'ECOSERVE_CATALOG="$PREFIX/share/catalog.duckdb"' in found(BUILD, "RUN")[-1].rest
    assert found(LAST, "RUN")[-1].rest.endswith(volume.rest)  # made, and given to the user


def test_it_serves_and_is_asked_how_it_is():
    command = found(LAST, "ENTRYPOINT")[0].words() + found(LAST, "CMD")[0].words()
    assert command == ["ecoserve", *["app", "--address", "0.0.0.0", "--port", "8501", "--headless"]]
    health = found(LAST, "HEALTHCHECK")[0].words()
    assert health[:3] == ["ecoserve", "selfcheck", "--server"]
    assert health[3].endswith(":8501")
    assert health[4:] == ["--every", "10"]
    assert [step.rest for step in found(LAST, "EXPOSE")] == ["8501"]


def test_only_the_environment_goes_from_the_first_stage_into_the_last():
    assert [step.rest for step in found(LAST, "COPY")] == ["--from=build $PREFIX $PREFIX"]
    assert not found(BUILD, "ADD") + found(LAST, "ADD")
    assert all("http" not in step.rest for step in BUILD + LAST if step.word != "HEALTHCHECK")


def test_no_secret_is_named_in_it():
    names = {*variables(BUILD), *variables(LAST)}
    telling = re.compile("key|token|secret|passw|credential", re.IGNORECASE)
    assert not [name for name in names if telling.search(name)]


def test_every_package_is_pinned_with_hashes_and_none_is_a_test_tool():
    installs = [step.rest for step in found(BUILD, "RUN") if " install " in step.rest]
    assert all("--require-hashes" in step or "--no-index --no-deps" in step for step in installs)
    for lock in LOCKS:
        assert f"requirements/{lock.name}" in " ".join(installs)
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text  # no registry's name
        assert "index-url" not in text
        entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
        assert entries
        assert all(" --hash=sha256:" in entry for entry in entries)
        assert not set(TEST_TOOLS) & set(locked(lock))


def test_the_locks_are_those_of_the_project():
    optional = PROJECT["project"]["optional-dependencies"]["login"]
    wanted = {
        LOCKS[0]: [*PROJECT["project"]["dependencies"], *optional],
        LOCKS[1]: PROJECT["build-system"]["requires"],
    }
    for lock, lines in wanted.items():
        pins = locked(lock)
        for requirement in map(Requirement, lines):
            version = pins[requirement.name.lower().replace("_", "-")]
            assert requirement.specifier.contains(version), f"make lock: {requirement}"


def test_the_web_server_is_above_its_advisories():
    floors = {
        requirement.name: specifier.version
        for requirement in map(Requirement, PROJECT["project"]["dependencies"])
        for specifier in requirement.specifier
        if specifier.operator == ">="
    }
    for name, repaired in ADVISED.items():
        assert Version(floors[name]) >= Version(repaired), name


def test_the_context_holds_what_is_copied_and_nothing_else():
    lines = IGNORE_FILE.read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}
    copied = {
        source.rstrip("/") for step in found(BUILD, "COPY") for source in step.rest.split()[:-1]
    }
    assert let_in == copied
    assert all((ROOT / name).exists() for name in let_in)


def test_the_wheel_has_every_file_that_the_code_opens():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": list(PACKAGES)}  # whole folders: data, schema, presets, pages
    ignored = [line for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if line]
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode == 0:  # in a copy without history there is nothing to compare with
        names = tracked.stdout.split()
        assert names
        assert not [n for n in names if any(fnmatch(n.rpartition("/")[2], p) for p in ignored)]


def test_no_module_of_the_wheel_imports_tools_of_the_tests():
    tools = {*TEST_TOOLS, "tests", "scripts"} - {"dask"}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names = {
                (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            }
            assert not {name.partition(".")[0] for name in names} & tools, file


def test_trimming_takes_what_its_list_names_and_keeps_the_solver(tmp_path: Path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    gone = [packages / pattern.replace("**", "a/b").replace("*", "x") for pattern in trim.UNUSED]
    solvers = [packages / trim.SOLVERS / name for name in {*trim.MACHINES.values(), "win/i64"}]
    for folder in [*gone, *solvers, packages / "pandas" / "core"]:
        folder.mkdir(parents=True)
    found_unused = set(trim.unused(tmp_path))
    assert set(gone) <= found_unused
    assert packages / trim.SOLVERS / "win/i64" in found_unused
    assert len(found_unused & set(solvers)) == len(solvers) - 1
    assert packages / "pandas" / "core" not in found_unused
    gone[1].rmdir()
    with pytest.raises(FileNotFoundError, match="mend the list"):
        set(trim.unused(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="make is not part of Windows")
def test_make_image_says_what_is_missing():
    done = subprocess.run(
        ["make", "image", "DOCKER=no-such-engine"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "needs Docker or Podman, and 'no-such-engine' is not there" in done.stderr
    assert sys.platform == "win32" or "Traceback" not in done.stderr
