"""A set's policies, indexed in a home of its own, as the systems find them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eval.benchmarks import Benchmark
from index.build import Progress, sync
from index.errors import DocumentError
from index.home import Home
from index.names import slug
from index.types import Policy

_DOCUMENTS = "documents"


def indexed(home: Home, benchmark: Benchmark, *, progress: Progress) -> dict[str, Policy]:
    """Index a set's policies and return them by the names its cases use.

    Texts that are in no file of their own are written into the home first. Raises DocumentError
    for a file that cannot be indexed.
    """
    files = benchmark.files or _written(benchmark.texts, home.path / _DOCUMENTS)
    report = sync(home, sorted(files.values()), progress=progress)
    for failure in report.failed:
        raise DocumentError(f"{failure.path!r}: {failure.message}", hint=failure.hint)
    by_source = {path: policy for policy in home.catalog.policies() for path in policy.sources}
    return {name: by_source[str(path.resolve())] for name, path in files.items()}


def _written(texts: Mapping[str, str], folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, (name, text) in enumerate(texts.items()):
        # A name is data: what is left of it in a path has no separator.
        files[name] = folder / f"{number}-{slug(name)}.txt"
        files[name].write_bytes(text.encode())
    return files
