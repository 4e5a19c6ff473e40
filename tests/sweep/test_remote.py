# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The half of a sweep on the host: what it answers, what it keeps, and whom it trusts with that."""

from __future__ import annotations

import hashlib
import marshal
import os
import pathlib
import signal
import subprocess
from dataclasses import replace

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.looking import look_at_ports, take_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import conversation, keeping
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.conversation import Cargo, converse
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Target, Unanswered

from .engine import ARCHIVE, PYTHON, Place, Unwanted, picture, place, question

PYTHONS = sorted(pathlib.Path("/root/.pyenv/versions").glob("*/bin/python"))
ENOUGH = [path for path in PYTHONS if tuple(map(int, path.parts[4].split(".")[:2])) >= (3, 8)]
NOBODY = 65534


@pytest.fixture
def here(needs):
    needs("root", "unshare", "nsenter")
    with place() as found:
        yield found


@pytest.fixture
def listener():
    command = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen([PYTHON, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield int(process.stdout.readline())
        process.stdin.write(b"\n")


def test_it_answers_as_the_module_does(here, listener):
    asked = question(listener, bind={"address": "127.0.0.1"})

    reply = here.ask(asked)

    result, _failure = look_at_ports(Host(), {**asked.options})
    assert reply.result["ports"] == result["ports"]
    assert reply.result.keys() == result.keys()
    assert reply.result["host"] == result["host"]
    assert (reply.error, reply.failure) == (None, None)


def test_it_takes_the_picture_that_the_module_takes(here):
    asked = picture()

    reply = here.ask(asked)

    assert reply.result.keys() == take_picture(Host(), {**asked.options}).keys()
    assert reply.result["format"] == "portreeve.port_audit/1"


def test_what_fails_the_task_comes_with_the_result(here, listener):
    reply = here.ask(question(listener, expect={"unit": "nginx.service"}))

    assert reply.failure.startswith(f"{listener}/tcp")
    assert reply.result["ports"][0]["port"] == listener


def test_what_cannot_be_asked_is_said_in_one_sentence(here):
    reply = here.ask(question("eighty"))

    assert "eighty" in reply.error
    assert reply.result is None


def test_the_agent_is_sent_once(here):
    first = here.ask()
    second = here.ask(cargo=Unwanted(ARCHIVE))

    assert (first.pushed, first.why_not_kept) == (True, "")
    assert second.pushed is False
    kept = here.root / here.KEEPING
    assert [oct(path.stat().st_mode & 0o7777) for path in (kept, *kept.iterdir())] == ["0o700", "0o600", "0o600"]


def test_what_is_kept_is_compiled(here):
    here.ask()
    asked = []
    wire = here.wire()

    def listening(command):
        found = wire(command)
        send = found.send
        found.send = lambda content: asked.append(content) or send(content)
        return found

    converse(listening, Target("here", "here", interpreter=PYTHON), question(), Unwanted(ARCHIVE))

    assert len(asked) == 1  # the source of remote.py and the question: no compiler, no agent


def test_another_question_adds_to_what_is_kept(here):
    here.ask()
    reply = here.ask(picture(), Unwanted(ARCHIVE))

    assert reply.error is None
    assert len(here.kept()) == 2


def test_what_is_damaged_is_made_anew(here):
    here.ask()
    archive, compiled = sorted((here.root / here.KEEPING).iterdir(), key=lambda path: path.suffix != ".pyz")
    content = compiled.read_bytes()
    compiled.write_bytes(content[:-5] + b"wrong")

    again = here.ask(cargo=Unwanted(ARCHIVE))

    assert again.error is None
    assert compiled.read_bytes()[32:] != content[:-5] + b"wrong"
    compiled.unlink()
    archive.write_bytes(b"truncated")
    assert here.ask().pushed
    assert archive.read_bytes() == ARCHIVE


def malicious(here: Place, mark: pathlib.Path) -> bytes:
    """Return modules that leave a mark when they run, whole by their own hash."""
    code = compile(f"open({str(mark)!r}, 'w')", "x", "exec")
    here.ask()
    names = marshal.loads(next((here.root / here.KEEPING).glob("*cpython*")).read_bytes()[32:])
    body = marshal.dumps({name: (is_package, marshal.dumps(code)) for name, (is_package, _code) in names.items()})
    return hashlib.sha256(body).digest() + body


def of_another(path: pathlib.Path, _content: bytes) -> None:
    os.chown(path, NOBODY, NOBODY)


def writable_by_others(path: pathlib.Path, _content: bytes) -> None:
    path.chmod(0o666)


def in_a_directory_of_another(path: pathlib.Path, _content: bytes) -> None:
    os.chown(path.parent, NOBODY, NOBODY)


def in_an_open_directory(path: pathlib.Path, _content: bytes) -> None:
    path.parent.chmod(0o755)


def behind_a_link(path: pathlib.Path, content: bytes) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def with_two_names(path: pathlib.Path, _content: bytes) -> None:
    os.link(path, path.parent.parent / "another-name")


def in_a_linked_directory(path: pathlib.Path, _content: bytes) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to("elsewhere")


PLANTED = (
    of_another, writable_by_others, in_a_directory_of_another, in_an_open_directory, behind_a_link, with_two_names,
    in_a_linked_directory,
)  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_what_others_may_have_written_is_not_run(here, plant, tmp_path):
    mark = tmp_path / "ran"
    content = malicious(here, mark)
    path = next((here.root / here.KEEPING).glob("*cpython*"))
    path.write_bytes(content)
    plant(path, content)

    reply = here.ask()

    assert not mark.exists()
    assert reply.error is None
    assert reply.result["format"] == "portreeve.port_owner/1"


def test_the_planted_modules_would_have_run(here, tmp_path):
    """What root alone can have written there is trusted: else the test before would show nothing."""
    mark = tmp_path / "ran"
    content = malicious(here, mark)
    next((here.root / here.KEEPING).glob("*cpython*")).write_bytes(content)

    here.ask()

    assert mark.exists()


def test_a_directory_that_is_not_ours_alone_is_passed_over(here):
    (here.root / here.KEEPING).mkdir(mode=0o755)

    reply = here.ask()

    assert reply.pushed
    assert reply.why_not_kept == ""
    assert here.kept() == []
    assert len(here.kept(here.AT_HOME)) == 2
    assert here.ask(cargo=Unwanted(ARCHIVE)).error is None


def install(here: Place, content: bytes) -> pathlib.Path:
    installed = here.root / here.INSTALLED
    installed.write_bytes(content)
    installed.chmod(0o755)
    return installed


def test_the_installed_agent_is_taken(here):
    install(here, ARCHIVE)

    assert here.ask(cargo=Unwanted(ARCHIVE)).pushed is False


def test_an_installed_agent_that_is_another_or_of_somebody_else_is_not_taken(here):
    install(here, ARCHIVE + b"more")
    assert here.ask().pushed
    for name in here.kept():
        (here.root / here.KEEPING / name).unlink()
    os.chown(install(here, ARCHIVE), NOBODY, NOBODY)
    assert here.ask().pushed


def test_an_agent_that_is_not_what_was_announced_is_refused(here):
    cargo = Cargo(ARCHIVE)
    cargo.digest = "0" * 64

    reply = here.ask(cargo=cargo)

    assert reply.error == "the agent did not arrive whole"
    assert reply.result is None
    assert not (here.root / here.KEEPING).exists()


def test_what_older_versions_left_is_removed(here):
    here.ask()
    for number in range(5):
        old = here.root / here.KEEPING / f"{number}.pyz"
        old.write_bytes(b"")
        os.utime(old, (number, number))

    next((here.root / here.KEEPING).glob("*cpython*")).unlink()
    here.ask()

    assert [name for name in here.kept() if len(name) < 20] == ["3.pyz", "4.pyz"]


def test_what_was_not_written_to_the_end_is_removed_in_time(here):
    """A sweep that is ended while it writes leaves a part; one of another sweep that is just writing stays."""
    here.ask()
    old, new = (here.root / here.KEEPING / f".new-{number}" for number in (1, 2))
    for path in (old, new):
        path.write_bytes(b"part")
    os.utime(old, (1, 1))

    next((here.root / here.KEEPING).glob("*cpython*")).unlink()
    here.ask()

    assert not old.exists()
    assert new.exists()
    assert len(here.kept()) == 3


def test_what_is_written_is_not_taken_for_what_is_kept(tmp_path, monkeypatch):
    names = []
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda old, new, **given: (names.append(old), rename(old, new, **given)))
    place = os.open(tmp_path, os.O_RDONLY)

    keeping.write_whole(place, "digest.pyz", b"agent")
    os.close(place)

    assert [name.startswith(".new-") for name in names] == [True]


def test_what_another_sweep_removes_meanwhile_is_no_reason(tmp_path, monkeypatch):
    (tmp_path / "1.pyz").write_bytes(b"")
    place = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(os, "listdir", lambda _place: ["1.pyz", "gone.pyz", ".new-gone"])

    keeping.prune(place, "digest")
    os.close(place)

    assert (tmp_path / "1.pyz").exists()


def test_of_what_cannot_be_kept_the_answer_says_why(here):
    for directory in ("var/cache", "root"):
        (here.root / directory / ("portreeve" if directory != "root" else ".cache")).write_text("in the way")

    reply = here.ask()

    assert reply.pushed
    assert reply.result
    assert "/var/cache/portreeve" in reply.why_not_kept


@pytest.mark.parametrize("python", ENOUGH, ids=lambda path: path.parts[4])
def test_it_runs_on_every_python_that_is_new_enough(here, python, listener):
    reply = here.ask(question(listener), python=str(python))

    assert reply.result["ports"][0]["verdict"] == "owned"
    assert here.ask(python=str(python), cargo=Unwanted(ARCHIVE)).pushed is False


@pytest.mark.parametrize("python", sorted({*PYTHONS} - {*ENOUGH}), ids=lambda path: path.parts[4])
def test_a_python_that_is_too_old_is_refused(here, python):
    with pytest.raises(Unanswered, match=r"^Python \S+ there is too old: 3.8 or newer is needed$"):
        here.ask(python=str(python))


def test_a_python_that_is_not_there_is_named(here):
    with pytest.raises(Unanswered, match=r"^there is no /opt/python there$"):
        here.ask(python="/opt/python")


def test_a_look_that_does_not_end_is_ended_by_the_host_itself(here):
    """What is waited for is the code that would come next; the controller has gone away without closing anything."""
    opening = conversation._opening("nonce", replace(question(), seconds=1), Cargo(ARCHIVE))
    command = conversation.command_line(Target("here", "here", interpreter=PYTHON), "nonce")
    wire = here.wire()(command)
    try:
        wire.send(opening)
        assert wire._process.wait(30) == -signal.SIGALRM
    finally:
        wire.close()
