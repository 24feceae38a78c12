#!/bin/sh
# The examples of doc/language.md compile, or give the code they are said to
# give; its tables name every function and setting.
#
#	```lt              a whole file
#	```lt body         statements of a model
#	```lt error CODE   statements that give CODE
#	```lt recipe       recipes; ```lt plan: plans
set -u
loongc=${LOONGC:-./loongc}
src=${srcdir:-.}
doc=$src/doc/language.md
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0

awk -v dir="$tmp" '
/^```lt/ { n++; file = sprintf("%s/%02d", dir, n); kind = $2 " " $3
	print kind > (file ".kind"); printf "" > file; inside = 1; next }
/^```/ { inside = 0 }
inside { print >> file }' "$doc"

prelude='dim b, s;
model m(tok[b s], lab[b s]) {
  dim e = 64, f = 256, k = 2, g = 2, d = 16, v = 256, s_max = 512;
  param emb : v -> e, head : e -> v ~ normal(0.02);
  x = emb[tok];'
end='return xent(head(x), lab); }'
recipe='recipe r { s = 8; batch = 16; }'
n=0

for kind in "$tmp"/*.kind; do
	part=${kind%.kind}
	n=$((n + 1))
	read -r what code <"$kind"
	case $what in
	body | error)
		{ echo "$prelude"; cat "$part"; echo "$end $recipe"; } ;;
	recipe)
		{ echo "$prelude $end"; cat "$part"; } ;;
	plan)
		{ echo "$prelude $end $recipe"; cat "$part"; } ;;
	*)
		cat "$part" ;;
	esac >"$tmp/x.lt"
	"$loongc" --emit=ir --after=read -o "$tmp/x.lir" "$tmp/x.lt" \
		2>"$tmp/err"
	status=$?
	if test "$what" = error; then
		grep -q "error\[$code\]" "$tmp/err" && continue
		echo "no $code:"
	elif test $status -eq 0 && ! test -s "$tmp/err"; then
		continue
	fi
	cat "$part" "$tmp/err"
	bad=1
done
test $n -ge 10 || { echo "only $n examples found"; bad=1; }

# Rows of the tables of code, each named in backquotes.
for name in $(sed -n 's/^BUILTIN(\([a-z_]*\),.*/\1/p' \
	"$src/frontend/builtins.def"); do
	grep -q "^|.*\`$name(" "$doc" || { echo "no function $name"; bad=1; }
done
for name in $(sed -n 's/^SETTING([a-z]*, \([a-z0-9_]*\),.*/\1/p' \
	"$src/frontend/settings.def"); do
	grep -q "^|.*\`$name\`" "$doc" || { echo "no setting $name"; bad=1; }
done
exit $bad
