# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""How servers are started, our own and real ones, with throw-away configurations."""

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

SERVERS = str(pathlib.Path(__file__).resolve().parent / "programs" / "servers.py")
CLUSTER = str(pathlib.Path(__file__).resolve().parent / "programs" / "cluster.js")
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


def own(name: str, setting: Setting) -> list[str]:
    return [sys.executable, SERVERS, name, str(setting.port)]


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
    return lambda setting: ["node", CLUSTER, policy, str(setting.port)]


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
