"""The program with a fake encoder, for tests that need processes of their own.

``python tests/program.py ARGUMENTS`` is the command line. Without arguments it reads tasks, a JSON
list of words a line, prints ``ready`` and then a process id for each, and does each in a fork of its
own, in which nothing has been opened before: a command line costs a second to start, a fork nothing.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fakes import FakeEncoder

import index.home
from index.build import rebuild, remove, sync
from index.doctor import repair
from index.home import Home
from index.settings import Settings

index.home.load_encoder = lambda *_, **__: FakeEncoder()


def do(task: str, home: Path, argument: str) -> None:
    """Do one task over a home."""
    opened = Home(Settings(home=home))
    if task == "sync":
        sync(opened, [Path(argument)])
    elif task == "remove":
        remove(opened, argument)
    elif task == "repair":
        repair(opened)
    elif task == "rebuild":
        rebuild(opened)
    opened.close()


def serve() -> None:
    """Fork for each task. Chroma is imported before, which is slow, and opened after."""
    import chromadb  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        task, home, argument = json.loads(line)
        child = os.fork()
        if not child:
            do(task, Path(home), argument)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        from qa import cli

        cli.run()
    else:
        serve()
