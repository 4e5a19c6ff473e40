# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a host may say: noise is skipped, and what is no answer is told from one, whatever it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import conversation, crowd, hearing
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.conversation import Cargo, Reply, converse
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import (
    Become,
    Target,
    Unanswered,
    Unreachable,
)

from .engine import question

NO_ANSWER = "what it answered is no answer of Portreeve's agent"
GOOD = {
    "result": {"format": "portreeve.port_owner/1", "ports": []},
    "failure": None,
    "pushed": False,
    "why_not_kept": "",
}


class Scripted:
    """A wire to a host that says what is written: pieces of standard output and error, in turn, then ends."""

    def __init__(self, *pieces: tuple[bytes, bytes] | bytes, status: int | None = 0) -> None:
        self.pieces = [piece if isinstance(piece, tuple) else (piece, b"") for piece in pieces]
        self.status = status
        self.sent = b""
        self.closed = False

    def __call__(self, command: str) -> Scripted:
        """Start: the word that begins a frame is in what the command line or the request says."""
        self.command = command
        return self

    def send(self, content: bytes) -> None:
        self.sent += content

    def receive(self) -> tuple[bytes, bytes]:
        if not self.pieces:
            return b"", b""
        nonce = re.search(rb"'nonce': '(\w+)'", self.sent) or re.search(rb"\b([0-9a-f]{16})\b", self.command.encode())
        return tuple(part.replace(b"NONCE", nonce[1]) for part in self.pieces.pop(0))

    def exit_status(self) -> int | None:
        return self.status

    def close(self) -> None:
        self.closed = True


def frame(content: object, kind: str = "answer") -> bytes:
    text = json.dumps(content).encode()
    return b"\nNONCE %s %d\n%s" % (kind.encode(), len(text), text)


def talk(wire: Scripted, become: Become | None = None) -> Reply:
    try:
        return converse(wire, Target("web1", "web1", become=become), question(), Cargo(b"agent"))
    finally:
        assert wire.closed


def test_an_answer_is_found_in_noise_and_in_pieces():
    answer = frame(GOOD)

    for split in range(len(b"\nNONCE"), len(answer)):
        noise = b"Welcome!\nabcdef answer 3\n{}\n\n"

        assert talk(Scripted(noise, answer[:split], answer[split:], b"bye")).result == GOOD["result"]


@pytest.mark.parametrize(
    "said",
    [
        frame([]),
        frame({}),
        frame({**GOOD, "result": None}),
        frame({**GOOD, "result": {"format": "portreeve.port_audit/1"}}),
        frame({**GOOD, "result": {"format": 1}}),
        frame({**GOOD, "failure": 1}),
        frame({**GOOD, "error": {}}),
        frame(GOOD, "reward"),
        b"\nNONCE answer -1\n",
        b"\nNONCE answer 4\n[[[[",
        b"\nNONCE answer 9999999999999\n",
        b"\nNONCE answer 1" + b"1" * 100,
        b"\nNONCE answer 200000\n" + b"[" * 200000,
    ],
)
def test_what_is_no_answer_is_told(said):
    with pytest.raises(Unanswered, match=f"^{NO_ANSWER}$"):
        talk(Scripted(said))


def test_an_answer_has_its_bounds():
    with pytest.raises(Unanswered, match=r"^its answer has 99999999 bytes, more than the 16777216 that are taken$"):
        talk(Scripted(b"\nNONCE answer 99999999\n"))
    with pytest.raises(Unanswered, match="none is waited for"):
        talk(Scripted(*[b"x" * 100_000] * 20))
    with pytest.raises(Unanswered, match="again and again"):
        talk(Scripted(*[frame("", "archive")] * 20))


@pytest.mark.parametrize("become", [None, Become("sudo"), Become("sudo", "PROMPT:", "hush")])
@pytest.mark.parametrize("piece", [b"y\n" * 50_000, (b"", b"y\n" * 50_000), b"\nNONCE-" * 5_000])
def test_noise_has_its_bounds_whatever_is_waited_for(become, piece):
    wire = Scripted(*[piece] * 100)

    with pytest.raises(Unanswered, match="none is waited for"):
        talk(wire, become)

    assert len(wire.pieces) > 80


def test_what_was_searched_is_not_searched_again():
    class Heard(bytearray):
        searched = 0

        def find(self, mark, start=0, *end):
            Heard.searched += max(len(self) - start, 0)
            return super().find(mark, start, *end)

    wire = Scripted(*[b"abcdefgh"] * 1_000)
    listening = hearing.Hearing(wire("nonce 0123456789abcdef"), "nonce", 1)
    listening._heard = Heard(listening._heard)
    with pytest.raises(hearing.Ended):
        while not listening.begun():
            listening.more()

    assert Heard.searched < 50_000


def test_sentences_have_their_bounds():
    long = "\x1b" + "x" * 1_000_000

    for said in (talk(Scripted(frame({**GOOD, "error": long}))), talk(Scripted(frame({**GOOD, "failure": long})))):
        sentence = said.error or said.failure
        assert sentence.startswith("\\x1bxxx")
        assert len(sentence) <= 4_000


def test_answers_are_read_one_at_a_time(monkeypatch):
    """However many come at once: reading holds up all other threads, and takes several times an answer's size."""
    reading = []

    def read(content):
        reading.append(content)
        most.append(len(reading))
        threading.Event().wait(0.01)
        reading.pop()
        return {**GOOD, "result": {**GOOD["result"]}}

    most = []
    monkeypatch.setattr(conversation.json, "loads", read)
    threads = [
        threading.Thread(target=conversation._read_reply, args=(b"", "portreeve.port_owner/")) for _number in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 5


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (Scripted((b"", b"first\nBus error \x1b[2J\n"), status=135), r"Bus error \x1b[2J"),
        (Scripted(status=1), "the session ended without an answer (exit status 1)"),
        (Scripted(b"This account is\nnot available\n", status=1),
         "the session ended without an answer (exit status 1); it said: not available"),
        (Scripted(status=None), "the connection was lost before it answered"),
        (Scripted(status=127), "there is no Python 3 there"),
    ],
)  # fmt: skip
def test_last_words_are_the_reason(wire, reason):
    with pytest.raises(Unanswered) as told:
        talk(wire)

    assert str(told.value) == reason


def test_a_password_is_said_to_sudo_only_when_it_asks():
    become = Become("sudo", "PROMPT:", "hush")
    asking = Scripted((b"motd\n", b"a lecture\nPROMPT:"), b"\nNONCE begun 0\n", frame(GOOD))
    silent = Scripted(b"\nNONCE begun 0\n", frame(GOOD))

    assert talk(asking, become).result
    assert talk(silent, become).result

    assert asking.sent.startswith(b"hush\n")
    assert b"hush" not in silent.sent
    assert asking.sent.count(b"hush") == 1


def test_a_wrong_password_is_said_once():
    become = Become("sudo", "PROMPT:", "hush")
    wrong = Scripted((b"", b"PROMPT:"), (b"", b"\nSorry, try again.\nPROMPT:"))

    with pytest.raises(Unanswered, match=r"^sudo did not take the password$"):
        talk(wrong, become)

    assert wrong.sent == b"hush\n"


@pytest.mark.parametrize(
    "last",
    [(b"", b"cannot run hush or let-me-in\n"), b"cannot run hush or let-me-in\n", (b"", b"y" * 297 + b"hush")],
)
def test_a_password_that_is_said_back_is_masked(last):
    """Both of them: what a host says may be in everybody's report."""
    far = Target("web1", "web1", password="let-me-in", become=Become("sudo", "PROMPT:", "hush"))

    with pytest.raises(Unanswered) as told:
        converse(Scripted(b"\nNONCE begun 0\n", last, status=1), far, question(), Cargo(b"agent"))

    assert "hus" not in str(told.value)
    assert "let-me-in" not in str(told.value)
    assert "***" in str(told.value)


def test_passwords_are_masked_in_whatever_is_said(monkeypatch):
    class Network:
        def connect(self, target, _lifeline):
            if target.name == "a":
                raise Unreachable(f"ProxyCommand said: sshpass -p {target.password}")
            raise OSError(target.password)

        def close(self):
            pass

    monkeypatch.setattr(crowd, "_network", Network)
    asked = [(Target(name, name, password="let-me-in"), question()) for name in "ab"]

    told = sorted(outcome.reason for outcome in crowd.sweep(asked, b""))

    assert told == [
        "ProxyCommand said: sshpass -p ********",
        "a fault in Portreeve, please report it: OSError: ********",
    ]


@pytest.mark.parametrize("become", [None, Become("sudo")])
def test_an_interpreter_is_found_by_the_hosts_own_shell(become, tmp_path):
    """As with Ansible: in the home directory there, with arguments."""
    python = tmp_path / "my venv" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho found: "$1"\n')
    python.chmod(0o755)
    there = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    for interpreter in ("~/'my venv'/python ~", f"'{python}' ~"):
        far = Target("web1", "web1", interpreter=interpreter, become=become and Become("env"))
        line = conversation.command_line(far, "nonce")
        done = subprocess.run(["sh", "-c", line], env=there, capture_output=True, text=True, check=False)
        assert "found: ~\n" in done.stdout, done


def test_an_interpreter_that_cannot_be_read_is_said():
    with pytest.raises(Unanswered, match=r"^its interpreter \(/opt/py'thon\) has a quote that does not close$"):
        converse(Scripted(), Target("web1", "web1", interpreter="/opt/py'thon"), question(), Cargo(b"agent"))
