"""The families of language models: how each is named, reached and installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from index.errors import UsageError
from index.settings import Settings, refuse_readable
from qa.llm.engine import LLM
from qa.llm.types import Access, Adapter, Limits

NONE = "none"
_VERIFYING = "text_to_num"
"""What any model's statements are verified with (``qa.facts``)."""


@dataclass(frozen=True, slots=True)
class Family:
    """One provider's models. ``url`` is its own address, ``key_name`` the variable of its own key.

    That key goes to that address only; one that needs it is not called without.
    """

    module: str
    needs: str
    extra: str
    url: str = ""
    key_name: str = ""


FAMILIES: Mapping[str, Family] = {
    "ollama": Family("qa.llm.ollama", "llama_index.llms.ollama", "llm", "http://127.0.0.1:11434"),
    "openai": Family(
        "qa.llm.openai", "llama_index.llms.openai_like", "llm",
        "https://api.openai.com/v1", "OPENAI_API_KEY",
    ),
    "anthropic": Family(
        "qa.llm.anthropic", "llama_index.llms.anthropic", "llm",
        "https://api.anthropic.com", "ANTHROPIC_API_KEY",
    ),
    "hf": Family("qa.llm.huggingface", "llama_index.llms.huggingface", "hf"),
}  # fmt: skip
_FORMS = ", ".join(f"{family}/MODEL" for family in FAMILIES)


def load_llm(settings: Settings) -> LLM | None:
    """Return the language model that is configured, or None if none is. Nothing is imported yet.

    Raises UsageError for a name of another form, a package that is not installed, a key that is
    missing or that others may read.
    """
    if settings.llm == NONE:
        return None
    name, _, model = settings.llm.partition("/")
    family = FAMILIES.get(name)
    if family is None or not model:
        raise UsageError(
            f"{settings.llm!r} is no language model", hint=f"name one as {_FORMS}, or none"
        )
    if not all(map(_is_installed, (family.needs, _VERIFYING))):
        raise UsageError(
            f"the language model {settings.llm!r} needs packages that are not installed",
            hint=f"pip install 'policyqa[{family.extra}]'",
        )
    url = _without_password(settings.llm_base_url or family.url) if family.url else ""
    access = Access(
        model,
        url,
        _key(settings, family),
        settings.llm_context,
        Limits.of(settings),
        settings.allow_download,
    )
    return LLM(settings.llm, access, lambda a: _adapter(family, a), at_once=settings.llm_at_once)


def _adapter(family: Family, access: Access) -> Adapter:
    made: Adapter = import_module(family.module).Adapter(access)
    return made


def _is_installed(module: str) -> bool:
    """Tell whether a module is there, without importing it, or what it stands in, in full."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _key(settings: Settings, family: Family) -> SecretStr | None:
    if settings.llm_api_key:
        return _one_line(settings.llm_api_key.get_secret_value(), "POLICYQA_LLM_API_KEY")
    if settings.llm_key_file:
        return _from_file(settings.llm_key_file)
    if settings.llm_base_url or not family.key_name:
        return None
    if not (own := os.environ.get(family.key_name)):
        raise UsageError(
            f"the language model {settings.llm!r} needs a key",
            hint=f"set POLICYQA_LLM_API_KEY or {family.key_name}; for a server of your own set "
            "POLICYQA_LLM_BASE_URL",
        )
    return _one_line(own, family.key_name)


def _one_line(key: str, place: str) -> SecretStr:
    """Return a key that can be sent. Raises UsageError, which does not show it."""
    key = key.strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(
            f"what {place} holds is no key: one is a single line without spaces",
            hint="copy the key again, alone",
        )
    return SecretStr(key)


def _from_file(file: Path) -> SecretStr:
    """Return the key in a file that nobody else may read. Raises UsageError."""
    try:
        if not file.is_file():
            raise FileNotFoundError
        refuse_readable(file)
        key = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the key in {str(file)!r} cannot be read: {type(error).__name__}",
            hint="correct POLICYQA_LLM_KEY_FILE, or the file",
        ) from error
    if not key:
        raise UsageError(f"{str(file)!r} holds no key", hint="write the key into it")
    return _one_line(key, repr(str(file)))


def _without_password(url: str) -> str:
    """Return an address if it holds no password: it is shown in errors. Raises UsageError."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        is_one = False
    if not is_one:
        raise UsageError(
            "POLICYQA_LLM_BASE_URL is no address of a server",
            hint="write one such as http://localhost:8000/v1",
        )
    if parts.username or parts.password:
        raise UsageError(
            "POLICYQA_LLM_BASE_URL holds a name or password, which would be shown",
            hint="use POLICYQA_LLM_API_KEY, or POLICYQA_LLM_KEY_FILE",
        )
    return urlunsplit(parts).rstrip("/")
