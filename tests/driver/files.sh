#!/bin/sh
# Files: what cannot be read is refused, what is written is whole or absent.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
tiny=$src/tests/driver/tiny.lt
cd "$tmp" || exit 99

# Input.
mkdir in
cp "$tiny" in/tiny.lt
mkdir in/folder.lt
: >in/empty.lt
mkfifo in/pipe.lt
printf 'model \000\001\002' >in/binary.lt
printf 'model t\377\376' >in/latin.lt
dd if=/dev/zero of=in/huge.lt bs=1 count=0 seek=104857600 2>dd.log
says 1 "No such file" in/missing.lt -o out
says 1 "is a directory" in/folder.lt -o out
says 1 "is empty" in/empty.lt -o out
says 1 "is not a regular file" in/pipe.lt -o out
says 1 "at most 16 MiB" in/huge.lt -o out
says 1 "error" in/binary.lt -o out
says 1 "error" in/latin.lt -o out
says 1 "No such file" in/missing.lir --emit=ir
if setpriv --reuid=65534 --clear-groups true 2>/dev/null; then
	chmod 755 "$tmp" in && chmod 000 in/tiny.lt
	setpriv --reuid=65534 --clear-groups "$loongc" in/tiny.lt --emit=c \
		>out.c 2>err && fail "an unreadable file compiles"
	grep -q "Permission denied" err || fail "unreadable: $(cat err)"
	rm -f out.c
	chmod 644 in/tiny.lt
fi
test ! -e out || fail "output of input that could not be read"

# Output: not writable, a directory, the input, gone.
mkdir dir
echo keep >old
says 1 "is a directory" in/tiny.lt -o dir
says 1 "is a directory" in/tiny.lt --emit=c -o dir
says 1 "No such file" in/tiny.lt -o no/such/train
says 1 "Not a directory" in/tiny.lt -o old/train
says 1 "is the input" in/tiny.lt -o in/tiny.lt
says 1 "is the input" in/tiny.lt --emit=c -o "$tmp/in/../in/tiny.lt"
ln -s in/tiny.lt link
says 1 "is the input" in/tiny.lt --emit=c -o link
cmp -s "$tiny" in/tiny.lt || fail "the input changed"
says 1 "is not a regular file" in/tiny.lt -o /dev/null
if setpriv --reuid=65534 --clear-groups true 2>/dev/null; then
	mkdir locked && chmod 555 locked
	setpriv --reuid=65534 --clear-groups "$loongc" in/tiny.lt -o \
		locked/train 2>err && fail "wrote into a locked folder"
	grep -q "Permission denied" err || fail "locked: $(cat err)"
	holds locked
fi

# A full disk, for a file, a device and standard output.
says 1 "No space left" in/tiny.lt --emit=c -o /dev/full
"$loongc" in/tiny.lt --emit=c >/dev/full 2>err && fail "/dev/full as stdout"
grep -q "No space left" err || fail "stdout: $(cat err)"
"$loongc" --help >/dev/full 2>err && fail "--help >/dev/full"
(ulimit -f 1 && "$loongc" in/tiny.lt --emit=c -o old 2>err) &&
	fail "more than the file size limit"
grep -q "File too large" err || fail "limit: $(cat err)"
test "$(cat old)" = keep || fail "an output was replaced after an error"

# Errors in the program leave the old output; success replaces it.
echo 'model broken {' >in/broken.lt
says 1 "error" in/broken.lt -o old
test "$(cat old)" = keep || fail "errors replaced the output"
"$loongc" in/tiny.lt --emit=c -o old || fail "--emit=c -o"
"$loongc" in/tiny.lt --emit=c >again || fail "--emit=c"
cmp old again || fail "-o and standard output differ"
"$loongc" in/tiny.lt --emit=c -o - | cmp - again || fail "-o -"
"$loongc" in/tiny.lt -o train || fail "-o train"
test -x train || fail "train is not executable"
rm -f err dd.log says.out says.err
holds "$tmp" again dir in link $(test -d locked && echo locked) old train

# Stopped half way: nothing is left, and nothing goes on.
cat >slow <<'END'
#!/bin/sh
sleep 60 &
echo $! $$ >"$MARK.new"
mv "$MARK.new" "$MARK"
test -z "${DEAF-}" || trap '' TERM
wait
: >"$OUT"
sleep 60
END
chmod +x slow
mkdir stop
ends() {
	sig=$1
	shift
	rm -f mark
	MARK=$tmp/mark CC=$tmp/slow OUT=$tmp/late "$@" "$loongc" in/tiny.lt \
		-o stop/train &
	pid=$!
	while test ! -e mark; do sleep 0.1; done
	kill -$sig $pid
	wait $pid && fail "exit 0 after SIG$sig"
	for pid in $(cat mark); do
		kill -0 $pid 2>/dev/null && fail "SIG$sig: $pid goes on"
	done
	holds stop
}
ends TERM
if env --default-signal=INT true 2>/dev/null; then
	ends INT env --default-signal=INT
fi
ends HUP
ends ABRT
DEAF=yes ends TERM
exit $bad
