#!/usr/bin/env bash
# What a person types, what comes back, and which exit code. Usage: cli.sh COSIGNER
set -u
cosigner=$1
dir=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
failures=0

# expect CODE PATTERN COMMAND...: exit code and output must match.
expect() {
    local code=$1 pattern=$2 output got
    shift 2
    output=$("$@" 2>&1 </dev/null)
    got=$?
    if [ "$got" -ne "$code" ] || ! grep -qE "$pattern" <<<"$output"; then
        printf 'FAILED: %s\n  wanted exit %s and /%s/, got exit %s:\n%s\n' "$*" "$code" "$pattern" "$got" "$output"
        failures=$((failures + 1))
    fi
}
# wait_for FILE PATTERN: until a process has said so; gives up after a minute.
wait_for() {
    timeout 60 grep -qm 1 -E "$2" < <(exec tail --pid=$$ -n +1 -F "$1" 2>/dev/null) ||
        { echo "FAILED: no /$2/ in $1"; cat "$1"; failures=$((failures + 1)); }
}
# A process that was killed holds its directory's lock until it is really gone.
kill_bob() {
    kill -9 "$pid_bob"
    wait "$pid_bob" 2>/dev/null
}
start() { # NAME OPTION...
    local name=$1
    shift
    "$cosigner" run "$dir/$name" --json "$@" </dev/null >"$dir/$name.log" 2>&1 &
    pids+=($!)
    eval "pid_$name=$!"
}

# Usage.
expect 2 'subcommand is required' "$cosigner"
expect 2 'DIR is required' "$cosigner" init
expect 2 'must be ask, all, none' "$cosigner" run "$dir/x" --approve maybe
expect 0 'Exit codes' "$cosigner" --help

# A directory is made once, readable by its owner alone.
expect 0 'signer key  0[23][0-9a-f]{64}' "$cosigner" init "$dir/extra"
"$cosigner" init "$dir/alice" --json >"$dir/alice.json"
alice_id=$(sed -n 's/.*"peer":"\([^"]*\)".*/\1/p' "$dir/alice.json")
expect 4 'already holds a seed' "$cosigner" init "$dir/alice"
[ "$(stat -c %a "$dir/alice/seed")" = 600 ] || { echo "FAILED: mode of the seed"; failures=$((failures + 1)); }
[ "$(stat -c %a "$dir/alice")" = 700 ] || { echo "FAILED: mode of the directory"; failures=$((failures + 1)); }
expect 4 'invalid_multiaddr|component' "$cosigner" init "$dir/y" --listen nonsense
expect 2 'must end with /p2p/' "$cosigner" init "$dir/y" --peer bob=/ip4/127.0.0.1/tcp/1
expect 4 'no co-signer lives in' "$cosigner" run "$dir/nobody"
expect 3 'no cosigner answers' "$cosigner" status "$dir/alice"
chmod 644 "$dir/alice/seed"
expect 4 'can be read by others' "$cosigner" run "$dir/alice"
chmod 600 "$dir/alice/seed"

# Two co-signers. Bob only signs for those he knows, so he is told alice's peer id; she dials him.
"$cosigner" init "$dir/bob" --peer "alice=/ip4/127.0.0.1/tcp/1/p2p/$alice_id" >/dev/null
start bob --approve all
wait_for "$dir/bob.log" listening
bob_address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$dir/bob.log" | head -n 1)
sed -i "s|\"peers\": {}|\"peers\": {\"bob\": \"$bob_address\"}|" "$dir/alice/settings.json"
start alice --approve ask --round-timeout 2
wait_for "$dir/alice.log" peer_identified
wait_for "$dir/bob.log" peer_identified
expect 0 'bob  connected' "$cosigner" status "$dir/alice"
expect 4 'another cosigner runs' "$cosigner" run "$dir/alice"
[ "$(stat -c %a "$dir/alice/control.sock")" = 600 ] || { echo "FAILED: mode of the control socket"; failures=$((failures + 1)); }

# A file is signed, and verifies.
echo 'hello, all' >"$dir/file"
expect 0 'signed under aggregate key' "$cosigner" propose "$dir/alice" "$dir/file" --with bob
"$cosigner" propose "$dir/alice" "$dir/file" --with bob --json >"$dir/lines"
key=$(sed -n 's/.*"aggregate_key":"\([^"]*\)".*/\1/p' "$dir/lines")
sig=$(sed -n 's/.*"signatures":\["\([^"]*\)".*/\1/p' "$dir/lines")
expect 0 '^valid' "$cosigner" verify "$dir/file" --key "$key" --signature "$sig"
expect 0 '^valid' "$cosigner" verify --digest "$(sha256sum "$dir/file" | cut -d ' ' -f 1)" --key "$key" --signature "$sig"
echo 'hello, none' >"$dir/other"
expect 1 '^NOT VALID' "$cosigner" verify "$dir/other" --key "$key" --signature "$sig"
expect 2 'hexadecimal' "$cosigner" verify "$dir/file" --key 12 --signature "$sig"
expect 4 'cannot open' "$cosigner" verify "$dir/none" --key "$key" --signature "$sig"
expect 0 'signed' "$cosigner" propose "$dir/alice" --digest "$(printf '%064d' 7)" --with bob --key-path --path 0/3 --election last-signer
expect 0 'signed' "$cosigner" propose "$dir/alice" --digest "$(printf '%064d' 8)" --with bob --keep-order --election first-signer
expect 0 'finished' "$cosigner" sessions "$dir/alice"

# What cannot be proposed says why.
expect 4 'neither a configured peer nor a signer key' "$cosigner" propose "$dir/alice" "$dir/file" --with dave
expect 2 'not both' "$cosigner" propose "$dir/alice" --with bob
expect 4 'not an election method' "$cosigner" propose "$dir/alice" "$dir/file" --with bob --election best
expect 4 'not hardened|below 2' "$cosigner" propose "$dir/alice" "$dir/file" --with bob --path 2147483648
expect 4 'no session begins with' "$cosigner" approve "$dir/alice" abcdef

# A signer that is killed while others wait: they end the session with a reason, in bounded time.
kill_bob
expect 1 'timeout; nothing came from bob' "$cosigner" propose "$dir/alice" "$dir/file" --with bob
# Restarted, it signs again with the same key.
port=$(sed 's|.*/tcp/\([0-9]*\)/.*|\1|' <<<"$bob_address")
sed -i "s|/tcp/0|/tcp/$port|" "$dir/bob/settings.json"
start bob --approve all
wait_for "$dir/bob.log" peer_identified
expect 0 "$key" "$cosigner" propose "$dir/alice" "$dir/file" --with bob

# A process that holds its question, answered from outside.
kill_bob
start bob --approve ask
wait_for "$dir/bob.log" peer_identified
"$cosigner" propose "$dir/alice" "$dir/file" --with bob >"$dir/held" 2>&1 &
held=$!
wait_for "$dir/bob.log" approval_requested
session=$(sed -n 's/.*"event":"approval_requested","session":"\([^"]*\)".*/\1/p' "$dir/bob.log")
expect 0 'decline done' "$cosigner" decline "$dir/bob" "${session:0:8}" --why 'not today'
wait "$held"
[ $? -eq 1 ] && grep -q 'declined, by bob; not today' "$dir/held" || { echo "FAILED: decline"; cat "$dir/held"; failures=$((failures + 1)); }

[ "$failures" -eq 0 ] && echo "command line: all as it must be"
exit "$((failures > 0))"
