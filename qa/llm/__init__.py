"""A language model, where one is configured: any provider's, through llama-index.

It may be slow, wrong, malicious or gone. Whatever happens ends within its deadlines, as a whole reply
or as one error of ours. What is not configured is not called, and nothing of it is imported.
"""

from __future__ import annotations

from qa.llm.engine import LLM
from qa.llm.families import load_llm
from qa.llm.types import Piece, Prompt, Reply

__all__ = ["LLM", "Piece", "Prompt", "Reply", "load_llm"]
