#!/bin/sh
# What is in the folder is in the lists: every file is distributed, every test
# is run.  (Automake has no globs; a file that no list names would be lost.)
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL
srcdir=${srcdir:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

folders='support ir frontend passes codegen runtime driver tools tests bench
    examples doc m4'

# list TARGET: its names as seen from the source tree, sorted
list()
{
	make -s "$1" | while read -r name; do
		echo "${name#"$srcdir"/}"
	done | sort -u
}

list list-dist >"$tmp/dist"
list list-tests >"$tmp/tests"
(cd "$srcdir" && find $folders -type f ! -name '*.o' ! -name '*.a' \
    ! -name '*.Po' ! -name '*.pyc' ! -name '.dirstamp' ! -name '*.log' \
    ! -name '*.trs' ! -name '*~' ! -name '.*.sw?') | sort >"$tmp/files"

status=0
report()
{
	[ -s "$tmp/bad" ] || return 0
	echo "$1:"
	sed 's/^/    /' "$tmp/bad"
	status=1
}

[ -s "$tmp/files" ] && [ -s "$tmp/dist" ] && [ -s "$tmp/tests" ]
comm -23 "$tmp/files" "$tmp/dist" >"$tmp/bad"
report "files that no local.mk lists"

# check_NAME.c is the program check_NAME; every script is a test, but lib.sh
# and common.sh are what the tests of a folder share.
grep -E '^tests/.*/check_[^/]*\.c$' "$tmp/files" |
    sed 's,.*/,,; s/\.c$//' | sort >"$tmp/programs"
grep -E '^tests/.*\.sh$' "$tmp/files" | grep -Ev '/(lib|common)\.sh$' |
    sort >"$tmp/scripts"
sort "$tmp/programs" "$tmp/scripts" | comm -23 - "$tmp/tests" >"$tmp/bad"
report "tests that neither TESTS, long_tests nor gpu_only_tests names"

# Readers find every page from the README, and every folder of tests.
# missing FILE: of the names in standard input, those that it does not have
missing()
{
	while read -r name; do
		grep -qF "\`$name\`" "$srcdir/$1" || echo "$name"
	done
}

grep '^doc/.*\.md$' "$tmp/files" | missing README.md >"$tmp/bad"
report "pages that README.md does not name"
sed -n 's,^\(tests/[^/]*/\).*,\1,p' "$tmp/files" | sort -u |
    missing doc/HACKING.md >"$tmp/bad"
report "folders that doc/HACKING.md does not name"
exit $status
