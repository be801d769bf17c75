"""Peak memory of this process."""

from __future__ import annotations

import resource


def peak_mb() -> float:
    """Resident memory at its highest, in MB; ``ru_maxrss`` counts KiB on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
