# Says in a line each what is given and would keep the schedule from running. Arguments: the project's directory, then
# the kind of a question, the name of a variable and its value, as often as there are any.
cd -- "$1" 2>/dev/null || cd /
shift
while [ $# -ge 3 ]; do
  case $1 in
    calendar)
      systemd-analyze calendar "$3" >/dev/null 2>&1 || echo "$2 is '$3', which is no time that systemd knows:" \
        "accepted are such as daily, Mon..Fri 03:00 or *-*-* *:00/15 (man systemd.time)." ;;
    timespan)
      systemd-analyze timespan "$3" >/dev/null 2>&1 || echo "$2 is '$3', which is no span of time that systemd knows:" \
        "accepted are such as 90s, 15min or 4h (man systemd.time)." ;;
    directory)
      case $3 in /*) [ -d "$3" ] ;; *) false ;; esac ||
        echo "$2 is '$3': accepted is the full path of a directory on this host." ;;
    file) [ -e "$3" ] || echo "$2 is '$3', which is not there: accepted is a path, from schedule_project or full." ;;
    command)
      case $(command -v "$3") in /*) ;; *) false ;; esac ||
        echo "$2 is '$3', which is no command here: accepted is the full path of ansible-playbook." ;;
    user) id "$3" >/dev/null 2>&1 || echo "$2 is '$3', whom this host does not know; schedule_create_user makes one." ;;
  esac
  shift 3
done
