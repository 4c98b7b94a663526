"""A full disk: one line that says so, answers go on, and nothing is half-written afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_crashes import opened

from index.doctor import examine

PROGRAM = Path(__file__).with_name("program.py")
COMPANIES = [f"comp{letter}{other}" for letter in "abcdef" for other in "vwxyz"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False)
    if made.returncode:
        pytest.skip("only root may make a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for company in COMPANIES:
        name = company.title()
        text = f"# {name} Policy\n\n{name} keeps data for 90 days.\n\n" + "".join(
            f"## Part {part}\n\n{name} keeps item{part} of customers for {part} days.\n\n"
            for part in range(150)
        )
        (tmp_path / "docs" / f"{company}.md").write_text(text)
    return tmp_path / "docs"


def policyqa(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *args, "--home", str(home)], capture_output=True, text=True
    )


def test_a_disk_that_fills_while_indexing_breaks_nothing(disk: Path, docs: Path) -> None:
    resize(disk, "9m")
    done = policyqa(disk / "home", "index", str(docs), "--no-bundled")
    *_, error, hint = done.stderr.splitlines()
    assert done.returncode == 1
    assert error.startswith("error: ")
    assert "full" in error + hint
    assert "Traceback" not in done.stderr

    asked = policyqa(disk / "home", "ask", "how long is data kept?", "--json")
    answer = json.loads(asked.stdout)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert 0 < len(answer["policies"]) < len(COMPANIES)
    for one in answer["answers"]:
        text = (docs / f"{one['policy']}.md").read_text()
        assert all(
            text[cited["start"] : cited["end"]] == cited["quote"]
            for cited in (*one["citations"], *one["nearest"])
        )

    resize(disk, "64m")
    assert policyqa(disk / "home", "index", str(docs)).returncode == 0
    home = opened(disk / "home")
    texts = {policy.id: policy.text for policy in home.catalog.policies()}
    assert texts == {company: (docs / f"{company}.md").read_text() for company in COMPANIES}
    assert examine(home) == []
    home.close()
