# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Where a history cannot be: one sentence each, and never a password."""

from __future__ import annotations

import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.places import Place, read_place
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.refusals import refusal
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import check, read_run, record

from tests.history.conftest import ENCODED, PASSWORD
from tests.history.fleets import finding, ok, run

SECRET = "s3cr3t"


def refused(what, *arguments) -> str:
    with pytest.raises(InvalidInput) as error:
        what(*arguments)
    said = str(error.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/var/lib/history.sqlite", "/var/lib/history.sqlite"),
        ("sqlite:////var/lib/h", "/var/lib/h"),
        ("~root/h", "/root/h"),
        ("/odd?name=#%41", "/odd?name=#%41"),
    ],
)
def test_paths(given, path):
    assert read_place(given) == Place(path, pathlib.Path(path), None)


@pytest.mark.parametrize(
    ("given", "shown", "url"),
    [
        ("postgresql://a:s3cr3t@db/h", "postgresql://db/h", "postgresql+psycopg://a:s3cr3t@db/h"),
        (
            "postgres://a:s3:cr%40t@[::1]:5433/h",
            "postgres://[::1]:5433/h",
            "postgresql+psycopg://a:s3:cr%40t@[::1]:5433/h",
        ),
        (
            "postgresql+psycopg:///h?password=s3cr3t",
            "postgresql+psycopg:///h",
            "postgresql+psycopg:///h?password=s3cr3t",
        ),
    ],
)
def test_urls(given, shown, url):
    assert read_place(given) == Place(shown, None, url)


@pytest.mark.parametrize(
    "given",
    [
        "", " ", None, 7, "a\0b", "sqlite://", "sqlite:///", "mysql://a:s3cr3t@db/h", "postgresql+asyncpg://a:s3cr3t@db/h",
        "http://a:s3cr3t@db/h?password=s3cr3t",
    ],
)  # fmt: skip
def test_places_that_are_none(given):
    said = refused(read_place, given)

    assert "accepted are the path of an SQLite file, sqlite:///PATH, or postgresql://" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "given",
    [
        "a:p@s3cr3t@db/h", "a:ge@1234@db.invalid/h", "a:s3cr3t/x@db/h", "a:s3cr3t?x@db/h", "a:s3cr3t#x@db/h",
        "a:s3cr3t", "a:s3cr3t/h", "a:%s3cr3t@db/h", "a:s3cr3t@[::1/h", "a:s3cr3t@db:54x/h", "a:s3cr3t@db:/h",
        "db/h?password=p@s3cr3t", "db/h#s3cr3t",
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", [lambda url: record(url, run(0, [])), check])
def test_a_url_in_which_something_is_not_encoded_is_not_opened(given, what, monkeypatch):
    def opened(*_arguments):
        raise AssertionError

    monkeypatch.setattr("sqlalchemy.create_engine", opened)

    said = refused(what, f"postgresql://{given}")

    assert said.startswith("The history postgresql://… cannot be used: ")
    assert "percent-encoded" in said
    assert SECRET not in said
    assert "1234" not in said


@pytest.mark.parametrize("what", [lambda path: record(path, run(0, [])), read_run, check])
def test_a_directory(what, tmp_path):
    assert refused(what, str(tmp_path)) == f"The history {tmp_path} cannot be used: it is a directory."


@pytest.mark.parametrize("what", [lambda path: record(path, run(0, [])), read_run, check])
def test_a_file_that_is_no_database(what, tmp_path):
    path = tmp_path / "history.sqlite"
    path.write_text("Hello.\n" * 500)

    assert refused(what, str(path)) == f"The history {path} cannot be used: it is a file, but no SQLite database."
    assert path.read_text() == "Hello.\n" * 500


@pytest.mark.parametrize("what", [lambda path: record(path, run(0, [])), read_run, check])
def test_a_database_of_something_else(what, tmp_path):
    path = tmp_path / "history.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE accounts (id)")

    assert refused(what, str(path)).startswith(f"{path} is an SQLite file of something else")


def test_a_history_that_is_not_there_yet(tmp_path):
    path = tmp_path / "history.sqlite"

    assert refused(read_run, str(path)) == f"There is no history {path} yet: the first run makes it."
    assert not path.exists()
    path.touch()
    assert refused(read_run, str(path)) == f"The history {path} has no run yet."
    assert record(str(path), run(0, [])) == read_run(str(path))


@pytest.mark.parametrize("what", [lambda path: record(path, run(0, [])), check])
def test_a_file_on_the_way(what, tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "history.sqlite"

    assert refused(what, str(path)).startswith(f"The history {path} cannot be used: ")


def test_a_damaged_file(tmp_path):
    path = tmp_path / "history.sqlite"
    record(str(path), run(0, [ok(f"h{number}", "2026-01-01T00:00:00Z") for number in range(300)]))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + os.urandom(len(whole) - 8192))

    assert "the file is damaged; put a backup in its place" in refused(read_run, str(path))


IN_A_MOUNT = """
    import os, shutil, subprocess, sys
    sys.path[:0] = {paths!r}
    from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import *
    from tests.history.fleets import *

    def refused(what, *arguments):
        try:
            what(*arguments)
        except InvalidInput as error:
            return print(error)
        raise SystemExit("not refused")

    def mount(*arguments):
        subprocess.run(["mount", *arguments], check=True)

    def many(day, hosts):
        return run(day, [ok(f"h{{number}}", moment(day), [finding(f"h{{number}}")]) for number in range(hosts)])

    place, path = {place!r}, {place!r} + "/history.sqlite"
"""


def in_a_mount(tmp_path, script: str) -> list[str]:
    """Run a script in a mount namespace of its own; return the lines it printed."""
    place = tmp_path / "mounted"
    place.mkdir()
    start = textwrap.dedent(IN_A_MOUNT).format(paths=[path for path in sys.path if path], place=str(place))
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", sys.executable, "-c", start + textwrap.dedent(script)],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(str(place), "PLACE").splitlines()


@pytest.mark.needs("root", "unshare", "mount")
def test_a_full_disk_leaves_the_history_as_it_was(tmp_path):
    said = in_a_mount(
        tmp_path,
        """
        mount("-t", "tmpfs", "-o", "size=400k", "none", place)
        first = record(path, many(0, 20))
        refused(record, path, many(1, 3000))
        assert read_run(path) == first == read_run(path, "run-0")
        second = record(path, many(2, 20))
        assert second.tracked[0].standing == "persisting" and read_run(path) == second
        with open(place + "/rest", "wb", buffering=0) as rest:
            try:
                while rest.write(bytes(4096)):
                    pass
            except OSError:
                pass
        refused(record, path, many(3, 20))
        assert read_run(path) == second
        import sqlite3
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
        os.unlink(path)
        refused(record, path, many(3, 20))
        """,
    )

    full = "The history PLACE/history.sqlite cannot be used: no space is left; what was recorded before is untouched."
    assert said == [full] * 3


@pytest.mark.needs("root", "unshare", "mount")
def test_a_file_system_that_is_read_only(tmp_path):
    said = in_a_mount(
        tmp_path,
        """
        mount("-t", "tmpfs", "none", place)
        first = record(path, many(0, 2))
        shutil.copy("tests/history/version_1.sqlite", place + "/old.sqlite")
        mount("-o", "remount,ro", place)
        assert read_run(place + "/old.sqlite").judged.name == "run-3"
        refused(record, path, many(1, 2))
        refused(check, path)
        refused(record, place + "/other/history.sqlite", many(1, 2))
        refused(check, place + "/other/history.sqlite")
        assert read_run(path) == first
        """,
    )

    assert said == [
        "The history PLACE/history.sqlite cannot be used: no permission to write it.",
        "The history PLACE/history.sqlite cannot be used: no permission to write PLACE.",
        "The history PLACE/other/history.sqlite cannot be used: Read-only file system.",
        "The history PLACE/other/history.sqlite cannot be used: no permission to write PLACE.",
    ]


@pytest.mark.parametrize(
    ("missing", "url", "said"),
    [
        ("sqlalchemy", "history.sqlite", "The history needs SQLAlchemy 2, which is not installed for "),
        (
            "psycopg",
            f"postgresql://a:{SECRET}@db/h",
            "The history needs the driver psycopg 3 for PostgreSQL, which is not ",
        ),
    ],
)
def test_what_is_not_installed_is_named(missing, url, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)

    for what in (lambda url: record(url, run(0, [])), check):
        assert refused(what, url).startswith(said)
        assert f"{sys.executable} -m pip install '{missing}" in refused(what, url)
        assert SECRET not in refused(what, url)


def test_an_sqlalchemy_that_is_too_old_is_named(tmp_path, monkeypatch):
    import sqlalchemy

    monkeypatch.setattr(sqlalchemy, "__version__", "1.4.46")

    assert "needs SQLAlchemy 2, which is 1.4.46 for" in refused(check, str(tmp_path / "history.sqlite"))


@pytest.mark.needs("module:psycopg")
def test_a_server_that_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql://portreeve:{SECRET}@127.0.0.1:{port}/history"

    for what in (lambda url: record(url, run(0, [])), read_run, check):
        said = refused(what, url)
        assert said.startswith(f"The history postgresql://127.0.0.1:{port}/history cannot be used: ")
        assert "refused" in said
        assert SECRET not in said


def test_a_wrong_password(server):
    wrong = server.url("history", "wrong-and-s3cr3t")
    said = refused(check, wrong)

    assert 'password authentication failed for user "portreeve"' in said
    assert SECRET not in said


def test_a_database_that_is_not_there(server):
    said = refused(check, server.url("nowhere"))

    assert 'database "nowhere" does not exist' in said
    assert ENCODED not in said
    assert PASSWORD not in said


def test_a_database_without_permission(server):
    url = server.new_url()
    server.ask(f"ALTER DATABASE {url.partition('@/')[2].partition('?')[0]} OWNER TO postgres")

    assert "permission denied" in refused(lambda: record(url, run(0, [])))


def test_a_password_is_cut_out_of_what_a_driver_says():
    place = Place("postgresql://db/h", None, f"postgresql+psycopg://a:{SECRET}%40@db/h?password=other%21")
    said = refusal(place, ValueError(f"no: a:{SECRET}%40@db, {SECRET}@, other!\nmore"))

    assert said == "The history postgresql://db/h cannot be used: no: a:***@db, ***, ***."


def test_a_history_is_for_more_than_one_finding_of_a_port(tmp_path):
    twice = [finding("a"), finding("a", who="somebody else")]
    path = str(tmp_path / "history.sqlite")
    record(path, run(0, [ok("a", "2026-01-01T00:00:00Z", twice)]))
    later = record(path, run(1, [ok("a", "2026-01-02T00:00:00Z", twice)]))

    assert [one.standing for one in later.tracked] == ["persisting", "persisting"]
    assert [one.standing for one in record(path, run(2, [ok("a", "2026-01-03T00:00:00Z")])).tracked] == ["resolved"]
