#!/usr/bin/env bash
# Makes a Debian package of a build tree: packaging/deb.sh BUILD DIRECTORY. Prints where it is.
#
# What is installed finds itself, so the build's own prefix does not matter: the tree is moved to /usr, and the two places
# that do name the prefix are written again.
set -euo pipefail
umask 022
readonly build=$1 directory=$2
readonly source=$(cd "$(dirname "$0")/.." && pwd)
readonly work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly root=$work/root

# What the program is made of, beside its own source: its licences go with it.
readonly parts=(libcapstone-dev libboost-context-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev libc6-dev libstdc++-12-dev)

option() { # NAME: its value in the build tree
  meson introspect "$build" --buildoptions | python3 -c '
import json, sys
print(next(option["value"] for option in json.load(sys.stdin) if option["name"] == sys.argv[1]))' "$1"
}
version=$(meson introspect "$build" --projectinfo | python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')
prefix=$(option prefix)
if commit_time=$(git -C "$source" log -1 --format=%ct 2>/dev/null); then export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$commit_time}; fi

meson install -C "$build" --no-rebuild --quiet --destdir "$work/tree" >&2
mkdir -p "$root"
mv "$work/tree$prefix" "$root/usr"
sed -i "s#:$prefix/bin/sudrun:#:/usr/bin/sudrun:#" "$root/usr/lib/binfmt.d/sudrun.conf"
rm -r "$root/usr/share/gdb"
# The package is the command. The library, which needs others at run time, comes with `meson install`.
rm -r "$root/usr/include"
find "$root/usr" \( -name 'libsudrun.*' -o -name sudrun.pc \) -delete
find "$root/usr" -name pkgconfig -type d -empty -delete
mkdir -p "$root/usr/share/gdb/auto-load/usr/bin"
ln -s ../../../../sudrun/sudrun-gdb.py "$root/usr/share/gdb/auto-load/usr/bin/sudrun-gdb.py"

# The names of functions stay, for gdb and perf; without this one gdb looks for sudrun's own addresses in a wrong place
# (docs/debugging.md).
own=$(dirname "$(find "$root/usr" -name sudrun-tools)")
strip --strip-debug --strip-symbol=_dl_auxv --remove-section=.comment "$root/usr/bin/sudrun" "$own/sudrun-tools"
strip --strip-unneeded --remove-section=.comment "$own/libsudrun-exec.so"
gzip -9n "$root"/usr/share/man/man1/*.1

doc=$root/usr/share/doc/sudrun
mkdir -p "$doc"
install -m 644 "$source/README.md" "$doc/"
gzip -9nc "$source/CHANGELOG.md" > "$doc/changelog.gz"
{
  printf 'sudrun is under these terms:\n\n'
  cat "$source/LICENSE"
  for part in "${parts[@]}"; do
    printf '\n\n==== It has parts of %s in it, under these: ====\n\n' "$part"
    cat "/usr/share/doc/$part/copyright"
  done
} > "$doc/copyright"

mkdir "$work/debian"
printf 'Source: sudrun\n\nPackage: sudrun\nArchitecture: amd64\n' > "$work/debian/control"
# The library that is preloaded takes whichever C library is there.
depends=$(cd "$work" && dpkg-shlibdeps --warnings=0 -O "$root/usr/bin/sudrun" "$own/sudrun-tools" |
  sed -n 's/^shlibs:Depends=//p')
if readelf -lW "$root/usr/bin/sudrun" | grep -q INTERP; then
  # Loaded when it is needed, so it is not among what is linked.
  library=$(strings "$root/usr/bin/sudrun" | grep -m1 -xE 'libcapstone\.so\.[0-9]+')
  depends+=${depends:+, }$(dpkg-query -S "*/$library" | head -n 1 | cut -d: -f1)
fi
built_using=
for part in "${parts[@]}"; do
  built_using+=${built_using:+, }$(dpkg-query -W -f '${source:Package} (= ${source:Version})' "$part")
done

mkdir "$root/DEBIAN"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
cat > "$root/DEBIAN/control" <<CONTROL
Package: sudrun
Version: $version
Section: otherosfs
Priority: optional
Architecture: amd64
Maintainer: ${DEBFULLNAME:-$(id -un)} <${DEBEMAIL:-$(id -un)@localhost}>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
${depends:+Depends: $depends
}Suggests: gdb
Static-Built-Using: $built_using
Description: run programs built for other operating systems, unchanged
 Runs programs for FreeBSD, NetBSD and DragonFly BSD on x86-64 Linux: their own
 machine code, with system calls carried out by Syscall User Dispatch. There is
 no virtual machine, no kernel module, no root and no recompilation.
CONTROL
package=$directory/sudrun_${version}_amd64.deb
dpkg-deb --root-owner-group --build "$root" "$package" >&2
printf '%s\n' "$package"
