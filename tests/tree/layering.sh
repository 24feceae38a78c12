#!/bin/sh
# Who may include whom: a folder, then the folders whose headers it may see.
# Tests, tools and benchmarks see everything; a system header has no quotes.
set -eu
cd "${srcdir:-.}"

rules='
support   support
ir        ir support
frontend  frontend ir support
plan      plan ir support
passes    passes plan ir support
codegen   codegen plan ir support runtime/gpu/args.h runtime/fp8.h
driver    driver frontend passes plan codegen ir support
runtime   runtime support/nvrtc.h support/rng.h support/size.h
'

# violations DIR ALLOWED...: prints FILE:LINE:#include of what is not allowed
violations()
{
	dir=$1
	shift
	# Generated parsers' headers lie in the build tree, in their own folder.
	allow=$(printf '|%s' "$@" | sed 's/^|//; s/\./\\./g')
	find "$dir" -name '*.[chly]' -exec grep -nH '^ *# *include *"' {} + |
	    grep -Ev "include *\"(config\.h\"|($allow)[/\"])" || :
}

bad=$(echo "$rules" | while read -r dir allowed; do
	[ -z "$dir" ] || [ ! -d "$dir" ] || violations "$dir" $allowed
done)
if [ -n "$bad" ]; then
	printf 'these includes point the wrong way:\n%s\n' "$bad"
	exit 1
fi

# The rule must bite: a made-up tree with one include too many.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/ir"
printf '#include "config.h"\n#include "ir/ir.h"\n' >"$tmp/ir/good.c"
printf '#include "passes/pass.h"\n#include "irx/ir.h"\n' >"$tmp/ir/bad.c"
cd "$tmp"
[ "$(violations ir ir support)" = "$(printf '%s\n%s' \
    'ir/bad.c:1:#include "passes/pass.h"' \
    'ir/bad.c:2:#include "irx/ir.h"')" ]
