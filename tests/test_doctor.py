"""Damage: found and named before it is an answer, repaired on request, and nothing else touched."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenHome
from fakes import FakeEncoder
from test_build import Killed, assert_sound, killed

from index.build import rebuild, remove, sync
from index.catalog import FILE_NAME
from index.doctor import examine, repair
from index.errors import PolicyQAError, StoreError
from index.home import FOLDER, Home
from index.probe import probe
from index.recovery import recover
from index.settings import Settings
from index.vectors import DATABASE
from qa import Assistant, render

PROGRAM = Path(__file__).with_name("program.py")
QUESTION = "how long is the data item5 of a customer kept?"
SEGMENT_FILES = (
    "data_level0.bin", "header.bin", "index_metadata.pickle", "length.bin", "link_lists.bin"
)  # fmt: skip
Json = dict[str, Any]


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def zero(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garble(file: Path) -> None:
    file.write_bytes(b"\x9dgarbage\n" * (file.stat().st_size // 9 + 1))


def flip(file: Path) -> None:
    """Turn over a block in the middle."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    for place in range(max(0, middle - 2048), min(len(content), middle + 2048)):
        content[place] ^= 0xFF
    file.write_bytes(content)


WAYS: tuple[Callable[[Path], None], ...] = (halve, zero, empty, Path.unlink, garble, flip)


def words(company: str) -> str:
    return f"# {company} Privacy Policy\n\n" + "".join(
        f"# Part {part}\n\n{company} keeps the data item{part} of each customer for {part} days.\n\n"
        for part in range(1100)
    )


def opened(path: Path, encoder: FakeEncoder | None = None) -> Home:
    home = Home(Settings(home=path))
    home.__dict__["encoder"] = encoder or FakeEncoder()
    return home


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with more vectors than Chroma keeps out of its segment files: to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "acme.txt").write_text(words("Acme"))
    (docs / "zeta.txt").write_text("# Zeta Privacy Policy\n\nZeta sells data to nobody.\n")
    done = policyqa(folder / "home", "index", str(docs), "--no-bundled")
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (folder / "home" / FOLDER).glob("*/*/*")} == set(SEGMENT_FILES)
    return folder / "home"


@pytest.fixture(scope="module")
def answer(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The answer over the whole home."""
    found = asked(shutil.copytree(whole, tmp_path_factory.mktemp("answer") / "home"))
    assert "answers" in found
    return found


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    """A copy of ``whole``, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "home"))


def policyqa(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the fake encoder in a process of its own: some damage may kill it."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), *args, "--home", str(home)], capture_output=True, text=True
    )


def asked(home: Path) -> Json:
    """Return what a question gives: an answer, or one error."""
    done = policyqa(home, "ask", QUESTION, "--json")
    assert done.returncode in {0, 1}, done
    assert done.stderr == ""
    found: Json = json.loads(done.stdout)
    found.pop("seconds", None)
    assert done.returncode == ("error" in found)
    return found


def asked_here(home: Path) -> Json:
    """Return what a question gives in this process, which no damage is to kill."""
    try:
        opened_home = opened(home)
        with closing(opened_home):
            found = json.loads(json.dumps(render.answer_json(Assistant(opened_home).ask(QUESTION))))
    except PolicyQAError as error:
        return {"error": {"message": error.message, "hint": error.hint}}
    del found["seconds"]
    assert isinstance(found, dict)
    return found


def examined(home: Path) -> list[str]:
    """Return what is found wrong with a home, an error when it is opened included."""
    try:
        with closing(opened(home)) as opened_home:
            return examine(opened_home)
    except StoreError as error:
        return [error.message]


def findings(home: Path, *args: str) -> tuple[int, str]:
    """Return the exit status of the doctor and all it says."""
    return said_of(home, "doctor", *args)


def said_of(home: Path, *args: str) -> tuple[int, str]:
    """Return the exit status of a command and all it says."""
    done = policyqa(home, *args)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def stored_file(home: Path, name: str) -> Path:
    (file,) = (home / FOLDER).glob(f"*/{name}" if name == DATABASE else f"*/*/{name}")
    return Path(file)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [DATABASE, *SEGMENT_FILES])
def test_damaged_vectors_are_no_answer_and_can_be_repaired(
    home: Path, answer: Json, name: str, way: Callable[[Path], None]
) -> None:
    way(stored_file(home, name))
    found = asked_here(home)
    if "error" in found:
        assert "vectors" in found["error"]["message"]
        assert "policyqa doctor --repair" in found["error"]["hint"]
    else:
        assert found == answer
    if way in {halve, flip}:  # how much may be wrong and still be found right
        assert examined(home) or "error" not in found
    with closing(opened(home)) as mended:
        repair(mended)
    assert asked_here(home) == answer


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_catalog_is_said_to_be_lost_and_is_left_alone(
    home: Path, answer: Json, way: Callable[[Path], None]
) -> None:
    way(home / FILE_NAME)
    before = sizes(home)
    found = asked_here(home)
    if "error" in found:
        assert "catalog" in found["error"]["message"]
        assert "policyqa index PATH" in found["error"]["hint"]
    else:
        assert found == answer
    assert "catalog" in examined(home)[0] or "words" in examined(home)[0]
    with pytest.raises(StoreError, match="catalog"), closing(opened(home)) as damaged:
        repair(damaged)
    assert sizes(home).items() >= before.items()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_damaged_log_of_the_catalog_leaves_a_state_that_was_committed(
    tmp_path: Path, suffix: str, way: Callable[[Path], None]
) -> None:
    home = small(tmp_path)
    texts = {policy.id: policy.text for policy in home.catalog.policies()}
    killed = Path(shutil.copytree(home.path, tmp_path / "killed"))
    home.close()
    way(killed / f"{FILE_NAME}{suffix}")
    if "error" in asked_here(killed):
        assert suffix == "-wal"
    with closing(opened(killed)) as left:
        assert {
            policy.id: policy.text for policy in left.catalog.policies()
        }.items() <= texts.items()
        sync(left, [tmp_path / "docs"])
        assert {policy.id: policy.text for policy in left.catalog.policies()} == texts
        assert_sound(left)


def overwrite(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new))


def sentence_vectors(file: Path) -> list[bytes]:
    """Return pieces of what is stored of sentences alone, behind their passages' own vectors."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT vectors FROM passages").fetchall()
    return [vectors[-8:] for (vectors,) in rows]


@pytest.mark.parametrize("what", ["text", "vectors", "sentences", "title"])
def test_changed_bytes_of_the_catalog_are_no_answer(tmp_path: Path, what: str) -> None:
    home = small(tmp_path)
    home.catalog.scrub()
    home.close()
    file = home.path / FILE_NAME
    if what == "text":
        overwrite(file, b"for 90 days", b"for 95 days")
    elif what == "vectors":
        for piece in sentence_vectors(file):
            overwrite(file, piece, b"\xff" * len(piece))
    elif what == "sentences":
        overwrite(file, b"[[", b"[]")
    else:
        overwrite(file, b"Acme Privacy Policy", b"Acne Privacy Policy")
    found = asked_here(home.path)
    assert "is damaged" in found["error"]["message"]
    assert "policyqa index PATH" in found["error"]["hint"]
    assert "is damaged" in examined(home.path)[0]


def test_a_generation_that_is_no_number_is_damage(tmp_path: Path) -> None:
    home = small(tmp_path)
    home.catalog.set_meta("generation", "1x7")
    home.close()
    assert "'generation' is no number" in asked_here(home.path)["error"]["message"]


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_to_the_catalog_is_an_error_or_found_or_changes_no_answer(
    tmp_path: Path, seed: int
) -> None:
    home = small(tmp_path)
    home.catalog.scrub()
    home.close()
    before, file = asked_here(home.path), home.path / FILE_NAME
    chosen, content = random.Random(seed), bytearray(file.read_bytes())
    if seed % 3:
        place, length = chosen.randrange(len(content) - 512), chosen.choice([1, 16, 512])
        content[place : place + length] = chosen.randbytes(length)
    else:
        for _ in range(100):
            content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
    file.write_bytes(content)
    found = asked_here(home.path)
    if "error" not in found and found != before:
        assert examined(home.path)


def sizes(home: Path) -> dict[str, int]:
    return {
        str(file.relative_to(home)): file.stat().st_size
        for file in home.rglob("*.*")
        if file.is_file() and "lock" not in file.name and not file.name.endswith(("-wal", "-shm"))
    }


def small(folder: Path, *, text: str = "", name: str = "fake", company: str = "Acme") -> Home:
    """Return an open home of one small policy, and of others that never change."""
    docs = folder / "docs"
    docs.mkdir(parents=True)
    for other in (company, "Zeta", "Beta"):
        own = text if other == company else ""
        content = f"# {other} Privacy Policy\n\n{other} keeps data for 90 days. {own}\n"
        (docs / f"{other.lower()}.txt").write_text(content)
    home = opened(folder / "home", FakeEncoder(name))
    sync(home, [docs])
    home.catalog.set_meta("bundled", "no")
    return home


def test_a_whole_index_has_nothing_wrong(home: Path) -> None:
    status, said = findings(home)
    assert (status, "damage" in said.lower()) == (0, False)


def test_the_doctor_tells_by_its_status_and_wipes_nothing_unasked(home: Path, answer: Json) -> None:
    garble(stored_file(home, "data_level0.bin"))
    before = sizes(home)
    status, said = findings(home)
    assert status == 1
    assert "vectors" in said
    assert sizes(home) == before
    assert findings(home, "--repair")[0] == 0
    assert asked(home) == answer


def test_a_lost_folder_of_vectors_is_found_and_made_again(home: Path, answer: Json) -> None:
    shutil.rmtree(home / FOLDER)
    error = asked(home)["error"]
    assert "policyqa doctor --repair" in error["hint"]
    assert findings(home)[0] == 1
    assert findings(home, "--repair")[0] == 0
    assert asked(home) == answer


def test_the_vectors_of_another_home_are_not_taken_for_its_own(
    home: Path, answer: Json, tmp_path: Path
) -> None:
    other = small(tmp_path / "other", company="Zara")
    other.close()
    shutil.rmtree(home / FOLDER)
    shutil.copytree(other.path / FOLDER, home / FOLDER)
    error = asked(home)["error"]
    assert "vectors" in error["message"]
    assert "policyqa doctor --repair" in error["hint"]
    assert findings(home, "--repair")[0] == 0
    assert asked(home) == answer


def test_a_stored_embedding_function_is_refused_and_never_made(tmp_path: Path) -> None:
    home = small(tmp_path)
    home.close()
    with closing(sqlite3.connect(stored_file(home.path, DATABASE))) as connection:
        function = {"type": "known", "name": "default", "config": {}}
        connection.execute(
            "UPDATE collections SET config_json_str = ?",
            (json.dumps({"embedding_function": function}, separators=(",", ":")),),
        )
        connection.commit()
    error = asked(home.path)["error"]
    assert "carries an embedding function" in error["message"]
    assert findings(home.path)[0] == 1
    mended = opened(home.path)
    repair(mended)
    assert_sound(mended)
    mended.close()


def test_a_catalog_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    home = small(tmp_path)
    home.close()
    with closing(sqlite3.connect(home.path / FILE_NAME)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "has format 99" in asked(home.path)["error"]["message"]
    assert findings(home.path, "--repair")[0] == 1


def test_an_index_of_another_encoder_is_refused_with_both_names(tmp_path: Path) -> None:
    home = small(tmp_path, name="elsewhere")
    home.close()
    error = asked(home.path)["error"]
    assert "encoder elsewhere" in error["message"]
    assert "encoder fake" in error["message"]
    assert "policyqa index --rebuild" in error["hint"]
    mended = opened(home.path)
    rebuild(mended)
    assert_sound(mended)
    mended.close()


def test_a_home_that_is_given_by_a_relative_path_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(tmp_path).close()
    monkeypatch.chdir(tmp_path)
    home = opened(Path("home"))
    assert probe(home) == []
    assert_sound(home)
    home.close()


def test_a_removed_policys_words_are_in_no_file(tmp_path: Path) -> None:
    word = "Xylophonarium"
    home = small(tmp_path, text=f"The {word} is kept for ever.")
    assert holding(home.path, word)
    remove(home, "acme")
    assert holding(home.path, word) == []
    home.close()
    assert holding(home.path, word) == []


def test_the_words_of_a_policy_whose_file_is_gone_are_in_no_file(tmp_path: Path) -> None:
    word = "Xylophonarium"
    home = small(tmp_path, text=f"The {word} is kept for ever.")
    (tmp_path / "docs" / "acme.txt").unlink()
    assert sync(home, [tmp_path / "docs"]).removed == ("acme",)
    assert holding(home.path, word) == []
    assert_sound(home)
    home.close()
    assert holding(home.path, word) == []


def test_chroma_writes_no_memory_that_others_left(tmp_path: Path) -> None:
    word = "Xylophonarium"
    small(tmp_path).close()
    for _ in range(5):
        left = [bytearray(f"The {word} is kept. ".encode() * size) for size in (2, 30, 500, 20_000)]
        left += [bytearray(f"The {word} is kept. ".encode() * 8_000) for _ in range(200)]
        del left
        with closing(opened(tmp_path / "home")) as home:
            assert Assistant(home).ask(QUESTION).answers
            repair(home)
        assert holding(tmp_path / "home", word) == []


@pytest.mark.parametrize("way", ["remove", "vanish"])
@pytest.mark.parametrize("after", [recover, repair])
def test_a_removal_killed_before_its_last_step_leaves_no_words_after_the_next_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    after: Callable[[Home], None],
) -> None:
    word = "Xylophonarium"
    home = small(tmp_path, text=f"The {word} is kept for ever.")
    monkeypatch.setattr(home.catalog, "scrub", killed)
    (tmp_path / "docs" / "acme.txt").unlink()
    with pytest.raises(Killed):
        remove(home, "acme") if way == "remove" else sync(home, [tmp_path / "docs"])
    home.close()
    with closing(opened(home.path)) as survivor:
        assert survivor.catalog.policy_ids() == ("beta", "zeta")
        after(survivor)
        assert holding(home.path, word) == []
        assert examine(survivor) == []


def holding(home: Path, word: str) -> list[str]:
    """Return the files that hold a word, in either case and encoding."""
    forms = [
        text.encode(encoding)
        for text in (word, word.lower())
        for encoding in ("utf-8", "utf-16-le", "utf-16-be")
    ]
    files = [file for file in home.rglob("*") if file.is_file()]
    return [file.name for file in files if any(form in file.read_bytes() for form in forms)]


def test_indexing_again_and_again_leaves_nothing_behind(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    home = opened(tmp_path / "home")
    seen: list[dict[str, int]] = []
    for cycle in range(20):
        company = ("Acme", "Acme Two")[cycle % 2]
        (docs / "acme.txt").write_text(words(company)[:20_000])
        sync(home, [docs])
        assert Assistant(home).ask(QUESTION).answers
        seen.append(in_use())
    home.close()
    fresh = opened(tmp_path / "fresh")
    sync(fresh, [docs])
    fresh.close()
    # Chroma has a second connection at times; a leak is one of each in every cycle.
    for what, spare in (("files", 2), ("threads", 2), ("kilobytes", 40_000)):
        counts = [one[what] for one in seen]
        assert max(counts[15:]) <= max(counts[:5]) + spare, (what, counts)
    assert sum(sizes(home.path).values()) <= 2 * sum(sizes(fresh.path).values())


def in_use() -> dict[str, int]:
    """Return how many files and threads this process has, and how much memory."""
    status = Path("/proc/self/status").read_text()
    (memory,) = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    (threads,) = re.findall(r"^Threads:\s+(\d+)", status, re.MULTILINE)
    files = len(list(Path("/proc/self/fd").iterdir()))
    return {"files": files, "threads": int(threads), "kilobytes": int(memory)}


def test_an_index_that_was_left_well_is_not_looked_at_again(
    open_home: OpenHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# Acme Policy\n\nAcme keeps the data of each customer for 90 days."
    (tmp_path / "acme.md").write_text(text)
    sync(open_home(), [tmp_path / "acme.md"])

    def looked_at(*_: object, **__: object) -> list[str]:
        raise AssertionError("a process was started only to look at the vectors")

    monkeypatch.setattr("index.probe.probe", looked_at)
    for _ in range(2):
        home = open_home()
        vector = home.encoder.encode_question("how long?")
        assert home.vectors.search(vector, "acme", 1)
        home.close()


def test_a_passage_that_an_index_of_the_catalog_lost_is_missed(tmp_path: Path) -> None:
    """No seal can be compared of a row that is not found."""
    home = small(tmp_path, text="We keep it for 30 days.\n\nWe never sell it.")
    home.close()
    file = home.path / "catalog.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'passages_by_policy'"
        (page,) = connection.execute(root).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    at = content.rindex(b"acme", (page - 1) * size, page * size)
    content[at : at + 4] = b"acmf"
    file.write_bytes(content)
    status, said = said_of(home.path, "ask", "how long is it kept?")
    assert status == 1
    assert "not all passages of 'acme' are found" in said
    assert "index your policies again" in said


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"names TEXT", b"nbmes TEXT"), (b"old.number", b"old.numbes"), (b"unicode61", b"unicodf61")],
)
def test_a_changed_table_of_the_catalog_is_damage(tmp_path: Path, old: bytes, new: bytes) -> None:
    home = small(tmp_path)
    home.close()
    overwrite(home.path / "catalog.sqlite3", old, new)
    for words in (["ask", "how long?"], ["doctor"], ["doctor", "--repair"]):
        status, said = said_of(home.path, *words)
        assert status == 1
        assert "is damaged" in said
        assert "index your policies again" in said
        assert "Traceback" not in said


def test_a_journal_that_a_killed_reader_left_is_rolled_back(tmp_path: Path) -> None:
    home = small(tmp_path)
    home.close()
    (file,) = (home.path / "chroma").glob("*/chroma.sqlite3")
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size=1');"
        "c.execute('BEGIN IMMEDIATE'); c.execute('CREATE TABLE junk (x)');"
        "c.execute('INSERT INTO junk SELECT hex(randomblob(9999)) FROM collections');"
        "c.execute('UPDATE embedding_metadata SET string_value = hex(randomblob(9999))');"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(file)])
    assert file.with_name("chroma.sqlite3-journal").stat().st_size
    assert said_of(home.path, "ask", "how long?")[0] == 0
    assert said_of(home.path, "doctor")[0] == 0


def test_the_probe_takes_nothing_from_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "index.py").write_text("print('taken')")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert probe(home) == []
    home.close()


@pytest.mark.parametrize("table", ["policies", "sections"])
def test_a_row_that_a_page_of_the_catalog_lost_is_missed(tmp_path: Path, table: str) -> None:
    home = small(tmp_path)
    home.close()
    with closing(sqlite3.connect(home.path / "catalog.sqlite3")) as connection:
        column = "id" if table == "policies" else "policy"
        connection.execute(f"DELETE FROM {table} WHERE {column} = 'acme'")
        connection.commit()
    for words in (["ask", "how long does Zeta or Acme keep data?"], ["doctor"]):
        status, said = said_of(home.path, *words)
        assert status == 1
        assert "is damaged" in said
        assert "index your policies again" in said
