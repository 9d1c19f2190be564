#!/usr/bin/env bash
# Several nodes on loopback addresses of their own: one publishes, the others follow, and one joins late, behind all that
# was published. Usage: loopback.sh PRECONF_NODE [BLOCKS] [NODES]; their output stays in a scratch directory.
set -euo pipefail
program=$1 blocks=${2:-60} nodes=${3:-4}
scratch=$(mktemp -d)
running=()
stop() {
    for p in "${running[@]}"; do kill "$p" 2>/dev/null || true; done
    wait
    rm -rf "$scratch"
}
trap stop EXIT

say() { echo "== $*"; }
# wait_for FILE PATTERN SECONDS: waits until a line of it matches, and prints that.
wait_for() {
    local i
    for ((i = 0; i < $3 * 10; ++i)); do
        grep -m 1 -E "$2" "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    say "nothing in $1 matches $2:"
    tail -n 20 "$1"
    return 1
}
# node NUMBER ARGUMENT...: starts one in the background.
node() {
    local n=$1
    shift
    "$program" --listen "/ip4/127.0.$n.1/tcp/0" --limits 100 "$@" >"$scratch/$n" 2>&1 &
    running+=($!)
    wait_for "$scratch/$n" '^listening ' 20 | sed 's/^listening //' >"$scratch/$n.address"
}

node 1 --publish "$blocks" --every 20
first=$(cat "$scratch/1.address")
for ((n = 2; n < nodes; ++n)); do
    # A line of nodes, each of which also knows the first.
    node "$n" --dial "$first" --dial "$(cat "$scratch/$((n - 1)).address")" --until "$blocks"
done
head=$(wait_for "$scratch/1" "^published $blocks " 120)
say "$head"
for ((n = 2; n < nodes; ++n)); do say "node $n: $(wait_for "$scratch/$n" '^done ' 120)"; done
node "$nodes" --dial "$(cat "$scratch/2.address")" --dial "$first" --until "$blocks"
late=$(wait_for "$scratch/$nodes" '^done ' 120)
say "late joiner: $late"
[ "$(echo "$late" | cut -d' ' -f2-3)" = "$(echo "$head" | cut -d' ' -f2-3)" ]
[ "${late##* }" = "$blocks" ]
# It serves others: one more, which knows nobody else.
node $((nodes + 1)) --dial "$(cat "$scratch/$nodes.address")" --until "$blocks"
last=$(wait_for "$scratch/$((nodes + 1))" '^done ' 120)
say "behind the late joiner: $last"
[ "$late" = "$last" ]
if grep -lE '^(banned|missed|equivocated|failed|unpublished) ' "$scratch"/*; then
    say "something happened that must not"
    exit 1
fi
