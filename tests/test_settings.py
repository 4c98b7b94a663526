"""Settings: option over environment over the home's file over default, and never the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from index.errors import UsageError
from index.settings import CONFIG_NAME, Settings, default_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home named by the environment."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("POLICYQA_HOME", str(folder))
    return folder


def configure(folder: Path, content: str) -> None:
    (folder / CONFIG_NAME).write_text(content)


def test_everything_has_a_default() -> None:
    settings = Settings.load()
    assert settings == Settings.model_construct(
        home=default_home(), encoder="default", allow_download=False, evidence=24
    )
    assert default_home().is_absolute()


def test_the_homes_file_is_over_the_default(home: Path) -> None:
    configure(home, "evidence = 5\nencoder = '/models/mine'\nallow_download = true\n")
    settings = Settings.load()
    assert (settings.evidence, settings.encoder, settings.allow_download) == (
        5,
        "/models/mine",
        True,
    )


def test_the_environment_is_over_the_homes_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, "evidence = 5\nencoder = 'mine'\n")
    monkeypatch.setenv("POLICYQA_EVIDENCE", "6")
    settings = Settings.load()
    assert (settings.evidence, settings.encoder) == (6, "mine")


def test_an_option_is_over_everything(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, "evidence = 5\n")
    monkeypatch.setenv("POLICYQA_EVIDENCE", "6")
    assert Settings.load(evidence=7).evidence == 7


def test_an_option_that_is_none_was_not_given(home: Path) -> None:
    configure(home, "evidence = 5\n")
    assert Settings.load(evidence=None, encoder=None, home=None).evidence == 5


def test_a_home_given_as_an_option_brings_its_own_file(home: Path, tmp_path: Path) -> None:
    configure(home, "evidence = 5\n")
    other = tmp_path / "other"
    other.mkdir()
    configure(other, "evidence = 8\n")
    settings = Settings.load(home=other)
    assert (settings.home, settings.evidence) == (other, 8)


def test_a_file_given_as_an_option_stands_in_for_the_homes(home: Path, tmp_path: Path) -> None:
    configure(home, "evidence = 5\n")
    file = tmp_path / "mine.toml"
    file.write_text("encoder = 'mine'\n")
    settings = Settings.load(config=file)
    assert (settings.home, settings.encoder, settings.evidence) == (home, "mine", 24)


def test_a_file_in_the_current_folder_is_never_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    configure(elsewhere, "evidence = 99\nnot_a_setting = 1\n")
    (elsewhere / ".env").write_text("POLICYQA_EVIDENCE=98\n")
    monkeypatch.chdir(elsewhere)
    assert Settings.load().evidence == 24
    monkeypatch.delenv("POLICYQA_HOME")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    assert Settings.load().evidence == 24


def test_a_given_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        Settings.load(config=tmp_path / "nowhere.toml")


def test_the_home_may_be_written_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("POLICYQA_HOME", "~/policies")
    assert Settings.load().home == Path("/somewhere/policies")


def test_a_tilde_finds_the_homes_file_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, "evidence = 5\n")
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("POLICYQA_HOME", f"~/{home.name}")
    assert Settings.load().evidence == 5


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICYQA_HOME", "")
    assert Settings.load().home == default_home()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("not_a_setting = 1\n", "'not_a_setting'"),
        ("evidence = 0\n", "'evidence'"),
        ("evidence = 101\n", "'evidence'"),
        ("evidence = 'many'\n", "'evidence'"),
        ("allow_download = 'perhaps'\n", "'allow_download'"),
        ("[encoder]\nname = 'mine'\n", "'encoder'"),
    ],
)
def test_a_fault_in_the_homes_file_names_the_setting_and_the_file(
    home: Path, content: str, named: str
) -> None:
    configure(home, content)
    with pytest.raises(UsageError, match=named) as caught:
        Settings.load()
    assert str(home / CONFIG_NAME) in caught.value.hint


@pytest.mark.parametrize("content", [b"evidence = \n", b"= 3", b"\xff\xfe\x00"])
def test_a_file_that_is_no_toml_is_named(home: Path, content: bytes) -> None:
    (home / CONFIG_NAME).write_bytes(content)
    with pytest.raises(UsageError, match=CONFIG_NAME):
        Settings.load()


def test_a_fault_in_the_environment_names_the_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICYQA_EVIDENCE", "many")
    with pytest.raises(UsageError, match="'evidence'") as caught:
        Settings.load()
    assert "POLICYQA_EVIDENCE" in caught.value.hint


def test_a_fault_in_an_option_names_it() -> None:
    with pytest.raises(UsageError, match="'evidence'"):
        Settings.load(evidence=0)
    with pytest.raises(UsageError, match="'nothing'"):
        Settings.load(nothing=1)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings.load().evidence = 3  # type: ignore[misc]
