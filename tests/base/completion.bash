# The completion script against a program that prints what it was asked.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/tool" <<'TOOL'
#!/bin/sh
[ "$1" = __complete ] || exit 9
shift
case "$*" in
'cre') printf 'create\nrender\n' ;;
'create --format ') printf 'json\nyaml\n' ;;
*) echo @file ;;
esac
TOOL
chmod +x "$dir/tool"
: > "$dir/fine file"
. "$1"
expect() {
    COMP_WORDS=("$dir/tool" "${@:2}") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _basalt_complete
    [ "${COMPREPLY[*]}" = "$1" ] || { echo "for '${*:2}': '${COMPREPLY[*]}', not '$1'"; exit 1; }
}
expect 'create' cre
expect 'json yaml' create --format ''
expect "$dir/fine file" render "$dir/fi"
