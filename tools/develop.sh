#!/usr/bin/env bash
# Compile the core in place (src/clmassmod/_core/*.so), for PYTHONPATH=src.
# Usage: tools/develop.sh [folder of meson, ninja and cython]
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 1 ] && PATH="$(cd "$1" && pwd):$PATH"
[ -f builddir/build.ninja ] || meson setup builddir -Dbuildtype=release
meson compile -C builddir
# by way of a rename: a running program keeps the file it has mapped
cp --remove-destination builddir/src/_core/*.so src/clmassmod/_core/
