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
│   ├── LLMUnreachableError     nothing listens where it is said to be
│   ├── LLMTimeoutError         a deadline passed: connect, first token, idle or total
│   ├── LLMOverloadedError      it has too much to do, or failed; it may work later
│   ├── LLMAuthError            it refuses the key, or wants one
│   ├── LLMRequestError         it refuses the request: an unknown model, too long a prompt
│   ├── LLMTruncatedError       its answer ended before it was complete
│   ├── LLMProtocolError        it sent something that is no answer
│   └── LLMEmptyError           its answer has no text
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
    """The configured language model cannot be reached, or sent something that is no answer.

    ``retry_after`` are the seconds it asked to wait, if it did.
    """

    code = "llm"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class LLMUnreachableError(LLMError):
    """No connection to the language model's server could be made."""

    code = "llm_unreachable"


class LLMTimeoutError(LLMError):
    """The language model did not answer within one of its deadlines."""

    code = "llm_timeout"


class LLMOverloadedError(LLMError):
    """The language model's server has too much to do, or failed; the same may work later."""

    code = "llm_overloaded"


class LLMAuthError(LLMError):
    """The language model's server refuses the key, or wants one."""

    code = "llm_auth"


class LLMRequestError(LLMError):
    """The language model's server refuses the request, such as a model it does not know."""

    code = "llm_bad_request"


class LLMTruncatedError(LLMError):
    """The language model's answer ended before it was complete."""

    code = "llm_truncated"


class LLMProtocolError(LLMError):
    """The language model sent something that is no answer."""

    code = "llm_protocol"


class LLMEmptyError(LLMError):
    """The language model's answer has no text."""

    code = "llm_empty"


class BusyError(PolicyQAError):
    """More people are asking at once than can wait their turn."""

    code = "busy"
