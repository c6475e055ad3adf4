#!/bin/sh
# golden_v2.sh PROGRAM VERB GOLDEN: all inputs of a verb in one run.
set -eu
case $2 in
parse) dir=$3/2.x ;;
*) dir=$3/translate/$2 ;;
esac
find "$dir" -name '*.ign' | LC_ALL=C sort | xargs "$1" "$2"
