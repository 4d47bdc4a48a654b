#!/usr/bin/env bash
# newer.sh DIR: a newer Go than the distribution's own, from Debian's backports, unpacked into DIR/go-VERSION; nothing is
# installed and root is not needed. Then builds the Go guest with it: DIR/go-guest-VERSION. What is there is kept.
set -euo pipefail
readonly version=1.23
readonly here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
die() { printf 'newer.sh: %s\n' "$*" >&2; exit 1; }

if [[ ! -x go-$version/usr/lib/go-$version/bin/go ]]; then
  # The machine's own source of Debian packages, with another suite. Apt knows whose it is once it has been there.
  archive() {
    apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(ORIGIN)' 'Created-By: Packages' | sed -n 's/|Debian$//p' |
      grep -v -- '-\|updates' | head -1
  }
  found=$(archive || true)
  if [[ -z $found ]] && ((EUID == 0)); then
    apt-get update -qq >&2
    found=$(archive || true)
  fi
  [[ -n $found ]] || die "apt knows no Debian archive here (apt-get update first?)"
  uri=${found%%|*} codename=${found##*|}
  echo "== fetching Go $version" >&2
  rm -rf "apt-$version" "go-$version"
  mkdir -p "apt-$version"/{lists/partial,cache/archives/partial}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $codename-backports main" >"apt-$version/sources.list"
  options=(-qq -o "Dir::Etc::sourcelist=$PWD/apt-$version/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$PWD/apt-$version/lists" -o "Dir::Cache=$PWD/apt-$version/cache" -o APT::Sandbox::User=)
  apt-get "${options[@]}" update >&2
  (cd "apt-$version" && apt-get "${options[@]}" download "golang-$version-go" "golang-$version-src" >&2)
  for package in "apt-$version"/*.deb; do dpkg -x "$package" "apt-$version/root"; done
  mv "apt-$version/root" "go-$version"
  rm -rf "apt-$version"
fi

export GOROOT=$PWD/go-$version/usr/lib/go-$version GOOS=freebsd GOARCH=amd64 CGO_ENABLED=0 GO111MODULE=off GOFLAGS= \
  GOTOOLCHAIN=local GOTELEMETRY=off GOCACHE=$PWD/go-$version/cache
mapfile -t sources < <(ls "$here"/guest/*.go | grep -v '_linux\.go$')
"$GOROOT/bin/go" build -o "go-guest-$version" "${sources[@]}"
