"""What this machine has."""

from __future__ import annotations

import re
from pathlib import Path


def free_memory() -> float | None:
    """Bytes that processes can still have; None where the system does not say."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
