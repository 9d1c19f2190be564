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

# Usage: wrong arguments exit 2, and are named.
expect 2 'subcommand is required' "$cosigner"
expect 2 'DIR is required' "$cosigner" init
expect 2 'must be ask, all, none' "$cosigner" run "$dir/x" --approve maybe
expect 2 'round-timeout: "010" is not a whole number' "$cosigner" run "$dir/x" --round-timeout 010
expect 2 'log-level' "$cosigner" run "$dir/x" --log-level loud
expect 2 '"aprove" is not a command; did you mean "approve"' "$cosigner" aprove x y
expect 2 '"ad" is not a command; did you mean "add"' "$cosigner" peer ad x y
expect 2 '"evil.x1b\[2J" is not a command' "$cosigner" $'evil\e[2J'
expect 0 '^cosigner [0-9]' "$cosigner" --version
expect 0 'Exit codes' "$cosigner" --help
expect 2 '^\{"event":"error","error":"cosigner.bad_input".*"exit":2\}$' "$cosigner" nonsense --json
expect 2 '^\{"event":"error".*"exit":2\}$' "$cosigner" init --json
expect 4 '^\{"event":"error","error":"cosigner.bad_directory".*"exit":4\}$' "$cosigner" status "$dir/none" --json
expect 4 'no co-signer lives in .*x1b\[8m' "$cosigner" status "$dir/"$'a\e[8m'

# A directory is made once, whole or not at all, readable by its owner alone.
expect 0 'signer key  0[23][0-9a-f]{64}' "$cosigner" init "$dir/extra"
expect 0 '^extra2=/ip4/127.0.0.1/tcp/[1-9][0-9]*/p2p/16Uiu2' "$cosigner" init "$dir/extra2/"
expect 0 '^amy=/dns4/amy.example/tcp/7/p2p/16Uiu2' "$cosigner" init "$dir/amy" --address /dns4/amy.example/tcp/7
alice_line=$("$cosigner" init "$dir/alice" | tail -n 1)
expect 4 'already holds a seed' "$cosigner" init "$dir/alice"
[ "$(stat -c %a "$dir/alice/seed")" = 600 ] || { echo "FAILED: mode of the seed"; failures=$((failures + 1)); }
[ "$(stat -c %a "$dir/alice")" = 700 ] || { echo "FAILED: mode of the directory"; failures=$((failures + 1)); }
mkdir -m 755 "$dir/other" "$dir/empty" && touch "$dir/other/file"
expect 4 'is there and not empty; it is left as it is' "$cosigner" init "$dir/other"
[ "$(stat -c %a "$dir/other") $(ls -A "$dir/other")" = "755 file" ] || { echo "FAILED: a directory that is not ours"; failures=$((failures + 1)); }
expect 0 'signer key' "$cosigner" init "$dir/empty"
expect 4 'is no directory' "$cosigner" init "$dir/other/file"
expect 2 'listen: "nonsense"' "$cosigner" init "$dir/y" --listen nonsense
expect 2 'is not an IP address with a TCP port' "$cosigner" init "$dir/y" --listen /ip4/127.0.0.1/udp/4000
expect 2 'cannot listen on /ip4/192.0.2.1/tcp/4000' "$cosigner" init "$dir/y" --listen /ip4/192.0.2.1/tcp/4000
expect 2 'must end with /p2p/' "$cosigner" init "$dir/y" --peer bob=/ip4/127.0.0.1/tcp/1
expect 2 'address' "$cosigner" init "$dir/y" --address nonsense
expect 2 'DIR is empty; is a variable of the shell not set' "$cosigner" init ''
expect 4 'too long for the control socket' "$cosigner" init "$dir/$(printf 'long%.0s' $(seq 30))" --name long
expect 2 'so give --name' "$cosigner" init "$dir/two words"
expect 2 'address' "$cosigner" init "$dir/y" --address /ip4/0.0.0.0/tcp/7
[ -z "$(ls -A "$dir" | grep -E '^(y|\.)')" ] || { echo "FAILED: something is left of what was refused"; ls -A "$dir"; failures=$((failures + 1)); }
expect 4 'no co-signer lives in' "$cosigner" run "$dir/nobody"
expect 3 'no cosigner answers' "$cosigner" status "$dir/alice"
chmod 644 "$dir/alice/seed"
expect 4 'can be read by others' "$cosigner" run "$dir/alice"
chmod 600 "$dir/alice/seed"
cp "$dir/extra/settings.json" "$dir/settings.json"
for damage in 's/"listen"/"lisen"/' 's/"peers": {}/"peers": []/' 's|tcp/[0-9]*|udp/4|'; do
    sed "$damage" "$dir/settings.json" >"$dir/extra/settings.json"
    expect 4 'extra/settings.json: ' "$cosigner" run "$dir/extra"
done
cp "$dir/settings.json" "$dir/extra/settings.json"

# Two co-signers, set up as the README has it: each hands its line to the other. Bob is added while alice runs.
bob_line=$("$cosigner" init "$dir/bob" | tail -n 1)
expect 0 'added alice at' "$cosigner" peer add "$dir/bob" "$alice_line"
expect 2 'is this co-signer itself' "$cosigner" peer add "$dir/bob" "$bob_line"
expect 0 '^alice=' "$cosigner" peer list "$dir/bob"
start alice --approve ask --round-timeout 2
wait_for "$dir/alice.log" listening
expect 0 'no peers' "$cosigner" peer list "$dir/alice"
start bob --approve all
wait_for "$dir/bob.log" listening
expect 2 'did you mean "bob"|no peer is called' "$cosigner" peer remove "$dir/alice" bib
expect 0 'added bob at' "$cosigner" peer add "$dir/alice" "$bob_line"
expect 0 '^bob  *connected|^bob  *connecting' "$cosigner" peer list "$dir/alice"
grep -q '"bob": "/ip4' "$dir/alice/settings.json" || { echo "FAILED: bob is not in the settings"; failures=$((failures + 1)); }
wait_for "$dir/alice.log" peer_identified
wait_for "$dir/bob.log" peer_identified
expect 0 'bob  connected' "$cosigner" status "$dir/alice"
expect 4 'another cosigner runs' "$cosigner" run "$dir/alice"
[ "$(stat -c %a "$dir/alice/control.sock")" = 600 ] || { echo "FAILED: mode of the control socket"; failures=$((failures + 1)); }

# A file is signed, and verifies.
echo 'hello, all' >"$dir/file"
expect 0 'proposed; waiting for bob' "$cosigner" propose "$dir/alice" --with bob "$dir/file"
"$cosigner" propose "$dir/alice" "$dir/file" --with bob --json >"$dir/lines"
key=$(sed -n 's/.*"event":"completed".*"aggregate_key":"\([^"]*\)".*/\1/p' "$dir/lines")
sig=$(sed -n 's/.*"signatures":\["\([^"]*\)".*/\1/p' "$dir/lines")
digest=$(sha256sum "$dir/file" | cut -d ' ' -f 1)
expect 0 '^valid' "$cosigner" verify "$dir/file" --key "$key" --signature "$sig"
expect 0 '^valid' "$cosigner" verify --digest "${digest^^}" --key "${key^^}" --signature "$sig"
output=$("$cosigner" verify - --key "$key" --signature "$sig" <"$dir/file") || { echo "FAILED: standard input: $output"; failures=$((failures + 1)); }
echo 'hello, none' >"$dir/other_file"
expect 1 '^NOT VALID' "$cosigner" verify "$dir/other_file" --key "$key" --signature "$sig"
expect 2 'hexadecimal' "$cosigner" verify "$dir/file" --key 12 --signature "$sig"
expect 4 'cannot open' "$cosigner" verify "$dir/none" --key "$key" --signature "$sig"
expect 0 'signed' "$cosigner" propose "$dir/alice" --digest "$(printf '%064d' 7)" --with bob --key-path --path 0/3
expect 0 'signed' "$cosigner" propose "$dir/alice" --digest "$(printf '%064d' 8)" --with bob --keep-order --election first-signer
expect 0 'finished' "$cosigner" sessions "$dir/alice"
expect 0 "signature $sig" "$cosigner" sessions "$dir/alice"
session=$(sed -n 's/.*"event":"completed","session":"\([^"]*\)".*/\1/p' "$dir/lines")
expect 0 "signature  $sig" "$cosigner" show "$dir/alice" "${session:0:12}"
"$cosigner" sessions "$dir/alice" | head -n 1 >/dev/null
[ "${PIPESTATUS[0]}" -eq 0 ] || { echo "FAILED: a closed pipe"; failures=$((failures + 1)); }

# What cannot be proposed says why, and nothing else is signed in its stead.
refused() { expect 2 "$1" "$cosigner" propose "$dir/alice" "${@:2}"; }
refused 'neither a configured peer, nor an initiator, nor a signer key' "$dir/file" --with dave
refused 'did you mean "bob"' "$dir/file" --with bib
refused 'has an empty name' "$dir/file" --with bob,
refused 'give a file' --with bob
refused 'not both' "$dir/file" --digest "$digest" --with bob
refused 'not an election method' "$dir/file" --with bob --election best
refused 'keep-order' "$dir/file" --with bob --election last-signer
for path in 2147483648 010 8/ "86'/0" m/ +1 ' 1' 0x1; do refused 'derivation path' "$dir/file" --with bob --path "$path"; done
for option in --path --taproot --digest --purpose --election --valid --with; do
    refused 'is empty; is a variable of the shell not set' "$dir/file" --with bob "$option" ''
done
refused 'not both' "$dir/file" --with bob --key-path --taproot "$digest"
refused 'taproot' "$dir/file" --with bob --taproot "${digest:2}"
refused 'digest' --digest "0x${digest:2}" --with bob
for seconds in 0 010 86401 -1 1.5; do refused 'valid' "$dir/file" --with bob --valid "$seconds"; done
refused 'not UTF-8' "$dir/file" --with bob --purpose $'\xff'
expect 2 'no session begins with' "$cosigner" decline "$dir/alice" abcdef
expect 2 'named by at least 8' "$cosigner" approve "$dir/alice" abcdef
expect 2 'no session begins with' "$cosigner" approve "$dir/alice" "$digest"
expect 2 'is named twice' "$cosigner" propose "$dir/alice" "$dir/file" --with bob,bob
expect 2 'is yourself' "$cosigner" propose "$dir/alice" "$dir/file" --with "$(sed -n 's/.*"event":"listening".*"signer":"\([^"]*\)".*/\1/p' "$dir/alice.log")"
expect 2 'first digits of a session' "$cosigner" approve "$dir/alice" xyz

# A signer that is killed while others wait: they end the session with a reason, in bounded time. While it is away there
# is no session at all.
kill_bob
start bob --approve ask
wait_for "$dir/bob.log" peer_identified
"$cosigner" propose "$dir/alice" "$dir/file" --with bob >"$dir/held" 2>&1 &
held=$!
wait_for "$dir/bob.log" approval_requested
kill_bob
wait "$held"
[ $? -eq 1 ] && grep -q 'timeout; nothing came from bob' "$dir/held" || { echo "FAILED: timeout"; cat "$dir/held"; failures=$((failures + 1)); }
expect 4 'cannot reach participants: .*refused' "$cosigner" propose "$dir/alice" "$dir/file" --with bob
# Restarted, it signs again with the same key.
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

# A rule takes a digest as `propose` does, in either case.
kill_bob
start bob --approve "digest:${digest^^}"
wait_for "$dir/bob.log" peer_identified
expect 0 'signed under' "$cosigner" propose "$dir/alice" "$dir/file" --with bob
expect 1 'declined, by bob; refused by the rule' "$cosigner" propose "$dir/alice" "$dir/other_file" --with bob

# Who was removed cannot be named any more, and is a stranger here. A co-signer that is hung up on ends cleanly.
expect 0 'removed bob' "$cosigner" peer remove "$dir/alice" bob
refused 'neither a configured peer' "$dir/file" --with bob
kill -HUP "$pid_alice"
wait "$pid_alice" || { echo "FAILED: SIGHUP does not end it cleanly"; failures=$((failures + 1)); }

# A damaged file of signers is told, and with what was lost.
printf '[{"signer": "12"}]' >"$dir/bob/signers.json"
kill_bob
start bob
wait_for "$dir/bob.log" '"event":"damaged","what":"signers".*1 signer keys in it cannot be read; it was put aside as .*signers.json.aside.1'

[ "$failures" -eq 0 ] && echo "command line: all as it must be"
exit "$((failures > 0))"
