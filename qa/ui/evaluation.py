"""The newest report of an evaluation, read from the files it left in the home."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER, FIGURES, PAGE = "evaluation", "report.json", "report.html"
_PLOT = re.compile(
    r'<figure role="img" aria-label="(?P<title>[^"]*)">.*?(?P<svg><svg.*?</svg>)', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures by name with a value per system, and plots as (title, base64 of an SVG)."""

    title: str
    made: str
    systems: tuple[str, ...]
    figures: tuple[tuple[str, tuple[str, ...]], ...]
    plots: tuple[tuple[str, str], ...]
    has_page: bool


def newest(home: Path) -> Path | None:
    """Return the folder of the report that was made last, or None."""
    reports = sorted((home / FOLDER).glob(f"**/{FIGURES}"), key=lambda file: file.stat().st_mtime)
    return reports[-1].parent if reports else None


def load(home: Path) -> Evaluation | None:
    """Return the newest report; None if there is none that can be read."""
    folder = newest(home)
    if folder is None:
        return None
    try:
        return _evaluation(json.loads((folder / FIGURES).read_bytes()), page(home))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not a report of ours
        return None


def page(home: Path) -> str:
    """Return the newest report's page; empty if there is none."""
    folder = newest(home)
    file = folder / PAGE if folder else None
    return file.read_text("utf-8", "replace") if file and file.is_file() else ""


def _evaluation(report: Mapping[str, Any], html: str) -> Evaluation:
    systems = report["systems"]
    names = dict.fromkeys(name for system in systems.values() for name in system["figures"])
    figures = tuple(
        (name, tuple(_value(system["figures"].get(name)) for system in systems.values()))
        for name in names
    )
    return Evaluation(
        title=f"{report['set']}: {report['cases']} questions over {report['policies']} policies",
        made=f"made {_moment(report['made'])} with policyqa {report['policyqa']}",
        systems=tuple(systems),
        figures=figures,
        plots=tuple(
            (match["title"], b64encode(_alone(match["svg"]).encode()).decode())
            for match in _PLOT.finditer(html)
        ),
        has_page=bool(html),
    )


def _value(figure: Mapping[str, float] | None) -> str:
    if not figure:
        return "—"
    value, low, high = (_number(figure[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _number(value: float) -> str:
    """Return a figure with two decimals, or as many as show two digits of it.

    >>> _number(0.734), _number(0.00312), _number(9083.6), _number(0)
    ('0.73', '0.0031', '9,084', '0.00')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"


def _moment(made: str) -> str:
    """Return a time as people read it; anything else as it is."""
    try:
        return f"{datetime.fromisoformat(made):%Y-%m-%d %H:%M}"
    except ValueError:
        return made


def _alone(svg: str) -> str:
    """Return a drawing that can be shown as an image: with its name space."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return svg if "xmlns=" in svg[:500] else svg.replace("<svg", f"<svg {spaces}", 1)
