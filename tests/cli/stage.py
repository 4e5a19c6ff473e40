# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A stage: network, PID and mount namespaces of their own in which a script holds ports. All of it ends with the stage.

Nothing else runs there, so every holder can be seen and what the agent says can be compared whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ("root", "unshare", "nsenter")

#: What every script may use. A script calls ``ready(...)`` last; what it hands over is the stage's ``facts``.
_PRELUDE = """\
import ctypes, fcntl, json, os, select, signal, socket, struct, sys, threading, time

# Each CPU gives out inode numbers of its own batch: on one, sockets are numbered in the order they are made.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lo:  # up and running
    fcntl.ioctl(lo, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
with open("/proc/self/mountinfo") as mounts:  # what keeps other network namespaces is out of sight
    for fields in map(str.split, reversed(list(mounts))):
        if fields[-3] == "nsfs":
            ctypes.CDLL(None).umount2(os.fsencode(fields[4]), 2)


def name(text):
    with open("/proc/self/comm", "wb") as comm:
        comm.write(text if isinstance(text, bytes) else text.encode())


def bound(port, address="127.0.0.1", kind=socket.SOCK_STREAM, options=()):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    for level, option in options:
        made.setsockopt(level, option, 1)
    made.bind((address, port))
    return made


def listening(port, address="127.0.0.1", options=()):
    made = bound(port, address, options=options)
    made.listen(5)
    return made


def accepting(*servers):
    threading.Thread(target=select.select, args=(servers, [], []), daemon=True).start()
    return servers[0]


def until_it_runs(pid, program):
    while open(f"/proc/{pid}/comm").read() != program + "\\n":
        pass


def child(act):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        kept = act()
        os.write(writer, b".")
        signal.pause()
    assert os.read(reader, 1) == b"."
    return pid


def ready(**facts):
    print(json.dumps(facts), flush=True)
    sys.stdin.read()


"""


class Stage:
    """A running stage. ``facts`` is what its script handed over."""

    def __init__(self, pid: int, facts: dict[str, Any]) -> None:
        self._pid = pid
        self.facts = facts

    def command(self, *command: str, cwd: str | os.PathLike[str] = ROOT) -> list[str]:
        """Return the command line that runs ``command`` on the stage, for a test that starts it in its own way."""
        enter = ["nsenter", f"--target={self._pid}", "--net", "--pid", "--mount", "--", "env", f"--chdir={cwd}"]
        return [*enter, *command]

    def run(
        self, *command: str, cwd: str | os.PathLike[str] = ROOT, **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the stage to its end."""
        defaults = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "timeout": 60,
        }
        return subprocess.run(self.command(*command, cwd=cwd), check=False, **{**defaults, **settings})

    def agent(
        self, *arguments: str, python: Sequence[str] = (sys.executable,), **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the agent of the checkout on the stage."""
        return self.run(*python, str(ROOT / "agent"), *arguments, **settings)

    def answer(self, *arguments: str) -> dict[str, Any]:
        """Return the JSON that the agent of the checkout prints on the stage."""
        done = self.agent(*arguments, "--json")
        assert done.stderr == "", done.stderr
        return json.loads(done.stdout)


@contextlib.contextmanager
def stage(script: str, program: str = "stage.py") -> Iterator[Stage]:
    """Play a script of Python, under the file name ``program``, on a new stage; yields once it is ready.

    Script and interpreter are seen in /srv there: a command line is as long in every checkout.
    """
    separate = "unshare --net --pid --fork --mount-proc --kill-child"
    play = f'mount --bind "$1" /srv && exec {separate} /srv/python3 -I -S "/srv/$2"'
    with contextlib.ExitStack() as ends:
        place = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="portreeve-")))
        (place / program).write_text(_PRELUDE + script, encoding="utf-8")
        (place / "python3").symlink_to(sys.executable)
        unshare = ends.enter_context(
            subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", play, "sh", str(place), program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        ends.callback(unshare.kill)
        facts = json.loads(unshare.stdout.readline() or "null")
        assert facts is not None, "the script ended before it was ready"
        children = pathlib.Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text(encoding="ascii")
        yield Stage(int(children), facts)
