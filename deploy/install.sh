#!/bin/sh
# install.sh BIN_DIR PREFIX [DESTDIR]     called by `make install`
#
# PREFIX comes with DESTDIR in front, as a packager stages it; what is written
# into files names the place after that.  Configuration goes to /etc/sluice for
# the usual prefixes, else to PREFIX/etc/sluice; one that exists is left alone.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: $0 BIN_DIR PREFIX [DESTDIR]" >&2
    exit 2
fi
bin_dir=$1
staged=$2
destdir=${3:-}
prefix=${staged#"$destdir"}
here=$(dirname "$0")

case "$prefix" in
/usr | /usr/local) etc=/etc/sluice ;;
*) etc=$prefix/etc/sluice ;;
esac

for binary in "$bin_dir"/sluice "$bin_dir"/sluice-*; do
    [ -x "$binary" ] || continue
    install -D -m 0755 "$binary" "$staged/bin/$(basename "$binary")"
done

install -D -m 0644 "$here/sluice.conf.example" "$staged/share/doc/sluice/sluice.conf.example"
[ -e "$destdir$etc/sluice.conf" ] ||
    install -D -m 0644 "$here/sluice.conf.example" "$destdir$etc/sluice.conf"

install -d "$staged/lib/systemd/system" "$staged/lib/sysusers.d"
for unit in "$here"/systemd/*.service; do
    sed -e "s|@BIN@|$prefix/bin|g" -e "s|@ETC@|$etc|g" "$unit" \
        >"$staged/lib/systemd/system/$(basename "$unit")"
done
install -m 0644 "$here/systemd/sluice.sysusers" "$staged/lib/sysusers.d/sluice.conf"
