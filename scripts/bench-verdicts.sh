#!/usr/bin/env bash
# Whether the benchmark's verdicts can be believed on this machine: a build against itself, RUNS times, then as often
# with our calls made 5 % longer. At most one of the first is to be called faster or slower, 19 of 20 of the second
# slower. usage: scripts/bench-verdicts.sh [RUNS] [options of `dropconnect bench`; default: --device cpu and a shape]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-20}
shift || true
[ $# -gt 0 ] || set -- --device cpu --shape 128,1024,1024
cargo build --quiet --release -p dropconnect-cli
# A copy: a file of another path and inode, as an earlier build is.
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
program=target/release/dropconnect
cp "$program" "$folder/earlier"

for percent in 0 5; do
    : > "$folder/verdicts"
    for run in $(seq "$runs"); do
        "$program" bench --p 0.5 --pass forward --rival none "$@" --baseline "$folder/earlier" \
            --slow-down "$percent" --csv "$folder/csv" > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
        # The column `verdict` of the earlier build's line, and how often it takes our time.
        awk -F, 'NR == 1 { for (k = 1; k <= NF; k++) column[$k] = k; next }
                 $column["way"] == "baseline" {
                     printf "%s %+.1f %% (%+.1f..%+.1f), %d rounds\n", $column["verdict"],
                         100 / $column["over_ours"] - 100, 100 / $column["over_ours_high"] - 100,
                         100 / $column["over_ours_low"] - 100, $column["samples"] }' "$folder/csv" \
            | tee -a "$folder/verdicts" | sed "s/^/ours $percent % longer, run $run: /"
    done
    echo "ours $percent % longer: $(cut -d' ' -f1 "$folder/verdicts" | sort | uniq -c | tr -s ' \n' ' ')"
done
