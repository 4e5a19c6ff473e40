# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""An upgrade that is cut off anywhere leaves the old file or the new one, whole; the next run finishes it."""

from __future__ import annotations

import contextlib
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.agent_file import archive as building
from ansible_collections.portreeve.fleet.plugins.plugin_utils.agent_file.archive import archive, digest, keep
from hypothesis import given
from hypothesis import strategies as st

from tests.fleet.harness.command import wait_for

from .conftest import command, older

#: A Python that waits where the new file is on the host and verified, but not yet in its place.
WAITING = """#!/bin/sh
case "$*" in
  *.source*--version) [ -e {place}/go ] || {{ touch {place}/half-way; sleep 600; }};;
esac
exec {python} "$@"
"""


@dataclass
class Upgrade:
    """An upgrade on this machine, in a directory of its own; ``seen`` are the digests that a reader has met."""

    root: pathlib.Path
    environment: dict[str, str]
    place: pathlib.Path
    python: str = sys.executable
    seen: set[str] = field(default_factory=set)

    @property
    def file(self) -> pathlib.Path:
        return self.place / "portreeve.pyz"

    @contextlib.contextmanager
    def going_on(self) -> Iterator[subprocess.Popen[bytes]]:
        """Yield the running playbook; with whatever it has started it is killed in the end."""
        variables = {"ansible_python_interpreter": sys.executable, "agent_python": self.python}
        line = command("here,", "here", "-c", "local", agent_path=str(self.file), **variables)
        silent = subprocess.DEVNULL
        with subprocess.Popen(line, cwd=self.root, env=self.environment, stdin=silent, stdout=silent) as running:
            ended = threading.Event()
            reader = threading.Thread(target=self._read, args=(ended,))
            reader.start()
            try:
                yield running
            finally:
                everything = psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []
                for process in [running, *everything]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                ended.set()
                reader.join()

    def finish(self) -> int:
        """Run it to its end and return its exit code."""
        with self.going_on() as running:
            return running.wait(300)

    def _read(self, ended: threading.Event) -> None:
        while not ended.wait(0.02):
            self.seen.add(digest(self.file.read_bytes()))


@pytest.fixture
def upgrade(
    root: pathlib.Path, environment: dict[str, str], tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> Iterator[Upgrade]:
    """Yield an upgrade of another version, on a small file system of its own."""
    (tmp_path / "place").mkdir(mode=0o755)
    size = getattr(request, "param", 8 << 20)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=755,size={size}", "none", tmp_path / "place"], check=True)
    try:
        upgrade = Upgrade(root, environment, tmp_path / "place")
        upgrade.file.write_bytes(older())
        yield upgrade
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "place"], check=True)


def finish_whole(upgrade: Upgrade) -> None:
    """See that nothing but whole files was ever there, and that the next run finishes what was begun."""
    assert digest(upgrade.file.read_bytes()) in {digest(older()), digest(archive())}
    assert upgrade.finish() == 0
    assert digest(upgrade.file.read_bytes()) == digest(archive())
    assert upgrade.seen == {digest(older()), digest(archive())}


@pytest.mark.slow
@pytest.mark.needs("root", "mount")
def test_cut_off_when_the_new_file_is_verified_but_not_in_its_place(upgrade: Upgrade) -> None:
    waiting = upgrade.place / "python"
    waiting.write_text(WAITING.format(place=upgrade.place, python=sys.executable))
    waiting.chmod(0o755)
    upgrade.python = str(waiting)

    with upgrade.going_on() as running:
        wait_for(lambda: (upgrade.place / "half-way").exists() or running.poll(), "the moment comes", seconds=120)
    assert digest(upgrade.file.read_bytes()) == digest(older())

    (upgrade.place / "go").touch()
    finish_whole(upgrade)


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.needs("root", "mount")
@pytest.mark.parametrize("upgrade", [len(archive()) * 3 // 2], indirect=True, ids=["half of it fits"])
def test_no_room_for_more_than_a_part_of_it(upgrade: Upgrade) -> None:
    assert upgrade.finish() == 2
    assert digest(upgrade.file.read_bytes()) == digest(older())

    subprocess.run(["mount", "-o", "remount,size=16m", upgrade.place], check=True)
    finish_whole(upgrade)


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.needs("root", "mount")
@pytest.mark.parametrize("seed", range(8))
def test_cut_off_at_any_time(upgrade: Upgrade, seed: int) -> None:
    end = time.monotonic() + random.Random(seed).uniform(0.5, 5)

    with upgrade.going_on() as running:
        wait_for(lambda: time.monotonic() > end or running.poll() is not None, "the moment comes", seconds=120)
    finish_whole(upgrade)


@given(st.data())
def test_on_the_controller_a_file_is_there_as_a_whole_or_not_at_all(data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=1, max_size=64))
    written = data.draw(st.integers(0, len(content)))

    def write_in_part(path: pathlib.Path, content: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(content[:written])
        raise OSError(28, "No space left on device")

    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as disk:
        disk.setattr(building.Path, "write_bytes", write_in_part)
        with pytest.raises(OSError, match="No space left"):
            keep(content, pathlib.Path(place))
        assert list(pathlib.Path(place).glob("*.pyz")) == []
        disk.undo()
        assert keep(content, pathlib.Path(place)).read_bytes() == content
        assert keep(content, pathlib.Path(place)).name == f"portreeve-{digest(content)}.pyz"
