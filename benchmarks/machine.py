"""What the numbers were measured on."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from benchmarks.threads import usable_cores

PACKAGES = (
    "mixtura",
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "llvmlite",
    "torch",
    "pyro-ppl",
    "pomegranate",
    "tgmm",
)


def machine_facts(threads: int) -> dict[str, Any]:
    """Return processor, cores, memory, versions and BLAS; nothing that names machine or user."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": _revision(),
        "processor": _processor(),
        "cores": usable_cores(),
        "threads": threads,
        "memory": _memory(),
        "load before": _load(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "BLAS": "; ".join(_pools()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    vectors = [name for name in ("avx2", "avx512f") if name in flags]
    return " ".join([names[0] if names else platform.machine(), *vectors])


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return "unknown"
    return f"{total / 2**30:.0f} GiB"


def _load() -> str:
    if not hasattr(os, "getloadavg"):
        return "unknown"
    return f"{os.getloadavg()[0]:.2f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _pools() -> list[str]:
    return sorted(
        {
            f"{pool['internal_api']} {pool['version']} ({pool['num_threads']} threads by default)"
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        }
    )


def _revision() -> str:
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
