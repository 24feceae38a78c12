#!/bin/sh
# tests/fuzz/build makes every target of `make fuzz-smoke`: here with the
# compiler of the day, which need not know libFuzzer; replay.c is its main.
set -eu
src=$(cd "${srcdir:-.}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/cc" <<END
#!/bin/sh
for w; do
	shift
	case \$w in
	-fsanitize=fuzzer* | -O1 | -g) ;;
	*) set -- "\$@" "\$w" ;;
	esac
done
exec ${CC:-cc} -O0 '-DSEEDS="none"' "$src/tests/fuzz/replay.c" "\$@"
END
chmod +x "$tmp/cc"
n=0
for name in $(cut -d' ' -f1 "$src/tests/fuzz/seeds"); do
	FUZZ_CC=$tmp/cc srcdir=$src "$src/tests/fuzz/build" "$name" \
	    "$tmp/fuzz_$name"
	test -x "$tmp/fuzz_$name"
	n=$((n + 1))
done
test "$n" -eq 5
