#!/usr/bin/env bash
# Installs, on Debian, the programs that the tests need and that are not here yet.
# Go itself is expected. Everything is looked for first: what came from elsewhere stays.
set -euo pipefail

missing=()
need() { # need PACKAGES COMMAND... : PACKAGES when COMMAND fails
    local packages=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=($packages)
}
have() { command -v "$1"; }
have_postgres() { have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'; }

need curl have curl
need ca-certificates test -s /etc/ssl/certs/ca-certificates.crt
need iproute2 have ip
need jq have jq
need openssl have openssl
need "gcc libc6-dev" have gcc # the race detector is linked by it
need python3-venv python3 -c 'import ensurepip, venv'
need "nodejs npm" have npm
need default-jdk-headless have javac
need maven have mvn
need postgresql have_postgres
need chromium have chromium
test ${#missing[@]} -gt 0 || exit 0

echo "tests: installing ${missing[*]}" >&2
root=()
test "$(id -u)" = 0 || root=(sudo --preserve-env=DEBIAN_FRONTEND)
export DEBIAN_FRONTEND=noninteractive
install() { "${root[@]}" apt-get install -y -q --no-install-recommends "$@"; }
"${root[@]}" apt-get update -q
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    # Its programs are wanted, not a cluster of the system's.
    install postgresql-common
    "${root[@]}" sed -i -E 's/^#? *create_main_cluster.*/create_main_cluster = false/' \
        /etc/postgresql-common/createcluster.conf
fi
install "${missing[@]}"
