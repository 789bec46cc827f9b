#!/usr/bin/env bash
# Puts the real clients into ${MIDAS_CACHE:-$HOME/.cache/midas}/clients, each in a
# folder of its own with everything it needs, and builds anew only those whose
# sources have changed. `--check` installs nothing: it fails where one is missing.
# The registries are reached as the caller's environment says.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${MIDAS_CACHE:-$HOME/.cache/midas}/clients
names=(go js python java az az-old)

# state NAME is what NAME is made of: its sources, and this script.
state() {
    (cd "$here" && find "$1" install.sh -type f | LC_ALL=C sort | xargs sha256sum)
}

# current NAME: what is installed is made of what is here.
current() {
    test "$(state "$1")" = "$(cat "$cache/$1/state" 2>/dev/null)"
}

go_client() {
    (cd "$here/go" && CGO_ENABLED=0 go build -o "$1/secret" . && CGO_ENABLED=0 go build -o "$1/identities" ./identities && CGO_ENABLED=0 go build -o "$1/twice" ./twice)
}

# The SDK wants a newer Node than Debian 12 has: package.json brings its own.
js_client() {
    cp "$here"/js/{package.json,package-lock.json,.npmrc,*.js} "$1"
    (cd "$1" && npm ci --ignore-scripts --no-progress --loglevel=error >&2)
    ln -s "$1"/node_modules/node-linux-*/bin/node "$1/node"
}

python_client() {
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --requirement "$here/python/requirements.txt"
    cp "$here"/python/*.py "$1"
}

java_client() {
    mvn --quiet --batch-mode --file "$here/java/pom.xml" -Dtarget="$1" \
        compile dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1/lib"
}

# Wheels only: nothing of it may want a compiler. Byte code is made where it is used,
# which halves the size and the time; the last line makes what the labs use.
azure_cli() {
    python3 -m venv "$2"
    "$2/bin/python" -m pip install --quiet --no-compile --only-binary=:all: --requirement "$here/$1/requirements.txt"
    AZURE_CONFIG_DIR=$2/config AZURE_CORE_COLLECT_TELEMETRY=no "$2/bin/az" keyvault secret --help >/dev/null
    rm -rf "$2/config"
}

az_client() { azure_cli az "$1"; }

# The one of about two years before.
az-old_client() { azure_cli az-old "$1"; }

install_clients() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    local name
    for name in "${names[@]}"; do
        current "$name" && continue
        echo "lab: installing the $name client" >&2
        rm -rf "${cache:?}/$name"
        mkdir "$cache/$name"
        "${name}_client" "$cache/$name"
        state "$name" >"$cache/$name/state"
    done
}

check_clients() {
    local name missing=0
    for name in "${names[@]}"; do
        current "$name" && continue
        echo "lab: the $name client is missing or out of date in $cache" >&2
        missing=1
    done
    test $missing = 0 || { echo "lab: run \`make clients\`" >&2; exit 1; }
}

case ${1-} in
"") install_clients ;;
--check) check_clients ;;
*) echo "usage: install.sh [--check]" >&2; exit 2 ;;
esac
