# What keeps the agent from being installed, in sentences, or which file is there already. A file that may be anything
# is read, not run. In sh alone up to where Python is found, since not every host has one.
path=$1 wanted=$2 recorder=$3
directory=${path%/*}
lacking=
lacks() {
  lacking=yes
  printf 'portreeve lacks: %s\n' "$*"
}

python=$(command -v "$wanted")
if [ -z "$python" ]; then
  lacks "$wanted is no command here: agent_python names a Python, 3.8 or newer."
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
  lacks "$python is $("$python" -V 2>&1): the agent needs Python 3.8 or newer, agent_python names another one."
fi

writable() {
  if [ ! -d "$1" ]; then
    lacks "$1 is not there: $2"
  elif [ ! -w "$1" ]; then
    lacks "$1 cannot be written to by $(id -un), it is theirs alone or on a read-only file system: $2"
  elif [ -n "$(find -H "$1" -maxdepth 0 -perm -0002)" ]; then
    lacks "Others can write to $1, and exchange what is there: $2"
  fi
}

writable "${directory:-/}" "agent_path, $path, names where to put the agent."
[ ! -d "$path" ] || lacks "agent_path is $path, which is a directory: it is to name the file."
if [ "$recorder" = yes ]; then
  if [ ! -d /run/systemd/system ]; then
    lacks "There is no systemd here to record failures: agent_units and agent_recorder are for hosts that have it."
  else
    writable /etc/systemd/system "the units of agent_units and agent_recorder are put there."
  fi
fi
[ -z "$lacking" ] || exit 0

"$python" -I -S -c '
import hashlib, io, json, os, stat, sys, zipfile

path, python, recorder = sys.argv[1:]


def way_to(path):
    "Yield each directory and link on the way to a path, and what is there, from / on."
    here, ahead = "/", path.split("/")[::-1]
    yield here
    while ahead:
        here = os.path.normpath(os.path.join(here, ahead.pop()))
        yield here
        if os.path.islink(here):
            target = os.readlink(here)
            ahead += target.split("/")[::-1]
            here = "/" if target.startswith("/") else os.path.dirname(here)


def only_roots(facts):
    mode, others = facts.st_mode, 0o022 if facts.st_gid else 0o002
    is_each_ones_own = stat.S_ISDIR(mode) and mode & stat.S_ISVTX  # as in /tmp
    return facts.st_uid == 0 and (not mode & others or stat.S_ISLNK(mode) or is_each_ones_own)


if recorder == "yes":
    for what, names, way in ((path, "agent_path", os.path.dirname(path)), (python, "agent_python", python)):
        for step in way_to(way):
            if not only_roots(os.lstat(step)):
                print("portreeve lacks: Others than root can change %s, and so what the recorder runs as root, %s: "
                      "%s names another one." % (step, what, names))
                break

content = b""
if os.path.isfile(path):
    with open(path, "rb") as stream:
        content = stream.read()
try:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        source = packed.read("portreeve_agent/version.py").decode()
    version = source.split("VERSION = \"")[1].split("\"")[0]
except Exception:  # anything may be wrong with it
    version = None
digest = hashlib.sha256(content).hexdigest() if os.path.lexists(path) else None
print("portreeve found: " + json.dumps({"python": python, "version": version, "digest": digest}))
' "$path" "$python" "$recorder"
