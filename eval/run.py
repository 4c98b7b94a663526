"""A run: every system and control over a set's cases, kept as it goes, to be taken up again.

The folder of a run holds ``run.json``, which says what belongs to it, the answers in
``responses/<system>-<fingerprint>.jsonl``, and the set's policies in ``index-<fingerprint>``. A
fingerprint is of all that an answer or an index depends on: what changed is made again, and what a
system said before stays.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from eval.benchmarks import Benchmark, Case, reason
from eval.controls import CONTROLS, Control, applicable
from eval.corpus import indexed
from eval.responses import Response, appending, read_responses
from eval.speed.machine import facts
from eval.systems import builder
from eval.systems.context import Context, System
from index.build import Progress
from index.errors import DocumentError, PolicyQAError, UsageError
from index.home import Home
from index.settings import Settings
from index.types import Policy
from qa import prompts
from qa.assistant import Assistant
from qa.llm import load_llm

FOLDER = "evaluation"
ROOT = Path(__file__).parents[1]
"""Where the code lies that fingerprints are of."""
_RUN, _RESPONSES, _INDEX = "run.json", "responses", "index"
_INDEXED_BY = ("index",)
_ANSWERED_BY = (
    "qa", "eval/systems", "eval/controls.py", "eval/corpus.py", "eval/responses.py",
    "eval/speed/obvious.py",
)  # fmt: skip
_MADE_OF = {".py", ".onnx", ".npz", ".json", ".safetensors", ".bin", ".txt"}
_DIGITS = 12
_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Run:
    """What is run: the set, the machine, and the file of each system and control."""

    set: str
    made: str
    policyqa: str
    machine: Mapping[str, str]
    systems: Annotated[Mapping[str, str], Field(min_length=1)]
    controls: Mapping[str, str]


_FILE: TypeAdapter[Run] = TypeAdapter(Run)


def run(
    benchmark: Benchmark,
    systems: Sequence[str],
    settings: Settings,
    out: Path,
    *,
    progress: Progress,
) -> Run:
    """Run systems, and the controls if policyqa is one of them, over all cases of a set.

    What is in ``out`` already is not run again. The set's policies are indexed there, by
    themselves. Raises UsageError for a system that is not there, and one that names the case for a
    question that cannot be answered.
    """
    builders = {name: builder(name) for name in systems}
    index = _index_basis(benchmark, settings)
    basis = _digest(index, *_answer_basis(benchmark, settings))
    controls = [one for one in CONTROLS if "policyqa" in systems and applicable(one, benchmark)]
    made = Run(
        set=benchmark.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        policyqa=version("policyqa"),
        machine=facts(),
        systems={name: _file(name, basis) for name in systems},
        controls={one.name: _file(one.name, basis) for one in controls},
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / _RUN).write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")
    with closing(Assistant(_home(benchmark, settings, out, index))) as assistant:
        context = Context(benchmark, assistant, _policies(assistant.home, benchmark, progress))
        folder = out / _RESPONSES
        for name, build in builders.items():
            _answer(context, name, build, folder / made.systems[name], progress)
        for one in controls:
            known = read_responses(folder / made.systems["policyqa"], benchmark)
            _control(context, one, known, folder / made.controls[one.name], progress)
    return made


def read_run(out: Path) -> Run:
    """Return what is run in a folder. Raises DocumentError if nothing is."""
    path = out / _RUN
    hint = f"make one: policyqa eval run --out {out}"
    try:
        return _FILE.validate_json(path.read_bytes())
    except OSError as exc:
        raise DocumentError(f"{str(out)!r} holds no evaluation", hint=hint) from exc
    except ValidationError as exc:
        raise DocumentError(f"{str(path)!r} is damaged: {reason(exc)}", hint=hint) from exc


def responses(out: Path, file: str, benchmark: Benchmark) -> dict[str, Response]:
    """Return the responses of one of a run's systems or controls, by case."""
    return read_responses(out / _RESPONSES / file, benchmark)


def _home(benchmark: Benchmark, settings: Settings, out: Path, basis: str) -> Home:
    """Open the home of a set's policies in a run's folder, and delete one that was made otherwise.

    It is embedded whatever the settings say: what is left behind is in the folder.
    """
    places = [f"{name} {file.resolve()}" for name, file in sorted(benchmark.files.items())]
    home = out / f"{_INDEX}-{_digest(basis, *places)}"
    for other in out.glob(f"{_INDEX}-{'[0-9a-f]' * _DIGITS}"):
        if other != home:
            shutil.rmtree(other)
    return Home(settings.model_copy(update={"home": home, "chroma_url": None}))


def _policies(home: Home, benchmark: Benchmark, progress: Progress) -> Mapping[str, Policy]:
    return {} if benchmark.task == "read" else indexed(home, benchmark, progress=progress)


def _answer(
    context: Context,
    name: str,
    build: Callable[[Context], System],
    file: Path,
    progress: Progress,
) -> None:
    cases = context.benchmark.cases
    done = read_responses(file, context.benchmark)
    left = [case for case in cases if case.id not in done]
    if left:
        system = build(context)
        made = (_asked(system, case) for case in left)
        _keep(file, name, made, len(done), len(cases), progress)


def _asked(system: System, case: Case) -> Response:
    try:
        return system(case)
    except PolicyQAError as exc:
        raise UsageError(
            f"the question {case.id!r} cannot be answered: {exc.message}", hint=exc.hint
        ) from exc


def _control(
    context: Context,
    control: Control,
    known: Mapping[str, Response],
    file: Path,
    progress: Progress,
) -> None:
    """Run a control on what policyqa answered; it answers all cases or none."""
    cases = context.benchmark.cases
    if len(read_responses(file, context.benchmark)) < len(cases):
        file.unlink(missing_ok=True)
        made = (replace(one, seconds=0.0) for one in control.answer(context, known))
        _keep(file, control.name, made, 0, len(cases), progress)


def _keep(
    file: Path, name: str, made: Iterable[Response], done: int, total: int, progress: Progress
) -> None:
    with appending(file) as append:
        for number, response in enumerate(made, start=done + 1):
            append(response)
            progress(name, number, total)


def _file(system: str, basis: str) -> str:
    return f"{_UNFIT.sub('-', system)}-{_digest(system, basis)}.jsonl"


def _index_basis(benchmark: Benchmark, settings: Settings) -> str:
    """Return the digest of what an index depends on: code, libraries, encoder and texts."""
    return _digest(
        sys.version,
        sqlite3.sqlite_version,
        *sorted(f"{one.name} {one.version}" for one in distributions()),
        *map(_content, _sources(*(ROOT / name for name in _INDEXED_BY))),
        settings.encoder,
        *map(_content, _sources(Path(settings.encoder))),
        *(part for item in sorted(benchmark.texts.items()) for part in item),
    )


def _answer_basis(benchmark: Benchmark, settings: Settings) -> Iterator[str]:
    """Yield what an answer depends on beside the index."""
    yield str(settings.evidence)
    yield from _model(settings)
    yield repr(benchmark.cases)
    yield from map(_content, _sources(*(ROOT / name for name in _ANSWERED_BY)))


def _model(settings: Settings) -> Iterator[str]:
    """Yield what tells the language model and what it is asked from others, if one words the answers."""
    if llm := load_llm(settings):
        yield from (llm.address, str(settings.llm_context), prompts.VERSION)
        family, _, name = llm.name.partition("/")
        if family == "hf":
            yield from map(_content, _sources(Path(name)))


def _sources(*places: Path) -> list[Path]:
    """Return the files of code and models at some places."""
    files = [file for place in places for file in (place, *place.rglob("*"))]
    return sorted(file for file in files if file.suffix in _MADE_OF and file.is_file())


def _content(file: Path) -> str:
    return f"{file.name} {sha256(file.read_bytes()).hexdigest()}"


def _digest(*parts: str) -> str:
    # A file's name may hold what is no text.
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
