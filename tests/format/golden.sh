#!/bin/sh
# golden.sh PROGRAM DIRECTORY: each input (*.json, *.toml, *.yaml) of the directory gives what stands in INPUT.expected.
# GOLDEN_UPDATE=1 writes the expectations instead; read the difference before it is committed.
set -u
program=$1 directory=$2 count=0 bad=0
actual=$(mktemp)
trap 'rm -f "$actual"' EXIT
for input in "$directory"/*.json "$directory"/*.toml "$directory"/*.yaml; do
    [ -e "$input" ] || continue
    count=$((count + 1))
    "$program" "$input" >"$actual" || { echo "$input: exit $?"; bad=$((bad + 1)); continue; }
    if [ -n "${GOLDEN_UPDATE:-}" ]; then
        cp "$actual" "$input.expected"
    elif ! diff -u "$input.expected" "$actual"; then
        bad=$((bad + 1))
    fi
done
echo "$count inputs, $bad bad"
[ "$count" -gt 0 ] && [ "$bad" -eq 0 ]
