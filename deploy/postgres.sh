#!/usr/bin/env bash
# Runs PostgreSQL, and makes its database first where the volume is new.
#
# The official image's own entrypoint takes a database that its first start left half made for a whole one, and lets the
# superuser in from everywhere. This one runs with Debian's package too.
set -euo pipefail

readonly volume=/var/lib/postgresql/data
export PGDATA=$volume/orderly

# It gets its name when it is complete: a start that is cut short is begun anew.
make_database() {
  local new=$PGDATA.new
  rm -rf "$new"
  # Who may log in is told by pg_hba.conf beside this script, and not by initdb's.
  initdb --pgdata="$new" --username=postgres --auth-local=peer --auth-host=reject \
    --encoding=UTF8 --locale=C.UTF-8 --data-checksums >/dev/null
  # A server for this shell alone. Nobody reaches it before there is a password.
  postgres --single -D "$new" -c exit_on_error=on postgres >/dev/null <<SQL
CREATE ROLE orderly LOGIN PASSWORD '${POSTGRES_PASSWORD//\'/\'\'}'
CREATE DATABASE orderly OWNER orderly
SQL
  mv "$new" "$PGDATA"
  sync "$volume"
}

[[ -d $PGDATA ]] || make_database
exec postgres -c listen_addresses='*' -c hba_file=/etc/pg_hba.conf
