# shellcheck shell=bash
# Sourced by the scripts that fetch from Debian's mirrors.

# retry COMMAND…: up to three times, as mirrors have bad moments.
retry() {
  local try
  for try in 1 2 3; do
    "$@" && return
    echo "failed (try $try of 3): $*" >&2
    sleep $((try * 2))
  done
  return 1
}

# Where this machine gets its Debian packages from, as far as apt's lists tell.
listed_mirror() {
  # shellcheck disable=SC2016 # apt fills it in
  apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' 2>/dev/null | sed -n 1p | grep .
}

# The same, where apt may have no lists yet.
debian_mirror() {
  listed_mirror && return
  retry apt-get -qq update >&2
  listed_mirror || { echo "apt knows no mirror of Debian's main packages; see /etc/apt/sources.list" >&2; return 1; }
}
