#!/bin/sh
# Whole trainers under ThreadSanitizer: ranks, their pools, checkpoints and
# samples.  The runtime is compiled for it here; function multiversioning is
# left out, since its resolvers run before the sanitizer does.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
build=$PWD
cc=${CC:-cc}
flags='-std=gnu11 -g -O1 -w -fsanitize=thread -fno-trapping-math -DLT_CLONES='
cat "$src"/doc/*.md >"$tmp/text"
cd "$tmp" || exit 99

echo 'int main(void) { return 0; }' >probe.c
# shellcheck disable=SC2086
$cc $flags probe.c -o probe 2>/dev/null && ./probe || {
	echo "skipped: $cc has no ThreadSanitizer"
	exit 0
}
mkdir objects
# Folders have files of the same name.
for f in $(cd "$src" && find runtime -name '*.c' ! -name mpi_plugin.c \
    ! -name mpi_images.c) runtime/comm/mpi_images.c support/nvrtc.c; do
	from=$src/$f
	[ -f "$from" ] || from=$build/$f
	# shellcheck disable=SC2086
	$cc $flags -DHAVE_CONFIG_H -I"$build" -I"$src" -c "$from" \
	    -o "objects/$(echo "$f" | tr / _ | sed 's/c$/o/')" || exit 1
done

# races MESH ARGS...: a run of the trainer that no race is found in
races() {
	"$loongc" "$src/tests/train/gqa.lt" --mesh "$@" --emit=c -o many.c &&
	    $cc $flags -I"$src" -o many many.c objects/*.o -ljansson -lm \
		-lpthread -ldl || {
		fail "compiling $*"
		exit 1
	}
	rm -rf out
	TSAN_OPTIONS=exitcode=66 ./many --data text --steps 3 --peak 1 \
	    --quiet --sample 3 --out out --threads 16 >said 2>&1 || {
		fail "$*: exit $?"
		head -n 40 said
	}
}

races dp=2,hp=2,cp=2 --set 'plan.shard=over(dp,cp,hp)' --set plan.stage=3
races dp=2,hp=2,cp=2 --set 'plan.shard=over(cp)' --set plan.stage=1 \
    --set plan.micro=1
races hp=6,cp=2
races cp=4,inner=2
races dp=2,cp=3,place=context_first
test $bad -ne 0 || echo "no race in trainers of 4 to 12 ranks"
exit $bad
