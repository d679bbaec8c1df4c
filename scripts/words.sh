#!/usr/bin/env bash
# Fails where a word of before is back in code or documents: each has a name that the field uses.
set -euo pipefail
cd "$(dirname "$0")/.."

# The old word, as an extended regular expression over whole words, and what is said now.
words='
rungs?|climb(s|ing)?|ladder = compare_bit, the bit-serial comparison
oracles? = reference
walked|walk_in_dispatch|masked_walk|call walk = the reduction axis, the k loop
staged|unstaged|with_staged|begin_staging = k_tile, tiled through workgroup memory
rolled|with_rolled|rolled_rows = unrolled, or not
Apply::(And|Select)|with_apply = MaskOp, mask_op
unpack_half|forward_half_(hard|soft)ware = unpack_lane; p = 1/2 is p_half
entrants?|patience = implementations, timeout
of_little_text = that_compiles_soon
groups_limit|invocations_limit|shared_limit = Limits
'
code=0
while IFS= read -r line; do
    [[ -n "$line" ]] || continue
    old=${line% = *} now=${line##* = }
    if found=$(grep -rnwE "$old" --include='*.rs' --include='*.wgsl' --include='*.md' --include='*.py' \
        --exclude-dir={target,.git,.venv,node_modules} .); then
        printf '%s\n  now: %s\n' "$found" "$now" >&2
        code=1
    fi
done <<<"$words"
exit "$code"
