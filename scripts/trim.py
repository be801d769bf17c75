"""Removes from an image's environment what a running dashboard never reads.

    python scripts/trim.py ENVIRONMENT

Tests and headers of other packages, parts for notebooks, solvers for other systems. Nothing of it
is imported or opened by name; `ecoserve selfcheck` and the pages run without.
"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

UNUSED = (
    "numpy/**/tests",
    "pandas/tests",
    "scipy/**/tests",
    "pyarrow/tests",
    "pyarrow/include",  # for those who compile against it
    "pyarrow/src",
    "pyarrow/*flight*",  # a network protocol
    "pyarrow/*s3*",  # a cloud store
    "pydeck/nbextension",  # notebooks
    "plotly/labextension",
    "streamlit/hello",  # a demo
)
"""Patterns below the folder of the packages."""
SHARE = ("share/jupyter", "etc/jupyter")
"""Folders of the environment itself."""
SOLVERS = "pulp/solverdir/cbc"
PACKAGES = "lib/python3*/site-packages"
MACHINES = {"x86_64": "linux/i64", "aarch64": "linux/arm64"}
"""PuLP's folder of the solver that runs here."""


def unused(environment: Path) -> Iterator[Path]:
    """What can go. Raises :class:`FileNotFoundError` where a pattern no longer finds anything."""
    [packages] = environment.glob(PACKAGES)
    for pattern in UNUSED:
        found = sorted(packages.glob(pattern))
        if not found:
            raise FileNotFoundError(f"nothing matches {pattern}: mend the list in {__file__}")
        yield from found
    yield from (environment / name for name in SHARE if (environment / name).exists())
    kept = packages / SOLVERS / MACHINES[platform.machine()]
    if not kept.is_dir():
        raise FileNotFoundError(f"no solver at {kept}: mend the list in {__file__}")
    yield from (folder for folder in (packages / SOLVERS).glob("*/*") if folder != kept)


def main() -> int:
    """Removes it all from the environment named on the command line."""
    for path in unused(Path(sys.argv[1])):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
