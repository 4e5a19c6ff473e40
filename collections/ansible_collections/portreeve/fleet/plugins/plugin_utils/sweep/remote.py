# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The half of a sweep that runs on each host, sent as this source over standard input and kept nowhere.

It answers from the agent's compiled modules that an earlier sweep kept there, after it has looked whose they are and
whether they are whole: by a hash that stands before them, so damage is seen, and change is not. Against change stand
owner and mode alone; whoever can write there as this user could as well answer in the agent's place. What is missing
it asks for: first the source of ``keeping.py``, which then asks for the agent. Compiled anew on every host, each time:
short, and readable by Pythons that it refuses (annotations are strings).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

OLDEST = (3, 8)
PACKAGE = "portreeve_agent"


class Line:
    """The way back to the controller: frames that begin with a word which nobody else on the host knows."""

    def __init__(self, stream: "BinaryIO", nonce: str) -> None:
        import os

        self.stream = stream
        self.nonce = nonce
        self.out = os.dup(1)
        os.dup2(2, 1)  # whatever prints from here on prints there
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # ``stream`` reads from a duplicate
        os.close(nothing)

    def say(self, kind: str, content: str = "") -> None:
        """Send a frame: ``NONCE KIND LENGTH``, a newline, and as many bytes."""
        import os

        content_bytes = content.encode("ascii")
        frame = ("\n%s %s %d\n" % (self.nonce, kind, len(content_bytes))).encode("ascii") + content_bytes
        while frame:
            frame = frame[os.write(self.out, frame) :]


class Kept:
    """The agent's compiled modules as an earlier sweep kept them; itself the finder that imports them."""

    def __init__(self, line: Line, request: "dict[str, Any]") -> None:
        import os
        from _frozen_importlib_external import MAGIC_NUMBER

        self.line = line
        self.request = request
        self.pushed = False
        self.why_not_kept = ""
        self.new = False  # whether there is more than was kept
        home = self._home() + "/.cache/portreeve"
        self.directories = ["/var/cache/portreeve", home] if os.geteuid() == 0 else [home]
        python = "%s-%d" % (sys.implementation.cache_tag, int.from_bytes(MAGIC_NUMBER[:2], "little"))
        self.name = "%s.%s" % (request["digest"], python)
        self.codes = self._read_codes()  # module -> (whether it is a package, its code marshalled)
        self.more = None  # type: Any

    @staticmethod
    def _home() -> str:
        import os
        import pwd

        try:
            return pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            return "/nonexistent"

    def _read_codes(self) -> "dict[str, tuple[bool, bytes]]":
        import marshal

        for directory in self.directories:
            content = read_own(directory, self.name)
            if content and sha256(content[32:]) == content[:32]:
                codes = marshal.loads(content[32:])  # noqa: S302 (our own, by owner, mode and hash)
                return dict(codes)
        return {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> "Any":
        """Return where a module of the agent comes from, None for other modules."""
        if name.partition(".")[0] != PACKAGE:
            return None
        if name not in self.codes and not self._further().compile_module(name):
            return None
        return type(sys.__spec__)(name, self, origin=name, is_package=self.codes[name][0])  # type: ignore[arg-type]

    def create_module(self, spec: object) -> None:
        """Leave making the module to Python."""

    def exec_module(self, module: "Any") -> None:
        """Run the code of a module."""
        import marshal

        exec(marshal.loads(self.codes[module.__name__][1]), module.__dict__)  # noqa: S102, S302

    def _further(self) -> "Any":
        """Return what can compile and keep, with its source from the controller."""
        if self.more is None:
            self.line.say("code")
            names = {"__name__": "keeping"}  # type: dict[str, Any]
            exec(self.line.stream.read(self.request["keeping"]), names)  # noqa: S102
            self.more = names["Keeping"](self, read_own, sha256)
        return self.more


def read_own(directory: str, name: str) -> "bytes | None":
    """Return a file that only we can have written, in a directory that only we can enter; None if there is none."""
    import os

    try:
        place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    except OSError:
        return None
    finally:
        found = os.fstat(place)
        os.close(place)
    with open(file, "rb", buffering=0) as stream:
        is_ours = found.st_uid == os.geteuid() and not found.st_mode & 0o077
        status = os.fstat(file)
        regular = status.st_mode & 0o170000 == 0o100000 and status.st_nlink == 1
        if not (is_ours and regular and status.st_uid == os.geteuid() and not status.st_mode & 0o022):
            return None
        return stream.read()


def sha256(content: bytes) -> bytes:
    """Return the digest; hashlib would load all of OpenSSL for it."""
    try:
        from _sha2 import sha256 as digest  # type: ignore[import-not-found]
    except ImportError:
        try:
            from _sha256 import sha256 as digest  # type: ignore[import-not-found]
        except ImportError:
            from hashlib import sha256 as digest
    return bytes(digest(content).digest())


def in_json(value: object) -> str:
    """Return JSON as json.dumps does, by its own accelerator: the package around it takes longer than an answer."""
    try:
        from _json import encode_basestring_ascii, make_encoder

        encoder = make_encoder({}, str, encode_basestring_ascii, None, ": ", ", ", False, False, True)
        return "".join(encoder(value, 0))
    except (ImportError, TypeError):
        import json

        return json.dumps(value)


def answer(stream: "BinaryIO", request: "dict[str, Any]") -> None:
    """Look at this host as ``request`` says and send what is seen, or in one sentence why not."""
    import gc
    from _signal import alarm  # type: ignore[import-not-found]

    gc.disable()  # one answer, and the process ends
    alarm(request["seconds"])  # by SIGALRM, if nobody waits for it any more
    line = Line(stream, request["nonce"])
    if sys.version_info < OLDEST:
        line.say("refused", "Python %d.%d.%d there is too old: 3.8 or newer is needed" % sys.version_info[:3])
        return
    kept = Kept(line, request)
    try:
        reply = look(kept, request)
    except Exception as error:
        errors = sys.modules.get("portreeve_agent.errors")
        reply = {"error": errors.one_sentence(error) if errors else str(error)}
    if kept.new:
        kept.more.keep()
    line.say("answer", in_json({"pushed": kept.pushed, "why_not_kept": kept.why_not_kept, **reply}))
    import os

    os._exit(0)  # nothing is left to be tidied up, which would take its time


def look(kept: Kept, request: "dict[str, Any]") -> "dict[str, Any]":
    """Return the result of the module asked for, and what fails it, by the agent."""
    options = request["options"]
    sys.meta_path.insert(0, kept)
    if not sys.platform.startswith("linux") or options["scanner"] == "psutil":
        import site

        site.main()
    from portreeve_agent.host import Host  # type: ignore[import-not-found]
    from portreeve_agent.looking import look_at_ports, take_picture  # type: ignore[import-not-found]

    if request["module"] == "port_audit":
        return {"result": take_picture(Host(), options), "failure": None}
    result, failure = look_at_ports(Host(), options)
    return {"result": result, "failure": failure}
