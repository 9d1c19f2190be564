#!/usr/bin/env bash
# What a person keeps: passphrases, copies of the key, and directories made of them. Usage: keys.sh COSIGNER
set -u
cosigner=$1
dir=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
failures=0

fail() {
    printf 'FAILED: %s\n' "$*"
    failures=$((failures + 1))
}
# expect CODE PATTERN COMMAND...: exit code and output must match. No terminal is there to ask at.
expect() {
    local code=$1 pattern=$2 output got
    shift 2
    output=$(setsid -w "$@" 2>&1 </dev/null)
    got=$?
    if [ "$got" -ne "$code" ] || ! grep -qE "$pattern" <<<"$output"; then
        fail "$*" $'\n' " wanted exit $code and /$pattern/, got exit $got: $output"
    fi
}
# with_byte FILE AT HEX TO: a copy of FILE with another byte.
with_byte() {
    cp "$1" "$4" && printf "\\x$3" | dd of="$4" bs=1 seek="$2" conv=notrunc status=none
}
field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }

echo 'correct horse battery staple' >"$dir/right"
printf 'another good passphrase\r\nsecond line\n' >"$dir/other"
echo 'wrong' >"$dir/wrong"
echo 'short' >"$dir/short"

# A new directory under a passphrase has no seed in the clear, and nothing opens it without the passphrase.
expect 2 'guessed at once' "$cosigner" init "$dir/alice" --passphrase-file "$dir/short"
expect 2 'no terminal to ask at' "$cosigner" init "$dir/alice" --passphrase
expect 4 'cannot open' "$cosigner" init "$dir/alice" --passphrase-file "$dir/none"
[ -e "$dir/alice" ] && fail "something is left of a directory that was not made"
alice=$("$cosigner" init "$dir/alice" --passphrase-file "$dir/right" --json)
grep -q '"event":"initialised".*"passphrase":true' <<<"$alice" || fail "init: $alice"
[ -e "$dir/alice/seed" ] && fail "the seed is in the clear"
[ "$(stat -c '%a %s' "$dir/alice/key")" = "600 226" ] || fail "mode and size of the key file"
expect 2 'no terminal to ask at' "$cosigner" run "$dir/alice"
expect 2 'not the one of this key file, or the file is damaged' "$cosigner" run "$dir/alice" --passphrase-file "$dir/wrong"
expect 2 '"error":"identity.wrong_passphrase"' "$cosigner" run "$dir/alice" --passphrase-file "$dir/wrong" --json
expect 4 'already holds a seed' "$cosigner" init "$dir/alice"

# What needs no secret needs no passphrase.
expect 0 'no peers' "$cosigner" peer list "$dir/alice"
expect 2 'is this co-signer itself' "$cosigner" peer add "$dir/alice" "$(field hand_over <<<"$alice")"

# `run` opens it once, and is who `init` said it is.
"$cosigner" run "$dir/alice" --passphrase-file "$dir/right" --json </dev/null >"$dir/alice.log" 2>&1 &
pids+=($!)
timeout 60 grep -qm 1 listening < <(exec tail --pid=$$ -n +1 -F "$dir/alice.log" 2>/dev/null) || fail "run: $(cat "$dir/alice.log")"
[ "$("$cosigner" status "$dir/alice" --json | field signer)" = "$(field signer <<<"$alice")" ] || fail "another signer runs"
expect 4 'another cosigner runs' "$cosigner" passwd "$dir/alice" --passphrase-file "$dir/right" --new-passphrase-file "$dir/other"
kill "${pids[0]}"; wait "${pids[0]}" 2>/dev/null; pids=()

# A directory of before opens as before, and is put under a passphrase.
plain=$("$cosigner" init "$dir/plain" --json)
grep -q '"passphrase":false' <<<"$plain" || fail "init: $plain"
expect 2 'guessed at once' "$cosigner" passwd "$dir/plain" --new-passphrase-file "$dir/short"
[ -s "$dir/plain/seed" ] || fail "the seed went though nothing replaced it"
expect 0 'is under a passphrase now' "$cosigner" passwd "$dir/plain" --new-passphrase-file "$dir/right"
[ -e "$dir/plain/seed" ] && fail "the seed stayed in the clear"
grep -q "$(field peer <<<"$plain")" <<<"$("$cosigner" export "$dir/plain" "$dir/plain.key" --passphrase-file "$dir/right" && "$cosigner" import "$dir/plain2" "$dir/plain.key" --passphrase-file "$dir/right" --json)" ||
    fail "the wrapped seed is another one"

# A passphrase is changed; the file is another one, and opens with the new one alone.
cp "$dir/alice/key" "$dir/before"
expect 2 'or the file is damaged' "$cosigner" passwd "$dir/alice" --passphrase-file "$dir/wrong" --new-passphrase-file "$dir/other"
cmp -s "$dir/before" "$dir/alice/key" || fail "a wrong passphrase has changed the key file"
expect 0 'under the new passphrase' "$cosigner" passwd "$dir/alice" --passphrase-file "$dir/right" --new-passphrase-file "$dir/other"
expect 2 'or the file is damaged' "$cosigner" export "$dir/alice" "$dir/alice.key" --passphrase-file "$dir/right"
[ -e "$dir/alice.key" ] && fail "something was exported that cannot be opened"

# Exported and imported it is the same to the bit; under another passphrase the same key.
expect 0 'under the passphrase of the directory' "$cosigner" export "$dir/alice" "$dir/alice.key" --passphrase-file "$dir/other"
expect 4 'cannot create' "$cosigner" export "$dir/alice" "$dir/alice.key" --passphrase-file "$dir/other"
[ "$(stat -c %a "$dir/alice.key")" = 600 ] || fail "mode of an exported key"
cmp "$dir/alice.key" "$dir/alice/key" || fail "what was exported differs"
imported=$("$cosigner" import "$dir/alice2" "$dir/alice.key" --passphrase-file "$dir/other" --json)
for name in signer peer user; do
    [ "$(field $name <<<"$imported")" = "$(field $name <<<"$alice")" ] || fail "import: another $name: $imported"
done
cmp "$dir/alice2/key" "$dir/alice/key" || fail "what was imported differs"
expect 0 'under the new passphrase' "$cosigner" export "$dir/alice" "$dir/moved.key" --passphrase-file "$dir/other" --new-passphrase-file "$dir/right"
cmp -s "$dir/moved.key" "$dir/alice/key" && fail "another passphrase, and the same file"
grep -q "$(field peer <<<"$alice")" <<<"$("$cosigner" import "$dir/alice3" "$dir/moved.key" --passphrase-file "$dir/right" --json)" ||
    fail "the key that was moved is another one"

# Headers that cannot be taken are refused by name; damage behind them looks like a wrong passphrase.
expect 4 'do not begin as a key file does' "$cosigner" import "$dir/z" "$dir/right" --passphrase-file "$dir/other"
with_byte "$dir/alice.key" 10 02 "$dir/damaged"
expect 4 'version 2; this program reads version 1' "$cosigner" import "$dir/z" "$dir/damaged" --passphrase-file "$dir/other"
with_byte "$dir/alice.key" 15 0a "$dir/damaged"
expect 4 'is too cheap to guess' "$cosigner" import "$dir/z" "$dir/damaged" --passphrase-file "$dir/other"
with_byte "$dir/alice.key" 15 1e "$dir/damaged"
expect 4 'costs more than is taken here' "$cosigner" import "$dir/z" "$dir/damaged" --passphrase-file "$dir/other"
with_byte "$dir/alice.key" 225 00 "$dir/damaged"
cmp -s "$dir/damaged" "$dir/alice.key" && with_byte "$dir/alice.key" 225 01 "$dir/damaged"
expect 2 'or the file is damaged' "$cosigner" import "$dir/z" "$dir/damaged" --passphrase-file "$dir/other"
[ -e "$dir/z" ] && fail "something is left of what was refused"

# A wrapping that was interrupted: the seed that is still in the clear goes when the key was opened.
printf '%064d\n' 0 >"$dir/alice/seed"; chmod 600 "$dir/alice/seed"
chmod 644 "$dir/alice/key"
expect 4 'key can be read by others' "$cosigner" run "$dir/alice" --passphrase-file "$dir/other"
chmod 600 "$dir/alice/key"
expect 2 'damaged' "$cosigner" run "$dir/alice" --passphrase-file "$dir/wrong"
[ -e "$dir/alice/seed" ] || fail "a seed was removed though the key beside it was not opened"
expect 0 'under the new passphrase' "$cosigner" passwd "$dir/alice" --passphrase-file "$dir/other" --new-passphrase-file "$dir/right"
[ -e "$dir/alice/seed" ] && fail "the seed stayed in the clear"

# Exchanged keys: another peer, the same signer and user.
bob=$("$cosigner" init "$dir/bob" --json)
expect 0 'added alice' "$cosigner" peer add "$dir/bob" "$(field hand_over <<<"$alice")"
rotated=$("$cosigner" rotate "$dir/alice" --passphrase-file "$dir/right" --json)
grep -q '"event":"rotated"' <<<"$rotated" || fail "rotate: $rotated"
[ "$(field peer <<<"$rotated")" != "$(field peer <<<"$alice")" ] || fail "the peer id stayed"
"$cosigner" export "$dir/alice" "$dir/rotated.key" --passphrase-file "$dir/right" >/dev/null
again=$("$cosigner" import "$dir/alice4" "$dir/rotated.key" --passphrase-file "$dir/right" --json)
[ "$(field peer <<<"$again")" = "$(field peer <<<"$rotated")" ] || fail "another peer than rotate said: $again"
for name in signer user; do
    [ "$(field $name <<<"$again")" = "$(field $name <<<"$alice")" ] || fail "rotate: another $name"
done
plain=$("$cosigner" rotate "$dir/bob" --json)
[ -s "$dir/bob/seed" ] && [ "$(wc -l <"$dir/bob/successors")" = 1 ] || fail "rotate of a plain directory: $plain"
expect 0 '"epoch":2' "$cosigner" rotate "$dir/bob" --json

[ "$failures" -eq 0 ] && echo 'all is well'
exit $((failures != 0))
