# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The files by which a set of hosts is reached: a key, known_hosts, settings for ssh, an inventory for Ansible."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .hosts import SshdHost, SshdHosts


def write(hosts: SshdHosts) -> dict[str, bytes]:
    """Write the files of the set; return the hosts' own private keys, by name."""
    private, public = _new_key()
    hosts.key.touch(mode=0o600)
    hosts.key.write_bytes(private)
    hosts.key.with_suffix(".pub").write_bytes(public + b"\n")
    pairs = {host.name: _new_key() for host in hosts.all}
    known = (_known_line(host, pairs[host.name][1]) for host in hosts.all)
    hosts.known_hosts.write_text("".join(known), encoding="ascii")
    hosts.ssh_config.write_text("".join(_ssh_config(hosts, host) for host in hosts.all), encoding="utf-8")
    hosts.inventory.write_text(json.dumps(_inventory(hosts), indent=2) + "\n", encoding="utf-8")
    return {name: private for name, (private, _) in pairs.items()}


def _new_key() -> tuple[bytes, bytes]:
    """Return a new key pair, private and public, as ssh-keygen(1) would have written them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def _known_line(host: SshdHost, public: bytes) -> str:
    key = {"right": public, "other": _new_key()[1], "none": b""}[host.kind.known_key]
    return f"{host.address} {key.decode()}\n" if key else ""


def _ssh_config(hosts: SshdHosts, host: SshdHost) -> str:
    lines = [f"HostName {host.address}", f"User {host.user}", f"IdentityFile {hosts.key}", "IdentitiesOnly yes"]
    lines.append(f"UserKnownHostsFile {hosts.known_hosts}")
    if host.name == "behind":
        lines.append("ProxyJump jump")
    return f"Host {host.name}\n" + "".join(f"    {line}\n" for line in lines)


def _inventory(hosts: SshdHosts) -> dict[str, object]:
    plain = {host.name: _variables(hosts, host) for host in hosts.plain}
    odd = {host.name: _variables(hosts, host) for host in hosts.all if host.name not in plain}
    everybody = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(hosts.key),
        "ansible_ssh_common_args": f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={hosts.known_hosts}",
        # Addresses are used again: a connection kept open to a host that is gone would be taken for one to the next.
        "ansible_control_path_dir": str(hosts.directory / "connections"),
    }
    return {"all": {"vars": everybody, "children": {"fleet": {"hosts": plain}, "odd": {"hosts": odd}}}}


def _variables(hosts: SshdHosts, host: SshdHost) -> dict[str, object]:
    if host.name == "behind":
        return {"ansible_host": host.name, "ansible_ssh_common_args": f"-F {hosts.ssh_config}"}
    return {"ansible_host": host.address, **host.kind.variables}
