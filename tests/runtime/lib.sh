# Sourced by the shell tests of the runtime: a folder of their own, and what
# a run must have said, returned and left alone.

set -u
source=$(cd "${srcdir:-.}" && pwd)
train=$(pwd)/fake_train
dir=$(mktemp -d "${TMPDIR:-/tmp}/runtime.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
failed=0

# Nothing of a launcher in the environment, and a runtime folder of our own.
unlaunched() {
	for v in $(env | sed -n 's/^\(\(OMPI\|PMIX*\|SLURM\|PET\|LOONG_RDZV\|MASTER\|TORCHELASTIC\)_[A-Z_]*\)=.*/\1/p') \
	    RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE; do
		unset "$v"
	done
	export XDG_RUNTIME_DIR="$dir/runtime"
	mkdir -m 700 runtime
}

# run WANTED-EXIT-CODE ARGUMENTS...: stdout to out, stderr to err
run() {
	want=$1
	shift
	"$train" "$@" >out 2>err
	got=$?
	if [ "$got" -ne "$want" ]; then
		echo "FAIL: $*: exit $got, wanted $want"
		cat err
		failed=1
	fi
}

# with "NAME=VALUE ..." COMMAND...: the environment of one command
with() {
	settings=$1
	shift
	for setting in $settings; do export "${setting?}"; done
	"$@"
	for setting in $settings; do unset "${setting%%=*}"; done
}

# said FILE TEXT: the text is in the file
said() {
	if ! grep -qF -e "$2" "$1"; then
		echo "FAIL: $1 lacks: $2"
		cat "$1"
		failed=1
	fi
}

unsaid() {
	if grep -qF -e "$2" "$1"; then
		echo "FAIL: $1 should not say: $2"
		failed=1
	fi
}

# every file with its time, but for what a run may touch
listing() {
	ls -lR --time-style=full-iso . | grep -v -e ' err$' -e ' out$' \
	    -e ' lock$' -e ' \.$' -e '^total'
}

# fails CODE TEXT ARGUMENTS...: the code, the message, one line of it, and
# nothing new in the folder
fails() {
	code=$1 text=$2
	shift 2
	listing >"../${dir##*/}.before"
	run "$code" "$@"
	said err "$text"
	listing >"../${dir##*/}.after"
	if ! cmp -s "../${dir##*/}.before" "../${dir##*/}.after"; then
		echo "FAIL: $*: files changed"
		diff "../${dir##*/}.before" "../${dir##*/}.after"
		failed=1
	fi
	rm -f "../${dir##*/}.before" "../${dir##*/}.after"
	if [ -s out ]; then
		echo "FAIL: $*: wrote to stdout"
		failed=1
	fi
}

# text BYTES FILE: a text with structure, the same on every machine
text() {
	awk -v n="$1" 'BEGIN {
		split("the cat sat on a mat and saw the dog run to it", w, " ");
		x = 1;
		while (k < n) {
			x = (x * 16807) % 2147483647;
			s = w[x % 12 + 1] (x % 31 == 0 ? ".\n" : " ");
			printf "%s", substr(s, 1, n - k);
			k += length(s);
		}
	}' >"$2"
}

# await TEXT FILE PID: until the text is there, or the process is not
await() {
	while kill -0 "$3" 2>/dev/null && ! grep -q -e "$1" "$2" 2>/dev/null
	do
		sleep 0.02
	done
}

same() {
	if ! cmp -s "$1" "$2"; then
		echo "FAIL: $1 and $2 differ"
		failed=1
	fi
}

end() {
	exit $failed
}
