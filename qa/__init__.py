"""A question becomes an answer with verified citations.

>>> from qa import Assistant                                            # doctest: +SKIP
>>> Assistant.open("~/policies").ask("is my data sold?").answers[0].text  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from index.errors import PolicyQAError
    from qa.assistant import Assistant
    from qa.compare import Comparison
    from qa.types import (
        Answer,
        Citation,
        Draft,
        PolicyAnswer,
        Preview,
        Problem,
        SearchResult,
        SearchResults,
        Statement,
    )

__all__ = [
    "Answer",
    "Assistant",
    "Citation",
    "Comparison",
    "Draft",
    "PolicyAnswer",
    "PolicyQAError",
    "Preview",
    "Problem",
    "SearchResult",
    "SearchResults",
    "Statement",
]


def __getattr__(name: str) -> Any:
    """Import on first use: ``policyqa --help`` must not load what answers questions."""
    if name == "Assistant":
        from qa.assistant import Assistant

        return Assistant
    if name == "Comparison":
        from qa.compare import Comparison

        return Comparison
    if name == "PolicyQAError":
        from index.errors import PolicyQAError

        return PolicyQAError
    if name in __all__:
        from qa import types

        return getattr(types, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
