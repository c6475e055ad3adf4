#!/bin/sh
# All sources are as clang-format prints them.
set -u
command -v clang-format >/dev/null || exit 77
cd "$1" || exit 1
find src tests -name '*.[ch]' -print0 | xargs -0 -r clang-format --dry-run -Werror
