# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What kinds of host there are: one that is as it should be, and those that give trouble, each in one way."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .namespaces import MS_BIND, MS_RDONLY, MS_REMOUNT, mount

#: The ordinary user of every host.
USER = "mara"
#: Of root and of the ordinary user. It opens nothing but hosts that only this machine reaches.
PASSWORD = "throw-away"
#: Directories of a host that are empty and its own; with the mode of each.
OWN_DIRECTORIES = {"root": 0o711, "home": 0o755, "run": 0o755, "tmp": 0o1777, "var/tmp": 0o1777, "var/cache": 0o755}
KEPT_SMALL = ("root", "home", "tmp", "var/tmp", "var/cache")

AS_USER = {"ansible_user": USER, "ansible_become": True}
BY_PASSWORD = ("PubkeyAuthentication no",)


def as_it_is(_root: pathlib.Path) -> None:
    """Change nothing."""


def without_python(root: pathlib.Path) -> None:
    """Remove every interpreter that anybody would look for."""
    for directory in ("usr/bin", "usr/local/bin", "usr/libexec"):
        for program in (root / directory).glob("*python*"):
            program.unlink()


def python_3_6(root: pathlib.Path) -> None:
    """Leave Python 3.6 only, under the usual name."""
    without_python(root)
    _lend(root, "3.6", "python3")


def python_2_7(root: pathlib.Path) -> None:
    """Leave Python 2.7 only, under its two names."""
    without_python(root)
    _lend(root, "2.7", "python2")
    (root / "usr/bin/python").symlink_to("python2")


def noisy(root: pathlib.Path) -> None:
    """Have everything that can greet somebody do so, to standard output and to standard error."""
    (root / "etc/motd").write_text('Welcome! {"changed": true}\n', encoding="utf-8")
    (root / "etc/issue.net").write_text("Only for those who may.\n", encoding="utf-8")
    (root / "root/.bashrc").write_text("echo 'loading {settings}'; echo 'a warning: ' >&2\n", encoding="utf-8")
    (root / "root/.ssh/rc").write_text("echo 'you have mail'\n", encoding="utf-8")


def slow(root: pathlib.Path) -> None:
    """Have every command wait a while before it begins."""
    (root / "root/.bashrc").write_text("sleep 3\n", encoding="utf-8")


def read_only(root: pathlib.Path) -> None:
    """Let nobody write where programs keep things."""
    for directory in ("root", "home", "var/cache"):
        mount("none", root / directory, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def full(root: pathlib.Path) -> None:
    """Use up the room in every place where programs keep things: a name can still be made, a byte not written."""
    for directory in KEPT_SMALL:
        with contextlib.suppress(OSError), (root / directory / "everything").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))


def may_become_root(root: pathlib.Path) -> None:
    """Let the ordinary user become root without a password."""
    _sudoers(root, f"{USER} ALL=(ALL) NOPASSWD: ALL\n")


def may_become_root_by_password(root: pathlib.Path) -> None:
    """Let the ordinary user become root by the user's password."""
    _sudoers(root, f"{USER} ALL=(ALL) ALL\n")


def _sudoers(root: pathlib.Path, line: str) -> None:
    rule = root / "etc/sudoers.d/sshd-hosts"
    rule.write_text(line, encoding="utf-8")
    rule.chmod(0o440)


def _lend(root: pathlib.Path, release: str, name: str) -> None:
    """Lend the host an interpreter of this machine's pyenv, at its own path: its library is found only there."""
    prefix = lent_python(release)
    if prefix is None:
        raise OSError(f"pyenv has no Python {release} to lend")
    inside = root / prefix.relative_to("/")
    inside.mkdir(parents=True)
    mount(str(prefix), inside, flags=MS_BIND)
    (root / "usr/bin" / name).symlink_to(prefix / "bin" / name)


def lent_python(release: str) -> pathlib.Path | None:
    """Return where pyenv keeps that release, None where it does not."""
    return next(iter(sorted(pathlib.Path("/root/.pyenv/versions").glob(f"{release}.*"))), None)


@dataclass(frozen=True)
class Kind:
    """One kind of host.

    ``says`` is for people; ``ssh_port`` is what is done with it: sshd, taken (connections are, and nothing is said),
    closed (each at once), refused, or lost (packets vanish). ``change`` is done to its tree before anything runs there.
    ``known_key`` is what known_hosts has: right, other or none. ``variables`` are the inventory's.
    """

    says: str
    ssh_port: str = "sshd"
    sshd_config: tuple[str, ...] = ()
    change: Callable[[pathlib.Path], None] = as_it_is
    known_key: str = "right"
    room: str = ""
    variables: Mapping[str, object] = field(default_factory=dict)


PLAIN = Kind("as it should be")
ODD = {
    "hangs": Kind("takes connections, and says nothing", ssh_port="taken"),
    "stuck": Kind("lets you in, but nothing that is run there ends", sshd_config=("ForceCommand exec sleep 3600",)),
    "closes": Kind("takes connections, and closes them at once", ssh_port="closed"),
    "refuses": Kind("nobody listens on its ssh port", ssh_port="refused"),
    "drops": Kind("what is sent to it vanishes", ssh_port="lost"),
    "changed": Kind("its host key is another than the known one", known_key="other"),
    "unknown": Kind("nobody knows its host key", known_key="none"),
    "jump": Kind("stands with one foot in the inner network"),
    "behind": Kind("is reached through the host jump only"),
    "no-python": Kind("has no Python", change=without_python),
    "old-python": Kind("has Python 3.6 only", change=python_3_6),
    "ancient-python": Kind(
        "has Python 2.7 only", change=python_2_7, variables={"ansible_python_interpreter": "/usr/bin/python2"}
    ),
    "noisy": Kind("greets everybody at length", sshd_config=("PrintMotd yes", "Banner /etc/issue.net"), change=noisy),
    "slow": Kind("every command there begins three seconds late", change=slow),
    "read-only": Kind("nothing can be written where programs keep things", change=read_only),
    "full": Kind("its disk is full", change=full, room="size=64k"),
    "sudo": Kind("mara becomes root without a password", change=may_become_root, variables=AS_USER),
    "sudo-password": Kind(
        "mara becomes root by password",
        change=may_become_root_by_password,
        variables={**AS_USER, "ansible_become_password": PASSWORD},
    ),
    "sudo-wrong": Kind(
        "mara becomes root by another password than the one the inventory has",
        change=may_become_root_by_password,
        variables={**AS_USER, "ansible_become_password": f"not {PASSWORD}"},
    ),
    "no-sudo": Kind("mara may not become root", variables=AS_USER),
    "password": Kind("lets in by password only", sshd_config=BY_PASSWORD, variables={"ansible_password": PASSWORD}),
    "keyboard": Kind(
        "lets in by keyboard-interactive only",
        sshd_config=(*BY_PASSWORD, "UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no"),
        variables={"ansible_password": PASSWORD},
    ),
}
