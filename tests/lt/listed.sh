#!/bin/sh
# Every .lt file of this folder and diag/ is a test in local.mk, and nothing
# else is.
set -u
dir=${srcdir:-.}/tests/lt
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

sed -n 's|^[[:space:]]*%D%/\([a-z_/0-9-]*\.lt\).*|\1|p' "$dir/local.mk" |
	sort >"$tmp/list"
(cd "$dir" && ls -- *.lt diag/*.lt) | sort >"$tmp/folder"
diff -u "$tmp/list" "$tmp/folder" || {
	echo "tests/lt/local.mk (-) and the folder (+) differ"
	exit 1
}
