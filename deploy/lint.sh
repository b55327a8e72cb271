#!/bin/bash
# Checks what compilers and tests do not: layout, who includes whom, scripts.
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

# A library may be included in these files only: check_library HEADER FILE...
check_library() {
    local header=$1 line f
    shift
    while IFS=: read -r f line; do
        case " $* tests " in
        *" $f "* | *" ${f%%/*} "*) ;;
        *) complain "$f:$line: <$header> is not for this file" ;;
        esac
    done < <(tracked '*.c' '*.h' | xargs grep -HnF "#include <$header>" | cut -d: -f1,2)
}

check_includes() {
    local line header
    while read -r line; do
        complain "$line: an include names a header, not a path upwards"
    done < <(tracked '*.c' '*.h' | xargs grep -HnE '#include "\.\./' | cut -d: -f1,2)
    check_library zmq.h common/zsock.c common/zsock.h
    check_library sqlite3.h broker/db.c broker/db.h
    check_library ini.h common/config_file.c
    check_library nghttp2/nghttp2.h gateways/h2/session.c
    check_library zlib.h gateways/core/deflate.c
    for header in bio err evp pem rand ssl x509 x509v3; do
        check_library "openssl/$header.h" gateways/core/tls.c gateways/core/tls_server.c \
            gateways/core/tls_self.c gateways/core/tls_client.c gateways/core/tls_internal.h
    done
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

check_top_level() {
    local entry
    while read -r entry; do
        case "$entry" in
        .* | broker | gateways | common | proto | tests | deploy | Makefile | README.md) ;;
        *) complain "$entry: not an entry of the top level" ;;
        esac
    done < <(tracked | cut -d/ -f1 | sort -u)
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
check_includes
check_scripts
check_top_level
check_metrics
[ $failed -eq 0 ] && echo "lint: nothing to complain of"
exit $failed
