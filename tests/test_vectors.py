"""Vectors: the real Chroma in a folder, readable by any other client of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEncoder

from index.build import remove, sync
from index.catalog import IndexedPassage
from index.doctor import examine, repair
from index.encode import Vectors
from index.errors import ServerError, StoreError
from index.home import Home
from index.recovery import recover
from index.settings import Settings
from index.types import Passage
from index.vectors import Hit, VectorStore


def passage(id_: str, text: str = "We keep it.", start: int = 0) -> Passage:
    return Passage(id_, "Storage › 7.5", start, start + len(text), text, "Storage", ())


def passages(policy: str, count: int) -> list[Passage]:
    return [passage(f"{policy}-{n}", f"{policy} says {n}", 10 * n) for n in range(count)]


def encoded(found: list[Passage]) -> Vectors:
    return FakeEncoder().encode_passages([p.text for p in found])


def indexed(found: list[Passage], vectors: Vectors) -> list[IndexedPassage]:
    none = np.zeros((0, vectors.shape[1]), dtype=np.float32)
    return [IndexedPassage(p, p.text, v, none) for p, v in zip(found, vectors, strict=True)]


NO_ADDRESSES = ["localhost", "http://localhost:99999", "http://[::1", "http://localhost:8000/api"]


@pytest.fixture(params=["folder", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    """An empty store of each kind: one contract holds for both."""
    if request.param == "folder":
        opened = VectorStore.embedded(tmp_path / "chroma", "passages-fake", new=True)
    else:
        name = f"passages-{tmp_path.name[-30:].strip('_')}-fake"
        opened = VectorStore.served(request.getfixturevalue("server"), name, new=True)
    yield opened
    opened.close()


@pytest.fixture
def folder_store(tmp_path: Path) -> Iterator[VectorStore]:
    opened = VectorStore.embedded(tmp_path / "chroma", "passages-fake", new=True)
    yield opened
    opened.close()


def test_a_passage_is_nearest_to_its_own_vector(store: VectorStore) -> None:
    for policy in ("acme", "other"):
        found = passages(policy, 5)
        store.put(policy, indexed(found, encoded(found)))
    assert store.count() == 10
    for p in passages("acme", 5):
        vector = FakeEncoder().encode_question(p.text)
        own = Hit(p.id, "acme", 1.0)
        for policy_ in (None, "acme"):
            first = store.search(vector, policy_, 3)[0]
            assert replace(first, similarity=round(first.similarity, 5)) == own


def test_a_search_in_one_policy_finds_nothing_of_another(store: VectorStore) -> None:
    for policy in ("acme", "other"):
        found = passages(policy, 5)
        store.put(policy, indexed(found, encoded(found)))
    vector = FakeEncoder().encode_question("acme says 1")
    hits = store.search(vector, "other", 10)
    assert sorted(hit.id for hit in hits) == [f"other-{n}" for n in range(5)]
    assert store.search(vector, "nobody", 10) == []


def test_vectors_are_compared_by_angle_and_not_by_length(store: VectorStore) -> None:
    found = [passage("along"), passage("aside")]
    store.put("acme", indexed(found, np.array([[9, 0], [0.5, 0.5]], dtype=np.float32)))
    hits = store.search(np.array([1, 0.1], dtype=np.float32), None, 2)
    assert [hit.id for hit in hits] == ["along", "aside"]


def test_more_can_be_asked_for_than_there_is(store: VectorStore) -> None:
    vector = FakeEncoder().encode_question("acme says 1")
    assert store.search(vector, None, 5) == []
    store.put("acme", indexed(passages("acme", 2), encoded(passages("acme", 2))))
    assert len(store.search(vector, None, 200)) == 2


def test_putting_again_replaces_and_does_not_add(store: VectorStore) -> None:
    found = passages("acme", 3)
    store.put("acme", indexed(found, encoded(found)))
    store.put("acme", indexed(found, encoded(found[::-1])))
    assert store.count() == 3
    assert np.allclose(store.get(["acme-0"])["acme-0"], encoded(found)[2])


def test_vectors_come_back_by_id(store: VectorStore) -> None:
    found = passages("acme", 3)
    store.put("acme", indexed(found, encoded(found)))
    got = store.get(["acme-2", "acme-0", "nobody"])
    assert set(got) == {"acme-0", "acme-2"}
    assert np.allclose(got["acme-2"], encoded(found)[2])
    assert got["acme-2"].dtype == np.float32


def test_deleted_vectors_are_gone_and_unknown_ids_do_not_matter(store: VectorStore) -> None:
    found = passages("acme", 3)
    store.put("acme", indexed(found, encoded(found)))
    store.delete(["acme-1", "nobody"])
    store.delete([])
    assert store.ids() == {"acme-0", "acme-2"}
    hits = store.search(FakeEncoder().encode_question("acme says 1"), "acme", 5)
    assert {hit.id for hit in hits} == {"acme-0", "acme-2"}


def test_more_than_one_batch_is_written_whole(store: VectorStore) -> None:
    store._batch = 4
    found = passages("acme", 10)
    store.put("acme", indexed(found, encoded(found)))
    assert store.ids() == {p.id for p in found}
    store.delete([p.id for p in found[:9]])
    assert store.ids() == {"acme-9"}


def test_nothing_to_write_writes_nothing(store: VectorStore) -> None:
    store.put("acme", indexed([], np.zeros((0, 8), dtype=np.float32)))
    assert store.count() == 0
    assert store.ids() == set()


def test_no_ids_get_no_vectors(store: VectorStore) -> None:
    assert store.get([]) == {}


def test_any_chroma_client_can_read_the_passages(folder_store: VectorStore, tmp_path: Path) -> None:
    import chromadb
    from chromadb.config import Settings

    folder_store.put(
        "acme", indexed([passage("one", "We keep it.", 7)], np.ones((1, 8), dtype=np.float32))
    )
    client = chromadb.PersistentClient(
        str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False)
    )
    collection = client.get_collection("passages-fake", embedding_function=None)
    found = collection.get("one")
    assert found["documents"] == ["We keep it."]
    assert found["metadatas"] == [
        {"policy": "acme", "section": "Storage › 7.5", "start": 7, "end": 18}
    ]


def test_what_is_put_again_has_its_new_place(store: VectorStore) -> None:
    for start in (0, 100):
        vector = np.ones((1, 8), dtype=np.float32)
        store.put("acme", indexed([passage("one", start=start)], vector))
    (place,) = store._collection.get("one")["metadatas"]
    assert (place["start"], place["end"]) == (100, 111)
    assert np.allclose(store.get(["one"])["one"], np.ones(8))


def test_the_stores_before_this_one_are_dropped_and_no_others(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url, one = request.getfixturevalue("server"), passages("acme", 1)
    names = ["mine-one", "mine-two", "other-one"]
    stores = [VectorStore.served(url, f"passages-{name}", new=True) for name in names]
    for store in stores:
        store.put("acme", indexed(one, encoded(one)))
    stores[1].drop_others()
    assert [store.ids() for store in stores[1:]] == [{"acme-0"}, {"acme-0"}]
    with pytest.raises(StoreError) as caught:
        VectorStore.served(url, "passages-mine-one")
    assert "policyqa doctor --repair" in caught.value.hint
    for store in stores:
        store.close()


def test_the_store_is_still_there_when_it_is_opened_again(
    folder_store: VectorStore, tmp_path: Path
) -> None:
    from chromadb.api.shared_system_client import SharedSystemClient

    found = passages("acme", 3)
    folder_store.put("acme", indexed(found, encoded(found)))
    SharedSystemClient.clear_system_cache()
    again = VectorStore.embedded(tmp_path / "chroma", "passages-fake")
    assert again.ids() == {p.id for p in found}
    assert [hit.id for hit in again.search(encoded(found)[1], "acme", 1)] == ["acme-1"]


def test_a_store_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "chroma").mkdir()
    (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"garbage " * 1_000)
    with pytest.raises(StoreError, match="damaged") as caught:
        VectorStore.embedded(tmp_path / "chroma", "passages-fake")
    assert "policyqa doctor --repair" in caught.value.hint


def test_a_server_that_is_not_there_is_one_error_with_what_to_do() -> None:
    for url, says in (
        ("http://127.0.0.1:9", "cannot be used"),
        *((bad, "no Chroma server") for bad in NO_ADDRESSES),
    ):
        with pytest.raises(StoreError, match=says) as caught:
            VectorStore.served(url, "passages-fake")
        assert url in caught.value.message
        assert "POLICYQA_CHROMA_URL" in caught.value.hint


def test_a_home_on_a_server_answers_as_one_in_a_folder(server: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("acme", "zeta"):
        text = f"# {name.title()} Policy\n\n{name.title()} keeps data for 30 days.\n\nNo more."
        (tmp_path / "docs" / f"{name}.md").write_text(text)
    found = []
    for folder, url in (("served", server), ("other", server), ("embedded", None)):
        home = Home(Settings(home=tmp_path / folder, chroma_url=url))
        home.__dict__["encoder"] = FakeEncoder()
        sync(home, [tmp_path / "docs"])
        remove(home, "zeta")
        repair(home)
        assert home.vectors.ids() == set(home.catalog.passage_ids("acme"))
        vector = FakeEncoder().encode_question("how long?")
        found.append([hit.id for hit in home.vectors.search(vector, "acme", 5)])
        home.close()
    assert found[0] == found[1] == found[2]
    assert not (tmp_path / "served" / "chroma").exists()


def test_a_server_that_went_away_is_no_damage_and_blocks_only_what_needs_it(
    server: str, tmp_path: Path
) -> None:
    (tmp_path / "acme.md").write_text("# Acme Policy\n\nAcme keeps data for 30 days.\n")
    home = Home(Settings(home=tmp_path / "home", chroma_url=server))
    home.__dict__["encoder"] = FakeEncoder()
    sync(home, [tmp_path / "acme.md"])
    home.close()
    away = Home(Settings(home=tmp_path / "home", chroma_url="http://127.0.0.1:9"))
    away.__dict__["encoder"] = FakeEncoder()
    for change in (lambda: examine(away), lambda: remove(away, "acme"), lambda: repair(away)):
        with pytest.raises(ServerError, match="cannot be used") as caught:
            change()
        assert "start it (chroma run)" in caught.value.hint
    recover(away)  # as every command does first
    assert away.catalog.policy_ids() == ("acme",)
    away.close()
    back = Home(Settings(home=tmp_path / "home", chroma_url=server))
    back.__dict__["encoder"] = FakeEncoder()
    recover(back)
    assert examine(back) == []
    back.close()
