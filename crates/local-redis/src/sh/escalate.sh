# Sends one signal to the server, waits for its end, and goes on with the next signal.
#
# $0      this text, to start the next step from
# $1      the server's pid
# $2 $3   a signal, and how many seconds to wait after it; more such pairs may follow
#
# The guard is a child of the server and loses it as parent when the server dies. So a parent's pid that is still the
# server's says that the server lives, where the pid alone could by now be another process's. A shell learns its parent
# only when it starts: hence a new one for each step.
server=$1 signal=$2 seconds=$3
shift 3
[ "$PPID" = "$server" ] || exit 0
kill "-$signal" "$server"
while [ "$seconds" -gt 0 ] && kill -0 "$server"; do
    sleep 1
    seconds=$((seconds - 1))
done
[ $# -eq 0 ] || exec sh -c "$0" "$0" "$server" "$@"
