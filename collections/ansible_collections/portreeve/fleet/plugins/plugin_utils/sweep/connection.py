# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSH connections to hosts, each verified and logged in as ssh would, over jump hosts that many may share."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .host_keys import ShownKey, check, preferred
from .jumps import Jumps
from .keyring import Identities, Keyring
from .known_hosts import KnownHostsFiles
from .lifeline import Lifeline
from .login import Credentials, log_in
from .settings import Settings, SettingsReader
from .target import Target, Unreachable
from .ways import CommandWay, dial
from .wire import RemoteWire

if TYPE_CHECKING:
    import paramiko

logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # what matters comes as an error

_Way = Any  # a socket, or a channel over a jump host, which behaves as one


@cache
def _transport_class() -> Any:
    import paramiko

    class _Transport(paramiko.Transport):
        """Offers what both ssh's settings and paramiko have, and no certificates, which nobody would check."""

        def __init__(self, way: _Way, settings: Settings, files: KnownHostsFiles) -> None:
            super().__init__(way)
            self._settings = settings
            keys = self._agreed(
                "hostkeyalgorithms", tuple(one for one in super().preferred_keys if "-cert-" not in one)
            )
            self._ordered_keys = tuple(preferred(keys, settings, files))

        def _agreed(self, keyword: str, known: Sequence[str]) -> tuple[str, ...]:
            wanted = self._settings.listed(keyword)
            agreed = tuple(one for one in wanted if one in known) if wanted else tuple(known)
            if not agreed:
                raise Unreachable(
                    f"ssh's setting {keyword} has nothing that a sweep knows: {one_line(', '.join(wanted))}"
                )
            return agreed

        @property
        def preferred_ciphers(self) -> tuple[str, ...]:
            return self._agreed("ciphers", super().preferred_ciphers)

        @property
        def preferred_macs(self) -> tuple[str, ...]:
            return self._agreed("macs", super().preferred_macs)

        @property
        def preferred_keys(self) -> tuple[str, ...]:
            return self._ordered_keys

        @property
        def preferred_pubkeys(self) -> tuple[str, ...]:
            return self._agreed("pubkeyacceptedalgorithms", super().preferred_pubkeys)

        @property
        def preferred_kex(self) -> tuple[str, ...]:
            return self._agreed("kexalgorithms", super().preferred_kex)

    return _Transport


class Network:
    """What the connections of one sweep share: settings, keys, known hosts, jump hosts. Safe in threads."""

    def __init__(self) -> None:
        self._settings = SettingsReader()
        self._files = KnownHostsFiles()
        self._keyring = Keyring()
        self._jumps = Jumps(lambda arguments, hop, lifeline: self._connect(arguments, hop, None, lifeline))

    def connect(self, target: Target, lifeline: Lifeline) -> paramiko.Transport:
        """Return a connection that is logged in. Raises Unreachable, TimeoutError."""
        return self._connect(target.arguments, target.address, target.password, lifeline)

    def close(self) -> None:
        """Close the connections to jump hosts."""
        self._jumps.close()

    def _connect(
        self, arguments: tuple[str, ...], address: str, password: str | None, lifeline: Lifeline
    ) -> paramiko.Transport:
        settings = self._settings.read(arguments, address)
        identities = (
            self._keyring.identities(settings) if settings.enabled("pubkeyauthentication") else Identities((), ())
        )
        way, command = self._way(arguments, settings, lifeline)
        try:
            transport: paramiko.Transport = lifeline.hold(_transport_class()(way, settings, self._files))
            shown = _shake_hands(transport, settings, lifeline)
            ip = None if command or _is_channel(way) else way.getpeername()[0]
            trusted = check(shown, settings, self._files, ip)
            lifeline.doing = f"logging in as {one_line(settings.user)}"
            transport.auth_timeout = lifeline.left()
            log_in(transport, settings, Credentials(identities, password if trusted else None))
        except Unreachable as error:
            said = command.last_words() if command else ""
            raise Unreachable(f"{error}; ProxyCommand said: {said}" if said else str(error)) from error
        return transport

    def _way(
        self, arguments: tuple[str, ...], settings: Settings, lifeline: Lifeline
    ) -> tuple[_Way, CommandWay | None]:
        command = settings.value("proxycommand", "none")
        if command != "none":
            lifeline.doing = "connecting by its ProxyCommand"
            way = lifeline.hold(CommandWay(command, settings))
            return way.connection, way
        jumps = settings.value("proxyjump", "none")
        if jumps == "none":
            return dial(settings, lifeline), None
        return self._over(jumps, arguments, settings, lifeline), None

    def _over(self, jumps: str, arguments: tuple[str, ...], settings: Settings, lifeline: Lifeline) -> paramiko.Channel:
        """Return a channel through the last of some jump hosts, which is reached through those before it, as by ssh."""
        before, _comma, last = jumps.rpartition(",")
        hop_arguments, hop = hop_of(last, before, arguments)
        lifeline.doing = f"connecting to the jump host {one_line(hop)}"
        transport = self._jumps.reach(hop_arguments, hop, lifeline)
        try:
            return self._through(transport, hop, settings, lifeline)
        except Unreachable:
            if transport.is_active():
                raise
        transport = self._jumps.reach(hop_arguments, hop, lifeline)  # it was lost, which shows in use only
        return self._through(transport, hop, settings, lifeline)

    def _through(
        self, transport: paramiko.Transport, hop: str, settings: Settings, lifeline: Lifeline
    ) -> paramiko.Channel:
        import paramiko

        lifeline.doing = f"waiting for the jump host {one_line(hop)} to connect"
        try:
            return lifeline.hold(
                transport.open_channel(
                    "direct-tcpip", (settings.hostname, settings.port), ("127.0.0.1", 65535), timeout=lifeline.left()
                )
            )
        except (paramiko.SSHException, EOFError) as error:
            where = f"{one_line(settings.hostname)} port {settings.port}"
            why = error.text if isinstance(error, paramiko.ChannelException) else "the connection to it was lost"
            raise Unreachable(
                f"no connection from the jump host {one_line(hop)} to {where}: {one_line(why)}"
            ) from error


def hop_of(jump: str, before: str, arguments: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return ssh's arguments for a jump host, and the host: as in the command that ssh makes of ProxyJump.

    >>> hop_of("ops@gate:2222", "outer", ("-F", "mine", "-o", "StrictHostKeyChecking=no"))
    (('-F', 'mine', '-l', 'ops', '-p', '2222', '-J', 'outer'), 'gate')
    """
    jump = jump.removeprefix("ssh://")
    user, at, host = jump.rpartition("@")
    port = ""
    if host.startswith("["):
        host, _bracket, port = host[1:].partition("]")
        port = port.removeprefix(":")
    elif host.count(":") == 1:
        host, _colon, port = host.partition(":")
    config = next((index for index, one in enumerate(arguments) if one.startswith("-F")), None)
    taken: tuple[str, ...] = ()
    if config is not None:
        taken = arguments[config : config + (2 if arguments[config] == "-F" else 1)]
    if at:
        taken += ("-l", user)
    if port:
        taken += ("-p", port)
    return (*taken, "-J", before) if before else taken, host


def _is_channel(way: _Way) -> bool:
    import paramiko

    return isinstance(way, paramiko.Channel)


def _shake_hands(transport: paramiko.Transport, settings: Settings, lifeline: Lifeline) -> ShownKey:
    """Agree on keys and return the host's, which it has proven to have. Raises Unreachable, TimeoutError."""
    import paramiko

    where = f"{one_line(settings.hostname)} port {settings.port}"
    lifeline.doing = f"waiting for {where} to say who it is"
    seconds = lifeline.left(settings.connect_timeout)
    transport.banner_timeout = transport.handshake_timeout = seconds
    began = time.monotonic()
    agreed = threading.Event()
    transport.start_client(agreed)
    settled = agreed.wait(seconds)
    if not settled or not transport.is_active():
        error = transport.saved_exception
        silent = time.monotonic() - began >= seconds - 0.1
        transport.close()
        if isinstance(error, Unreachable):
            raise error
        if silent:
            raise Unreachable(f"{where} took the connection and then said nothing for {seconds:.3g} s")
        if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            raise Unreachable(f"{where} and this sweep have no way to talk: {one_line(str(error))}")
        if error is None or isinstance(error, (EOFError, OSError)) or "banner" in str(error):
            raise Unreachable(f"{where} took the connection and closed it")
        raise Unreachable(f"{where} speaks no SSH that a sweep knows: {one_line(str(error))}")
    key = transport.get_remote_server_key()
    return ShownKey(key.get_name(), key.asbytes(), key.get_bits())


def open_wire(transport: paramiko.Transport, command: str, lifeline: Lifeline) -> RemoteWire:
    """Start a command in a session of its own. Raises Unreachable when the host does not let us, TimeoutError."""
    import paramiko

    lifeline.doing = "opening a session"
    try:
        channel = lifeline.hold(transport.open_session(timeout=lifeline.left()))
        channel.settimeout(lifeline.left())
        channel.exec_command(command)
    except TimeoutError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise Unreachable(f"it opens no session: {one_line(str(error)) or 'the connection was lost'}") from error
    lifeline.doing = "looking at its ports"
    return RemoteWire(channel, lifeline.until)
