# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host of a sweep is sent besides, where modules of the agent are not kept yet: it compiles and keeps them.

The agent's archive is known by its SHA-256 alone, which the controller names; from wherever it comes, it must have it.
It is run by ``remote.py``, which hands it what both need.
"""

import io
import os
import zipfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .remote import Kept

INSTALLED = "/usr/local/bin/portreeve.pyz"  # by the role `agent`
SPARED = 2  # files of other versions: other controllers sweep this host, too
BEING_WRITTEN = ".new-"
LONG_WRITTEN = 86400  # seconds: by a sweep that was ended meanwhile


class Refused(Exception):
    """What was sent is not what was announced."""


class Keeping:
    """Compiles the modules that are missing, and keeps them for the next sweep."""

    def __init__(
        self, kept: "Kept", read_own: "Callable[[str, str], bytes | None]", sha256: "Callable[[bytes], bytes]"
    ) -> None:
        self.kept = kept
        self.read_own = read_own
        self.sha256 = sha256
        self.digest = kept.request["digest"]
        self.is_kept = True
        self.content = self._archive()
        self.archive = zipfile.ZipFile(io.BytesIO(self.content))
        self.names = frozenset(self.archive.namelist())

    def _archive(self) -> bytes:
        for directory in self.kept.directories:
            content = self.read_own(directory, self.digest + ".pyz")
            if content is not None and self._is_right(content):
                return content
        self.is_kept = False
        content = self._installed()
        if content is not None:
            return content
        import zlib

        self.kept.line.say("archive")
        self.kept.pushed = True
        stream = self.kept.line.stream
        content = zlib.decompress(stream.read(int(stream.readline())))
        if not self._is_right(content):
            raise Refused("the agent did not arrive whole")
        return content

    def _installed(self) -> "bytes | None":
        try:
            file = os.open(INSTALLED, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(file, "rb") as stream:
            status = os.fstat(file)
            if status.st_uid != 0 or status.st_mode & 0o170022 != 0o100000:
                return None
            content = stream.read()
        return content if self._is_right(content) else None

    def _is_right(self, content: bytes) -> bool:
        return bool(self.sha256(content).hex() == self.digest)

    def compile_module(self, name: str) -> bool:
        """Add a module to those that can be imported; return whether the archive has it."""
        import marshal

        path = name.replace(".", "/")
        for is_package, entry in ((False, path + ".py"), (True, path + "/__init__.py")):
            if entry in self.names:
                code = compile(self.archive.read(entry), entry, "exec", dont_inherit=True, optimize=2)
                self.kept.codes[name] = (is_package, marshal.dumps(code))
                self.kept.new = True
                return True
        return False

    def keep(self) -> None:
        """Write archive and compiled modules where the next sweep finds them, or note why that cannot be."""
        import marshal

        body = marshal.dumps(self.kept.codes)
        reasons = []
        for directory in self.kept.directories:
            try:
                place = own_directory(directory)
                try:
                    if not self.is_kept:
                        write_whole(place, self.digest + ".pyz", self.content)
                    write_whole(place, self.kept.name, self.sha256(body) + body)
                    prune(place, self.digest)
                finally:
                    os.close(place)
                return
            except OSError as error:
                reasons.append("%s: %s" % (directory, error.strerror or error))
        self.kept.why_not_kept = "; ".join(reasons)


def own_directory(path: str) -> int:
    """Return a descriptor of a directory that is ours alone, made if it is missing. Raises OSError."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    place = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(place)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(place)
        raise PermissionError(
            0, "others can write or read there (uid %d, mode %o)" % (found.st_uid, found.st_mode & 0o7777)
        )
    return place


def write_whole(place: int, name: str, content: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError."""
    being_written = "%s%d" % (BEING_WRITTEN, os.getpid())
    try:
        os.unlink(being_written, dir_fd=place)
    except OSError:
        pass
    file = os.open(being_written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=place)
    try:
        with open(file, "wb") as stream:
            stream.write(content)
        os.rename(being_written, name, src_dir_fd=place, dst_dir_fd=place)
    except OSError:
        os.unlink(being_written, dir_fd=place)
        raise


def prune(place: int, digest: str) -> None:
    """Remove what sweeps of other versions left, but for the newest few, and what was never written to the end."""
    import time

    ages = []
    for name in os.listdir(place):
        try:
            ages.append((time.time() - os.stat(name, dir_fd=place, follow_symlinks=False).st_mtime, name))
        except OSError:
            pass  # another sweep has removed it
    others = [name for _age, name in sorted(ages) if not name.startswith((digest, BEING_WRITTEN))]
    unfinished = [name for age, name in ages if name.startswith(BEING_WRITTEN) and age > LONG_WRITTEN]
    for name in others[SPARED:] + unfinished:
        try:
            os.unlink(name, dir_fd=place)
        except OSError:
            pass
