# Becomes the server (so that the server has the pid its owner spawned), after leaving a guard behind.
#
# stdin   a pipe that nobody writes to. Its end means that the owner is gone, however it went.
# stdout  the server's log
# stderr  the data directory's lock, which the server holds open, unknowingly, for as long as it lives
# $1      seconds between the owner's end and the server's
# $2      the text of escalate.sh
# $3 …    the server's command
linger=$1 escalate=$2
shift 2
exec 3<&0 4<&2 </dev/null 2>&1
(
    # The guard must keep neither the owner's pipes nor the lock open.
    exec >/dev/null 2>&1 4<&-
    while read -r _; do :; done <&3
    exec sh -c "$escalate" "$escalate" $$ 0 "$linger" TERM 10 KILL 0
) &
exec "$@" 3<&-
