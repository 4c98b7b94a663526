"""One Settings object, passed explicitly.

Precedence: command-line option > environment ``POLICYQA_…`` > ``policyqa.toml`` > default. The
file is read from the home, or from where ``--config`` says; never from the current folder, which
may be somebody else's.
"""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from index.errors import UsageError

CONFIG_NAME = "policyqa.toml"


def default_home() -> Path:
    """Return where everything the program writes goes, unless ``POLICYQA_HOME`` says otherwise."""
    return user_data_path("policyqa", appauthor=False)


class Settings(BaseSettings):
    """What can be configured. Each field is also an environment variable, ``POLICYQA_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="POLICYQA_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: Path = Field(default_factory=default_home)
    encoder: str = "default"
    allow_download: bool = False
    chroma_url: str | None = None
    evidence: int = Field(default=24, ge=1, le=100)
    llm: str = "none"
    llm_base_url: str | None = None
    llm_api_key: SecretStr | None = None
    llm_key_file: Path | None = None
    llm_context: int = Field(default=8192, ge=512)
    llm_at_once: int = Field(default=4, ge=1, le=64)
    llm_connect_seconds: float = Field(default=5.0, gt=0)
    llm_first_seconds: float = Field(default=60.0, gt=0)
    llm_idle_seconds: float = Field(default=20.0, gt=0)
    llm_total_seconds: float = Field(default=180.0, gt=0)
    llm_cache: bool = True

    @classmethod
    def load(cls, *, config: Path | None = None, **options: Any) -> Settings:
        """Merge the sources; an option that is None counts as not given.

        Raises UsageError that names the field and the file or variable at fault.
        """
        given = {name: value for name, value in options.items() if value not in (None, Path())}
        home = given.get("home") or os.environ.get("POLICYQA_HOME") or default_home()
        file = config or _expanded(Path(home)) / CONFIG_NAME
        if not _is_file(file) and config:
            raise UsageError(
                f"the configuration file {str(config)!r} does not exist",
                hint=f"create it, or leave --config out to read {CONFIG_NAME} in the home",
            )

        class _FromFile(cls):  # type: ignore[valid-type, misc]
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                **_: Any,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
                return init_settings, env_settings, toml

        try:
            merged: Settings = _FromFile(**given)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise UsageError(
                f"the setting {field!r} is not valid: {first['msg']}",
                hint=f"check the option, POLICYQA_{field.upper()} and {str(file)!r}",
            ) from error
        except ValueError as error:  # tomllib.TOMLDecodeError
            raise UsageError(
                f"cannot read {str(file)!r}: {error}", hint="correct the file or remove it"
            ) from error
        if merged.llm_api_key and "llm_api_key" in _written(file):
            refuse_readable(file)
        return cls.model_construct(**{**merged.model_dump(), "home": _expanded(merged.home)})


def refuse_readable(file: Path) -> None:
    """Raise UsageError if others may read a file that holds a key."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            f"{str(file)!r} holds a key, and its mode {mode:04o} lets others read it",
            hint=f"chmod 600 {shlex.quote(str(file))}",
        )


def _written(file: Path) -> dict[str, Any]:
    """Return what a settings file says."""
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


def _expanded(home: Path) -> Path:
    try:
        return home.expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"the home {str(home)!r} names a user who is not known here",
            hint="set POLICYQA_HOME to a folder you may write to",
        ) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(
            f"cannot look for {str(path)!r}: {error.strerror}",
            hint="correct --config, or set POLICYQA_HOME to a folder you may write to",
        ) from error
