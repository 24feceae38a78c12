#!/bin/sh
# A trainer is hardened: position independent, read-only relocations, no
# executable stack.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
type readelf >/dev/null 2>&1 || { echo "no readelf"; exit 77; }
cd "$tmp" || exit 99
"$loongc" "$src/tests/driver/tiny.lt" -o train || exit 1
readelf -hld train >elf
grep -q 'Type: *DYN' elf || fail "not position independent"
grep -q GNU_RELRO elf || fail "no RELRO"
grep -q 'FLAGS_1.*NOW' elf || fail "lazy binding"
grep -A1 GNU_STACK elf | grep -q 'RWE' && fail "executable stack"
grep NEEDED elf | grep -qvE 'lib(c|m|pthread|asan|ubsan)\.so|ld-linux' && {
	grep NEEDED elf
	fail "needs libraries beyond the C library"
}
exit $bad
