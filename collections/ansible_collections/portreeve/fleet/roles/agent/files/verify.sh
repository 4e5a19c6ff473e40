# Whether a file is the one that was sent, and runs.
path=$1 python=$2 digest=$3
[ "$(sha256sum <"$path")" = "$digest  -" ] || { echo "$path is not the file that was sent." >&2; exit 1; }
exec "$python" -I -S "$path" --version
