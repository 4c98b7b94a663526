"""Text → vectors: MiniLM as int8 ONNX by default, any sentence-transformers model on request.

One text per run, runs in parallel: int8 scales are taken from whatever is in the batch, so a
text encoded in company would get another vector than alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.errors import EncoderError
from index.types import Span

Vectors = NDArray[np.float32]
T = TypeVar("T")

DEFAULT_MODEL = Path(__file__).parent / "model"
DESCRIPTION = "model.json"


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A text's tokens: where each stands (a special one is empty), and ``states [tokens, dimension]``."""

    spans: tuple[Span, ...]
    states: Vectors


class Encoder(Protocol):
    """Turns texts into vectors of length 1."""

    @property
    def name(self) -> str:
        """What the index records: a vector is only comparable with others of the same name."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    @property
    def window(self) -> int:
        """Tokens it reads, special ones included; the rest of a longer text is ignored."""

    def count(self, text: str) -> int:
        """Return the tokens of a text, without special ones."""

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, ``[texts, dimension]``."""

    def encode_question(self, text: str) -> Vectors:
        """Return the vector of a question, ``[dimension]``."""


def load_encoder(name: str, *, allow_download: bool = False) -> Encoder:
    """Load the default encoder (``default``), or another by path or name.

    A folder is one that ``index/model/export.py`` wrote, or a sentence-transformers model.
    Raises EncoderError if it is not there, is damaged, or needs a package that is not installed.
    """
    if name == "default":
        return OnnxEncoder.load(DEFAULT_MODEL)
    if (Path(name) / DESCRIPTION).is_file():
        return OnnxEncoder.load(Path(name))
    return SentenceTransformerEncoder(name, allow_download=allow_download)


class OnnxEncoder:
    """The model in ``index/model``, run by onnxruntime."""

    def __init__(self, description: dict[str, Any], model: bytes, tokenizer: bytes) -> None:
        self._description = description
        self._model = model
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path) -> OnnxEncoder:
        """Read the model's files and check that they are the ones ``model.json`` describes."""
        try:
            description = json.loads((folder / DESCRIPTION).read_bytes())
            contents = {name: (folder / name).read_bytes() for name in description["sha256"]}
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(
                f"cannot read the encoder in {str(folder)!r}: {error}",
                hint="install policyqa again; its package is incomplete",
            ) from error
        for name, expected in description["sha256"].items():
            if sha256(contents[name]).hexdigest() != expected:
                raise EncoderError(
                    f"the encoder's file {name!r} is not the one this version came with",
                    hint="install policyqa again; the file was changed or damaged",
                )
        return cls(description, contents["model.onnx"], contents["tokenizer.json"])

    @property
    def name(self) -> str:
        """Return the model's name and the start of its file's hash."""
        return f"{self._description['name']}@{self._description['sha256']['model.onnx'][:12]}"

    @property
    def dimension(self) -> int:
        """Return 384."""
        return int(self._description["dimension"])

    @property
    def window(self) -> int:
        """Return 256."""
        return int(self._description["window"])

    @cached_property
    def _tokens(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._tokenizer.decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            self._model, options, providers=["CPUExecutionProvider"]
        )

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="encode")

    def count(self, text: str) -> int:
        """Return the tokens of a text, without special ones."""
        return len(self._tokens.encode(text, add_special_tokens=False).ids)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, ``[texts, dimension]``."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.concatenate(list(self._pool.map(self._encode, texts)))

    def encode_question(self, text: str) -> Vectors:
        """Return the vector of a question, ``[dimension]``."""
        vector: Vectors = self._encode(text)[0]
        return vector

    def encode_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text, special ones included, with their states in it."""
        return list(self._pool.map(self._encode_tokens, texts))

    def _encode_tokens(self, text: str) -> Tokens:
        encoded = self._tokens.encode(text)
        spans = self._fitted([Span(*offsets) for offsets in encoded.offsets])
        return Tokens(tuple(spans), self._run("states", self._fitted(encoded.ids)))

    def _encode(self, text: str) -> Vectors:
        return self._run("vector", self._fitted(self._tokens.encode(text).ids))

    def _fitted(self, tokens: list[T]) -> list[T]:
        """Return what the window holds of a text's tokens, with the special one at the end."""
        if len(tokens) <= self.window:
            return tokens
        return [*tokens[: self.window - 1], tokens[-1]]

    def _run(self, output: str, ids: list[int]) -> Vectors:
        result: Vectors = self._session.run([output], {"ids": np.array([ids], dtype=np.int64)})[0]
        return result


class SentenceTransformerEncoder:
    """Any sentence-transformers model, with the prompts it declares for queries and passages."""

    def __init__(self, name: str, *, allow_download: bool = False) -> None:
        if find_spec("sentence_transformers") is None:
            raise EncoderError(
                f"the encoder {name!r} needs sentence-transformers, which is not installed",
                hint="pip install 'policyqa[encoders]'",
            )
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(
                name, device="cpu", local_files_only=not allow_download
            )
        except (OSError, ValueError) as error:
            raise EncoderError(
                f"cannot load the encoder {name!r}: {error}".splitlines()[0],
                hint="give a folder that holds a sentence-transformers model, or a name with "
                "--allow-download",
            ) from error
        self._name = name

    @property
    def name(self) -> str:
        """Return the path or name it was asked for by."""
        return self._name

    @property
    def dimension(self) -> int:
        """Return the length of the model's vectors."""
        return int(self._model.get_embedding_dimension() or 0)

    @property
    def window(self) -> int:
        """Return the model's own limit."""
        return int(self._model.max_seq_length or 512)

    def count(self, text: str) -> int:
        """Return the tokens of a text, without special ones."""
        return len(self._model.tokenizer.encode(text, add_special_tokens=False))

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, ``[texts, dimension]``."""
        return self._vectors(self._model.encode_document, texts)

    def encode_question(self, text: str) -> Vectors:
        """Return the vector of a question, ``[dimension]``."""
        vector: Vectors = self._vectors(self._model.encode_query, [text])[0]
        return vector

    def _vectors(self, encode: Any, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = encode(
            list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)
