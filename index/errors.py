"""Everything this program raises on purpose.

PolicyQAError
├── UsageError              the request itself cannot be carried out as given
│   ├── UnknownPolicyError      no policy of that id or name
│   └── AmbiguousNameError      a name that several policies share
├── DocumentError           a file that cannot become a policy
├── HomeError               the home cannot be created, read or written
├── StoreError              the index is damaged or was built with something else
│   └── ServerError             the configured Chroma server cannot be used
├── EncoderError            the encoder cannot be loaded or is not the recorded one
├── LLMError                the configured language model did not answer
└── BusyError               more people ask at once than can wait

Each says what, which and why in its message, and what to do next in its hint.
"""

from __future__ import annotations


class PolicyQAError(Exception):
    """Base of all; ``code`` is stable and machine-readable, ``hint`` is the next thing to do."""

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PolicyQAError):
    """The request cannot be carried out as given: an empty question, an option out of range."""

    code = "usage"


class UnknownPolicyError(UsageError):
    """No policy has that id or name."""

    code = "unknown_policy"


class AmbiguousNameError(UsageError):
    """Several policies share the name that was used."""

    code = "ambiguous_name"


class DocumentError(PolicyQAError):
    """A file that cannot become a policy: missing, empty, binary, of an unknown format."""

    code = "document"


class HomeError(PolicyQAError):
    """The home folder cannot be created, read or written, or another process holds it."""

    code = "home"


class StoreError(PolicyQAError):
    """The index in the home is damaged, or was built with something else."""

    code = "index"


class ServerError(StoreError):
    """The Chroma server that is configured for the vectors cannot be used."""

    code = "server"


class EncoderError(PolicyQAError):
    """The encoder cannot be loaded, or its files are not the ones this version came with."""

    code = "encoder"


class LLMError(PolicyQAError):
    """The configured language model cannot be reached, or sent something that is no answer."""

    code = "llm"


class BusyError(PolicyQAError):
    """More people are asking at once than can wait their turn."""

    code = "busy"
