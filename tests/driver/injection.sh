#!/bin/sh
# No text of a program becomes C: not names, not strings, not file names.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
cd "$tmp" || exit 99
cc=${CC:-cc}

# clean FILE.c: it compiles, trigraphs and all, and outside of comments and
# strings nothing calls EVIL, includes or defines it.
clean() {
	$cc -std=c11 -trigraphs -Wall -Werror=comment -Werror=implicit \
		-I"$src" -x c -fsyntax-only "$1" 2>err ||
		fail "$1 does not compile: $(cat err)"
	$cc -std=c11 -trigraphs -fpreprocessed -E -P -x c "$1" 2>/dev/null |
		sed 's/"\([^"\\]\|\\.\)*"//g' >bare
	test -s bare || fail "$1: nothing is left"
	grep -nE 'EVIL *\(|# *(include|define) *.?EVIL' bare &&
		fail "$1: text of the program is code"
	return 0
}

# Keywords, library functions and names of generated code as names.
cat >names.lt <<'END'
dim b, s;
model main(tok[b s], lab[b s]) {
  dim int = 16, sizeof = 32, EVIL = 256;
  block while(x[b s int]) {
    param rt : int ~ ones();
    param goto : int -> sizeof, static : sizeof -> int ~ normal(0.05);
    NULL = rmsnorm(x, rt);
    float = gelu(goto(NULL));
    i = static(float);
    return x + i;
  }
  param uint16_t : EVIL -> int, LT_STATE : int -> EVIL ~ normal(0.05);
  r = uint16_t[tok];
  repeat 2 { r = while(r); }
  return xent(LT_STATE(r), lab, ignore = -100);
}
recipe quick {
  s = 16; batch = 64;
  data { train = bytes("*/ EVIL(); /* '??/ \ %s%n $(EVIL) `EVIL` //"); }
  optimizer = adamw(lr = constant(3e-3, steps = 20), wd = 0.1);
}
plan one { nodes = 1; gpus = 1; recompute = none; }
END
"$loongc" names.lt --emit=c -o names.c || fail "names.lt"
clean names.c
"$loongc" names.lt -o train || fail "names.lt -o train"
./train --help | tr -s ' \n' '  ' >help
grep -qF "[*/ EVIL(); /* '??/ \\ %s%n \$(EVIL) \`EVIL\` //]" help ||
	fail "the path of the data changed: $(cat help)"
"$loongc" --verify names.lt >out 2>&1 || fail "$(cat out)"

# Strings with everything, through a dump and back.
mkdir ./'*'
odd='x"\??/
#include "EVIL.h"
*/ EVIL(); //'
name=./'*/ EVIL(); ??'
"$loongc" names.lt --after=read >"$name.lir" || fail "--after=read"
"$loongc" "$name.lir" --set "recipe.train=$odd" --after=read >back.lir ||
	fail "--set recipe.train"
"$loongc" back.lir --after=read | cmp - back.lir ||
	fail "a string does not read back"
"$loongc" back.lir --emit=c -o back.c || fail "back.lir"
clean back.c
cp names.lt "$name
EVIL();.lt"
"$loongc" "$name
EVIL();.lt" --emit=c -o file.c || fail "an odd file name"
clean file.c
"$loongc" names.lt --emit=plan -o plan.json || fail "--emit=plan"

# What is no name is refused.
for bad_name in 'a-b' 'a"b' 'a*/b' '1a' "a'b" 'a;b' 'é'; do
	sed "s|model main|model $bad_name|" names.lt >bad.lt
	says 1 "error" bad.lt -o out
done
exit $bad
