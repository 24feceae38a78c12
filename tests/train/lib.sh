# Sourced by resume tests: trainers of one model on several meshes, and from
# every one of them to every other.
set -u
. "${srcdir:-.}/tests/driver/common.sh"
rt=$PWD/libloong_rt.a
cc=${CC:-cc}
sanitize=$("$loongc" -v "$src/tests/train/gqa.lt" -o "$tmp/flags" 2>&1 |
	grep -o -- '-fsanitize=[^ ]*')
cd "$tmp" || exit 99

# 15 kB of text with structure, the same on every machine.
awk 'BEGIN {
	n = split("the cat sat on a mat and saw the dog run to it", w, " ")
	x = 1
	for (i = 0; i < 4000; i++) {
		x = (x * 16807) % 2147483647
		printf "%s%s", w[x % n + 1], x % 31 == 0 ? ".\n" : " "
	}
}' >text
go='--data text --steps 8 --peak 1 --threads 2 --quiet'
all=

# build NAME ARGS...: the trainer NAME, and NAME.resave, which reads a
# checkpoint on its mesh and saves it again.
build() {
	name=$1
	shift
	all="$all $name"
	"$loongc" "$src/tests/train/gqa.lt" "$@" -o "$name" &&
		"$loongc" "$src/tests/train/gqa.lt" "$@" --emit=c \
			-o "$name.c" &&
		$cc -std=gnu11 -O0 $sanitize -I"$src" -o "$name.resave" "$name.c" \
			"$src/tests/train/resave.c" "$rt" -ljansson -lm \
			-lpthread || {
		fail "compiling $name"
		exit 1
	}
}

# steps LOG: losses and gradient norms of steps 5 to 8.
steps() {
	sed -n 's/.*"event":"step","step":\([5678]\),.*"loss":\([-0-9.e]*\).*"grad_norm":\([-0-9.e]*\).*/\1 \2 \3/p' "$1"
}

# near LOG LOG: the same steps, losses and norms within $bound, 1e-5.  They are sums
# in f32 over 192 tokens, and over the elements of 20 to 768 values in each
# matrix product; another mesh adds them in another order.  sqrt(768) * 2^-24
# is 1.7e-6 for sums whose roundings are independent; six layers of products
# deep, as deviations add up like roots, it is below 1e-5.
bound=1e-5
near() {
	steps "$1" >a
	steps "$2" >b
	paste a b | awk -v bound=$bound '
		function near(x, y) { return (x - y)^2 <= (bound * x)^2 }
		NF == 6 && $1 == $4 && near($2, $5) && near($3, $6) { ok++ }
		END { exit ok != 4 }' || {
		fail "$1 and $2 differ"
		paste a b
	}
}

# same DIR DIR: the tensors are the same to the last bit.
same() {
	for file in model optimizer; do
		cmp "$1/$file.safetensors" "$2/$file.safetensors" ||
			fail "$1 and $2"
	done
}

# begin: initial values do not depend on the mesh; each trains once without a
# stop.
begin() {
	for name in $all; do
		./$name.resave - $name.init || fail "$name: initial values"
		same one.init/step-000000 $name.init/step-000000
		./$name $go --out $name.run --save-every 4 --keep-last 9 \
			--log $name.log || fail "$name: training"
		near one.log $name.log
	done
}

# pair FROM TO: what FROM saved comes back from TO bit by bit, and TO goes on
# from there with the data that come next.
pair() {
	rm -rf saved again again.log
	mkdir saved again
	cp -r $1.run/step-000004 saved
	cp -r $1.run/step-000004 again
	"./$2.resave" saved resaved || fail "$1 to $2: cannot be read"
	same saved/step-000004 resaved/step-000004
	rm -rf resaved
	"./$2" $go --out again --resume --log again.log ||
		fail "$1 to $2: does not go on"
	near one.log again.log
	test "$1" != "$2" ||
		same $1.run/step-000008 again/step-000008
}

matrix() {
	pairs=0
	for from in $all; do
		for to in $all; do
			pair $from $to
			pairs=$((pairs + 1))
		done
	done
}
