#!/bin/sh
# The C compiler: CC and CFLAGS count, and its failures leave nothing.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
tiny=$src/tests/driver/tiny.lt
cd "$tmp" || exit 99
mkdir out
cat >cc.sh <<'END'
#!/bin/sh
for w; do echo "<$w>"; done >"$LOG"
cat >"$LOG.c"
test "${FAIL-}" != late || { : >"$OUT.half"; exit 3; }
test -z "${FAIL-}" || exit 3
END
chmod +x cc.sh
export LOG=$tmp/log OUT=$tmp/out/train

export CC=/no/such/compiler
says 1 "cannot run the C compiler '/no/such/compiler'" "$tiny" -o out/train
export CC="$tmp/cc.sh one  two" FAIL=yes
says 1 "the C compiler failed with exit code 3" "$tiny" -o out/train
grep -qx "<two>" log || fail "CC is not split at blanks"
"$loongc" "$tiny" --emit=c >want.c
cmp want.c log.c || fail "the compiler reads something else than --emit=c"
unset FAIL
says 1 "made no program" "$tiny" -o out/train
CFLAGS='-O1 -DX="$(touch pwned)"' LDFLAGS=-Wl,-z,now "$loongc" "$tiny" \
	-o out/train 2>err
grep -qx '<-DX="$(touch>' log || fail "CFLAGS: $(cat log)"
test ! -e pwned || fail "a shell saw CFLAGS"
grep -qx '<-O1>' log && grep -qx '<-Wl,-z,now>' log || fail "$(cat log)"
awk '/^<-O3>$/ { a = NR } /^<-O1>$/ { b = NR } END { exit !(a && a < b) }' \
	log || fail "CFLAGS do not come last"
holds out

# In JSON: what the compiler said is in the message, nothing is beside it.
cat >loud.sh <<'END'
#!/bin/sh
echo 'x.c:1: "bad"'
echo 'and worse' >&2
exit $CODE
END
chmod +x loud.sh
CC=$tmp/loud.sh CODE=4 "$loongc" --diagnostics=json "$tiny" -o out/train \
	>json 2>&1
grep -q '^{"severity":"error","message":"the C compiler failed with exit code 4:","children":\[{"kind":"note","message":".*/loud.sh ' json &&
	grep -qF '{"kind":"note","message":"x.c:1: \"bad\"\u000aand worse\u000a"}]}' json &&
	test "$(wc -l <json)" = 1 || fail "json: $(cat json)"
CC=$tmp/loud.sh CODE=4 "$loongc" "$tiny" -o out/train 2>err
test "$(head -n 2 err)" = 'x.c:1: "bad"
and worse' || fail "the compiler's words: $(cat err)"
holds out

unset CC
CFLAGS=-no-such-flag says 1 "the C compiler failed" "$tiny" -o out/train
LOONGC_RUNTIME=/no/where says 1 "no libloong_rt.a" "$tiny" -o out/train
holds out
"$loongc" -v "$tiny" -o out/train 2>err || fail "$(cat err)"
grep -q '^  cc .*-o [^ ]*' err || fail "-v: $(cat err)"
holds out train
(cd out && env -i PATH=/nowhere ./train --help >help) ||
	fail "the trainer needs more than itself"
grep -q '^Train tiny' out/help || fail "$(cat out/help)"

# A name with everything a shell would stumble over.
name='out/a b;$(x)"'"'"'*'
"$loongc" "$tiny" -o "$name" && test -x "$name" || fail "-o '$name'"
exit $bad
