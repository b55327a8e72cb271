#!/bin/sh
# entrypoint.sh COMMAND...     the container's entry point
#
# Where nothing is configured under [auth], the first start makes a key that signs tokens, and a
# token that may do everything, and says where.  Every start then believes that key, and nobody
# without a token of it comes in.
#
#   $SLUICE_DATA/keys     the private key and the admin's token; for whoever makes tokens
#   $SLUICE_DATA/trust    the public part, which is all that the processes need
#
# SLUICE_FIRST_START=wait is for containers that start beside the one that makes them: they have
# `trust` alone, read-only.
set -eu
data=${SLUICE_DATA:-/var/lib/sluice}
first=${SLUICE_FIRST_START:-make}
unset SLUICE_FIRST_START
keys=$data/keys
trust=$data/trust

# A configuration that cannot be read is told by the process itself.
is_open() {
    sluice check --as anonymous 2>/dev/null | grep -q 'nothing is configured under \[auth\]'
}

make_keys() {
    umask 077
    mkdir -p "$keys" "$trust"
    if [ ! -e "$keys/tokens.pem" ]; then
        sluice keygen --jwt "$keys/tokens.pem" >/dev/null
    fi
    if [ ! -e "$keys/admin.token" ]; then
        # shellcheck disable=SC2016
        sluice token --key "$keys/tokens.pem" --sub admin --publish '#' --subscribe '#' \
            --subscribe '$SYS/#' --manage '#' --ttl never >"$keys/admin.token.new"
        mv "$keys/admin.token.new" "$keys/admin.token"
        echo "sluice: nothing says who may come in, so whoever has a token may, and nobody else." >&2
        echo "sluice: one that may do everything is in $keys/admin.token" >&2
        echo "sluice: make others with: sluice token --key $keys/tokens.pem --sub NAME --publish FILTER" >&2
    fi
    cp "$keys/tokens.pem.pub.jwks" "$trust/tokens.jwks.new"
    mv "$trust/tokens.jwks.new" "$trust/tokens.jwks"
}

if is_open; then
    [ "$first" = wait ] || make_keys
    export SLUICE_AUTH_JWKS="$trust/tokens.jwks"
fi
exec "$@"
