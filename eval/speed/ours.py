"""Parts of policyqa, timed from inside: what a process's start and imports would drown.

``python -m eval.speed.ours prepare HOME TEXTS`` indexes the bundled policies and writes what was
encoded to TEXTS; ``build HOME``, ``bare TEXTS``, ``sync HOME`` and ``questions HOME`` print
seconds, ``guards HOME NEW`` percentages.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval.speed.questions import COLD, time_questions
from index.build import CORPUS, ensure_bundled, sync
from index.encode import Encoder, Vectors, load_encoder
from index.home import Home
from index.settings import Settings


class Recorder:
    """An encoder that keeps the texts it was given."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name, self.dimension, self.window = encoder.name, encoder.dimension, encoder.window
        self.count, self.encode_question = encoder.count, encoder.encode_question
        self.texts: list[str] = []

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, ``[texts, dimension]``."""
        self.texts += texts
        return self._encoder.encode_passages(texts)


def prepare(home: str, texts: str) -> None:
    """Index the bundled policies; print the tokens of their text and of all that was encoded."""
    opened = _home(home)
    encoder = opened.encoder
    recorder = Recorder(encoder)
    opened.encoder = recorder
    ensure_bundled(opened)
    Path(texts).write_text(json.dumps(recorder.texts), encoding="utf-8")
    own = [policy.text for policy in opened.catalog.policies()]
    _show(text=_tokens(encoder, own), encoded=_tokens(encoder, recorder.texts))


def build(home: str) -> None:
    """Index the bundled policies into a new home, everything imported and the encoder loaded."""
    import chromadb  # noqa: F401  # before the clock starts

    opened = _home(home)
    _load(opened.encoder)
    _show(seconds=_seconds(lambda: ensure_bundled(opened)))


def bare(texts: str) -> None:
    """Encode the recorded texts, the encoder loaded, and do nothing else."""
    recorded = json.loads(Path(texts).read_bytes())
    encoder = load_encoder("default")
    _load(encoder)
    _show(seconds=_seconds(lambda: encoder.encode_passages(recorded)))


def resync(home: str) -> None:
    """Look at the bundled policies again, which have not changed."""
    opened = _home(home)
    _show(seconds=_seconds(lambda: sync(opened, [CORPUS])))


def questions(home: str) -> None:
    """Print the seconds of each question. Raises RuntimeError if one is refused: that is no work."""
    from qa import Assistant

    assistant = Assistant(_home(home))

    def ask(question: str) -> None:
        if not assistant.ask(question).answers:
            raise RuntimeError(f"no policy was searched for {question!r}")

    _show(seconds=time_questions(ask))


def guards(home: str, fresh: str) -> None:
    """Print what share of an answer and of indexing goes into keeping and finding damage, in %.

    Everything is imported and loaded before, so that a share of a whole process is smaller.
    """
    from filelock import FileLock, ReadWriteLock

    from index import recovery
    from qa import assistant, retrieve

    spent = [0.0]
    places: list[tuple[Any, str]] = [(recovery, "recover"), (retrieve, "_refuse_damage")]
    places += [(recovery, name) for name in ("begin", "finish", "bring_in_step")]
    places += [(Home, "_refuse_damage"), (FileLock, "acquire")]
    places += [(ReadWriteLock, name) for name in ("acquire_read", "acquire_write", "release")]
    for place, name in places:
        setattr(place, name, _timed(getattr(place, name), spent))
    opened, new = assistant.Assistant(_home(home)), _home(fresh)
    _load(opened.home.encoder)

    def ask() -> None:
        recovery.recover(opened.home)
        opened.ask(COLD)

    asking = _seconds(ask)
    in_asking, spent[0] = spent[0], 0.0
    new.encoder = opened.home.encoder
    indexing = _seconds(lambda: ensure_bundled(new))
    _show(ask=100 * in_asking / asking, index=100 * spent[0] / indexing)


def _timed(work: Callable[..., object], spent: list[float]) -> Callable[..., object]:
    """Return the same work, which adds its seconds to ``spent``."""

    def timed(*arguments: object, **more: object) -> object:
        started = time.perf_counter()
        try:
            return work(*arguments, **more)
        finally:
            spent[0] += time.perf_counter() - started

    return timed


def _home(path: str) -> Home:
    return Home(Settings.load(home=Path(path)))


def _load(encoder: Encoder) -> None:
    """Load model, tokenizer and threads, as many as there are processors."""
    encoder.encode_passages(["one", "two", "three", "four"])


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _tokens(encoder: Encoder, texts: Sequence[str]) -> int:
    return sum(encoder.count(text) for text in texts)


def _show(**facts: object) -> None:
    print(json.dumps(facts))


TASKS: dict[str, Callable[..., None]] = {
    "prepare": prepare,
    "build": build,
    "bare": bare,
    "sync": resync,
    "questions": questions,
    "guards": guards,
}

if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    TASKS[task](*arguments)
