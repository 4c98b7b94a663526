"""sync(paths) → what was added, changed, unchanged, removed, failed.

A policy is written whole or not at all: its vectors first, then one catalog commit; deleting goes
the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from index import recovery
from index.catalog import IndexedPassage, Source, Version
from index.encode import Vectors
from index.errors import DocumentError, UnknownPolicyError
from index.home import Home
from index.markup import readable
from index.names import find_names, slug
from index.parse import PARSERS, read_text
from index.passages import encoded, split
from index.types import Passage, Policy
from index.vectors import VectorStore

CORPUS = Path(__file__).parent / "corpus"
# Texts encoded between two reports of progress.
_BATCH = 512
_BUNDLED = "bundled"
_CHECK_PATH = (
    "check the path; what was indexed from it is kept until it is removed: policyqa remove POLICY"
)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is to do."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One file or policy of many, and whom to tell about it."""

    progress: Progress | None
    name: str
    done: int
    total: int

    def show(self, share: float = 0.0) -> None:
        """Tell which one it is, and how much of it is done if it takes long."""
        if self.progress:
            name = f"{self.name} {share:.0%}" if share else self.name
            self.progress(name, self.done, self.total)


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not become a policy, and why."""

    path: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did: policy ids, files that failed, files of formats that are not read."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()


def sync(home: Home, paths: Sequence[Path], *, progress: Progress | None = None) -> SyncReport:
    """Bring the index up to date with files and folders.

    Only what vanished under one of the given paths is removed; a path that is missing or holds
    nothing readable removes nothing. One bad file never stops the others.
    """
    return _sync(home, paths, frozenset(), progress)


def refresh(home: Home, *, progress: Progress | None = None) -> SyncReport:
    """Bring the index up to date with all that was given to ``sync`` before.

    A file whose policy was removed on purpose stays out until it is given to ``sync`` again.
    """
    return _sync(home, roots(home), home.catalog.removed(), progress)


def _sync(
    home: Home, paths: Sequence[Path], left_out: Collection[str], progress: Progress | None
) -> SyncReport:
    home.check()
    with home.writing():
        home.record()
        recovery.bring_in_step(home)
        run = _Sync(home)
        files: dict[Path, str] = {}
        for file, root in (found for path in paths for found in run.files(path)):
            if str(file) not in left_out:
                files.setdefault(file, root)
        home.catalog.forget_removed(home.catalog.removed() & set(map(str, files)))
        for number, (file, root) in enumerate(files.items()):
            run.step = _Step(progress, file.name, number, len(files))
            run.step.show()
            try:
                run.take(file, root)
            except DocumentError as error:
                run.fail(file, error)
        run.drop_vanished(files)
        run.tidy()
        recovery.finish(home)
        if files:
            _Step(progress, "done", len(files), len(files)).show()
    return run.report()


def roots(home: Home) -> list[Path]:
    """Return the files and folders that were given to ``sync`` and still hold policies."""
    return sorted({Path(source.root) for source in home.catalog.sources()})


def ensure_bundled(home: Home, *, wanted: bool = True, progress: Progress | None = None) -> None:
    """Index the bundled policies into a home that has never decided about them."""
    if home.catalog.meta(_BUNDLED) is not None:
        return
    if wanted:
        sync(home, [CORPUS], progress=progress)
    home.catalog.set_meta(_BUNDLED, "yes" if wanted else "no")


def rebuild(home: Home, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Make all passages and vectors again from the catalog's texts, with the configured encoder."""
    with home.writing():
        policies = home.catalog.policies()
        versions = []
        for number, policy in enumerate(policies):
            step = _Step(progress, policy.id, number, len(policies))
            step.show()
            versions.append(_encode(home, policy, {}, {}, step.show))

        def fill(vectors: VectorStore) -> None:
            for version in versions:
                vectors.put(version.policy.id, version.passages)

        def commit() -> None:
            for version in versions:
                home.catalog.put(version)
            home.record()

        recovery.begin(home)
        home.replace_vectors(fill, commit)
        recovery.finish(home)
    return tuple(policy.id for policy in policies)


def remove(home: Home, policy: str) -> None:
    """Delete a policy: its text, passages and vectors. Raises UnknownPolicyError."""
    if policy not in home.catalog.policy_ids():
        raise UnknownPolicyError(
            f"there is no policy {policy!r}", hint="see what is indexed: policyqa policies"
        )
    home.check()
    with home.writing():
        recovery.begin(home)
        # Chroma keeps what it deletes in its files; a new store has never held it.
        home.replace_vectors(
            partial(recovery.fill, home, but=policy),
            partial(home.catalog.remove, policy, on_purpose=True),
        )
        home.forget(policy)
        recovery.finish(home)


def bundled_passages() -> list[str]:
    """Return the encoded text of every passage of the bundled policies."""
    from index.encode import load_encoder

    encoder = load_encoder("default")
    texts = []
    for file in sorted(CORPUS.glob("*.txt")):
        text = read_text(file, file.read_bytes())
        _, passages = split(file.stem, text, window=encoder.window, count=encoder.count)
        texts += [encoded(passage.context, passage.text) for passage in passages]
    return texts


class _Sync:
    """One run of sync: what the catalog holds, kept up to date, and the report being written."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.step = _Step(None, "", 0, 0)
        self.sources = {source.path: source for source in home.catalog.sources()}
        self.ids = {hash_: id_ for id_, hash_ in home.catalog.hashes().items()}
        self.outcome: dict[str, list[str]] = {
            name: [] for name in ("added", "changed", "unchanged", "removed", "skipped")
        }
        self.failed: list[Failure] = []

    def fail(self, path: Path, error: DocumentError) -> None:
        """Note a file or folder that could not be read."""
        self.failed.append(Failure(str(path), error.message, error.hint))

    def report(self) -> SyncReport:
        """Return what happened so far."""
        lists = {name: tuple(dict.fromkeys(ids)) for name, ids in self.outcome.items()}
        return SyncReport(failed=tuple(self.failed), **lists)

    def files(self, given: Path) -> Iterator[tuple[Path, str]]:
        """Yield the files to read under a path, each with the root it was found under."""
        try:
            path = given.expanduser().resolve()
            is_file, is_folder = path.is_file(), path.is_dir()
        except (OSError, RuntimeError) as error:  # too long, a loop of links, ~nobody
            self.fail(given, DocumentError(f"there is no such path: {error}", hint=_CHECK_PATH))
            return
        if is_file:
            yield path, str(path)
            return
        if not is_folder:
            self.fail(path, DocumentError("there is no such file or folder", hint=_CHECK_PATH))
            return
        visible = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not _is_hidden(file.relative_to(path))
        ]
        readable_files = [file for file in visible if file.suffix.lower() in PARSERS]
        self.outcome["skipped"] += [str(file) for file in visible if file not in readable_files]
        yield from ((file, str(path)) for file in readable_files)
        if not readable_files:
            self.fail(
                path,
                DocumentError(
                    "the folder holds no file that can be read",
                    hint=f"supported formats: {', '.join(PARSERS)}",
                ),
            )

    def take(self, file: Path, root: str) -> None:
        """Bring one file into the index. Raises DocumentError and changes nothing if it is bad."""
        try:
            str(file).encode()
            content = file.read_bytes()
        except UnicodeEncodeError as error:
            raise DocumentError("the file's name is not text", hint="rename it") from error
        except OSError as error:
            raise DocumentError(
                f"the file cannot be read: {error.strerror}", hint="check its permissions"
            ) from error
        digest = sha256(content).hexdigest()
        known, same = self.sources.get(str(file)), self.ids.get(digest)
        if same:
            if not known or known.policy != same:
                self._attach(Source(str(file), root, same))
            self.outcome["unchanged"].append(same)
            return
        text = read_text(file, content)
        if known and self._is_last(known):
            id_, outcome = known.policy, "changed"
        else:
            id_, outcome = _free_id(slug(file.stem), set(self.ids.values())), "added"
        self._write(_policy(id_, file, text, digest), root)
        self.outcome[outcome].append(id_)

    def drop_vanished(self, files: Mapping[Path, str]) -> None:
        """Forget the sources that are gone from a root that still holds something."""
        seen, roots = {str(file) for file in files}, set(files.values())
        for source in list(self.sources.values()):
            inside = any(Path(source.path).is_relative_to(root) for root in roots)
            if inside and source.path not in seen and not Path(source.path).exists():
                self._detach(source)

    def tidy(self) -> None:
        """Leave nothing in the files of what was removed, and little of what was changed."""
        self.home.sweep_derived()
        if self.outcome["removed"] or self.home.deleted > len(self.home.catalog.passage_ids()):
            recovery.renew(self.home)

    def _attach(self, source: Source) -> None:
        old = self.sources.get(source.path)
        if old:
            self._detach(old)
        self.home.catalog.attach(source)
        self.sources[source.path] = source

    def _detach(self, source: Source) -> None:
        if self._is_last(source):
            recovery.begin(self.home)
            self.home.catalog.remove(source.policy)
            self.home.forget(source.policy)
            self.ids = {hash_: id_ for hash_, id_ in self.ids.items() if id_ != source.policy}
            self.outcome["removed"].append(source.policy)
        else:
            self.home.catalog.detach(source.path)
        del self.sources[source.path]

    def _is_last(self, source: Source) -> bool:
        return not any(
            other.policy == source.policy and other.path != source.path
            for other in self.sources.values()
        )

    def _write(self, policy: Policy, root: str) -> None:
        """Encode what is new in a policy and commit its version; then delete vectors it left."""
        home, path = self.home, policy.sources[0]
        before = set(home.catalog.passage_ids(policy.id))
        known = _known_vectors(home, policy.id)
        version = _encode(home, policy, known, {path: root}, self.step.show)
        recovery.begin(home)
        with home.committing() as vectors:
            vectors.put(policy.id, version.passages)
            home.catalog.put(version)
            left = before - {indexed.passage.id for indexed in version.passages}
            vectors.delete(sorted(left))
            home.count_deleted(len(left))
        home.forget(policy.id)
        self.ids = {hash_: id_ for hash_, id_ in self.ids.items() if id_ != policy.id}
        self.ids[policy.sha256] = policy.id
        self.sources[path] = Source(path, root, policy.id)


def _policy(id_: str, file: Path, text: str, digest: str) -> Policy:
    names = find_names(file.stem, text)
    return Policy(
        id=id_,
        title=names.title,
        names=names.names,
        domains=names.domains,
        text=text,
        sha256=digest,
        updated=names.updated,
        sources=(str(file),),
    )


def _encode(
    home: Home,
    policy: Policy,
    known: Mapping[str, Vectors],
    roots: Mapping[str, str],
    show: Callable[[float], None],
) -> Version:
    """Return a policy's version. ``known`` holds vectors by text: those are not made again.

    ``show`` is told the share that is done.
    """
    encoder = home.encoder
    sections, passages = split(policy.id, policy.text, window=encoder.window, count=encoder.count)
    texts = {
        passage.id: [encoded(passage.context, passage.text), *_sentences(policy.text, passage)]
        for passage in passages
    }
    wanted = dict.fromkeys(text for own in texts.values() for text in own)
    missing = [text for text in wanted if text not in known]
    vectors = dict(known)
    for first in range(0, len(missing), _BATCH):
        if first:
            show(first / len(missing))
        part = missing[first : first + _BATCH]
        vectors |= zip(part, encoder.encode_passages(part), strict=True)
    indexed = []
    for passage in passages:
        words, *sentences = texts[passage.id]
        rows = np.array([vectors[text] for text in sentences])
        indexed.append(IndexedPassage(passage, words, vectors[words], rows))
    return Version(policy, sections, tuple(indexed), roots)


def _known_vectors(home: Home, policy: str) -> dict[str, Vectors]:
    """Return the vectors of an indexed policy by their text; none if it is not there."""
    known: dict[str, Vectors] = {}
    found = home.catalog.policy(policy)
    if found is None:
        return known
    for stored in home.catalog.passages(found):
        sentences = _sentences(found.text, stored.passage)
        known |= zip(sentences, stored.sentence_vectors, strict=True)
        known[stored.words] = stored.vector
    return known


def _sentences(text: str, passage: Passage) -> list[str]:
    return [readable(text[sentence.start : sentence.end]) for sentence in passage.sentences]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _free_id(wanted: str, taken: set[str]) -> str:
    number, candidate = 1, wanted
    while candidate in taken:
        number += 1
        candidate = f"{wanted}-{number}"
    return candidate
