#!/bin/sh
# man_pages.sh MANDOC DIRECTORY PAGE...: every page of the directory is installed, and mandoc has nothing to say.
set -eu
mandoc=$1 dir=$2
shift 2
cd "$dir"
for page in *.[0-9]; do
    case " $* " in
    *" $page "*) ;;
    *)
        echo "$page is not in the list of man/meson.build"
        exit 1
        ;;
    esac
done
exec "$mandoc" -Tlint -W warning "$@"
