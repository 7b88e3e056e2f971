#!/usr/bin/env bash
# Makes sure that the base images of docker-compose.yml are there: those that are missing are pulled, and where no
# registry is reachable, stand-ins are built under the same tags from Debian's packages and this machine's Rust.
# CONTRIBUTING.md lists how the stand-ins differ from the official images.
#
# Usage: deploy/base-images.sh [--force]     --force: build stand-ins even for tags that exist
#
# Needs a Docker daemon. For stand-ins also root, Debian 12 or newer, debootstrap, and a Rust toolchain of the tag's version.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"
readonly compose_file="$here/../docker-compose.yml" dockerfile="$here/Dockerfile"

# The release that the packages come from. Its Redis, PostgreSQL, HAProxy and C library are those that the tags promise.
readonly release=trixie base_image=orderly/stand-in-debian:trixie
# Tells a stand-in from the real image: docker images --filter label=orderly.stand-in
readonly stand_in_label=orderly.stand-in=true

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { echo "base-images: $*" >&2; }
die() { say "$*"; exit 1; }

# The default of a variable in docker-compose.yml, the one place where image tags are chosen.
compose_default() {
  local value
  value=$(grep -o "\${$1:-[^}]*}" "$compose_file" | sed -n 1p)
  value=${value#*:-}
  [[ -n $value ]] || die "docker-compose.yml has no default for $1"
  echo "${value%\}}"
}

# A build without Compose takes the Dockerfile's own defaults; they must not drift from Compose's.
check_dockerfile() {
  local variable
  for variable in RUST_IMAGE RUNTIME_IMAGE; do
    grep -qxF "ARG $variable=$(compose_default "$variable")" "$dockerfile" ||
      die "the default of $variable in deploy/Dockerfile is not the one in docker-compose.yml"
  done
}

exists() { docker image inspect "$1" >/dev/null 2>&1; }

require_stand_in_tools() {
  [[ $(id -u) == 0 ]] || die "stand-ins need root, for debootstrap"
  [[ -e /etc/debian_version ]] || die "stand-ins can be built on Debian alone (12 or newer)"
  command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
}

# A minimal Debian, with the CA certificates that this machine trusts: behind a proxy with a CA of its own, nothing in
# the image could fetch anything otherwise.
build_base() {
  if exists "$base_image"; then
    return
  fi
  require_stand_in_tools
  local mirror root="$scratch/root"
  mirror=$(debian_mirror)
  say "$base_image: debootstrap of $release from $mirror"
  bootstrap() {
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates "$release" "$root" "$mirror" >"$scratch/debootstrap.log" 2>&1
  }
  retry bootstrap || { tail -n 20 "$scratch/debootstrap.log" >&2; die "debootstrap of $release from $mirror failed"; }
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  # apt in the image retries by itself.
  echo 'Acquire::Retries "3";' >"$root/etc/apt/apt.conf.d/80retries"
  tar -C "$root" -c . | docker import --change "LABEL $stand_in_label" --change 'CMD ["bash"]' - "$base_image" >/dev/null ||
    die "docker import of $base_image failed"
  rm -rf "$root"
}

# build_image TAG [FILE_OR_TAR_OPTIONS…]: builds a Dockerfile read from standard input, on the base image. What follows
# the tag goes to tar and makes the build's context.
build_image() {
  local tag=$1
  shift
  say "$tag: building a stand-in"
  { echo "FROM $base_image AS base"; cat; } >"$scratch/Dockerfile"
  context() { tar -c -C "$scratch" Dockerfile "$@"; }
  context "$@" | DOCKER_BUILDKIT=0 docker build --force-rm --label "$stand_in_label" --tag "$tag" - >"$scratch/build.log" 2>&1 ||
    { tail -n 30 "$scratch/build.log" >&2; die "building the stand-in for $tag failed"; }
}

# check_version TAG COMMAND…: what runs in the image must be of the version that its tag says.
check_version() {
  local tag=$1 wanted got
  shift
  wanted=$(sed -nE 's/.*:([0-9]+(\.[0-9]+)?).*/\1/p' <<<"$tag")
  got=$(docker run --rm --entrypoint "$1" "$tag" "${@:2}")
  if ! grep -qE "(^|[^0-9.])${wanted//./\\.}\." <<<"$got"; then
    docker rmi "$tag" >/dev/null
    die "the stand-in for $tag is of another version: ${got%%$'\n'*}"
  fi
}

stand_in_redis() {
  build_image "$1" <<'EOF'
FROM base
RUN groupadd --system --gid 999 redis \
 && useradd --system --uid 999 --gid redis --home-dir /data redis \
 && apt-get update \
 && apt-get install -y --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
USER redis
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
EOF
  check_version "$1" redis-server --version
}

stand_in_postgres() {
  build_image "$1" <<'EOF'
FROM base
# The package would make a database of its own, which the volume hides.
RUN groupadd --system --gid 999 postgres \
 && useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql --shell /bin/bash postgres \
 && mkdir /etc/postgresql-common \
 && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
 && apt-get update \
 && apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql \
 && rm -rf /var/lib/apt/lists/* \
 && ln -s /usr/lib/postgresql/*/bin /usr/lib/postgresql/bin \
 && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/bin
VOLUME /var/lib/postgresql/data
USER postgres
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
EOF
  check_version "$1" postgres --version
}

stand_in_haproxy() {
  build_image "$1" <<'EOF'
FROM base
RUN apt-get update \
 && apt-get install -y --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/* \
 && groupmod --gid 99 haproxy \
 && usermod --uid 99 --gid 99 haproxy \
 && chown --recursive haproxy:haproxy /var/lib/haproxy \
 && mkdir -p /usr/local/etc/haproxy
USER haproxy
WORKDIR /var/lib/haproxy
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
EOF
  check_version "$1" haproxy -v
}

# The packages of the distroless image: so the stand-in is about as large.
stand_in_runtime() {
  build_image "$1" <<'EOF'
FROM base AS unpack
WORKDIR /packages
RUN apt-get update \
 && apt-get download base-files netbase tzdata media-types libc6 \
 && mkdir /root-fs \
 && dpkg -x base-files_*.deb /root-fs \
 && for package in *.deb; do dpkg -x "$package" /root-fs; done \
 && cd /root-fs \
 && rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian \
 && mkdir -p etc/ssl/certs home/nonroot \
 && cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ \
 && printf '%s\n' root:x:0:0:root:/root:/sbin/nologin nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin \
      nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin > etc/passwd \
 && printf '%s\n' root:x:0: nobody:x:65534: tty:x:5: nonroot:x:65532: > etc/group \
 && chown 65532:65532 home/nonroot
FROM scratch
COPY --from=unpack /root-fs /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532
WORKDIR /home/nonroot
EOF
}

stand_in_rust() {
  local sysroot host
  sysroot=$(rustc --print sysroot) || die "the stand-in for $1 takes this machine's Rust, and there is none"
  sysroot=$(readlink -f "$sysroot")
  host=$(rustc -vV | sed -n 's/^host: //p')
  # Libraries that LLVM is linked to, where it has a file of its own, sit right in lib/.
  # shellcheck disable=SC2046 # no spaces in there
  build_image "$1" --transform 's,^\(bin\|lib\)/,toolchain/&,' -C "$sysroot" \
    bin/rustc bin/cargo $(cd "$sysroot" && ls -d lib/*.so* "lib/rustlib/$host") <<'EOF'
FROM base
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# For cargo, as rust's own images need no such hint where nothing stands between them and the registry.
ENV CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
CMD ["bash"]
EOF
  check_version "$1" rustc --version
}

# provide VARIABLE BUILDER: the image of a variable, by whichever way works.
provide() {
  local tag reason
  tag=${!1:-$(compose_default "$1")}
  if [[ $force == no ]]; then
    if exists "$tag"; then
      say "$tag: already here"
      return
    fi
    if reason=$(timeout 900 docker pull --quiet "$tag" 2>&1); then
      say "$tag: pulled"
      return
    fi
    say "$tag: cannot be pulled: ${reason##*$'\n'}"
  fi
  build_base
  "$2" "$tag"
}

main() {
  force=no
  case ${1:-} in
    --force) force=yes ;;
    '') ;;
    *) die "unknown argument $1; usage: deploy/base-images.sh [--force]" ;;
  esac
  check_dockerfile
  docker version >/dev/null 2>&1 || die "no Docker daemon answers"
  if [[ $force == yes ]] && exists "$base_image"; then
    docker rmi --force "$base_image" >/dev/null
  fi
  provide REDIS_IMAGE stand_in_redis
  provide POSTGRES_IMAGE stand_in_postgres
  provide HAPROXY_IMAGE stand_in_haproxy
  provide RUNTIME_IMAGE stand_in_runtime
  provide RUST_IMAGE stand_in_rust
}

main "$@"
