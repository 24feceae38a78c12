#!/bin/sh
# loongc after `make install`, also when the folder is moved.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
test -f Makefile && test -x loongc ||
	{ echo "not in a build folder: skipped"; exit 77; }
unset LOONGC_RUNTIME
${MAKE:-make} -s install DESTDIR="$tmp/root" >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; exit 1; }
bin=$(find "$tmp/root" -name loongc -type f -perm -u+x)
test -n "$bin" || exit 1
mv "${bin%/bin/loongc}" "$tmp/moved" || exit 1
cd "$tmp" || exit 99
PATH=$tmp/moved/bin:$PATH
loongc --version >/dev/null || fail "--version"
loongc -v "$src/tests/driver/tiny.lt" -o train 2>err || fail "$(cat err)"
grep -q "moved/bin/../lib/loongc/libloong_rt.a" err || fail "$(cat err)"
grep -qF -- "-I$src" err && fail "headers of the source tree"
./train --help >/dev/null || fail "the trainer does not start"
test -s "$tmp/moved/share/man/man1/loongc.1" || fail "no manual page"
exit $bad
