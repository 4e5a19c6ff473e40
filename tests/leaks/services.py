# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Services that let no socket leak, as data: real servers with throw-away configurations, and our own of every make."""

from __future__ import annotations

import glob
import os
import pathlib
import shlex
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
SERVERS = str(PROGRAMS / "servers.py")
BESIDE = pathlib.Path(sys.executable).parent


def newest(pattern: str, otherwise: str) -> str:
    """Return the path of a program that carries its version in it."""
    return max(glob.glob(pattern), default=otherwise)


POSTGRES = newest("/usr/lib/postgresql/*/bin/postgres", "postgres")
INITDB = newest("/usr/lib/postgresql/*/bin/initdb", "initdb")
PHP_FPM = newest("/usr/sbin/php-fpm*", "php-fpm")
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


@dataclass(frozen=True)
class Setting:
    """Where one service runs: its port, and a directory of its own."""

    port: int
    place: pathlib.Path

    def file(self, name: str, text: str) -> str:
        path = self.place / name
        path.write_text(text)
        return str(path)


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


def own(name: str, setting: Setting) -> list[str]:
    return [sys.executable, SERVERS, name, str(setting.port)]


def _own(name: str, processes: int, visits: int, stormed: bool) -> Service:
    return Service(
        name, lambda setting: own(name, setting), processes=processes, visits=(b"hello",) * visits, stormed=stormed
    )


def _datagrams(name: str, processes: int) -> Service:
    return Service(name, lambda setting: own(name, setting), processes=processes, protocol="udp")


# --- shells, super-servers --------------------------------------------------------------------------------------------


def wrapped(setting: Setting) -> list[str]:
    return ["sh", "-c", "trap '' HUP; \"$@\" & wait", "sh", *own("pool", setting)]


def socket_activated(setting: Setting) -> list[str]:
    address = f"127.0.0.1:{setting.port}"
    return ["systemd-socket-activate", "-E", "PYTHONPATH", "-l", address, sys.executable, SERVERS, "pool", "-3"]


def inetd(name: str, mode: str = "wait") -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        line = f"127.0.0.1:{setting.port} stream tcp {mode} root {sys.executable} python {SERVERS} {name} 0\n"
        return ["inetd", "-i", setting.file("inetd.conf", line)]

    return argv


def supervised(command: str) -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        return [str(BESIDE / "supervisord"), "-n", "-c", setting.file("supervisord.conf", _programs(setting, command))]

    return argv


def _programs(setting: Setting, command: str) -> str:
    return f"""
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={setting.place}/supervisord.pid
childlogdir={setting.place}
[fcgi-program:queue]
socket=tcp://127.0.0.1:{setting.port}
command={command}
process_name=%(program_name)s_%(process_num)d
numprocs=3
"""


ACCEPT = f"{sys.executable} {SERVERS} accept 0"


# --- real servers -----------------------------------------------------------------------------------------------------


def nginx(listen: str = "", workers: int = 3) -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        temporary = "".join(
            f"{kind}_temp_path {setting.place}/{kind};" for kind in "client_body proxy fastcgi uwsgi scgi".split()
        )
        settings = f"""
daemon off; worker_processes {workers}; pid {setting.place}/pid; error_log stderr; user nobody nogroup;
events {{ worker_connections 64; }}
http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{setting.port} {listen}; return 200; }} }}
"""
        return ["nginx", "-e", "stderr", "-c", setting.file("nginx.conf", settings)]

    return argv


def apache(model: str, mutex: str = "default", more: str = "") -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        settings = f"""
ServerRoot {setting.place}
ServerName localhost
PidFile {setting.place}/pid
DefaultRuntimeDir {setting.place}
Mutex {mutex.format(place=setting.place)}
LoadModule mpm_{model}_module /usr/lib/apache2/modules/mod_mpm_{model}.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
Listen 127.0.0.1:{setting.port}
User nobody
Group nogroup
StartServers 3
Timeout 1000
ErrorLog {setting.place}/error.log
{more.format(place=setting.place)}
"""
        return ["apache2", "-D", "FOREGROUND", "-f", setting.file("apache.conf", settings)]

    return argv


SLOW_APPLICATION = """
import signal, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1000000)
    if environ["PATH_INFO"] == "/busy":
        import os
        os.nice(19)
        while True:
            pass
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""
SLOW = b"GET /slow HTTP/1.0\r\n\r\n"
BUSY = b"GET /busy HTTP/1.0\r\n\r\n"


def gunicorn(*options: str) -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        setting.file("slow.py", SLOW_APPLICATION)
        bind = ("--bind", f"127.0.0.1:{setting.port}", "--timeout", "1000", "--chdir", str(setting.place))
        return ["gunicorn", "--workers", "3", *bind, *options, "slow:app"]

    return argv


def haproxy(*options: str) -> Callable[[Setting], list[str]]:
    def argv(setting: Setting) -> list[str]:
        settings = f"""
global
  stats socket {setting.place}/control mode 600 level admin expose-fd listeners
  user nobody
  group nogroup
defaults
  mode tcp
  timeout connect 100s
  timeout client 1000s
  timeout server 1000s
frontend web
  bind 127.0.0.1:{setting.port}
  tcp-request inspect-delay 1000s
  tcp-request content accept if {{ req.len gt 1000 }}
"""
        return ["haproxy", *options, "-f", setting.file("haproxy.cfg", settings), "-p", str(setting.place / "pid")]

    return argv


def haproxy_replaced(setting: Setting) -> list[str]:
    """The old one is told to let go by the new one, as soon as that has bound (haproxy(1), -sf)."""
    old, new = (shlex.join(haproxy(*options)(setting)) for options in (("-D",), ("-db",)))
    return ["sh", "-c", f"{old} && exec {new} -sf $(cat {setting.place}/pid)"]


def reload_master(_setting: Setting, pid: int) -> None:
    """Let the master start a new worker beside the one that still has clients."""
    os.kill(pid, signal.SIGUSR2)


def hang_up(_setting: Setting, pid: int) -> None:
    os.kill(pid, signal.SIGHUP)


def node(policy: str) -> Callable[[Setting], list[str]]:
    return lambda setting: ["node", str(PROGRAMS / "cluster.js"), policy, str(setting.port)]


def postgres(setting: Setting) -> list[str]:
    """PostgreSQL does not run as root, nor does what makes its files."""
    data = setting.place / "data"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    make = [*AS_POSTGRES, INITDB, "--pgdata", str(data), "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/")
    settings = {"listen_addresses": "127.0.0.1", "port": setting.port, "fsync": "off", "unix_socket_directories": data}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [*AS_POSTGRES, POSTGRES, "-D", str(data), *words]


def postgres_session(query: str = "") -> bytes:
    """Return what a client says first (PostgreSQL, Frontend/Backend Protocol)."""
    names = b"user\0postgres\0database\0postgres\0\0"
    words = query.encode() + b"\0"
    question = b"Q" + struct.pack("!i", 4 + len(words)) + words if query else b""
    return struct.pack("!ii", 8 + len(names), 196608) + names + question


def php(setting: Setting) -> list[str]:
    settings = f"""
[global]
daemonize = no
error_log = {setting.place}/error.log
[www]
listen = 127.0.0.1:{setting.port}
user = nobody
pm = static
pm.max_children = 3
"""
    return [PHP_FPM, "-F", "-y", setting.file("fpm.conf", settings)]


def lighttpd(setting: Setting) -> list[str]:
    settings = f"""
server.document-root = "{setting.place}"
server.bind = "127.0.0.1"
server.port = {setting.port}
server.max-worker = 3
server.max-read-idle = 1000
server.username = "nobody"
"""
    return ["lighttpd", "-D", "-f", setting.file("lighttpd.conf", settings)]


def sshd(setting: Setting) -> list[str]:
    key = setting.place / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    settings = f"Port {setting.port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM no\n"
    return ["/usr/sbin/sshd", "-D", "-f", setting.file("sshd_config", settings)]


def sshd_with_session(setting: Setting) -> list[str]:
    daemon = sshd(setting)
    key = setting.place / "key"
    with (setting.place / "sshd_config").open("a") as settings:
        settings.write(f"AuthorizedKeysFile {key}.pub\nStrictModes no\nPermitRootLogin prohibit-password\n")
    options = "-F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    session = f"until ssh {options} -i {key} -p {setting.port} root@127.0.0.1 sleep 1000000; do sleep 0.1; done"
    return ["sh", "-c", f'"$@" & {session}', "sh", *daemon]


def two_programs(setting: Setting) -> list[str]:
    return ["sh", "-c", f'{shlex.join(own("reuseport", setting))} & exec "$@"', "sh", *nginx("reuseport")(setting)]


def uwsgi(*options: str) -> Callable[[Setting], list[str]]:
    return lambda setting: [
        "uwsgi-core", "--http-socket", f"127.0.0.1:{setting.port}", "--master", "--processes", "3", *options
    ]  # fmt: skip


def memcached(setting: Setting) -> list[str]:
    return ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(setting.port), "-U", "0", "-t", "3"]


def dnsmasq(setting: Setting) -> list[str]:
    options = "--keep-in-foreground --no-resolv --no-hosts --bind-interfaces --listen-address=127.0.0.1 --user=nobody"
    files = ["--conf-file=/dev/null", f"--pid-file={setting.place}/pid"]
    return ["dnsmasq", *options.split(), *files, f"--port={setting.port}"]


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
