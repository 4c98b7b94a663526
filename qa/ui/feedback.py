"""What people say about answers: a line each in the home, exportable as drafts of gold cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from index.errors import HomeError
from qa.chat import Turn

FILE_NAME = "feedback.jsonl"
VERDICTS = ("right", "wrong_answer", "wrong_evidence")
_LONGEST_COMMENT = 2000


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's verdict on one answer. ``expect`` is what was answered, by policy, as gold has it."""

    id: str
    made: str
    verdict: str
    comment: str
    question: str
    policies: tuple[str, ...]
    expect: Mapping[str, Any]


def about(turn: Turn, verdict: str, comment: str = "") -> Feedback:
    """Return a verdict on a turn."""
    answer = turn.answer
    expect = {
        one.policy: {"status": one.status}
        | ({"quotes": [[c.quote] for c in one.citations]} if one.citations else {})
        for one in answer.answers
    }
    return Feedback(
        id=f"feedback-{uuid4().hex[:12]}",
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        comment=" ".join(comment.split())[:_LONGEST_COMMENT],
        question=answer.question,
        policies=turn.resolved.policies,
        expect=expect,
    )


def store(folder: Path, given: Feedback) -> None:
    """Add a verdict to the file in a folder. Raises HomeError if that is not possible."""
    line = json.dumps(asdict(given), ensure_ascii=False)
    try:
        with (folder / FILE_NAME).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise HomeError(
            f"the verdict cannot be kept: {error.strerror}",
            hint="check the home's permissions and the free space",
        ) from error


def drafts(folder: Path) -> str:
    """Return the stored verdicts as drafts of gold cases, a JSON object a line.

    A person has to check each: only what was called right keeps its quotes.
    """
    return "".join(json.dumps(draft, ensure_ascii=False) + "\n" for draft in _drafts(folder))


def _drafts(folder: Path) -> Iterable[dict[str, Any]]:
    file = folder / FILE_NAME
    latest = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        given = json.loads(line)
        latest[given["id"]] = given  # a comment comes later than its verdict
    for given in latest.values():
        draft = {key: given[key] for key in ("id", "question", "policies", "verdict", "comment")}
        yield {**draft, "expect": given["expect"] if given["verdict"] == "right" else {}}
