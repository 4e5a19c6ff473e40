# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A history in an SQLite file, or in a PostgreSQL server that is started for it."""

from __future__ import annotations

import dataclasses
import pathlib
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator

import pytest

PASSWORD = "p@ss/w:rd?#%"
ENCODED = "p%40ss%2Fw%3Ard%3F%23%25"
_USER = "portreeve"


@dataclasses.dataclass
class Server:
    """A PostgreSQL server of its own, on a UNIX socket and no port; who comes from there gives a password."""

    directory: pathlib.Path
    databases: int = 0

    def url(self, database: str, password: str = ENCODED) -> str:
        """Return the URL of a database."""
        return f"postgresql://{_USER}:{password}@/{database}?host={self.directory}/socket"

    def new_url(self) -> str:
        """Return the URL of a new, empty database."""
        self.databases += 1
        database = f"history{self.databases}"
        self.run(
            "psql", "-qh", f"{self.directory}/socket", "-c", f"CREATE DATABASE {database} OWNER {_USER}", "postgres"
        )
        return self.url(database)

    def ask(self, statement: str) -> None:
        """Let the administrator do something."""
        self.run("psql", "-qh", f"{self.directory}/socket", "-c", statement, "postgres")

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL as the user of the server."""
        binary = max(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), default=pathlib.Path(program))
        done = subprocess.run(
            [binary, *arguments],
            cwd=self.directory,
            user="postgres",
            group="postgres",
            extra_groups=[],
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def server(needs: Callable[..., None]) -> Iterator[Server]:
    """Return a PostgreSQL server."""
    needs("root", "psql", "module:psycopg")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="portreeve-pg-"))
    postgres = pwd.getpwnam("postgres")
    shutil.chown(directory, postgres.pw_uid, postgres.pw_gid)
    directory.chmod(0o755)
    server = Server(directory)
    data = str(directory / "data")
    try:
        server.run("initdb", "-A", "peer", "-N", "-D", data)
        (directory / "data/pg_hba.conf").write_text("local all postgres peer\nlocal all all scram-sha-256\n")
        (directory / "socket").mkdir()
        shutil.chown(directory / "socket", postgres.pw_uid, postgres.pw_gid)
        settings = f"-c listen_addresses='' -c unix_socket_directories={directory}/socket -c fsync=off"
        server.run("pg_ctl", "-w", "-D", data, "-l", str(directory / "log"), "-o", settings, "start")
        password = PASSWORD.replace("'", "''")
        server.ask(f"CREATE ROLE {_USER} LOGIN PASSWORD '{password}'")
        yield server
    finally:
        if (directory / "data/postmaster.pid").exists():
            server.run("pg_ctl", "-w", "-m", "immediate", "-D", data, "stop")
        shutil.rmtree(directory)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    """Return where a new history may be kept, in each kind of database."""
    if request.param == "sqlite":
        return str(tmp_path / "kept" / "history.sqlite")
    server: Server = request.getfixturevalue("server")
    return server.new_url()
