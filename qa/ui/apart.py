"""Work that may take long, done apart, so that whoever awaits it on a page can stop it at once.

Gradio stops a generator only where it yields, holds all others up until it does, and cannot stop one
that has not yielded yet: it is left to run on until Python happens to collect it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

PACE = 0.2
"""Seconds between two things that a page is sent, at least."""
Pulse = TypeVar("Pulse")
Made = TypeVar("Made")


def apart(pulse: Pulse, gone: Event, work: Callable[[], Made]) -> Generator[Pulse, None, Made]:
    """Do work in a thread of its own, yield ``pulse`` until it is done, and return what it made.

    The first comes at once, so that it can be stopped from the beginning. Closing the iterator sets
    ``gone``, on which the work has to end soon.
    """
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(work)
        try:
            yield pulse
            while not wait([found], timeout=PACE).done:
                yield pulse
        except GeneratorExit:
            gone.set()
            raise
    return found.result()
