#!/bin/sh
# bench/run with a compiler, a trainer and a PyTorch that are shell scripts:
# the table shows the ratio of medians, the warm-up does not count.
set -eu
srcdir=${srcdir:-.}
command -v python3 >/dev/null || { echo "no python3: skipped"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/loongc" <<'END'
#!/bin/sh
# loongc MODEL -o EXE --set ...
[ -f "$1" ] || exit 2
cat >"$3" <<'TRAINER'
#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	--log) log=$2 ;;
	--steps) steps=$2 ;;
	--data) [ -s "$2" ] || exit 65 ;;
	esac
	shift
done
echo '{"event": "start"}' >"$log"
ms=9000
for i in $(seq "$steps"); do
	[ "$i" -gt 3 ] && ms=100
	echo "{\"step\": $i, \"loss\": 1.5, \"ms\": $ms}" >>"$log"
done
TRAINER
chmod +x "$3"
END
cat >"$tmp/python" <<'END'
#!/bin/sh
ms=400
case "$*" in *--compile*) ms=200 ;; esac
echo "{\"median_ms\": $ms, \"ms\": [$ms, $ms, 9999], \"peak_mib\": 2000," \
    "\"gflop\": 20, \"version\": \"0\", \"dtype\": \"fp32\"}"
END
chmod +x "$tmp/loongc" "$tmp/python"

python3 "$srcdir/bench/run" --loongc "$tmp/loongc" --python "$tmp/python" \
    --only gpt2_b4_t64 --json "$tmp/log" >"$tmp/out"
grep -q -e 'PyTorch 0 --dtype fp32 --attn sdpa --compile' "$tmp/out"
grep -Eq 'step ms, median +100\.0 +200\.0 +0\.50x' "$tmp/out"
grep -Eq 'GFLOP/s at median +200\.0 +100\.0 +2\.00x' "$tmp/out"
[ "$(grep -c '"role": "loongc"' "$tmp/log")" = 3 ]

# A trainer that fails is reported, not averaged.
cat >"$tmp/loongc" <<'END'
#!/bin/sh
printf '#!/bin/sh\necho no such data; exit 65\n' >"$3"
chmod +x "$3"
END
if python3 "$srcdir/bench/run" --loongc "$tmp/loongc" \
    --python "$tmp/python" --only llama_t512 >"$tmp/out" 2>&1; then
	echo "a failing trainer went unnoticed"; exit 1
fi
grep -q 'no such data' "$tmp/out"
