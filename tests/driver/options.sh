#!/bin/sh
# The command line: every option in --help and in the manual, and mistakes.
set -u
. "${srcdir:-.}/tests/driver/common.sh"

page=${srcdir:-.}/doc/loongc.1
"$loongc" --manual >"$tmp/loongc.1" || fail "--manual"
test -z "${LOONGC_BLESS-}" || cp "$tmp/loongc.1" "$page"
diff -u "$page" "$tmp/loongc.1" || {
	echo "to accept: LOONGC_BLESS=1 make check TESTS=tests/driver/options.sh"
	fail "doc/loongc.1 is not what --manual prints"
}

"$loongc" --help >"$tmp/help" || fail "--help"
test "$(awk '{ if (length > n) n = length } END { print n }' "$tmp/help")" \
	-le 80 || fail "--help is wider than a terminal"
sed -n 's/^\(TEXT\|FLAG\|LIST\|WORD\)([a-z_]*, [^,]*, "\([a-z-]*\)".*/\2/p' \
	"${srcdir:-.}/driver/options.def" >"$tmp/names"
test "$(wc -l <"$tmp/names")" -ge 12 || fail "options.def is not understood"
while read -r name; do
	grep -q -e "--$name" "$tmp/help" || fail "--help lacks --$name"
	grep -qF -e "\\-\\-$(echo "$name" | sed 's/-/\\-/g')" "$tmp/loongc.1" ||
		fail "the manual lacks --$name"
done <"$tmp/names"
"$loongc" --version | grep -q '^loongc [0-9]' || fail "--version"

says 2 "no file to compile"
says 2 "unknown option '--frob'" --frob x.lir
says 2 "did you mean '--verify'?" --verfy x.lir
says 2 "did you mean '--after'?" --aftr=fuse x.lir
says 2 "unknown option '-q'" -q x.lir
says 2 "a value is missing for option '-o'" x.lir -o
says 2 "a value is missing for option '--set'" x.lir --set
says 2 "no value is taken by option '--help=1'" --help=1
says 2 "--emit takes one of" --emit=asm x.lir
says 2 "one file at a time: unexpected 'y.lir'" x.lir y.lir
says 2 "must end in .lt or .lir" x.c
says 2 "must end in .lt or .lir" -- --help
says 2 "go with --target=cuda" --arch=sm_90a x.lir -o t
says 2 "go with --target=cuda" --emit=kernels x.lir
says 2 "--unit goes with" --target=cuda --unit=fused x.lir -o t
says 2 "where to put the trainer" "${srcdir:-.}/tests/driver/read.lir"
says 2 "--after goes with --emit=ir only" --emit=c --after=fuse x.lir
says 2 "no -o, --emit or --after" --verify x.lir -o t
says 2 "--run or --verify, one at a time" --verify --run x.lir
says 2 "no diagnostic has this code" --explain E9999
says 2 "a dump has one model" --model=m x.lir -o t
says 2 "--emit=ast needs a .lt file" --emit=ast x.lir
says 2 "--after: no pass is called 'frob'  Passes: read simplify" \
	--after=frob x.lir
says 2 "no pass is called 'autodif'; did you mean 'autodiff'?" \
	--after=autodif x.lir
says 2 "no pass is called 'all'" --after=all x.lir
says 2 "--print-after: no pass is called 'frob'" --print-after=frob \
	--emit=c x.lir
says 2 "fit all" --print-after=frob --emit=c x.lir
says 1 "no.lt: No such file" no.lt

# Settings of a dump are checked by the table of the language.
dump=${srcdir:-.}/tests/driver/read.lir
says 1 "recipe.lr, recipe.schedule" "$dump" --emit=c --set 'recipe.lr=cosine(1e-3)'
says 1 "one of: constant cosine wsd" "$dump" --emit=c --set recipe.schedule=sine
says 1 "a whole number from 0 to" "$dump" --emit=c --set recipe.seed=1.5
says 1 "no such setting" "$dump" --emit=c --set recipe.lrr=1

# In JSON, wherever the option stands.
json() {
	want=$1
	shift
	"$loongc" "$@" >"$tmp/out" 2>"$tmp/err"
	test "$(cat "$tmp/err")" = "$want" || fail "$*: $(cat "$tmp/err")"
}
help='"children":[{"kind":"help","message":"try: loongc --help"}]}'
json '{"severity":"error","message":"unknown option '"'--frob'"'",'"$help" \
	--frob --diagnostics=json
json '{"severity":"error","message":"no file to compile",'"$help" \
	--diagnostics json
json '{"severity":"error","message":"No such file or directory","file":"a\"b.lt","children":[]}' \
	--diagnostics=json 'a"b.lt' -o train
json '{"severity":"error","message":"No such file or directory","file":"no/t","children":[]}' \
	--diagnostics=json "${srcdir:-.}/tests/driver/tiny.lt" -o no/t
exit $bad
