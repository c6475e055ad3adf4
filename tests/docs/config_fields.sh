#!/bin/sh
# config_fields.sh PROGRAM PAGE: the page has a row for each field of the schema, with its kind and its versions, in
# the schema's order, and none besides.
set -eu
"$1" >"${TMPDIR:-/tmp}/fields.$$"
trap 'rm -f "${TMPDIR:-/tmp}/fields.$$"' EXIT
grep '^\.It Va ' "$2" | diff "${TMPDIR:-/tmp}/fields.$$" -
