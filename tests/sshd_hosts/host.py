# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""One host from the inside: how a fresh process of it makes its tree, and what it then becomes."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket

from .hosts import SECOND_PORT, SshdHost
from .kinds import KEPT_SMALL, OWN_DIRECTORIES, USER
from .namespaces import MS_BIND, make_root, mount, set_host_name

USER_ID = 1001
HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
#: SHA-512 crypt(3) of kinds.PASSWORD.
SHADOW = "$6$portreeve$i.KATSbze9bBpaJkrepy44mXr.4VSNtk7.LlYp9crJCnvIz5rCL50jpP0GqTbg.1uQk.VN2yATt9CuV5A1NDs."
SSHD_CONFIG = f"""\
Port 22
Port {SECOND_PORT}
HostKey /{HOST_KEY}
PermitRootLogin yes
UseDNS no
MaxStartups 1000
Subsystem sftp internal-sftp
PidFile none
"""
#: The first value of a setting counts, so these follow those of the kind.
SSHD_DEFAULTS = "UsePAM no\nPrintMotd no\nKbdInteractiveAuthentication no\n"


def make_tree(host: SshdHost, layer: pathlib.Path, public_key: bytes, host_key: bytes) -> pathlib.Path:
    """Return the host's own tree, mounted: this machine's below a layer in memory, with who may log in."""
    mount("tmpfs", layer, "tmpfs", options="mode=755")
    for name in ("upper", "work", "root"):
        (layer / name).mkdir()
    root = layer / "root"
    mount("overlay", root, "overlay", options=f"lowerdir=/,upperdir={layer / 'upper'},workdir={layer / 'work'}")
    for directory, mode in OWN_DIRECTORIES.items():
        room = host.kind.room if directory in KEPT_SMALL else ""
        mount("tmpfs", root / directory, "tmpfs", options=",".join(filter(None, (f"mode={mode:o}", room))))
    _mount_kernel_places(root)
    _write_identity(host, root)
    _write_accounts(root, public_key)
    _write_sshd(host, root, host_key)
    host.kind.change(root)
    return root


def _mount_kernel_places(root: pathlib.Path) -> None:
    mount("proc", root / "proc", "proc")
    mount("sysfs", root / "sys", "sysfs")
    mount("/dev", root / "dev", flags=MS_BIND)
    mount("devpts", root / "dev/pts", "devpts", options="newinstance,ptmxmode=0666,mode=620")
    mount("tmpfs", root / "dev/shm", "tmpfs", options="mode=1777")


def _write_identity(host: SshdHost, root: pathlib.Path) -> None:
    (root / "etc/hostname").write_text(f"{host.name}\n", encoding="ascii")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{host.address} {host.name}\n", encoding="ascii")
    (root / "etc/machine-id").unlink(missing_ok=True)


def _write_accounts(root: pathlib.Path, public_key: bytes) -> None:
    accounts = {
        "passwd": f"root:x:0:0:root:/root:/bin/bash\n{USER}:x:{USER_ID}:{USER_ID}::/home/{USER}:/bin/bash\n",
        "shadow": f"root:{SHADOW}:20000:0:99999:7:::\n{USER}:{SHADOW}:20000:0:99999:7:::\n",
        "group": f"{USER}:x:{USER_ID}:\n",
    }
    for file, ours in accounts.items():
        place = root / "etc" / file
        others = place.read_text(encoding="utf-8").splitlines(keepends=True)
        mine = {line.partition(":")[0] for line in ours.splitlines()}
        place.write_text(ours + "".join(line for line in others if line.partition(":")[0] not in mine))
    for home, owner in (("root", 0), (f"home/{USER}", USER_ID)):
        directory = root / home / ".ssh"
        directory.mkdir(mode=0o700, parents=True)
        (directory / "authorized_keys").write_bytes(public_key)
        for path in (directory.parent, directory, directory / "authorized_keys"):
            os.chown(path, owner, owner)


def _write_sshd(host: SshdHost, root: pathlib.Path, host_key: bytes) -> None:
    own = "".join(f"{line}\n" for line in host.kind.sshd_config)
    (root / "etc/ssh/sshd_config").write_text(own + SSHD_CONFIG + SSHD_DEFAULTS, encoding="ascii")
    for other in (root / "etc/ssh").glob("ssh_host_*"):
        other.unlink()
    (root / HOST_KEY).write_bytes(host_key)
    (root / HOST_KEY).chmod(0o600)
    (root / "run/sshd").mkdir(mode=0o755)


def become(host: SshdHost, root: pathlib.Path) -> None:
    """Enter the tree and become what the host runs; does not return."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    set_host_name(host.name)
    make_root(root)
    if host.kind.ssh_port == "sshd":
        os.execve(sshd, [sshd, "-D", "-e"], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    _serve_oddly(host.kind.ssh_port)


def _serve_oddly(ssh_port: str) -> None:
    if ssh_port in {"refused", "lost"}:
        while True:
            signal.pause()
    with socket.create_server(("", 22), backlog=1000) as listener:
        taken = []
        while True:
            connection, _ = listener.accept()
            if ssh_port == "closed":
                connection.close()
            else:
                taken.append(connection)
