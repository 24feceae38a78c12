#!/bin/sh
# What doc/checkpoints.md shows happens: each "sh run" block prints the
# "text output" block that follows it.
doc=$(cd "${srcdir:-.}" && pwd)/doc/checkpoints.md
. "${srcdir:-.}/tests/runtime/lib.sh"

# block N KIND: the lines of the N-th block of that kind
block() {
	awk -v n="$1" -v kind="\`\`\`$2" '
		/^```$/ { on = 0 }
		on { print }
		$0 == kind { on = ++seen == n }' "$doc"
}

mkdir place && cd place || exit 99
ln -s "$train" train
text 4000 text
n=0
while block $((n + 1)) 'sh run' >../script && [ -s ../script ]; do
	n=$((n + 1))
	block $n 'text output' >../want
	sh ../script >../got
	cmp -s ../want ../got || {
		echo "FAIL: block $n of $doc prints:"
		cat ../got
		failed=1
	}
done
[ $n -eq 3 ] || { echo "FAIL: $n blocks"; failed=1; }
end
