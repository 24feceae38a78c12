#!/bin/sh
# Every indented command of a document is run here, or is in the table below
# with the reason why not.  (Fenced ones: tests/tree/examples.sh.)
set -eu
top=$PWD
cd "${srcdir:-.}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
documents='README.md doc/HACKING.md bench/README.md'

# HOW | the command, without its comment.  HOW is
#   run       it is run below, in an empty folder
#   ci        minutes, and packages from the network: .ci/run does it
#   fake      needs PyTorch: tests/bench/run.sh runs it with a fake of it
#   peer      needs llm.c, which is fetched, or a GPU, and minutes
table='
ci   | ./quickstart
ci   | ./quickstart check
ci   | autoreconf -fi
ci   | mkdir build && cd build
ci   | ../configure --enable-werror CFLAGS="-g -O1"
ci   | make -j2
fake | python3 -m venv VENV && VENV/bin/pip install torch numpy
fake | bench/run --loongc BUILD/loongc --python VENV/bin/python
peer | cc -Ofast -fno-finite-math-only -march=native -fopenmp -DOMP -I. -o train_gpt2 train_gpt2.c -lm
peer | VENV/bin/python bench/peers/mk_gpt2_bin.py LLMC_DIR some-text.txt
run  | mkdir -p LLMC_DIR/dev/data/tinyshakespeare
run  | for f in train val; do cp LLMC_DIR/tokens.bin LLMC_DIR/dev/data/tinyshakespeare/tiny_shakespeare_$f.bin; done
peer | bench/run ... --llmc LLMC_DIR/train_gpt2
peer | bench/gpu/run --loongc BUILD/loongc --runtime BUILD/libloong_rt.a --python VENV/bin/python
'

# commands FILE: its indented lines outside of fences and lists
commands()
{
	awk '/^ *```/ { code = !code; next }
	/^[-*0-9]/ { list = 1 }
	/^$/ { list = 0 }
	!code && !list && /^    [^ ]/ { print substr($0, 5) }' "$1" |
	    sed 's/  *# .*//'
}

for f in $documents; do
	commands "$f"
done >"$tmp/have"
printf '%s\n' "$table" | sed -n 's/^[a-z]* *| //p' >"$tmp/want"
diff -u "$tmp/want" "$tmp/have" || {
	echo "tests/tree/commands.sh (-) and the documents (+): classify them"
	exit 1
}

# What is run.
mkdir -p "$tmp/work/LLMC_DIR"
echo tokens >"$tmp/work/LLMC_DIR/tokens.bin"
printf '%s\n' "$table" | sed -n 's/^run *| //p' >"$tmp/run"
[ -s "$tmp/run" ]
(cd "$tmp/work" && sh -eu "$tmp/run")
cmp "$tmp/work/LLMC_DIR/tokens.bin" \
    "$tmp/work/LLMC_DIR/dev/data/tinyshakespeare/tiny_shakespeare_val.bin"

# What is left to others: they do it, and programs and options are there.
grep -q '\./quickstart check' .ci/run
for word in 'autoreconf -fi' '\.\./configure' 'make -C build'; do
	grep -q "$word" quickstart || { echo "quickstart: no $word"; exit 1; }
done
grep -q 'bench/run" --loongc .* --python' tests/bench/run.sh
for word in $(printf '%s\n' "$table" | sed -n 's/^[a-z]* *| //p'); do
	case $word in
	bench/*) [ -x "$word" ] || { echo "no program $word"; exit 1; } ;;
	--loongc | --python | --llmc)
		grep -q -e "['\"]$word['\"]" bench/run || {
			echo "bench/run has no $word"
			exit 1
		} ;;
	esac
done

# `make TARGET` in a text is a target.
grep -oh '`make [^`]*`' $documents | tr -d '`' | sed 's/^make //' |
    tr ' ' '\n' | grep '^[a-z][a-z-]*$' | sort -u >"$tmp/targets"
[ "$(wc -l <"$tmp/targets")" -ge 4 ]
while read -r target; do
	grep -q "^$target:" "$top/Makefile" || {
		echo "make $target is no target"
		exit 1
	}
done <"$tmp/targets"

# The rule must bite.
printf 'Do\n\n    frob --all   # a comment\n\n- a list\n    goes on\n' \
    >"$tmp/x.md"
[ "$(commands "$tmp/x.md")" = 'frob --all' ]
