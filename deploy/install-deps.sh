#!/bin/sh
# Installs what sluice needs from Debian's packages, and nothing when it is there.
#   install-deps.sh build   libraries and compiler
#   install-deps.sh test    and what the tests use
#   install-deps.sh bench   and the peers that the benchmarks measure against
#   install-deps.sh lint    what checks the sources, and nothing else
set -eu
build='gcc make pkg-config libc6-dev libuv1-dev libzmq3-dev libsqlite3-dev libinih-dev uthash-dev zlib1g-dev libssl-dev
       libnghttp2-dev libcurl4-openssl-dev libsodium-dev'
tests='clang libclang-rt-dev check curl procps binutils sqlite3 nodejs python3 python3-pytest python3-pytest-xdist
       python3-zmq python3-requests python3-yaml python3-websockets python3-cryptography python3-selenium python3-paho-mqtt
       mosquitto mosquitto-clients nghttp2-client python3-h2 faketime chromium chromium-driver'
bench='mosquitto nginx-light libnginx-mod-nchan nghttp2-client python3 python3-cryptography python3-zmq'
lint='git clang-format shellcheck python3 python3-pyflakes'
case "${1:-build}" in
build) want="$build" ;;
test) want="$build $tests" ;;
bench) want="$build $bench" ;;
lint) want="$lint" ;;
*) echo "usage: $0 [build|test|bench|lint]" >&2; exit 2 ;;
esac
# npm comes with other packages of Node, which Debian's own would displace.
if [ "${1:-}" = test ] && ! command -v npm >/dev/null; then
    want="$want npm"
fi
missing=
for p in $want; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
# What apt says goes to the build's log; all of it is shown when apt fails.
mkdir -p build
said=$(mktemp)
trap 'rm -f "$said"' EXIT
apt() {
    status=0
    $sudo apt-get -qq "$@" >"$said" 2>&1 || status=$?
    cat "$said" >>build/log
    [ $status -eq 0 ] || { cat "$said" >&2; exit $status; }
}
apt update
# shellcheck disable=SC2086 # the list is words
apt install -y --no-install-recommends $missing
