"""`make image-check`: the Dockerfile's promises, tried without Docker.

Runs the steps of the first stage in an empty folder that stands for the image's root, so that the
application comes from the wheel and the locked packages alone. Then starts what the last stage
starts, as a user to whom everything is read-only but the library's volume and the folder for
temporary files; asks the health check, opens a page in Chromium, lays own rows over the catalog,
measures, and stops. Needs a package index and Chromium; best run as root, who can become another.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

from scripts.dockerfile import DOCKERFILE, ROOT, Instruction, expanded, stages
from tests.e2e.browser import ARGUMENTS, NO_BROWSER, find_chromium
from tests.e2e.server import free_port

NOBODY = 65534
OLDEST_PYTHON = (3, 11)
MAX_INSTALLED_MB = 750
PORT = "8501"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
PAGE_LIMIT_MS = 60_000
NOT_INSIDE = ("pip", "pytest", "_pytest", "hypothesis", "playwright", "mypy", "ruff", "dask")
KEPT = ("PIP_", "SSL_", "REQUESTS_CA", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
"""Beginnings of the environment variables that lead pip to its index."""


class ImageError(Exception):
    """A promise of the Dockerfile does not hold."""


@dataclass(slots=True)
class Image:
    """A folder that stands for the root of an image, and what its instructions have set."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    workdir: Path = Path()

    def inside(self, path: str) -> Path:
        """Where a path of the image is."""
        return self.root / path.lstrip("/")

    def set(self, instruction: Instruction) -> None:
        """Takes over ARG and ENV; paths become those of this folder."""
        for name, value in instruction.pairs().items():
            known = {"PATH": os.defpath, **self.variables}
            own = str(self.inside(value)) if value.startswith("/") else expanded(value, known)
            self.variables[name] = own

    def environment(self) -> dict[str, str]:
        """The environment of a step: the image's own, and what leads to the package index."""
        kept = {k: v for k, v in os.environ.items() if k.startswith(KEPT)}
        path = f"{self.inside('/bin')}:{os.defpath}"
        return {**kept, "PATH": path, "HOME": str(self.inside("/home")), **self.variables}


def main() -> int:
    """Tries everything; 0 where every promise holds, else 1 and a sentence."""
    build_stage, last_stage = stages(DOCKERFILE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="ecoserve-image-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        try:
            image = built(root, build_stage)
            tried(image, last_stage)
        except ImageError as error:
            say(f"FAILED: {error}")
            return 1
    say("The image's promises hold.")
    return 0


def say(line: str) -> None:
    """One line at once, though the next may take a minute."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# ---- stage 1


def built(root: Path, instructions: Sequence[Instruction]) -> Image:
    """Runs the steps of the first stage below ``root``."""
    image = Image(root)
    image.inside("/home").mkdir()
    _put_python(image.inside("/bin"))
    for step in instructions:
        if step.word in ("ARG", "ENV"):
            image.set(step)
        elif step.word == "WORKDIR":
            image.workdir = image.inside(step.rest)
            image.workdir.mkdir(parents=True)
        elif step.word == "COPY":
            _copy(step, image.workdir)
        elif step.word == "RUN":
            _run(step, image)
        elif step.word != "FROM":
            raise ImageError(f"this script does not know {step.word} in the first stage")
    return image


def _put_python(folder: Path) -> None:
    """The base image's ``python``: the first here that the image's user may run, too."""
    folder.mkdir()
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    found = (shutil.which(name, path=os.defpath) for name in ("python3", base.name))
    candidates = [str(base), *filter(None, found)]
    usable = [name for name in candidates if _makes_environments_for_nobody(name)]
    if not usable:
        raise ImageError(f"no user but this one may run any of {', '.join(candidates)}")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{usable[0]}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)


def _makes_environments_for_nobody(python: str) -> bool:
    code = f"import sys, venv, ensurepip; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        done = subprocess.run([python, "-c", code], cwd="/", check=False, **other_user())
    except PermissionError:
        return False
    return done.returncode == 0


def other_user() -> dict[str, Any]:
    """Who the application runs as: nobody in particular where this is root, who could write."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}


def _copy(step: Instruction, workdir: Path) -> None:
    *sources, target = step.rest.split()
    unwanted = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.duckdb", "*.duckdb.wal")
    for source in sources:
        origin = ROOT / source
        place = workdir / target
        if origin.is_dir():
            shutil.copytree(origin, place, ignore=unwanted)
        else:
            place = place / origin.name if target.endswith("/") or place.is_dir() else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, place)


def _run(step: Instruction, image: Image) -> None:
    start = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", step.rest],
        cwd=image.workdir,
        env=image.environment(),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    say(f"{time.monotonic() - start:6.1f} s  {step.rest[:110]}")
    if done.returncode:
        raise ImageError(f"exit code {done.returncode} of: {step.rest}")


# ---- stage 2


def tried(image: Image, instructions: Sequence[Instruction]) -> None:
    """Starts what the last stage starts, and holds it to what it promises."""
    last = {step.word: step for step in instructions}
    for step in instructions:
        if step.word in ("ARG", "ENV"):
            image.set(step)
    prefix = Path(image.variables["PREFIX"])
    _hold_to_size(prefix)
    library = image.inside(last["VOLUME"].rest)
    temporary = image.inside("/tmp")
    for folder in (library, temporary):
        folder.mkdir(parents=True)
    _hand_over(image.root, (library, temporary))
    before = _listing(prefix)
    user = User(image, library)
    user.cannot_write_in(prefix)
    port = str(free_port())
    command = [w.replace(PORT, port) for w in last["ENTRYPOINT"].words() + last["CMD"].words()]
    health = [w.replace(PORT, port) for w in last["HEALTHCHECK"].words()]
    with user.running(command) as server:
        _wait_until_healthy(user, health, server)
        say(user.output(["ecoserve", "selfcheck"]).strip())
        _open_page(f"http://127.0.0.1:{port}")
        user.output(["ecoserve", "catalog", "new-overlay", f"{temporary}/own", "--kind", "server"])
        user.output(["ecoserve", "catalog", "build", "--overlay", f"{temporary}/own"])
        say(f"memory of the server: {_peak_mb(server.pid)} MB at most")
    if _listing(prefix) != before:
        raise ImageError(f"something changed below {prefix}")


def _hold_to_size(prefix: Path) -> None:
    said = subprocess.run(["du", "-sm", str(prefix)], capture_output=True, text=True, check=True)
    size_mb = int(said.stdout.split()[0])
    say(f"installed beside the base image: {size_mb} MB of {MAX_INSTALLED_MB}")
    if size_mb > MAX_INSTALLED_MB:
        raise ImageError(f"{size_mb} MB are installed, more than {MAX_INSTALLED_MB}")
    [packages] = prefix.glob("lib/python3*/site-packages")
    inside = [name for name in NOT_INSIDE if (packages / name).exists()]
    if inside:
        raise ImageError(f"tools are inside: {', '.join(inside)}")


def _hand_over(root: Path, writable: Sequence[Path]) -> None:
    """Everything read-only for the image's user, but for these folders."""
    as_root = os.geteuid() == 0
    for path in root.rglob("*"):
        if not path.is_symlink() and path not in writable:
            path.chmod(path.stat().st_mode & ~(0o022 if as_root else 0o222))
    for folder in writable:
        if as_root:
            os.chown(folder, NOBODY, NOBODY)


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {
        str(path): (status.st_size, status.st_mtime_ns)
        for path, status in found
        if not stat.S_ISDIR(status.st_mode)
    }


@dataclass(frozen=True, slots=True)
class User:
    """Who runs the application: another user where this is root."""

    image: Image
    workdir: Path

    def output(self, command: Sequence[str]) -> str:
        """What a command says on stdout. Raises :class:`ImageError` where it fails."""
        with self._started(command, subprocess.PIPE) as process:
            said, _ = process.communicate(timeout=START_LIMIT_S)
        if process.returncode:
            raise ImageError(f"exit code {process.returncode} of {' '.join(command)}: {said}")
        return said

    def cannot_write_in(self, folder: Path) -> None:
        """Raises :class:`ImageError` where a file can be made there."""
        code = f"open({str(folder / 'mine')!r}, 'w')"
        with self._started(["python", "-c", code], subprocess.PIPE) as process:
            process.communicate(timeout=START_LIMIT_S)
        if process.returncode == 0:
            raise ImageError(f"the user can write in {folder}")

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        """A process that must end soon after it is asked to."""
        with self._started(command, None) as process:
            try:
                yield process
                process.send_signal(signal.SIGTERM)
                start = time.monotonic()
                process.wait(STOP_LIMIT_S)
                say(f"stopped in {time.monotonic() - start:.1f} s")
            except subprocess.TimeoutExpired as error:
                raise ImageError(f"not stopped within {STOP_LIMIT_S:g} s") from error
            finally:
                if process.poll() is None:
                    process.kill()

    def _started(self, command: Sequence[str], output: int | None) -> subprocess.Popen[str]:
        search = f"{self.image.variables['PATH']}:{os.defpath}"
        program = shutil.which(command[0], path=search)
        if program is None:
            raise ImageError(f"{command[0]} is not on the image's PATH")
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self.workdir,
            env={**self.image.variables, "PATH": search},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            text=True,
            **other_user(),
        )


def _wait_until_healthy(user: User, health: Sequence[str], server: subprocess.Popen[str]) -> None:
    start, problem = time.monotonic(), ""
    while time.monotonic() - start < START_LIMIT_S:
        if server.poll() is not None:
            raise ImageError(f"the server ended with exit code {server.returncode}")
        try:
            user.output(health)
        except ImageError as error:
            problem = str(error)
            time.sleep(1)
            continue
        say(f"healthy after {time.monotonic() - start:.1f} s")
        return
    raise ImageError(f"not healthy within {START_LIMIT_S:g} s: {problem}")


def _open_page(url: str) -> None:
    """The first page with its plan, in a real browser."""
    chromium = find_chromium()
    if chromium is None:
        raise ImageError(NO_BROWSER)
    start = time.monotonic()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = browser.new_page()
        page.goto(url)
        plan = page.get_by_test_id("stMetricValue").first
        expect(plan).to_be_visible(timeout=PAGE_LIMIT_MS)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        browser.close()
    say(f"a page with its plan after {time.monotonic() - start:.1f} s")


def _peak_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) // 1024


if __name__ == "__main__":
    sys.exit(main())
