#!/bin/sh
# doc/add-a-kernel.md is true: its kernel passes its test, and without its
# barrier it does not.
set -eu
cd "${srcdir:-.}"
src=$PWD
cxx=${CXX:-c++}
command -v "$cxx" >/dev/null || {
	echo "skipped: no C++ compiler $cxx"
	exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

{
	echo '#include "tests/kernels/emu_test.h"'
	awk '/^```/ { on = 0 } on { print } /^```cuda$/ { on = 1 }' \
	    doc/add-a-kernel.md
	echo 'int main(int n, char **v) { return emu_test_main(n, v); }'
} >"$tmp/right.cpp"
sed '/lk_sync(); \/\* all warps have written/d' "$tmp/right.cpp" \
    >"$tmp/wrong.cpp"
! cmp -s "$tmp/right.cpp" "$tmp/wrong.cpp"
for t in right wrong; do
	"$cxx" -std=c++17 -O1 -Wall -Wextra -Werror -I"$src" \
	    -o "$tmp/$t" "$tmp/$t.cpp"
done
"$tmp/right"
if "$tmp/wrong" >"$tmp/said" 2>&1; then
	echo "a missing barrier was not found"
	exit 1
fi
said=$(awk '/^emu: / { print }' doc/add-a-kernel.md)
[ -n "$said" ]
grep -qF "$said" "$tmp/said" || {
	echo "it does not say \"$said\" but"
	cat "$tmp/said"
	exit 1
}
