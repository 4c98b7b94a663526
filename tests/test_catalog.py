"""The catalog: what goes in comes out, whole or not at all, and is gone once it is removed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.catalog import FILE_NAME, FORMAT, Catalog, IndexedPassage, Source, Version, match_any
from index.errors import HomeError, StoreError
from index.types import Passage, Policy, Section, Sentence, Span

TEXT = "# Retention\n\nWe keep it:\n- 90 days for “usage data”;\n- until you leave, for the rest.\n"
QUERIES = [
    "retained?",
    "Wepos's",
    "do-not-track",
    "AND",
    "OR",
    "NOT",
    "NEAR(a b)",
    '"',
    '""',
    "*",
    "wep*",
    "^",
    "a:b",
    "text:a",
    "(",
    "{x y}:z",
    "-",
    "+",
    "\\",
    "",
    " ",
    "日本 😀",
]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path)
    yield opened
    opened.close()


def version(
    id_: str = "acme", text: str = TEXT, *, paths: tuple[str, ...] = ("/docs/acme.txt",)
) -> Version:
    """Return a policy of one passage for each of its paragraphs."""
    policy = Policy(
        id=id_,
        title=f"{id_} – policy",
        names=(id_, "Acme “Corp”"),
        domains=("acme.com",),
        text=text,
        sha256=f"{hash((id_, text)):x}",
        updated=date(2019, 6, 3),
        sources=paths,
    )
    indexed, start = [], 0
    for number, paragraph in enumerate(text.split("\n\n")):
        end = start + len(paragraph)
        sentences = (
            Sentence(start, start + 3, "heading", None),
            Sentence(start + 3, end, "item", Span(start, start + 3)),
        )
        passage = Passage(
            id=f"{id_}-{number}",
            section="Retention › 1.",
            start=start,
            end=end,
            text=paragraph,
            context="Retention",
            sentences=sentences,
        )
        vectors = np.array([[0.5, -0.25, number], [0, 1, 0.125]], dtype=np.float32)
        own = np.array([0.25, 1, number], dtype=np.float32)
        indexed.append(IndexedPassage(passage, f"Retention {paragraph}", own, vectors))
        start = end + 2
    sections = (
        Section(0, 0, "", "", "", ""),
        Section(0, len(text), "1.", "Retention", "Retention › 1.", "Retention"),
    )
    return Version(policy, sections, tuple(indexed), dict.fromkeys(paths, "/docs"))


def test_a_version_comes_out_as_it_went_in(catalog: Catalog) -> None:
    put = version()
    catalog.put(put)
    assert catalog.policy("acme") == put.policy
    assert catalog.policies() == (put.policy,)
    assert catalog.sections("acme") == put.sections
    assert catalog.sources() == (Source("/docs/acme.txt", "/docs", "acme"),)
    found = catalog.passages(put.policy)
    assert [p.passage for p in found] == [p.passage for p in put.passages]
    assert [p.words for p in found] == [p.words for p in put.passages]
    for out, into in zip(found, put.passages, strict=True):
        assert out.sentence_vectors.dtype == np.float32
        assert np.array_equal(out.vector, into.vector)
        assert np.array_equal(out.sentence_vectors, into.sentence_vectors)


def test_a_version_is_still_there_after_the_catalog_is_opened_again(tmp_path: Path) -> None:
    first = Catalog.open(tmp_path)
    first.put(version())
    first.close()
    second = Catalog.open(tmp_path)
    assert second.policy("acme") == version().policy
    assert second.generation == 1
    second.close()


def test_a_policy_without_a_date_or_names_comes_out_so(catalog: Catalog) -> None:
    bare = replace(version().policy, updated=None, names=(), domains=())
    catalog.put(replace(version(), policy=bare))
    assert catalog.policy("acme") == bare


def test_what_is_not_there_is_none_or_empty(catalog: Catalog) -> None:
    assert catalog.policy("acme") is None
    assert catalog.policies() == catalog.policy_ids() == catalog.passage_ids() == ()
    assert catalog.passage_counts() == catalog.hashes() == {}
    assert catalog.meta("nothing") is None


def test_passages_are_found_in_the_texts_order(catalog: Catalog) -> None:
    put = version(text="One two.\n\nThree four.\n\nFive six.")
    catalog.put(put)
    found = catalog.passages(put.policy)
    assert [p.passage.id for p in found] == ["acme-0", "acme-1", "acme-2"]
    assert catalog.passage_ids("acme") == ("acme-0", "acme-1", "acme-2")
    assert catalog.passage_counts() == {"acme": 3}


def test_a_new_version_replaces_the_old_one_whole(catalog: Catalog) -> None:
    catalog.put(version(text="One zebra.\n\nTwo zebras.\n\nThree."))
    new = version(text="One lion.")
    catalog.put(new)
    assert catalog.policy("acme") == new.policy
    assert catalog.passage_ids() == ("acme-0",)
    assert catalog.search("zebra", None, 10) == []
    assert catalog.search("lion", None, 10) == [("acme", "acme-0")]


def test_a_new_version_keeps_the_root_of_a_known_source(catalog: Catalog) -> None:
    catalog.put(version())
    catalog.put(replace(version(text="Other words."), roots={}))
    assert catalog.sources() == (Source("/docs/acme.txt", "/docs", "acme"),)


def test_a_version_that_cannot_be_written_leaves_the_old_one(catalog: Catalog) -> None:
    catalog.put(version())
    broken = version(text="Other words.")
    with pytest.raises(sqlite3.IntegrityError):
        catalog.put(replace(broken, passages=broken.passages * 2))
    assert catalog.policy("acme") == version().policy
    assert catalog.passage_ids() == ("acme-0", "acme-1")
    assert catalog.search("retention", None, 10)
    assert catalog.generation == 1


def test_every_change_of_a_policy_raises_the_generation(catalog: Catalog) -> None:
    generations = [catalog.generation]
    catalog.put(version())
    generations.append(catalog.generation)
    catalog.attach(Source("/docs/copy.txt", "/docs", "acme"))
    generations.append(catalog.generation)
    catalog.detach("/docs/copy.txt")
    generations.append(catalog.generation)
    catalog.advance()
    generations.append(catalog.generation)
    catalog.remove("acme")
    generations.append(catalog.generation)
    assert generations == [0, 1, 2, 3, 4, 5]


def test_a_recorded_fact_is_no_change_of_a_policy(catalog: Catalog) -> None:
    catalog.set_meta("key", "one")
    catalog.set_meta("key", "two")
    assert catalog.meta("key") == "two"
    assert catalog.generation == 0


def test_a_policy_may_have_several_sources(catalog: Catalog) -> None:
    catalog.put(version())
    catalog.attach(Source("/a/copy.txt", "/a", "acme"))
    (policy,) = catalog.policies()
    assert policy.sources == ("/a/copy.txt", "/docs/acme.txt")
    assert catalog.policy("acme") == policy
    catalog.detach("/docs/acme.txt")
    assert catalog.sources() == (Source("/a/copy.txt", "/a", "acme"),)


def test_what_is_done_in_one_transaction_is_done_together_or_not_at_all(
    catalog: Catalog,
) -> None:
    catalog.put(version())
    with contextlib.suppress(KeyboardInterrupt), catalog.transaction():
        catalog.put(version("acme", "New words."))
        catalog.set_meta("built_with", "y")
        raise KeyboardInterrupt
    assert catalog.policy("acme") == version().policy
    assert catalog.meta("built_with") is None
    with catalog.transaction():
        catalog.put(version("acme", "New words."))
        catalog.set_meta("built_with", "y")
    assert catalog.meta("built_with") == "y"
    assert catalog.policy("acme") != version().policy


def test_words_are_found_in_any_form_best_first(catalog: Catalog) -> None:
    text = "We retain data.\n\nRetained, retains: retention is retaining.\n\nNothing of the kind."
    catalog.put(version(text=text))
    hits = catalog.search(match_any(["retained"]), None, 10)
    assert [id_ for _, id_ in hits] == ["acme-1", "acme-0"]
    assert len(catalog.search(match_any(["retained"]), None, 1)) == 1


def test_words_are_searched_in_one_policy_or_in_all(catalog: Catalog) -> None:
    catalog.put(version("one", paths=("/1",)))
    catalog.put(version("two", paths=("/2",)))
    assert {policy for policy, _ in catalog.search('"usage"', None, 10)} == {"one", "two"}
    assert {policy for policy, _ in catalog.search('"usage"', "two", 10)} == {"two"}
    assert catalog.search('"usage"', "three", 10) == []


@pytest.mark.parametrize("word", QUERIES)
def test_no_word_is_taken_for_search_syntax(catalog: Catalog, word: str) -> None:
    catalog.put(version(text="do-not-track AND Wepos's data is retained"))
    catalog.search(match_any([word]), None, 10)
    catalog.search(match_any([word, "retained"]), "acme", 10)
    assert catalog.search(match_any([word, "retained"]), "acme", 10)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_any_words_can_be_searched_for(words: list[str]) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
        connection.execute("SELECT * FROM words WHERE words MATCH ?", (match_any(words),))
    connection.close()


def test_words_with_marks_find_what_they_stand_for(catalog: Catalog) -> None:
    catalog.put(version(text="About do-not-track signals.\n\nTrack and do not."))
    hits = catalog.search(match_any(["do-not-track"]), None, 10)
    assert hits == [("acme", "acme-0")]


def test_thousands_of_words_can_be_searched_for_at_once(catalog: Catalog) -> None:
    catalog.put(version())
    words = [f"word{number}" for number in range(3_000)]
    assert catalog.search(match_any([*words, "usage"]), None, 10)


def test_no_words_find_nothing(catalog: Catalog) -> None:
    catalog.put(version())
    assert catalog.search(match_any([]), None, 10) == []


def test_a_nul_is_no_syntax_either(catalog: Catalog) -> None:
    catalog.search(match_any(["a\0b"]), None, 10)


def test_a_removed_policy_leaves_its_words_in_no_file(tmp_path: Path) -> None:
    catalog = Catalog.open(tmp_path)
    secret, kept = "zanzibarquux", "kilimanjaroquux"
    filler = " ".join(f"filler{number}" for number in range(500))
    catalog.put(version("kept", f"{filler} {kept}", paths=("/docs/kept.txt",)))
    catalog.put(version("gone", f"{secret} {filler}\n\nMore {secret}.", paths=(f"/{secret}.txt",)))
    on_disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret.encode() in on_disk
    catalog.remove("gone")
    catalog.scrub()
    catalog.close()
    assert {file.name for file in tmp_path.iterdir()} >= {FILE_NAME}
    for file in tmp_path.glob(f"{FILE_NAME}*"):
        content = file.read_bytes().lower()
        assert secret[:8].encode() not in content
        assert secret.encode("utf-16-le") not in content
    reopened = Catalog.open(tmp_path)
    assert reopened.policy_ids() == ("kept",)
    assert reopened.search(kept, None, 10)
    assert reopened.sections("gone") == ()
    reopened.close()


def test_a_replaced_version_leaves_its_words_in_no_search(catalog: Catalog) -> None:
    catalog.put(version(text="Our zanzibarquux."))
    catalog.put(version(text="Our kilimanjaroquux."))
    assert catalog.search("zanzibarquux", None, 10) == []


def test_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    Catalog.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(StoreError, match=f"format {FORMAT + 1}; this version reads {FORMAT}") as e:
        Catalog.open(tmp_path)
    assert "POLICYQA_HOME" in e.value.hint


@pytest.mark.parametrize("content", [b"garbage " * 1_000, b"SQLite format 3\0" + b"\xff" * 4_096])
def test_a_file_that_is_no_catalog_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as caught:
        Catalog.open(tmp_path)
    assert str(tmp_path) in caught.value.hint


def test_a_folder_that_is_not_there_is_the_homes_fault(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="cannot open"):
        Catalog.open(tmp_path / "nowhere")


def test_an_open_catalog_sees_what_another_one_writes(tmp_path: Path, catalog: Catalog) -> None:
    other = Catalog.open(tmp_path)
    other.put(version())
    other.close()
    assert catalog.generation == 1
    assert catalog.policy("acme") == version().policy


def test_threads_share_a_catalog(catalog: Catalog) -> None:
    def work(number: int) -> bool:
        put = version(f"p{number}", f"{TEXT} {number}", paths=(f"/{number}",))
        catalog.put(put)
        return catalog.policy(put.policy.id) == put.policy and bool(
            catalog.search('"usage"', put.policy.id, 5)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(20)))
    assert catalog.generation == 20
