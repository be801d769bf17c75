"""`make lock`: writes the exact packages of the image, with hashes, from pyproject.toml.

Two files: what the wheel needs when it runs, and what builds the wheel. The locks hold for every
platform and for every Python from the oldest that pyproject.toml allows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
IMAGE_EXTRA = "login"
HEAD = "# Written by `make lock` from pyproject.toml; not to be edited.\n"


def main() -> int:
    """Writes both locks; the exit code is that of the tool where it fails."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        sys.stderr.write("uv is not installed; run: make lock\n")
        return 1
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    common = (
        *(uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"),
        *("--upgrade", "--no-emit-index-url", "--no-emit-find-links", "--python-version", oldest),
    )
    runtime = (*common, "--extra", IMAGE_EXTRA, "pyproject.toml")
    builders = "\n".join(project["build-system"]["requires"])
    for name, command, given in (
        ("image.lock", runtime, ""),
        ("build.lock", (*common, "-"), builders),
    ):
        done = subprocess.run(
            command, cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            return done.returncode
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).write_text(HEAD + done.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
