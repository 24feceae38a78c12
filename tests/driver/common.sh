# Sourced by the scripts of this folder: $loongc, a folder $tmp, fail, says.
loongc=${LOONGC:-$PWD/loongc}
src=$(cd "${srcdir:-.}" && pwd)
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0

fail() {
	echo "FAIL: $*"
	bad=1
}

# says STATUS TEXT ARGS...: loongc ARGS ends with STATUS and prints TEXT to
# standard error, nothing to standard output.
says() {
	want=$1 text=$2
	shift 2
	"$loongc" "$@" >"$tmp/says.out" 2>"$tmp/says.err"
	got=$?
	test $got -eq "$want" || fail "loongc $*: exit $got, not $want"
	grep -qF -- "$text" "$tmp/says.err" || {
		fail "loongc $*: does not say '$text' but:"
		cat "$tmp/says.err"
	}
	test ! -s "$tmp/says.out" ||
		fail "loongc $*: prints to standard output"
}

# holds DIR NAME...: the folder has these entries and no others.
holds() {
	dir=$1
	shift
	have=$(ls -A "$dir" | sort | tr '\n' ' ')
	want=$(for name; do echo "$name"; done | sort | tr '\n' ' ')
	test "$have" = "$want" ||
		fail "$dir holds $have, not $*"
}
