#!/usr/bin/env bash
# fetch.sh DIR: downloads the packages of programs.txt into DIR, checks them, unpacks each into DIR/NAME.
# What is there and was checked is kept. Names lose their scope: @esbuild/linux-x64 becomes esbuild-linux-x64.
set -euo pipefail
readonly here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
while read -r package version sum; do
  [[ -z $package || $package == \#* ]] && continue
  name=${package#@}
  name=${name//\//-}
  stamp=$name/.checked-$sum
  [[ -e $stamp ]] && continue
  echo "== fetching $package@$version" >&2
  rm -rf "$name" "$name-$version.tgz"
  # The registry is sometimes slow to answer; npm tries again by itself, and says why if it gives up.
  npm pack --silent --pack-destination . "$package@$version" >/dev/null
  echo "$sum  $name-$version.tgz" | sha256sum --check --quiet - >&2 ||
    { echo "fetch: $package@$version is not the file that was pinned" >&2; exit 1; }
  mkdir "$name"
  tar -xzf "$name-$version.tgz" -C "$name" --strip-components=1
  rm "$name-$version.tgz"
  touch "$stamp"
done <"$here/programs.txt"
