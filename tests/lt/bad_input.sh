#!/bin/sh
# Texts that are no programs: each gives exit code 1, a message with the code
# in the second column, and nothing on standard output.
set -u
loongc=${LOONGC:-./loongc}
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0

# says CODE NAME: loongc refuses NAME.lt with CODE
says() {
	"$loongc" --emit=ir --after=read "$tmp/$2.lt" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if test $status -ne 1 || test -s "$tmp/out" ||
		! grep -q -e "$1" "$tmp/err"; then
		echo "$2: exit $status, want 1 and $1; got:"
		head -c 500 "$tmp/err"
		bad=1
	fi
	# what reaches the terminal is text, and short
	if LC_ALL=C tr -d '\11\12\40-\176\200-\377' <"$tmp/err" | grep -q .
	then
		echo "$2: control characters in the message"
		bad=1
	fi
	test "$(wc -c <"$tmp/err")" -lt 30000 || { echo "$2: long"; bad=1; }
}
# repeat N TEXT
many() {
	awk -v n="$1" -v t="$2" 'BEGIN { while (n-- > 0) printf "%s", t }'
}
head='dim b, s; model m(tok[b s], lab[b s]) { dim e = 8; '

: >"$tmp/empty.lt"
says 'is empty' empty
printf '\n\n  // nothing\n' >"$tmp/blank.lt"
says E0207 blank
printf 'dim b\0, s;' >"$tmp/nul.lt"
says E0101 nul
printf '\177ELF\2\1\1\0\0\0' >"$tmp/binary.lt"
says E0101 binary
printf '\376\377\0d\0i\0m' >"$tmp/utf16.lt"
says E0102 utf16
printf '// gr\374n\n' >"$tmp/latin1.lt"
says E0102 latin1
printf '// \355\240\200\n' >"$tmp/surrogate.lt"
says E0102 surrogate
printf '// \300\257\n' >"$tmp/overlong.lt"
says E0102 overlong
printf '// cut \342\202' >"$tmp/cut.lt"
says E0102 cut
printf '\357\273\277dim b, s;' >"$tmp/mark.lt"
says E0103 mark
printf 'dim b, \342\200\256s;' >"$tmp/bidi.lt"
says E0103 bidi
printf 'dim b, s; // \342\201\246 \n' >"$tmp/isolate.lt"
says E0103 isolate
printf 'dim b\302\205, s;' >"$tmp/c1.lt"
says E0103 c1
printf 'dim b, s\33[31m;' >"$tmp/escape.lt"
says E0105 escape
many 2000000 '/////////' >"$tmp/large.lt" # 18 MB
says 'bytes' large
{ printf '%s' "$head"; many 400000 'x=1;'; printf ' return x; }'; } >"$tmp/nodes.lt"
says E0104 nodes

{ printf '%sreturn ' "$head"; many 10000 '('; } >"$tmp/round.lt"
says E0110 round
{ printf '%sreturn x' "$head"; many 10000 '[x'; } >"$tmp/square.lt"
says E0110 square
{ many 10000 'block f() { '; } >"$tmp/blocks.lt"
says E0110 blocks
{ printf 'recipe r '; many 10000 '{ a '; } >"$tmp/groups.lt"
says E0110 groups
{ printf '%sreturn ' "$head"; many 10000 '- '; printf '1; }'; } >"$tmp/minus.lt"
says E0110 minus
{ printf '%sreturn 1' "$head"; many 10000 ' + 1'; printf '; }'; } >"$tmp/sum.lt"
says E0110 sum
{ printf '%sreturn x' "$head"; many 10000 "'"; printf '; }'; } >"$tmp/primes.lt"
says E0110 primes
{ printf 'dim a = 1'; many 10000 ', a = 1'; printf ';'; } >"$tmp/dims.lt"
says E0110 dims
{ printf 'dim '; many 100000 'a'; printf ';'; } >"$tmp/name.lt"
says E0109 name
{ printf '%sx = ' "$head"; many 100000 '9'; printf '; }'; } >"$tmp/digits.lt"
says E0108 digits
{ printf '%sreturn 1; }' "$head"; many 100 'recipe r { q = 1; }'; } \
	>"$tmp/recipes.lt"
says E0401 recipes
many 1200000 ';' >"$tmp/semicolons.lt"
says E0111 semicolons
many 3000 'model m() { return q; } ' >"$tmp/models.lt"
says E0203 models
{ printf 'dim b, s;'; many 20000 '}'; } >"$tmp/braces.lt"
says E0111 braces

# Blocks that call the one before: deep, then many.
awk 'BEGIN {
	print "dim b, s; model m(tok[b s], lab[b s]) { dim e = 8, v = 9;"
	print "param emb : v -> e ~ normal(1);"
	print "block f0(x[b s e]) { return x; }"
	for (i = 1; i < 1500; i++)
		printf "block f%d(x[b s e]) { return f%d(x); }\n", i, i - 1
	print "return xent(emb'"'"'(f1499(emb[tok])), lab); }"
	print "recipe r { s = 8; batch = 8; }"
}' >"$tmp/calls.lt"
says 'E0110\|E0109' calls

# Sizes whose product overflows 64 bits, and a plan of very many ranks.
cat >"$tmp/overflow.lt" <<EOF
dim b, s;
model m(tok[b s], lab[b s]) {
  dim e = 1T, f = 1T, g = 1T, v = 9;
  param emb : v -> e, w : e -> f g ~ normal(1);
  x = w(emb[tok]);
  return xent(emb'(emb[tok]), lab);
}
recipe r { s = 1T; batch = 256T; }
plan p { nodes = 1000000; gpus = 1000000;
         mesh { dp = 1000000; hp = 1000000; cp = 1000000; } }
EOF
says E0334 overflow
exit $bad
