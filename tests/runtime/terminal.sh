#!/bin/sh
# On a terminal the progress is one line, rewritten, no wider than it; "dumb"
# terminals, pipes and --quiet get none of that.
. "${srcdir:-.}/tests/runtime/lib.sh"

command -v script >/dev/null || { echo "no script(1): skipped"; exit 77; }
text 4000 text
on_terminal() { # TERM COLUMNS ARGUMENTS...: what the terminal gets, in "tty"
	kind=$1 width=$2
	shift 2
	TERM=$kind NO_COLOR=1 FAKE_SLEEP=30 script -qec \
	    "stty cols $width; '$train' --data text --threads 1 --peak 100 $*" \
	    /dev/null </dev/null >tty 2>&1 || failed=1
}
returns() {
	tr -cd '\r' <"$1" | wc -c
}
lines() {
	wc -l <"$1"
}

on_terminal xterm 70 --steps 20
# 0.1 s apart in 0.6 s or more, and a return before each end of line
rewrites=$(($(returns tty) - $(lines tty)))
[ $rewrites -ge 4 ] || { echo "FAIL: $rewrites rewrites"; failed=1; }
tr '\r' '\n' <tty | grep '^[0-9]*/20 ' >progress
grep -q '^20/20 0:00 left loss ' progress || { cat tty; failed=1; }
awk 'length > 69 { bad = 1 } END { exit bad }' progress ||
    { echo "FAIL: wider than the terminal"; failed=1; }
if grep -q "$(printf '\033')" tty; then
	echo "FAIL: colours or commands"
	failed=1
fi

on_terminal xterm 200 --steps 20
grep -q 'step 20/20  loss .*  grad .*  lr .* tok/s  MFU .*  peak .*  left 0:00' \
    tty || { cat tty; failed=1; }
grep -q '^speed      MFU [0-9.]*%, HFU [0-9.]*% (counts what is' tty ||
    { cat tty; failed=1; }

for how in 'dumb 70' 'xterm 70 --quiet'; do
	on_terminal $how --steps 20
	[ "$(returns tty)" -eq "$(lines tty)" ] || {
		echo "FAIL: $how: rewritten"
		failed=1
	}
done
end
