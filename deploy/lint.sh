#!/bin/bash
# Checks what compilers and tests do not: layout, rooms, names, scripts.
# Prints every offence it finds, then fails if there was one.
set -u
cd "$(dirname "$0")/.." || exit 1
deploy/install-deps.sh lint || exit 1

max_lines=900
failed=0
complain() {
    failed=1
    echo "$*"
}

tracked() { git ls-files -- "$@"; }

check_format() {
    local f
    while read -r f; do
        clang-format --dry-run -Werror "$f" >/dev/null 2>&1 ||
            complain "$f: not laid out by .clang-format (make format)"
    done < <(tracked '*.c' '*.h')
}

check_length() {
    local f lines
    while read -r f; do
        lines=$(wc -l <"$f")
        [ "$lines" -le $max_lines ] || complain "$f: $lines lines, more than $max_lines"
    done < <(tracked '*.c' '*.h' '*.py' '*.sh')
}

# A library is included by one room, which gives it a face of ours: check_library HEADER ROOM...
# (a header or the folder that its headers are in; a room stands for what is below it, too).
check_library() {
    local header=$1 line f room
    shift
    while IFS=: read -r f line; do
        for room in "$@" tests; do
            [[ $f == "$room"/* ]] && continue 2
        done
        complain "$f:$line: <$header> is for $* only"
    done < <(tracked '*.c' '*.h' | xargs grep -HnF "#include <$header" | cut -d: -f1,2)
}

check_libraries() {
    check_library zmq.h common
    check_library ini.h common
    check_library sqlite3.h broker/store
    check_library openssl/ gateways/net common/auth
    check_library zlib.h gateways/ws
    check_library nghttp2/ gateways/h2
    check_library curl/ gateways/cli common/auth
    check_library uv.h common broker gateways
    # proto is pure: no sockets, no files, no clock.
    check_library sys/socket.h common broker gateways
    check_library unistd.h common broker gateways
}

# By their first line; a script need not be called *.sh.
check_scripts() {
    local f
    while read -r f; do
        case "$(head -c 64 "$f" | head -n 1 | tr -d '\0')" in
        '#!'*/sh | '#!'*/bash | '#!'*' bash')
            shellcheck -x "$f" || complain "$f: shellcheck"
            ;;
        esac
    done < <(tracked)
    while read -r f; do
        /usr/bin/python3 -m pyflakes "$f" || complain "$f: pyflakes"
    done < <(tracked '*.py')
}

# Exactly these at the top, besides dot-files.
top_level="broker common deploy gateways proto tests
Makefile README.md DESIGN.md CONTRIBUTING.md SECURITY.md CHANGELOG.md LICENSE"
check_top_level() {
    local entry entries
    entries=$(tracked | cut -d/ -f1 | sort -u)
    for entry in $entries; do
        [[ $entry == .* || " ${top_level//$'\n'/ } " == *" $entry "* ]] ||
            complain "$entry: not an entry of the top level"
    done
    for entry in $top_level; do
        grep -qxF "$entry" <<<"$entries" || complain "$entry: missing at the top level"
    done
}

# Dashboards and alerts name metrics that exist.
check_metrics() {
    local f name
    while read -r f; do
        while read -r name; do
            grep -qF "\"$name\"" common/metrics_list.h ||
                complain "$f: there is no metric $name"
        done < <(grep -oE '\bsluice_[a-z_]+' "$f" | sed -E 's/_(bucket|count|sum)$//' | sort -u)
    done < <(tracked 'deploy/prometheus/*' 'deploy/grafana/*')
    while read -r f; do
        /usr/bin/python3 -m json.tool "$f" /dev/null || complain "$f: not JSON"
    done < <(tracked '*.json')
}

check_format
check_length
check_libraries
check_scripts
check_top_level
check_metrics
deploy/rooms.py || failed=1
[ $failed -eq 0 ] && echo "lint: nothing to complain of"
exit $failed
