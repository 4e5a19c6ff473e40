# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in command lines, made unreadable. Pure.

A guess by name and shape: in doubt a value is masked, but what an operator needs to tell two services apart (paths,
ports, hosts, names) is left. Every expression runs in linear time, as the text may be anything a process likes.
"""

from __future__ import annotations

from .lean import Pattern
from .typed import TYPE_CHECKING, Callable, Iterator, Sequence

if TYPE_CHECKING:
    import re

MASK = "********"

_SECRET_ENDINGS = (
    "password", "passwd", "passphrase", "passcode", "pass", "pwd", "secret", "token", "apikey", "accesskey",
    "secretkey", "privatekey", "credential", "credentials",
)  # fmt: skip
_SECRET_WORDS = frozenset(
    ("pw", "bindpw", "rootpw", "userpw", "adminpw", "psk", "jwt", "authorization", "cookie", "setcookie", "masterauth")
)
_KEY_KINDS = frozenset(
    ("api", "access", "secret", "private", "auth", "account", "shared", "encryption", "signing", "master", "session")
)
_NO_SECRETS = frozenset(("bypass", "compass", "encompass", "overpass", "underpass", "trespass", "surpass"))
_SWITCHES = frozenset(
    (
        "no", "ask", "prompt", "with", "without", "use", "show", "require", "enable", "disable", "allow", "skip",
        "force", "is", "has", "need", "max", "min", "num",
    )
)  # fmt: skip
_OFTEN_PATHS = ("pwd", "key", "privatekey", "credential", "credentials")
_SCHEMES = Pattern(r"(?i)(?:basic|bearer|digest|negotiate|token|apikey|aws4-hmac-sha256)\s+")

_MYSQL_LIKE = frozenset(
    (
        "mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlshow", "mysqlcheck", "mysqlpump", "mysqlslap",
        "mysqlbinlog", "mysqlsh", "mariadb", "mariadb-dump", "mariadb-admin", "mariadb-import", "mariadb-show",
        "mariadb-check", "xtrabackup", "mariabackup", "7z", "7za", "7zr", "rar",
    )
)  # fmt: skip
_SHORT_OPTIONS = {
    "sshpass": "-p", "redis-cli": "-a", "valkey-cli": "-a", "zip": "-P", "unzip": "-P", "sqlcmd": "-P",
    "ipmitool": "-P", "mongo": "-p", "mongosh": "-p", "mongodump": "-p", "mongorestore": "-p", "mongoexport": "-p",
    "mongoimport": "-p", "mongostat": "-p", "mongotop": "-p", "ldapsearch": "-w", "ldapadd": "-w", "ldapmodify": "-w",
    "ldapdelete": "-w", "ldapwhoami": "-w", "ldapcompare": "-w", "ldappasswd": "-w",
}  # fmt: skip
_LOGIN_TOOLS = frozenset(("docker", "podman", "nerdctl", "buildah", "skopeo", "helm"))
_TELLING = _MYSQL_LIKE | _LOGIN_TOOLS | frozenset(_SHORT_OPTIONS) | {"curl", "login"}
_USER_OPTIONS = ("-u", "-U", "--user", "--proxy-user")  # of curl: user:password

_NAME_PARTS = Pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_OPTION = Pattern(r"--?[A-Za-z][\w.-]*")
_SHELL_COMMAND = Pattern(r"-[a-z]*c")
_QUOTED = Pattern(r"""(?s)(\\*["'])(.*)\1""")
_NEXT_OPTION = Pattern(r"(?s)--[A-Za-z][\w-]*(?:=.*)?|-[A-Za-z]")
_ASSIGNMENT = Pattern(r"(?s)([-/]{0,2}[A-Za-z_][\w.-]*)(=|:(?!/)\s*)(.*)")
_WORD = Pattern(r"""(?s)(?:[^\s"']+|"(?:[^"\\]|\\.)*"?|'[^']*'?)+""")
_KEY = Pattern(r"""(?<![\w.-])([A-Za-z_][\w.-]*)(\\*["']?\s*[=:]\s*)""")
_VALUE = Pattern(
    r"""(?s)"(?:[^"\\]|\\.)*"?|'[^']*'?|(\\+["']).*?(?:\1|\Z)|(?:[^\s&;,"'}\])]|,(?!\s*["'\w.-]+\s*[=:]))*"""
)
_URL_PASSWORD = Pattern(r"""(://[^\s/:@"']*:)[^\s/"']+@""")
_PRIVATE_KEY = Pattern(r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)")
_BEARER = Pattern(r"(?i)(?<![\w-])(bearer\s+)[\w.~+/=-]{8,}")
_KNOWN_SHAPE = Pattern(
    r"(?<![\w-])(?:A[KS]IA[0-9A-Z]{16}|gh[opusr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}"
    r"|[sr]k_(?:live|test)_\w{10,}|sk-[\w-]{20,}|AIza[\w-]{35}|hvs\.[\w-]{20,}|npm_\w{30,}|dckr_pat_[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
#: Without one of these, in small letters, nothing above finds a secret: a word of its name, or how a known one begins.
_MARKS = (
    *(ending for ending in _SECRET_ENDINGS if "key" not in ending), *_SECRET_WORDS, "key", "bearer", "://",
    "akia", "asia", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "k_live_", "k_test_",
    "sk-", "aiza", "hvs.", "npm_", "dckr_pat_", "eyj",
)  # fmt: skip
_MOST_NESTING = 3  # a command in quotes in a command in quotes …
_MOST_PREFIXES = 4  # --env=NAME=…


def mask_secrets(cmdline: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line with the values of secrets replaced.

    ``mask_secrets(("psql", "--password", "x", "postgres://me:y@db/z"))`` →
    ``("psql", "--password", "********", "postgres://me:********@db/z")``.
    """
    return tuple(_mask_words(cmdline, 0)) if _may_hold_secrets(cmdline) else cmdline


def _may_hold_secrets(cmdline: tuple[str, ...]) -> bool:
    """Return False where it is plain to see that there is nothing to mask: of nearly all processes."""
    text = "\n".join(cmdline)
    if any(program in text for program in _TELLING):
        return True
    small = text.lower()
    return any(mark in small for mark in _MARKS)


def _mask_words(words: Sequence[str], nesting: int) -> Iterator[str]:
    programs: set[str] = set()
    before = ""
    veil: Callable[[str], str] | None = None  # what the word before says of this one
    for word in words:
        if veil is not None and not _NEXT_OPTION.fullmatch(word):
            yield veil(word)
            veil = None
        else:
            is_command = _SHELL_COMMAND.fullmatch(before) is not None
            yield _mask_short_option(word, programs) or _mask_text(word, nesting, is_command)
            veil = _announced(word, programs)
            programs |= _TELLING.intersection((word.rpartition("/")[2],))
        before = word


def _announced(word: str, programs: set[str]) -> Callable[[str], str] | None:
    """Return how to mask the next word after an option, None when it is no secret."""
    if word in _USER_OPTIONS and "curl" in programs:
        return _mask_after_colon
    if word in _secret_short_options(programs):
        return lambda _value: MASK
    if _OPTION.fullmatch(word) and _is_secret(word, ""):
        return lambda value: MASK if _is_secret(word, value) else value
    return None


def _secret_short_options(programs: set[str]) -> set[str]:
    options = {_SHORT_OPTIONS[program] for program in programs if program in _SHORT_OPTIONS}
    if "login" in programs and not programs.isdisjoint(_LOGIN_TOOLS):
        options.add("-p")
    return options


def _mask_short_option(word: str, programs: set[str]) -> str | None:
    """Return ``-pSECRET`` masked where the program reads it so, None for any other word."""
    if "curl" in programs:
        for option in _USER_OPTIONS:
            start = option + "=" if option.startswith("--") else option
            if word.startswith(start) and word != option and not word.startswith("--", len(option)):
                return start + _mask_after_colon(word[len(start) :])
    option, value = word[:2], word[2:]
    if not value or option[0] != "-" or option == "--":
        return None
    if option in _secret_short_options(programs) or (option == "-p" and not programs.isdisjoint(_MYSQL_LIKE)):
        return option + MASK
    return None


def _mask_after_colon(value: str) -> str:
    user, colon, password = value.partition(":")
    return user + colon + (MASK if password else "")


def _mask_text(text: str, nesting: int, is_command: bool = False) -> str:
    """Mask one argument: an assignment as a whole, then what stands out in it, then the words of a command in it."""
    if nesting > _MOST_NESTING:
        return _mask_fragments(text)
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        return text[0] + _mask_text(text[1:-1], nesting + 1, is_command) + text[0]
    head = ""
    for _prefix in range(0 if is_command else _MOST_PREFIXES):
        assignment = _ASSIGNMENT.fullmatch(text)
        if assignment is None:
            break
        name, separator, value = assignment.groups()
        if _is_secret(name, value):
            return head + name + separator + _mask_value(value)
        if separator != "=":
            break
        head, text = head + name + separator, value
    text = _mask_fragments(text)
    if any(letter.isspace() for letter in text):
        text = _mask_command(text, nesting + 1)
    return head + text


def _mask_command(text: str, nesting: int) -> str:
    found = list(_WORD.finditer(text))
    masked = []
    done = 0
    for match, word in zip(found, _mask_words([one.group() for one in found], nesting)):
        masked += [text[done : match.start()], word]
        done = match.end()
    return "".join(masked) + text[done:]


def _mask_fragments(text: str) -> str:
    text = _PRIVATE_KEY.sub(MASK, text)
    text = _BEARER.sub(lambda found: found.group(1) + MASK, text)
    text = _URL_PASSWORD.sub(lambda found: found.group(1) + MASK + "@", _mask_pairs(text))
    return _KNOWN_SHAPE.sub(MASK, text)


def _mask_pairs(text: str) -> str:
    masked = []
    done = 0
    for key in _KEY.finditer(text):
        if key.start() < done or not _assigns(text, key):
            continue
        scheme = _SCHEMES.match(text, key.end())
        start = scheme.end() if scheme else key.end()
        if not _is_secret(key.group(1), text[start : start + 8].lstrip("\\\"'")):
            continue
        value = _VALUE.match(text, start)
        if value is None or not value.group():
            continue
        masked += [text[done:start], _mask_value(value.group())]
        done = value.end()
    return "".join(masked) + text[done:]


def _assigns(text: str, key: re.Match[str]) -> bool:
    """``name:value`` without quotes or braces is as likely a pair of paths, hosts or versions."""
    separator = key.group(2)
    if "=" in separator or "'" in separator or '"' in separator:
        return True
    return text[max(0, key.start() - 1) : key.start()] in ("{", ",") or separator[-1:].isspace()


def _mask_value(value: str) -> str:
    """Return the mask in the value's own quotes, after an authorization scheme; an empty value stays."""
    quotes = _QUOTED.fullmatch(value)
    if quotes is not None:
        return quotes.group(1) + (MASK if quotes.group(2) else "") + quotes.group(1)
    scheme = _SCHEMES.match(value)
    return (scheme.group() if scheme else "") + (MASK if value else "")


def _is_secret(name: str, value: str) -> bool:
    """Return whether a value of this name is one to hide: the last words of a name tell what it is."""
    parts = [part.lower() for part in _NAME_PARTS.findall(name)]
    if not parts or parts[0] in _SWITCHES or parts[-1] in _NO_SECRETS:
        return False
    last = parts[-1]
    if last in _OFTEN_PATHS and value.startswith(("/", "./", "~")):
        return False
    if last == "key":
        return len(parts) > 1 and parts[-2] in _KEY_KINDS
    return last in _SECRET_WORDS or last.endswith(_SECRET_ENDINGS) or parts[-2:] == ["secret", "id"]
