# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Services that let no socket leak, as data: real servers, and our own of every make."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from .starting import (
    ACCEPT,
    BUSY,
    INITDB,
    PHP_FPM,
    POSTGRES,
    SLOW,
    Setting,
    apache,
    dnsmasq,
    gunicorn,
    hang_up,
    haproxy,
    haproxy_replaced,
    inetd,
    lighttpd,
    memcached,
    nginx,
    node,
    own,
    php,
    postgres,
    postgres_session,
    reload_master,
    socket_activated,
    sshd,
    sshd_with_session,
    supervised,
    two_programs,
    uwsgi,
    wrapped,
)


@dataclass(frozen=True)
class Service:
    """How to start a server; it stands when ``processes`` hold its port and it has taken all of its ``visits``.

    ``visits`` are what clients that stay say first. ``stormed``: others come and go all the time. ``then`` is done when
    it stands.
    """

    name: str
    argv: Callable[[Setting], list[str]]
    needs: tuple[str, ...] = ()
    processes: int = 1
    visits: tuple[bytes, ...] = ()
    taken: int | None = None
    protocol: str = "tcp"
    stormed: bool = False
    then: Callable[[Setting, int], None] | None = None

    @property
    def accepted(self) -> int:
        return len(self.visits) if self.taken is None else self.taken


# --- our own ----------------------------------------------------------------------------------------------------------

FOUR = 4
#: Pools are a parent and three; ``taken`` visits keep all of those busy that are to be.
OWN: dict[str, tuple[int, int, bool]] = {  # processes, visits, stormed
    "accept": (1, 0, True),
    "accept_by_select": (1, 0, True),
    "accept_by_poll": (1, 0, True),
    "accept_by_epoll": (1, 0, True),
    "accept_by_edges": (1, 0, True),
    "accept_by_uring": (1, 0, False),
    "accept_now_and_then": (1, 0, True),
    "asynchronous": (1, 0, True),
    "listener_of_somebody_else_at_work": (1, 0, False),
    "read_one": (1, 1, False),
    "sleep_for_one": (1, 1, False),
    "wait_for_a_lock_for_one": (1, 1, False),
    "compute_for_one": (1, 1, False),
    "run_a_program_for_one": (1, 1, False),
    "threads": (1, 0, True),
    "threads_headless": (0, 0, False),
    "pool": (FOUR, 0, True),
    "pool_by_select": (FOUR, 0, True),
    "pool_by_poll": (FOUR, 0, True),
    "pool_by_epoll": (FOUR, 0, True),
    "pool_by_edges": (FOUR, 0, True),
    "pool_of_all": (FOUR, 0, True),
    "pool_of_threads_each": (FOUR, 0, True),
    "pool_of_multiprocessing": (FOUR, 0, True),
    "pool_by_semaphore": (FOUR, 0, True),
    "pool_by_file_lock": (FOUR, 0, True),
    "pool_reading": (FOUR, 3, False),
    "pool_sleeping": (FOUR, 3, False),
    "pool_waiting_for_locks": (FOUR, 3, False),
    "pool_computing": (FOUR, 3, False),
    "pool_running_programs": (FOUR, 3, False),
    "pool_of_all_reading": (FOUR, 4, False),
    "pool_now_and_then": (FOUR, 0, True),
    "forking_to_read": (FOUR, 3, False),
    "forking_to_sleep": (FOUR, 3, False),
    "forking_to_compute": (2, 1, False),
    "daemon": (1, 0, True),
    "daemon_by_epoll": (1, 0, True),
    "daemon_reading": (1, 1, False),
    "daemon_sleeping": (1, 1, False),
    "daemon_computing": (1, 1, False),
    "daemon_pool": (FOUR, 0, True),
    "dropper": (1, 0, True),
    "dropper_reading": (1, 1, False),
    "dropper_idle": (1, 0, False),
    "dropper_pool": (FOUR, 0, True),
    "dropper_daemon": (1, 0, True),
    "below_a_shell": (2, 0, True),
    "reborn": (1, 0, True),
    "spawning": (1, 0, True),
    "stopped": (1, 0, False),
    "pool_stopped": (FOUR, 0, False),
    "pool_stopped_early": (FOUR, 0, False),
    "pool_stopped_in_part": (FOUR, 0, False),
    "forking_between_clients": (1, 0, True),
    "passed": (2, 0, True),
    "passed_and_shared": (2, 0, True),
    "claim": (1, 0, False),
    "claim_dropper": (1, 0, False),
    "reuseport": (3, 0, True),
    "reuseport_busy": (3, 0, False),
}
DATAGRAMS = {"receive": 1, "receive_pool": FOUR, "receive_idle": 1, "receive_dropper": 1, "receive_daemon": 1}


def _own(name: str, processes: int, visits: int, stormed: bool) -> Service:
    return Service(
        name, lambda setting: own(name, setting), processes=processes, visits=(b"hello",) * visits, stormed=stormed
    )


def _datagrams(name: str, processes: int) -> Service:
    return Service(name, lambda setting: own(name, setting), processes=processes, protocol="udp")


HELLO = (b"GET",)

SERVICES: tuple[Service, ...] = (
    *(_own(name, *traits) for name, traits in OWN.items()),
    *(_datagrams(name, processes) for name, processes in DATAGRAMS.items()),
    Service("wrapped", wrapped, processes=4, stormed=True),
    Service("socket-activate sleeping", socket_activated, ("systemd-socket-activate",)),
    Service("socket-activate woken", socket_activated, ("systemd-socket-activate",), 4, HELLO, taken=0, stormed=True),
    Service("inetd sleeping", inetd("accept"), ("inetd",)),
    Service("inetd wait", inetd("accept"), ("inetd",), 2, HELLO, taken=0, stormed=True),
    Service("inetd wait, busy", inetd("read_one"), ("inetd",), 2, HELLO),
    Service("inetd wait, pool", inetd("pool"), ("inetd",), 5, HELLO, taken=0, stormed=True),
    Service("supervisord, shells between", supervised(f"sh -c '{ACCEPT}; true'"), ("module:supervisor",), 7,
            stormed=True),
    Service("supervisord", supervised(ACCEPT), ("module:supervisor",), 4, stormed=True),
    Service("nginx", nginx(), ("nginx",), 4, HELLO, stormed=True),
    Service("nginx reuseport", nginx("reuseport"), ("nginx",), 4, stormed=True),
    Service("nginx one worker", nginx(workers=1), ("nginx",), 2, HELLO, stormed=True),
    Service("nginx reloaded", nginx(), ("nginx",), 4, HELLO, stormed=True, then=hang_up),
    Service("apache prefork", apache("prefork"), ("apache2",), 4, HELLO, stormed=True),
    Service("apache prefork by fcntl", apache("prefork", "fcntl:{place}"), ("apache2",), 4),
    Service("apache event", apache("event"), ("apache2",), 4, HELLO, stormed=True),
    Service("apache worker", apache("worker"), ("apache2",), 4, HELLO, stormed=True),
    Service("apache piped log", apache("prefork", more='ErrorLog "|/usr/bin/tee -a {place}/log"'), ("apache2",), 4),
    Service("gunicorn sync", gunicorn(), ("gunicorn",), 4, stormed=True),
    Service("gunicorn sync, busy", gunicorn(), ("gunicorn",), 4, (SLOW, SLOW, SLOW)),
    Service("gunicorn sync, computing", gunicorn("--preload"), ("gunicorn",), 4, (BUSY,)),
    Service("gunicorn gthread", gunicorn("--threads", "4"), ("gunicorn",), 4, (SLOW,), stormed=True),
    Service("haproxy", haproxy(), ("haproxy",), 1, HELLO, stormed=True),
    Service("haproxy replaced", haproxy_replaced, ("haproxy",), 1, stormed=True),
    Service("haproxy master", haproxy("-W"), ("haproxy",), 1, HELLO, stormed=True),
    Service("haproxy master reloaded", haproxy("-W"), ("haproxy",), 1, HELLO, stormed=True, then=reload_master),
    Service("node cluster, master accepts", node("rr"), ("node",), 1, stormed=True),
    Service("node cluster, workers accept", node("none"), ("node",), 4, stormed=True),
    Service("node handle sent", node("handle"), ("node",), 2, stormed=True),
    Service("postgres", postgres, (POSTGRES, INITDB), 1,
            (postgres_session(), postgres_session("select pg_sleep(1000000)")), stormed=True),
    Service("php-fpm", php, (PHP_FPM,), 4, stormed=True),
    Service("lighttpd", lighttpd, ("lighttpd",), 4, HELLO, stormed=True),
    Service("sshd", sshd, ("/usr/sbin/sshd", "ssh-keygen"), 1, (b"SSH-2.0-visitor\r\n",) * 2, stormed=True),
    Service("sshd with a session", sshd_with_session, ("/usr/sbin/sshd", "ssh", "ssh-keygen"), 1, taken=1),
    Service("nginx and another by SO_REUSEPORT", two_programs, ("nginx",), 7, stormed=True),
    Service("uwsgi", uwsgi(), ("uwsgi-core",), 4, stormed=True),
    Service("uwsgi thunder lock", uwsgi("--thunder-lock"), ("uwsgi-core",), 4, stormed=True),
    Service("uwsgi lazy", uwsgi("--lazy-apps"), ("uwsgi-core",), 4, stormed=True),
    Service("memcached", memcached, ("memcached",), 1, HELLO, stormed=True),
    Service("dnsmasq tcp", dnsmasq, ("dnsmasq",), 1, (b"\0",), stormed=True),
    Service("dnsmasq udp", dnsmasq, ("dnsmasq",), 1, protocol="udp"),
    Service("http.server", lambda setting: [sys.executable, "-m", "http.server", "-b", "127.0.0.1", str(setting.port)],
            stormed=True),
)  # fmt: skip
