"""The record: policies, their text, sections and passages, in one SQLite file with full-text search.

All text and offsets live here; the vectors in Chroma can be made again from it. SQLite does not see
changed bytes: each row of what answers are made of has a *seal*, a checksum that is compared when the
row is read, and how many policies there are, and passages of each, is noted: a row that is not found
has no seal.
Every change of a policy is one transaction and raises the *generation*, by which a reader sees that
something changed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import blake2b
from pathlib import Path
from threading import RLock

import numpy as np

from index.encode import Vectors
from index.errors import HomeError, StoreError
from index.types import Passage, Policy, Section, Sentence, Span

FORMAT = 3
FILE_NAME = "catalog.sqlite3"
_POLICIES = "policies"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE policies (
    id TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, title TEXT NOT NULL, names TEXT NOT NULL,
    domains TEXT NOT NULL, updated TEXT, text TEXT NOT NULL, passages INTEGER NOT NULL,
    sections INTEGER NOT NULL, seal BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE sources (
    path TEXT PRIMARY KEY, root TEXT NOT NULL,
    policy TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE removed (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE sections (
    policy TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE, ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, number TEXT NOT NULL, title TEXT NOT NULL,
    path TEXT NOT NULL, parent TEXT NOT NULL, seal BLOB NOT NULL, PRIMARY KEY (policy, ordinal)
) WITHOUT ROWID;
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    policy TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE, ordinal INTEGER NOT NULL,
    section TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, context TEXT NOT NULL,
    sentences TEXT NOT NULL, vectors BLOB NOT NULL, seal BLOB NOT NULL
);
CREATE UNIQUE INDEX passages_by_policy ON passages (policy, ordinal);
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = "porter unicode61");
"""
# FTS5 has no foreign keys: a passage takes its words with it.
_TRIGGER = """
CREATE TRIGGER passage_words AFTER DELETE ON passages
BEGIN DELETE FROM words WHERE rowid = old.number; END;
"""


@dataclass(frozen=True, slots=True, eq=False)
class IndexedPassage:
    """A passage, what is searched for its words, its vector, and its sentences' (a row each)."""

    passage: Passage
    words: str
    vector: Vectors
    sentence_vectors: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """Everything recorded of one version of a policy; ``roots`` says where new sources are from."""

    policy: Policy
    sections: tuple[Section, ...]
    passages: tuple[IndexedPassage, ...]
    roots: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """A file a policy was read from, and the folder or file that was given to ``index``."""

    path: str
    root: str
    policy: str


class Catalog:
    """An open catalog. Safe to use from several threads, one statement at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = RLock()
        self.path = path

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """Open the catalog in a folder, creating it if there is none.

        Raises StoreError if the file is damaged or of another format, HomeError if it cannot be
        opened at all.
        """
        path = folder / FILE_NAME
        try:
            connection = sqlite3.connect(path, check_same_thread=False, timeout=30)
            connection.isolation_level = None
            connection.row_factory = sqlite3.Row
            for pragma in (
                "journal_mode = WAL",
                "foreign_keys = ON",
                "secure_delete = ON",
                "synchronous = FULL",
            ):
                connection.execute(f"PRAGMA {pragma}")
            catalog = cls(connection, path)
            catalog._prepare()
        except sqlite3.OperationalError as error:
            raise HomeError(
                f"cannot open the catalog {str(path)!r}: {error}",
                hint="check that the home exists and that you may write to it",
            ) from error
        except (sqlite3.DatabaseError, UnicodeError) as error:
            raise _damaged(path, str(error)) from error
        return catalog

    def _prepare(self) -> None:
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            with self.transaction():
                if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                    _create(self._connection)
                    self._connection.execute("INSERT INTO meta VALUES ('generation', '0')")
                    self._connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif found == FORMAT:
            if _schema(self._connection) != _expected_schema():
                raise _damaged(self.path, "its tables are not as they were made")
        else:
            raise StoreError(
                f"the catalog {str(self.path)!r} has format {found}; this version reads {FORMAT}",
                hint="use the version of policyqa that made it, or set POLICYQA_HOME to a new "
                "folder and index your policies again",
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """Do all or nothing of what is done meanwhile; one within another belongs to it."""
        with self._lock, self._translated():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled back already
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock, self._translated():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except UnicodeError as error:
            raise _damaged(self.path, "text that is none") from error
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" in str(error):  # the message goes on with the text
                raise _damaged(self.path, "text that is none") from error
            raise HomeError(
                f"the catalog {str(self.path)!r} cannot be read or written: {error}",
                hint="check its permissions and the free space, then try again",
            ) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            raise _damaged(self.path, str(error)) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See one state of the catalog, whatever other processes commit meanwhile."""
        with self.transaction("DEFERRED"):
            yield

    def refuse_damage(self) -> None:
        """Raise StoreError if anything is wrong with the file."""
        if found := self._damage():
            raise _damaged(self.path, found[0])

    def _damage(self) -> list[str]:
        """Return what is wrong with the file, by SQLite's own checks and the rows' seals."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(5)")]
        found = [] if found == ["ok"] else found
        found += [f"dangling rows in {row[0]}" for row in self._rows("PRAGMA foreign_key_check")]
        try:
            self._connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            found.append(f"the index of words: {error}")
        silent = self._rows(
            "SELECT count(*) FROM passages WHERE number NOT IN (SELECT rowid FROM words)"
        )[0][0]
        found += [f"{silent} passages without words"] if silent else []
        if not found:
            for policy in self.policies():
                self.sections(policy.id)
                self.passages(policy)
        return found

    def meta(self, key: str) -> str | None:
        """Return a recorded fact about the index, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Record a fact about the index."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def generation(self) -> int:
        """Return how many commits have changed policies."""
        return self.number("generation")

    def number(self, key: str) -> int:
        """Return a recorded number; 0 if there is none."""
        found = self.meta(key) or "0"
        if not found.isdecimal():
            raise _damaged(self.path, f"{key!r} is no number")
        return int(found)

    def advance(self) -> None:
        """Let readers see that something changed, though no policy did."""
        with self.transaction() as connection:
            _count_generation(connection)

    def policy_ids(self) -> tuple[str, ...]:
        """Return the ids of all policies, sorted."""
        return tuple(row[0] for row in self._rows("SELECT id FROM policies ORDER BY id"))

    def policies(self) -> tuple[Policy, ...]:
        """Return all policies, sorted by id."""
        sources: dict[str, list[str]] = {}
        for source in self.sources():
            sources.setdefault(source.policy, []).append(source.path)
        rows = self._rows("SELECT * FROM policies ORDER BY id")
        if len(rows) != self.number(_POLICIES):
            raise _damaged(self.path, "not all policies are found")
        return tuple(self._policy(row, sources.get(row["id"], [])) for row in rows)

    def policy(self, id_: str) -> Policy | None:
        """Return one policy, or None."""
        rows = self._rows("SELECT * FROM policies WHERE id = ?", (id_,))
        return self._policy(rows[0], self._source_paths(id_)) if rows else None

    def _policy(self, row: sqlite3.Row, sources: Sequence[str]) -> Policy:
        *values, seal = row
        self._compare(seal, values)
        return _policy(row, sources)

    def _compare(self, seal: bytes, values: Sequence[object]) -> None:
        if _seal(values) != seal:
            raise _damaged(self.path, "a row is not as it was written")

    def _expect(self, found: int, what: str, policy: str) -> None:
        """Raise StoreError if a policy has not as many rows as its own row says."""
        recorded = self._rows("SELECT passages, sections FROM policies WHERE id = ?", (policy,))
        if found != (recorded[0][what] if recorded else 0):
            raise _damaged(self.path, f"not all {what} of {policy!r} are found")

    def _source_paths(self, policy: str) -> list[str]:
        rows = self._rows("SELECT path FROM sources WHERE policy = ? ORDER BY path", (policy,))
        return [row[0] for row in rows]

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of each policy's file by policy id."""
        return {row[0]: row[1] for row in self._rows("SELECT id, sha256 FROM policies")}

    def sources(self) -> tuple[Source, ...]:
        """Return all files that policies were read from, sorted by path."""
        rows = self._rows("SELECT path, root, policy FROM sources ORDER BY path")
        return tuple(Source(*row) for row in rows)

    def sections(self, policy: str) -> tuple[Section, ...]:
        """Return a policy's sections in order."""
        rows = self._rows("SELECT * FROM sections WHERE policy = ? ORDER BY ordinal", (policy,))
        for *values, seal in rows:
            self._compare(seal, values)
        self._expect(len(rows), "sections", policy)
        return tuple(Section(*tuple(row)[2:-1]) for row in rows)

    def passage_ids(self, policy: str | None = None) -> tuple[str, ...]:
        """Return the ids of a policy's passages in order, or of all."""
        rows = self._rows(
            "SELECT id FROM passages WHERE ?1 IS NULL OR policy = ?1 ORDER BY policy, ordinal",
            (policy,),
        )
        return tuple(row[0] for row in rows)

    def passage_counts(self) -> dict[str, int]:
        """Return how many passages each policy has."""
        rows = self._rows("SELECT policy, count(*) FROM passages GROUP BY policy")
        return {row[0]: row[1] for row in rows}

    def passages(self, policy: Policy) -> list[IndexedPassage]:
        """Return the passages of a policy in order. Raises StoreError if one is not found."""
        rows = self._rows(
            "SELECT p.*, w.text AS words FROM passages p JOIN words w ON w.rowid = p.number "
            "WHERE p.policy = ? ORDER BY p.ordinal",
            (policy.id,),
        )
        for _, *values, seal, words in rows:
            self._compare(seal, [*values, words])
        self._expect(len(rows), "passages", policy.id)
        return [_indexed(row, policy.text) for row in rows]

    def search(self, query: str, policy: str | None, limit: int) -> list[tuple[str, str]]:
        """Return ``(policy, passage id)`` by BM25, best first. ``query`` is an FTS5 expression."""
        rows = self._rows(
            "SELECT p.policy, p.id FROM words w JOIN passages p ON p.number = w.rowid "
            "WHERE words MATCH ?1 AND (?2 IS NULL OR p.policy = ?2) ORDER BY bm25(words) LIMIT ?3",
            (query, policy, limit),
        )
        return [(row[0], row[1]) for row in rows]

    def put(self, version: Version) -> None:
        """Add a policy or replace its version, in one commit."""
        with self.transaction() as connection:
            _put(connection, version)
            _count_generation(connection)

    def attach(self, source: Source) -> None:
        """Record one more file that holds a policy's very bytes."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?)",
                (source.path, source.root, source.policy),
            )
            _count_generation(connection)

    def detach(self, path: str) -> None:
        """Forget one of the files a policy was read from."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM sources WHERE path = ?", (path,))
            _count_generation(connection)

    def removed(self) -> frozenset[str]:
        """Return the files whose policies were removed on purpose, and are there still."""
        return frozenset(row[0] for row in self._rows("SELECT path FROM removed"))

    def forget_removed(self, paths: Iterable[str]) -> None:
        """Take files as if their policies had never been removed."""
        with self.transaction() as connection:
            connection.executemany("DELETE FROM removed WHERE path = ?", [(p,) for p in paths])

    def remove(self, policy: str, *, on_purpose: bool = False) -> None:
        """Delete a policy, its text and passages, in one commit; note its files if on purpose."""
        with self.transaction() as connection:
            if on_purpose:
                connection.execute(
                    "INSERT OR IGNORE INTO removed SELECT path FROM sources WHERE policy = ?",
                    (policy,),
                )
            _delete(connection, policy)
            _count_generation(connection)

    def scrub(self) -> None:
        """Leave nothing of what was deleted in the files.

        Deleted rows are overwritten at once; the index of words only when it is merged, and the log
        when it is emptied, which waits for readers.
        """
        with self._lock, self._translated():
            self._connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _create(connection: sqlite3.Connection) -> None:
    for statement in (*_SCHEMA.split(";\n"), _TRIGGER):
        connection.execute(statement)


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str | None]]:
    """Return the statements that made the tables; SQLite trusts them whatever they have become."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
    return [(row[0], row[1]) for row in rows]


@cache
def _expected_schema() -> list[tuple[str, str | None]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        _create(connection)
        return _schema(connection)


def _damaged(path: Path, reason: str) -> StoreError:
    """The catalog is the only record: what is lost with it can only be indexed again."""
    return StoreError(
        f"the catalog {str(path)!r} is damaged: {reason}",
        hint=f"restore it from a copy, or move the folder {str(path.parent)!r} away and index "
        "your policies again: policyqa index PATH",
    )


def _put(connection: sqlite3.Connection, version: Version) -> None:
    policy = version.policy
    known = connection.execute(
        "SELECT path, root FROM sources WHERE policy = ?", (policy.id,)
    ).fetchall()
    roots = {**{row["path"]: row["root"] for row in known}, **version.roots}
    _delete(connection, policy.id)
    updated = policy.updated.isoformat() if policy.updated else None
    values = (
        policy.id,
        policy.sha256,
        policy.title,
        json.dumps(policy.names),
        json.dumps(policy.domains),
        updated,
        policy.text,
        len(version.passages),
        len(version.sections),
    )
    connection.execute(
        "INSERT INTO policies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, _seal(values))
    )
    # A file whose words changed may still count as another policy's.
    connection.executemany(
        "INSERT OR REPLACE INTO sources VALUES (?, ?, ?)",
        [(path, roots[path], policy.id) for path in policy.sources],
    )
    rows = [
        (policy.id, n, s.start, s.end, s.number, s.title, s.path, s.parent)
        for n, s in enumerate(version.sections)
    ]
    connection.executemany(
        "INSERT INTO sections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, _seal(row)) for row in rows],
    )
    for ordinal, indexed in enumerate(version.passages):
        _insert(connection, policy.id, ordinal, indexed)


def _delete(connection: sqlite3.Connection, policy: str) -> None:
    connection.execute("DELETE FROM passages WHERE policy = ?", (policy,))
    connection.execute("DELETE FROM policies WHERE id = ?", (policy,))


def _count_generation(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
    connection.execute("INSERT OR REPLACE INTO meta SELECT ?, count(*) FROM policies", (_POLICIES,))


def _insert(
    connection: sqlite3.Connection, policy: str, ordinal: int, indexed: IndexedPassage
) -> None:
    passage = indexed.passage
    sentences = [(s.start, s.end, s.kind, s.lead_in) for s in passage.sentences]
    values = (
        passage.id,
        policy,
        ordinal,
        passage.section,
        passage.start,
        passage.end,
        passage.context,
        json.dumps(sentences),
        np.vstack([indexed.vector, indexed.sentence_vectors]).astype(np.float16).tobytes(),
    )
    cursor = connection.execute(
        "INSERT INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, _seal([*values, indexed.words])),
    )
    connection.execute(
        "INSERT INTO words (rowid, text) VALUES (?, ?)", (cursor.lastrowid, indexed.words)
    )


def _seal(values: Iterable[object]) -> bytes:
    """Return the checksum of a row's values: it is against accidents, not against an attacker."""
    digest = blake2b(digest_size=16)
    for value in values:
        part = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _policy(row: sqlite3.Row, sources: Sequence[str]) -> Policy:
    return Policy(
        id=row["id"],
        title=row["title"],
        names=tuple(json.loads(row["names"])),
        domains=tuple(json.loads(row["domains"])),
        text=row["text"],
        sha256=row["sha256"],
        updated=date.fromisoformat(row["updated"]) if row["updated"] else None,
        sources=tuple(sources),
    )


def _indexed(row: sqlite3.Row, text: str) -> IndexedPassage:
    sentences = tuple(
        Sentence(start, end, kind, Span(*lead_in) if lead_in else None)
        for start, end, kind, lead_in in json.loads(row["sentences"])
    )
    passage = Passage(
        id=row["id"],
        section=row["section"],
        start=row["start"],
        end=row["end"],
        text=text[row["start"] : row["end"]],
        context=row["context"],
        sentences=sentences,
    )
    vectors = np.frombuffer(row["vectors"], dtype=np.float16).astype(np.float32)
    own, *others = vectors.reshape(1 + len(sentences), -1)
    return IndexedPassage(passage, row["words"], own, np.array(others))


def match_any(words: Iterable[str]) -> str:
    """Return the FTS5 expression that finds any of the words: each quoted, none of it syntax.

    No words give one that finds nothing. NUL would end the expression.

    >>> match_any(["do-not-track", "AND"])
    '"do-not-track" OR "AND"'
    """
    quoted = ('"' + word.replace("\0", " ").replace('"', '""') + '"' for word in words)
    return " OR ".join(quoted) or '""'
