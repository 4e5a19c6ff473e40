# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A test host as a control host: ansible-core and what it needs from this environment, the collection, a project."""

from __future__ import annotations

import importlib.metadata
import io
import pathlib
import re
import tarfile
from collections.abc import Iterable
from typing import Any

import yaml

from tests.fleet.harness.command import run
from tests.fleet.harness.host import Host
from tests.fleet.harness.places import KNOWN_HOSTS, SSH_KEY

HOME = "/opt/control"
PROJECT = "/srv/portreeve"
PROGRAM = f"{HOME}/bin/ansible-playbook"
#: Debian's Python on the host is of the same minor version as this one, so that its libraries serve there.
_START = f'#!/bin/sh\nPYTHONPATH={HOME}/lib exec /usr/bin/python3 -m ansible.cli.playbook "$@"\n'
_NEEDED = ("ansible-core", "sqlalchemy", "rich")


def equip(host: Host, collection: pathlib.Path, inventory: dict[str, Any]) -> None:
    """Put everything on the host; the project's inventory is ``inventory``."""
    settings = f"[defaults]\ncollections_path = {HOME}/collections\nforks = 5\ninterpreter_python = /usr/bin/python3\n"
    written = {
        f"{PROJECT}/ansible.cfg": settings,
        f"{PROJECT}/inventory/hosts.yml": yaml.safe_dump(inventory),
        f"{PROJECT}/known_hosts": KNOWN_HOSTS.read_text(encoding="ascii"),
        f"{PROJECT}/key": SSH_KEY.read_text(encoding="ascii"),
        PROGRAM: _START,
    }
    tracked = run("git", "-C", str(collection), "ls-files", "-z", "--cached", "--others", "--exclude-standard", ".")
    files = {f"{HOME}/lib/{file}": path for file, path in _libraries(_NEEDED)}
    files |= {
        f"{HOME}/collections/ansible_collections/portreeve/fleet/{name}": collection / name
        for name in filter(None, tracked.split("\0"))
        if (collection / name).is_file()
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, name)
        for name, text in written.items():
            member = tarfile.TarInfo(name)
            content = text.encode()
            member.size, member.mode = len(content), 0o755 if name == PROGRAM else 0o600
            archive.addfile(member, io.BytesIO(content))
    host.run("tar", "-xf", "-", "-C", "/", "--no-same-owner", given=packed.getvalue())


def clear(host: Host) -> None:
    """Take everything off the host again."""
    host.run("rm", "-rf", HOME, PROJECT)


def way_to(host: Host) -> dict[str, Any]:
    """Return how the control host reaches another one."""
    options = f"-F none -o UserKnownHostsFile={PROJECT}/known_hosts -o IdentitiesOnly=yes"
    return {
        "ansible_host": host.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": f"{PROJECT}/key",
        "ansible_ssh_common_args": options,
        "ansible_python_interpreter": "/usr/local/bin/python-under-test",
    }


def _libraries(names: Iterable[str]) -> Iterable[tuple[str, pathlib.Path]]:
    """Yield every file of distributions and of what they depend on, by its path below site-packages."""
    known, waiting = set(), list(names)
    while waiting:
        name = re.sub("[-_.]+", "-", waiting.pop()).lower()
        if name in known:
            continue
        known.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or an older Python
        waiting += [re.match(r"[\w.-]+", one)[0] for one in found.requires or () if "extra ==" not in one]  # type: ignore[index]
        for file in found.files or ():
            path = pathlib.Path(str(found.locate_file(file)))
            if not str(file).startswith("..") and "__pycache__" not in file.parts and path.is_file():
                yield str(file), path
