"""A run: every system and control over a set's cases, kept as it goes, to be taken up again.

The folder of a run holds ``responses/<system>-<fingerprint>.jsonl`` and ``run.json``, which says
which of them belong to it. A fingerprint is of all that an answer depends on: a system that changed
is run again, and what it said before stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from eval.benchmarks import Benchmark, Case
from eval.controls import CONTROLS, Control
from eval.corpus import indexed
from eval.responses import Response, append, appending, read_responses
from eval.speed.machine import facts
from eval.systems import system_of
from eval.systems.context import Context
from index.build import Progress
from index.catalog import FORMAT
from index.encode import load_encoder
from index.errors import DocumentError
from index.home import Home
from index.passages import RULES
from index.settings import Settings
from qa.assistant import Assistant

FOLDER = "evaluation"
_RUN, _RESPONSES = "run.json", "responses"
_ROOT = Path(__file__).parents[1]
_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Run:
    """What was run: the set, the machine, and the file of each system and control."""

    set: str
    made: str
    policyqa: str
    machine: Mapping[str, str]
    systems: Mapping[str, str]
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

    What is in ``out`` already is not run again. The set's policies are indexed in a home of their
    own, below the settings' home.
    """
    with closing(Assistant(_home(benchmark, settings))) as assistant:
        policies = (
            {}
            if benchmark.task == "read"
            else indexed(assistant.home, benchmark, progress=progress)
        )
        context = Context(benchmark, assistant, policies)
        basis = _basis(context)
        files = {}
        for system in systems:
            files[system] = _file(out, system, basis)
            _answer(context, system, files[system], progress)
        controls = _controls(context, files, out, basis, progress)
    made = Run(
        set=benchmark.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        policyqa=version("policyqa"),
        machine=facts(),
        systems={name: file.name for name, file in files.items()},
        controls={name: file.name for name, file in controls.items()},
    )
    (out / _RUN).write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")
    return made


def _home(benchmark: Benchmark, settings: Settings) -> Home:
    """Open the home of a set's policies; another encoder or format is another home."""
    encoder = load_encoder(settings.encoder, allow_download=settings.allow_download)
    digest = sha256(f"{FORMAT} {RULES} {encoder.name}".encode()).hexdigest()[:8]
    name = f"{_UNFIT.sub('-', benchmark.name)}-{digest}"
    return Home(settings.model_copy(update={"home": settings.home / FOLDER / "homes" / name}))


def read_run(out: Path) -> Run:
    """Return what was run in a folder. Raises DocumentError if nothing was."""
    path = out / _RUN
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise DocumentError(
            f"{str(out)!r} holds no evaluation that has ended",
            hint=f"make one: policyqa eval run --out {out}",
        ) from exc


def responses(out: Path, file: str) -> dict[str, Response]:
    """Return the responses of one of a run's systems or controls, by case."""
    return read_responses(out / _RESPONSES / file)


def _answer(context: Context, system: str, file: Path, progress: Progress) -> None:
    cases = context.benchmark.cases
    done = read_responses(file)
    left = [case for case in cases if case.id not in done]
    if not left:
        return
    answer = system_of(system, context)
    _keep(file, system, map(answer, left), len(done), len(cases), progress)


def _controls(
    context: Context, files: Mapping[str, Path], out: Path, basis: str, progress: Progress
) -> dict[str, Path]:
    """Run the controls on what policyqa answered."""
    if context.benchmark.task != "ask" or "policyqa" not in files:
        return {}
    known = read_responses(files["policyqa"])
    made = {}
    for control in CONTROLS:
        made[control.name] = file = _file(out, control.name, basis)
        if not _is_whole(file, context.benchmark.cases):
            file.unlink(missing_ok=True)  # a control answers all cases or none
            total = len(context.benchmark.cases)
            _keep(file, control.name, _ordered(control, context, known), 0, total, progress)
    return made


def _is_whole(file: Path, cases: Iterable[Case]) -> bool:
    return read_responses(file).keys() >= {case.id for case in cases}


def _ordered(
    control: Control, context: Context, known: Mapping[str, Response]
) -> Iterator[Response]:
    for response in control.answer(context, known):
        yield replace(response, seconds=0.0)


def _keep(
    file: Path, name: str, made: Iterable[Response], done: int, total: int, progress: Progress
) -> None:
    with appending(file) as stream:
        for number, response in enumerate(made, start=done + 1):
            append(stream, response)
            progress(name, number, total)


def _file(out: Path, system: str, basis: str) -> Path:
    digest = sha256(f"{system}\0{basis}".encode()).hexdigest()[:12]
    return out / _RESPONSES / f"{_UNFIT.sub('-', system)}-{digest}.jsonl"


def _basis(context: Context) -> str:
    """Return what every answer depends on: code, models, settings, libraries and the set."""
    home = context.assistant.home
    libraries = [f"{name} {version(name)}" for name in ("chromadb", "numpy", "onnxruntime")]
    cases = repr([context.benchmark.cases, sorted(context.benchmark.texts.items())])
    parts = [
        home.built_with,
        str(home.settings.evidence),
        *_model(context),
        *libraries,
        sha256(cases.encode()).hexdigest(),
        *(sha256(file.read_bytes()).hexdigest() for file in _sources()),
    ]
    return "\n".join(parts)


def _model(context: Context) -> list[str]:
    """Return what tells the language model from others, if one words the answers."""
    llm, settings = context.assistant.llm, context.assistant.home.settings
    return [llm.address, str(settings.llm_context)] if llm else []


def _sources() -> list[Path]:
    """Return the files that answers are made by."""
    folders = ("index", "qa", "eval/systems")
    made = {".py", ".onnx", ".npz", ".json"}
    files = [file for name in folders for file in (_ROOT / name).rglob("*")]
    files = [file for file in files if file.suffix in made]
    return sorted([*files, _ROOT / "eval" / "controls.py"])
