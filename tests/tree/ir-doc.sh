#!/bin/sh
# doc/ir.md is right: its tables are the rows of ops.def, attrs.def and
# passes.def, its programs are what loongc reads and prints.
# LOONGC_BLESS=1 rewrites the tables.
set -eu
root=$(cd "${srcdir:-.}" && pwd)
loongc=${LOONGC:-./loongc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
doc=$root/doc/ir.md

# rows MACRO FILE: the arguments of MACRO(...) and the comment after it, quoted,
# separated by tabs
rows()
{
	sed -n "s|^$1(\(.*\))\$|\1, \"\"|p
	    s|^$1(\([^)]*\)) */\* *\(.*\) \*/\$|\1, \"\2\"|p" "$root/$2" |
	    awk '{
		s = ""; quoted = 0
		for (i = 1; i <= length($0); i++) {
			c = substr($0, i, 1)
			if (c == "\"") { quoted = !quoted; continue }
			if (c == "," && !quoted) c = "\t"
			s = s c
		}
		gsub(/ *\t */, "\t", s)
		print s
	}'
}

ops()
{
	echo '| op | in | out | kind | |'
	echo '|---|---|---|---|---|'
	rows OP ir/ops.def | sed 's/VARIADIC/*/g' | awk -F'\t' '{
		gsub(/\|/, "\\|", $7)
		printf "| `%s` | %s | %s | %s | %s |\n", $2, $3, $4,
		    tolower($5), $7
	}'
}

attributes()
{
	echo '| attribute | is a | default | |'
	echo '|---|---|---|---|'
	rows ATTR ir/attrs.def | awk -F'\t' '{
		gsub(/\|/, "or", $5)
		printf "| `%s` | %s | %s | %s |\n", $2, tolower($3), $4, $5
	}'
}

passes()
{
	echo '| pass | |'
	echo '|---|---|'
	sed -n 's/^PASS(\([a-z]*\)).*/\1/p' "$root/passes/passes.def" |
	    while read -r p; do
		printf '| `%s` | %s |\n' "$p" "$(sed -n \
		    's/^	\.summary = "\(.*\)",$/\1/p' "$root/passes/$p.c")"
	    done
}

for t in ops attributes passes; do
	$t >"$tmp/$t"
	[ "$(wc -l <"$tmp/$t")" -gt 5 ]
done
awk -v dir="$tmp" '
	/^<!-- end -->$/ { skip = 0 }
	!skip { print }
	/^<!-- (ops|attributes|passes) -->$/ {
		while ((getline line < (dir "/" $2)) > 0) print line
		skip = 1
	}' "$doc" >"$tmp/ir.md"
if [ -n "${LOONGC_BLESS-}" ]; then
	cmp -s "$tmp/ir.md" "$doc" || cp "$tmp/ir.md" "$doc"
fi
diff -u "$doc" "$tmp/ir.md" || {
	echo "to accept: LOONGC_BLESS=1 make check TESTS=tests/tree/ir-doc.sh"
	exit 1
}

# The first program reads back; a block "lir PASS" is part of it after PASS.
awk '/^```/ { on = 0 } on { print } /^```lir$/ { on = 1 }' "$doc" \
    >"$tmp/tiny.lir"
grep -q '^fn model' "$tmp/tiny.lir"
"$loongc" --emit=ir --after=read "$tmp/tiny.lir" >"$tmp/again"
diff -u "$tmp/tiny.lir" "$tmp/again"
for p in $(sed -n 's/^```lir \([a-z]*\)$/\1/p' "$doc"); do
	awk -v want="$p" '/^```/ { on = 0 } on { print }
		$0 == "```lir " want { on = 1 }' "$doc" >"$tmp/part"
	"$loongc" --emit=ir --after="$p" "$tmp/tiny.lir" >"$tmp/whole"
	n=$(wc -l <"$tmp/part")
	grep -n -F -x "$(head -1 "$tmp/part")" "$tmp/whole" >"$tmp/at"
	tail -n +"$(cut -d: -f1 "$tmp/at")" "$tmp/whole" | head -"$n" |
	    diff -u "$tmp/part" -
done

# A model of 8e9 parameters and its gradient are a text of some pages.
n=$("$loongc" --after=autodiff "$root/examples/llama3-8b.lt" | wc -l)
[ "$n" -le 120 ] || { echo "llama3-8b after autodiff: $n lines"; exit 1; }
