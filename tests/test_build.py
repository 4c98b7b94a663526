"""Sync: what changed on disk changes in the index, once, whole, and nothing else does."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import OpenHome
from fakes import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from index import build
from index.build import (
    CORPUS,
    bundled_passages,
    ensure_bundled,
    rebuild,
    refresh,
    remove,
    roots,
    sync,
)
from index.encode import Encoder
from index.errors import StoreError, UnknownPolicyError
from index.home import FOLDER, Home
from index.markup import readable
from index.recovery import recover
from index.settings import Settings

BUNDLED = ("web1on1", "webee", "webengage", "wecloudit", "wepos")
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


class Killed(BaseException):
    """What no handler of errors catches, as a killed process would not."""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with two policies, ``acme.txt`` and ``zeta.md``."""
    folder = tmp_path / "docs"
    folder.mkdir()
    write(folder / "acme.txt", words("Acme"))
    write(folder / "zeta.md", words("Zeta"))
    return folder


def words(company: str, *, storage: str = "90 days") -> str:
    """Return a policy whose three sections have a passage each."""
    return (
        f"# {company} Privacy Policy\n\n{company} collects the name of each customer.\n\n"
        f"# Storage\n\n{company} keeps the data of each customer for {storage}.\n\n"
        f"# Cookies\n\n{company} sets cookies on the devices of each customer.\n"
    )


def write(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def encoder_of(home: Home) -> FakeEncoder:
    assert isinstance(home.encoder, FakeEncoder)
    return home.encoder


def texts_of(home: Home) -> dict[str, str]:
    return {policy.id: policy.text for policy in home.catalog.policies()}


def sources_of(home: Home, policy: str) -> list[str]:
    found = home.catalog.policy(policy)
    assert found
    return [Path(source).name for source in found.sources]


def assert_sound(home: Home) -> None:
    """Check that catalog and vectors agree, and that every vector is its own text's."""
    assert home.vectors.ids() == set(home.catalog.passage_ids())
    for policy in home.catalog.policies():
        for indexed in home.catalog.passages(policy):
            passage = indexed.passage
            assert policy.text[passage.start : passage.end] == passage.text
            stored = home.vectors.get([passage.id])[passage.id]
            assert np.allclose(stored, home.encoder.encode_question(indexed.words), atol=1e-3)
            assert np.allclose(stored, indexed.vector, atol=1e-3)
            sentences = [readable(policy.text[s.start : s.end]) for s in passage.sentences]
            assert np.allclose(
                indexed.sentence_vectors, home.encoder.encode_passages(sentences), atol=1e-3
            )


def test_new_files_are_added(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    report = sync(home, [docs])
    assert report.added == ("acme", "zeta")
    assert report.changed == report.unchanged == report.removed == report.skipped == ()
    assert report.failed == ()
    assert texts_of(home) == {"acme": words("Acme"), "zeta": words("Zeta")}
    assert_sound(home)


def test_a_policy_is_recorded_with_its_names_and_place(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    policy = home.catalog.policy("acme")
    assert policy
    assert (policy.title, policy.names) == ("Acme Privacy Policy", ("Acme",))
    assert policy.sources == (str(docs / "acme.txt"),)
    assert policy.source_name == "acme.txt"
    assert [section.title for section in home.catalog.sections("acme")[1:]] == [
        "Acme Privacy Policy",
        "Storage",
        "Cookies",
    ]
    assert roots(home) == [docs]


def test_indexing_the_same_again_writes_nothing(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    generation, calls = home.catalog.generation, len(encoder_of(home).calls)
    report = sync(home, [docs])
    assert report.unchanged == ("acme", "zeta")
    assert report.added == report.changed == report.removed == ()
    assert home.catalog.generation == generation
    assert len(encoder_of(home).calls) == calls


def test_adding_one_encodes_one(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    encoder_of(home).calls.clear()
    write(docs / "beta.txt", words("Beta"))
    report = sync(home, [docs])
    assert (report.added, report.unchanged) == (("beta",), ("acme", "zeta"))
    assert len(encoder_of(home).calls) == 1
    assert not any("Acme" in text or "Zeta" in text for text in encoder_of(home).texts)
    assert_sound(home)


def test_no_text_is_encoded_twice_in_a_call(open_home: OpenHome, tmp_path: Path) -> None:
    home = open_home()
    write(tmp_path / "acme.txt", words("Acme") * 3)
    sync(home, [tmp_path / "acme.txt"])
    texts = encoder_of(home).texts
    assert len(texts) == len(set(texts))
    assert_sound(home)


def test_a_changed_paragraph_encodes_its_own_passage_only(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    before = set(home.catalog.passage_ids("acme"))
    encoder_of(home).calls.clear()
    write(docs / "acme.txt", words("Acme", storage="30 days"))
    assert sync(home, [docs]).changed == ("acme",)
    texts = encoder_of(home).texts
    assert any("30 days" in text for text in texts)
    assert not any("cookies" in text or "collects" in text for text in texts)
    after = set(home.catalog.passage_ids("acme"))
    assert len(before) == len(after) == 3
    assert len(before & after) == 2
    assert_sound(home)


def test_a_changed_file_replaces_its_passages_in_one_commit(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    sync(home, [docs])
    generation = home.catalog.generation
    write(docs / "acme.txt", words("Acme", storage="30 days"))
    report = sync(home, [docs])
    assert (report.changed, report.unchanged) == (("acme",), ("zeta",))
    assert home.catalog.generation == generation + 1
    assert home.catalog.search('"90"', "acme", 5) == []
    assert home.catalog.search('"30"', "acme", 5)


def test_a_passage_that_only_moved_has_its_new_place_in_chroma(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    sync(home, [docs])
    write(docs / "acme.txt", words("Acme", storage="a very long time indeed"))
    sync(home, [docs])
    policy = home.catalog.policy("acme")
    assert policy
    for indexed in home.catalog.passages(policy):
        found = home.vectors._collection.get(indexed.passage.id)
        (place,) = found["metadatas"]
        assert policy.text[place["start"] : place["end"]] == found["documents"][0]


def test_a_policy_keeps_its_id_across_versions(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    for version in range(3):
        write(docs / "acme.txt", words(f"Acme{version}", storage=f"{version} days"))
        assert sync(home, [docs]).changed == ("acme",)
    assert home.catalog.policy_ids() == ("acme", "zeta")
    assert_sound(home)


def test_a_renamed_file_keeps_its_policy(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    encoder_of(home).calls.clear()
    (docs / "acme.txt").rename(docs / "renamed.txt")
    report = sync(home, [docs])
    assert (report.unchanged, report.added, report.removed) == (("acme", "zeta"), (), ())
    assert sources_of(home, "acme") == ["renamed.txt"]
    assert encoder_of(home).calls == []


def test_a_vanished_file_takes_its_policy_with_it(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    (docs / "acme.txt").unlink()
    report = sync(home, [docs])
    assert (report.removed, report.unchanged) == (("acme",), ("zeta",))
    assert home.catalog.policy_ids() == ("zeta",)
    assert_sound(home)


def test_only_what_vanished_under_a_given_root_is_removed(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    write(docs / "one" / "a.txt", words("A"))
    write(docs / "one" / "b.txt", words("B"))
    write(docs / "two" / "c.txt", words("C"))
    write(docs / "two" / "d.txt", words("D"))
    sync(home, [docs / "one", docs / "two"])
    (docs / "one" / "a.txt").unlink()
    (docs / "two" / "c.txt").unlink()
    assert sync(home, [docs / "two"]).removed == ("c",)
    assert home.catalog.policy_ids() == ("a", "b", "d")
    assert sync(home, [docs / "two" / "d.txt"]).removed == ()
    assert sync(home, [docs]).removed == ("a",)


@pytest.mark.parametrize("what", ["missing", "empty", "unreadable formats only"])
def test_a_missing_or_empty_root_removes_nothing(
    open_home: OpenHome, docs: Path, what: str
) -> None:
    home = open_home()
    sync(home, [docs])
    shutil.rmtree(docs)
    if what != "missing":
        docs.mkdir()
    if what == "unreadable formats only":
        write(docs / "policy.pdf", b"%PDF-1.7")
    report = sync(home, [docs])
    assert report.removed == ()
    assert [failure.path for failure in report.failed] == [str(docs)]
    assert report.failed[0].hint
    assert home.catalog.policy_ids() == ("acme", "zeta")
    assert_sound(home)


def test_a_file_that_is_gone_and_was_given_itself_removes_nothing(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    sync(home, [docs / "acme.txt"])
    (docs / "acme.txt").unlink()
    report = sync(home, [docs / "acme.txt"])
    assert report.removed == ()
    assert report.failed[0].message == "there is no such file or folder"
    assert home.catalog.policy_ids() == ("acme",)


def test_one_bad_file_does_not_stop_the_others(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    write(docs / "binary.txt", PNG)
    write(docs / "empty.txt", b"")
    report = sync(home, [docs])
    assert report.added == ("acme", "zeta")
    assert [Path(failure.path).name for failure in report.failed] == ["binary.txt", "empty.txt"]
    assert "not text" in report.failed[0].message
    assert "empty" in report.failed[1].message
    assert all(failure.hint for failure in report.failed)


def test_a_file_that_went_bad_keeps_its_last_good_version(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    write(docs / "acme.txt", PNG)
    report = sync(home, [docs])
    assert [Path(failure.path).name for failure in report.failed] == ["acme.txt"]
    assert report.removed == report.changed == ()
    assert texts_of(home)["acme"] == words("Acme")


def test_files_of_other_formats_are_skipped_and_named(open_home: OpenHome, docs: Path) -> None:
    write(docs / "acme.pdf", b"%PDF-1.7")
    write(docs / "Makefile", "all:")
    report = sync(open_home(), [docs])
    assert [Path(path).name for path in report.skipped] == ["Makefile", "acme.pdf"]
    assert report.failed == ()


def test_a_file_of_another_format_given_itself_fails(open_home: OpenHome, docs: Path) -> None:
    write(docs / "acme.pdf", b"%PDF-1.7")
    report = sync(open_home(), [docs / "acme.pdf"])
    assert "'.pdf' is not supported" in report.failed[0].message


def test_hidden_files_and_folders_are_ignored(open_home: OpenHome, docs: Path) -> None:
    write(docs / ".hidden.txt", words("Hidden"))
    write(docs / ".git" / "policy.txt", words("Hidden"))
    write(docs / "deep" / ".cache" / "policy.txt", words("Hidden"))
    report = sync(open_home(), [docs])
    assert report.added == ("acme", "zeta")
    assert report.skipped == report.failed == ()


def test_a_root_that_is_hidden_itself_is_read(open_home: OpenHome, docs: Path) -> None:
    hidden = docs.rename(docs.with_name(".docs"))
    assert sync(open_home(), [hidden]).added == ("acme", "zeta")


def test_folders_are_read_all_the_way_down(open_home: OpenHome, docs: Path) -> None:
    write(docs / "a" / "b" / "c.txt", words("Deep"))
    (docs / "a" / "folder.txt").mkdir()
    assert sync(open_home(), [docs]).added == ("c", "acme", "zeta")


def test_two_files_of_one_stem_get_ids_of_their_own(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    write(docs / "b" / "acme.txt", words("Second"))
    write(docs / "c" / "Acme.md", words("Third"))
    assert sync(home, [docs]).added == ("acme", "acme-2", "acme-3", "zeta")
    write(docs / "b" / "acme.txt", words("Changed"))
    assert sync(home, [docs]).changed == ("acme-2",)
    assert texts_of(home)["acme-2"] == words("Changed")
    assert_sound(home)


def test_identical_bytes_are_one_policy_with_two_sources(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    shutil.copy(docs / "acme.txt", docs / "copy.txt")
    report = sync(home, [docs])
    assert (report.added, report.removed) == (("acme", "zeta"), ())
    assert sources_of(home, "acme") == ["acme.txt", "copy.txt"]
    assert len(encoder_of(home).calls) == 2


@pytest.mark.parametrize("gone", ["acme.txt", "copy.txt"])
def test_a_policy_stays_while_one_of_its_files_does(
    open_home: OpenHome, docs: Path, gone: str
) -> None:
    home = open_home()
    shutil.copy(docs / "acme.txt", docs / "copy.txt")
    sync(home, [docs])
    (docs / gone).unlink()
    assert sync(home, [docs]).removed == ()
    assert sources_of(home, "acme") == [{"acme.txt", "copy.txt"}.difference({gone}).pop()]
    for file in ("acme.txt", "copy.txt"):
        (docs / file).unlink(missing_ok=True)
    assert sync(home, [docs]).removed == ("acme",)
    assert_sound(home)


def test_a_file_that_takes_over_anothers_words_joins_its_policy(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    sync(home, [docs])
    write(docs / "zeta.md", words("Acme"))
    report = sync(home, [docs])
    assert (report.unchanged, report.removed) == (("acme",), ("zeta",))
    assert sources_of(home, "acme") == ["acme.txt", "zeta.md"]
    assert_sound(home)


@pytest.mark.parametrize("changed", ["acme.txt", "copy.txt"])
def test_one_of_two_identical_files_may_change(
    open_home: OpenHome, docs: Path, changed: str
) -> None:
    home = open_home()
    shutil.copy(docs / "acme.txt", docs / "copy.txt")
    sync(home, [docs])
    write(docs / changed, words("Changed"))
    report = sync(home, [docs])
    assert report.failed == report.removed == ()
    assert sorted(texts_of(home).values()) == sorted(
        [words("Acme"), words("Changed"), words("Zeta")]
    )
    assert_sound(home)


def test_two_files_may_swap_their_words(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    write(docs / "acme.txt", words("Zeta"))
    write(docs / "zeta.md", words("Acme"))
    sync(home, [docs])
    assert sorted(texts_of(home).values()) == [words("Acme"), words("Zeta")]
    assert_sound(home)


def test_a_file_is_one_source_however_its_path_is_written(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    (docs / "sub").mkdir()
    sync(home, [docs])
    sync(home, [docs / "sub" / ".."])
    assert sources_of(home, "acme") == ["acme.txt"]


def test_a_file_given_twice_is_reported_once(open_home: OpenHome, docs: Path) -> None:
    report = sync(open_home(), [docs, docs / "acme.txt"])
    assert (report.added, report.unchanged) == (("acme", "zeta"), ())


def test_lines_wrapped_anew_have_vectors_for_their_new_sentences(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    write(docs / "acme.txt", "# Acme\n\nWe keep nothing.\nWe sell nothing.\n")
    sync(home, [docs])
    write(docs / "acme.txt", "# Acme\n\nWe keep nothing. We sell nothing.\n")
    sync(home, [docs])
    assert_sound(home)


def test_chroma_holds_a_passages_words_as_they_stand(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    write(docs / "acme.txt", words("Acme").replace("data of each", "**data** of\neach"))
    sync(home, [docs])
    policy = home.catalog.policy("acme")
    assert policy
    for indexed in home.catalog.passages(policy):
        found = home.vectors._collection.get(indexed.passage.id)
        assert found["documents"] == [indexed.passage.text]


# A state is what each of three files holds: a version of its own, or nothing at all.
_STATES = st.lists(
    st.tuples(*[st.none() | st.integers(1, 4)] * 3).filter(any),
    min_size=1,
    max_size=4,
)


@settings(max_examples=12)
@given(states=_STATES)
def test_after_any_changes_the_index_holds_what_the_folder_holds(
    tmp_path_factory: pytest.TempPathFactory, states: list[tuple[int | None, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    home = Home(Settings(home=folder / "home"))
    home.__dict__["encoder"] = FakeEncoder()
    for state in states:
        expected = {}
        for name, version in zip("abc", state, strict=True):
            file = folder / "docs" / f"{name}.txt"
            if version is None:
                file.unlink(missing_ok=True)
            else:
                expected[name] = words(name, storage=f"{version} days")
                write(file, expected[name])
        report = sync(home, [folder / "docs"])
        assert set(report.added + report.changed + report.unchanged) == set(expected)
        assert texts_of(home) == expected
        assert_sound(home)
    home.close()


def test_progress_counts_the_files(open_home: OpenHome, docs: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    sync(open_home(), [docs], progress=lambda *step: seen.append(step))
    assert seen == [("acme.txt", 0, 2), ("zeta.md", 1, 2), ("done", 2, 2)]


def test_the_bundled_policies_are_indexed_once(open_home: OpenHome) -> None:
    home = open_home()
    ensure_bundled(home)
    assert home.catalog.policy_ids() == BUNDLED
    generation, calls = home.catalog.generation, len(encoder_of(home).calls)
    ensure_bundled(home)
    ensure_bundled(open_home())
    assert home.catalog.generation == generation
    assert len(encoder_of(home).calls) == calls
    assert_sound(home)


def test_unwanted_bundled_policies_stay_out(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    ensure_bundled(home, wanted=False)
    ensure_bundled(home)
    sync(home, [docs])
    ensure_bundled(home)
    assert home.catalog.policy_ids() == ("acme", "zeta")


def test_a_removed_bundled_policy_does_not_come_back(open_home: OpenHome) -> None:
    home = open_home()
    ensure_bundled(home)
    remove(home, "webee")
    ensure_bundled(home)
    ensure_bundled(open_home())
    assert home.catalog.policy_ids() == ("web1on1", "webengage", "wecloudit", "wepos")
    assert_sound(home)


def test_the_bundled_policies_are_added_to_ones_own(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    ensure_bundled(home)
    assert set(home.catalog.policy_ids()) == {"acme", "zeta", *BUNDLED}
    assert roots(home) == sorted([docs, CORPUS])


def test_the_default_encoder_finds_a_passage_by_its_meaning(
    open_home: OpenHome, encoder: Encoder
) -> None:
    home = open_home(encoder)
    sync(home, [CORPUS / "web1on1.txt"])
    assert home.vectors.ids() == set(home.catalog.passage_ids())
    question = encoder.encode_question("how long do you keep my usage data?")
    hits = home.vectors.search(question, "web1on1", 3)
    policy = home.catalog.policy("web1on1")
    assert policy
    found = home.passages(policy)
    assert any("We retain your usage data" in found[hit.id].passage.text for hit in hits)


def test_the_bundled_passages_are_what_is_encoded(open_home: OpenHome, encoder: Encoder) -> None:
    fake = FakeEncoder(window=encoder.window)
    fake.count = encoder.count  # type: ignore[method-assign]
    ensure_bundled(open_home(fake))
    texts = bundled_passages()
    assert len(texts) > 100
    assert set(texts) <= set(fake.texts)


def test_a_removed_policy_is_gone_whole(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    remove(home, "acme")
    assert home.catalog.policy_ids() == ("zeta",)
    assert home.catalog.search('"acme"', None, 5) == []
    assert [Path(source.path).name for source in home.catalog.sources()] == ["zeta.md"]
    assert_sound(home)


def test_what_was_removed_stays_out_until_it_is_given_again(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    sync(home, [docs])
    remove(home, "acme")
    assert refresh(home).added == ()
    assert home.catalog.policy_ids() == ("zeta",)
    assert sync(home, [docs]).added == ("acme",)
    assert refresh(home).unchanged == ("acme", "zeta")


def test_a_policy_that_is_not_there_cannot_be_removed(open_home: OpenHome) -> None:
    with pytest.raises(UnknownPolicyError, match="'nobody'") as caught:
        remove(open_home(), "nobody")
    assert "policyqa policies" in caught.value.hint


def test_another_encoder_removes_all_of_a_policy_or_nothing(
    open_home: OpenHome, docs: Path
) -> None:
    sync(open_home(FakeEncoder("one")), [docs])
    home = open_home(FakeEncoder("other", dimension=16))
    with pytest.raises(StoreError):
        remove(home, "acme")
    assert home.catalog.policy_ids() == ("acme", "zeta")


def test_a_rebuild_encodes_everything_with_the_new_encoder(open_home: OpenHome, docs: Path) -> None:
    sync(open_home(FakeEncoder("one")), [docs])
    home = open_home(FakeEncoder("other", dimension=16))
    with pytest.raises(StoreError, match="other"):
        sync(home, [docs])
    generation = home.catalog.generation
    seen: list[str] = []
    assert rebuild(home, progress=lambda what, *_: seen.append(what)) == ("acme", "zeta")
    assert seen == ["acme", "zeta"]
    assert home.catalog.generation > generation
    assert len(home.vectors._client.list_collections()) == 1
    assert_sound(home)
    assert sync(home, [docs]).unchanged == ("acme", "zeta")


def test_a_rebuild_needs_no_files(open_home: OpenHome, docs: Path) -> None:
    home = open_home(FakeEncoder("one"))
    sync(home, [docs])
    before = home.catalog.policies()
    shutil.rmtree(docs)
    other = open_home(FakeEncoder("other", dimension=16))
    rebuild(other)
    assert other.catalog.policies() == before
    assert_sound(other)


def test_a_rebuild_with_the_same_encoder_changes_no_passage(
    open_home: OpenHome, docs: Path
) -> None:
    home = open_home()
    sync(home, [docs])
    before = home.catalog.passage_ids()
    rebuild(home)
    assert home.catalog.passage_ids() == before
    assert_sound(home)


def test_a_rebuild_mends_lost_vectors(open_home: OpenHome, docs: Path) -> None:
    home = open_home()
    sync(home, [docs])
    home.vectors.delete(sorted(home.vectors.ids())[:2])
    rebuild(home)
    assert_sound(home)


def test_a_rebuild_of_nothing_records_the_encoder(open_home: OpenHome) -> None:
    home = open_home()
    assert rebuild(home) == ()
    with pytest.raises(StoreError):
        open_home(FakeEncoder("other")).check()


def killed(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize("change", ["acme.txt", "new.txt"])
def test_a_writer_killed_before_its_commit_leaves_the_old_state(
    open_home: OpenHome, docs: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    home = open_home()
    sync(home, [docs])
    before, generation = texts_of(home), home.catalog.generation
    write(docs / change, words("New", storage="30 days"))
    monkeypatch.setattr(home.catalog, "put", killed)
    with pytest.raises(Killed):
        sync(home, [docs])
    survivor = open_home()
    assert texts_of(survivor) == before
    assert survivor.catalog.generation == generation
    orphans = survivor.vectors.ids() - set(survivor.catalog.passage_ids())
    assert len(orphans) == 3
    assert survivor.vectors.ids() >= set(survivor.catalog.passage_ids())

    # The next sync sweeps them, also when it is about something else.
    sync(survivor, [docs / "zeta.md"])
    assert_sound(survivor)
    sync(survivor, [docs])
    assert texts_of(survivor)[Path(change).stem] == words("New", storage="30 days")
    assert_sound(survivor)


def test_a_writer_killed_after_its_commit_leaves_the_new_state(
    open_home: OpenHome, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home()
    sync(home, [docs])
    write(docs / "acme.txt", words("New"))
    monkeypatch.setattr(home.vectors, "delete", killed)
    with pytest.raises(Killed):
        sync(home, [docs])
    survivor = open_home()
    assert texts_of(survivor)["acme"] == words("New")
    assert survivor.vectors.ids() > set(survivor.catalog.passage_ids())
    assert sync(survivor, [docs]).unchanged == ("acme", "zeta")
    assert_sound(survivor)


def test_a_writer_killed_before_it_removes_leaves_the_policy(
    open_home: OpenHome, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home()
    sync(home, [docs])
    monkeypatch.setattr(home.catalog, "advance", killed)
    with pytest.raises(Killed):
        remove(home, "acme")
    survivor = open_home()
    assert survivor.catalog.policy_ids() == ("acme", "zeta")
    recover(survivor)
    assert_sound(survivor)


def test_a_writer_killed_after_it_removed_leaves_nothing_to_find(
    open_home: OpenHome, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home()
    sync(home, [docs])
    monkeypatch.setattr(home, "sweep", killed)
    with pytest.raises(Killed):
        remove(home, "acme")
    survivor = open_home()
    assert survivor.catalog.policy_ids() == ("zeta",)
    assert len(list((home.path / FOLDER).iterdir())) == 2
    recover(survivor)
    assert [folder.name for folder in (home.path / FOLDER).iterdir()] == [survivor.store]
    assert_sound(survivor)


def test_a_rebuild_killed_before_its_commit_leaves_the_old_encoders_index(
    open_home: OpenHome, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(open_home(FakeEncoder("one")), [docs])
    home = open_home(FakeEncoder("other", dimension=16))
    monkeypatch.setattr(home.catalog, "put", killed)
    with pytest.raises(Killed):
        rebuild(home)
    survivor = open_home(FakeEncoder("one"))
    survivor.check()
    assert_sound(survivor)
    monkeypatch.undo()
    rebuild(open_home(FakeEncoder("other", dimension=16)))
    assert_sound(open_home(FakeEncoder("other", dimension=16)))


def test_a_file_that_vanishes_while_it_is_read_is_only_a_failure(
    open_home: OpenHome, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanishing(what: str, *_: object) -> None:
        if what == "acme.txt":
            (docs / "acme.txt").unlink()

    home = open_home()
    report = sync(home, [docs], progress=vanishing)
    assert report.added == ("zeta",)
    assert "cannot be read" in report.failed[0].message


def test_a_free_id_counts_on() -> None:
    assert build._free_id("acme", set()) == "acme"
    assert build._free_id("acme", {"acme", "acme-2"}) == "acme-3"
