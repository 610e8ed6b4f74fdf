# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# Each condition that a start can meet: the whole log and the exit status must be those of the
# recorded nodeos.

genesis=$work/genesis.json
cp "$data/genesis.json" "$genesis"

# like_running NAME [ARG...]: as like, for one that runs on and is stopped
like_running() {
	local name=$1
	shift
	start "$dir" "$@"
	within 5 grep -qE 'acceptor_.listen|closing port|start listener' "$dir/log" || true
	within 5 grep -qF "${settled:-] }" "$dir/log" || fail "$name: never settled"
	sleep 0.1
	stop "$pid"
	is "exit status of $name after SIGTERM" "$rc" 0
	same_log "$name" "$dir"
}

# --- a data-dir to damage: stopped cleanly after some blocks
new_node clean "${producer_lines[@]}"
clean=$dir
start "$clean" --genesis-json "$genesis"
within 10 serves "$http" 6 || fail "no blocks"
stop "$pid"
is "clean stop" "$rc" 0
rm "$clean/log"

# copy [NAME]: a follower's config and a copy of that data-dir
copies=0
copy() {
	copies=$((copies + 1))
	new_node "d$copies" "$@"
	cp -a --sparse=always "$clean/data" "$dir/data"
}
blocks() { echo "$dir/data/blocks/$1"; }
# flip FILE OFFSET: all bits of one byte; a fixed one would be there already once in 256 runs
flip() { perl -e 'open F, "+<", $ARGV[0] or die; seek F, $ARGV[1], 0; read F, $b, 1; seek F, $ARGV[1], 0; print F ~$b' "$1" "$2"; }
shrink() { truncate -s "-$2" "$1"; }
dirty() { printf '\1' | dd of="$dir/data/state/shared_memory.bin" bs=1 seek=8 conv=notrunc 2>/dev/null; }

copy; dirty; like dirty-start-B
like dirty-start-B # and again, and again
copy; dirty; rm -r "$(blocks reversible)"; like dirty-start-B
copy; rm "$(blocks reversible)/fork_db.dat"; like forkdb-missing
copy; printf 'garbage garbage' >"$(blocks reversible)/fork_db.dat"; like forkdb-garbage
yes "garbage stays" test -s "$(blocks reversible)/fork_db.dat"
copy; rm -r "$dir/data/blocks"; like blocksdir-missing
copy; rm "$(blocks blocks.index)"; like blocksindex-missing
copy; shrink "$(blocks blocks.index)" 3; like blocksindex-trunc3
copy; shrink "$(blocks blocks.index)" 8; like blocksindex-trunc8
copy; shrink "$(blocks blocks.log)" 5; like blockslog-trunc5
like blockslog-trunc5-replay --replay-blockchain
like_running blockslog-trunc5-hardreplay --hard-replay-blockchain
copy; head -c 100 /dev/urandom | tr '\0' '\1' >>"$(blocks blocks.log)"; like blockslog-append-garbage
copy; rm "$(blocks blocks.log)"; like_running blockslog-missing-only
copy; rm -r "$dir/data/state"; like_running state-missing
copy; : >"$dir/data/state/shared_memory.bin"; like state-zero
copy; head -c 4096 /dev/urandom >"$dir/data/state/shared_memory.bin"; like state-garbage
copy; flip "$(blocks blocks.log)" $((126 + 2 * 192 + 20))
like blockslog-flip-replay --replay-blockchain
copy; jq '.initial_timestamp = "2026-11-20T00:00:00.500"' "$genesis" >"$work/genesis2.json"
like genesis-mismatch --genesis-json "$work/genesis2.json"
start "$dir" --genesis-json "$genesis"
yes "the same genesis again" within 5 ready "$dir"
stop "$pid"
copy; set_line chain-state-db-size-mb 128; like_running config-dbsize-smaller
copy; like terminate-at-block-again --terminate-at-block 3
copy; NODESIM_START=0 like replay-terminate-at-block-20 --replay-blockchain --terminate-at-block 3 --integrity-hash-on-stop

# --- fresh ones
fresh=0
new() {
	fresh=$((fresh + 1))
	new_node "f$fresh" "$@"
}
new; like genesis-file-missing --genesis-json /nonexistent/genesis.json
new; printf '{"initial_timestamp": ' >"$work/bad.json"; like genesis-bad-json --genesis-json "$work/bad.json"
new; echo '{}' >"$work/bad2.json"; like_running genesis-empty-object --genesis-json "$work/bad2.json"
new; like_running no-genesis-fresh
new "no-such-option = 1"; like config-unknown-option-file --genesis-json "$genesis"
new; like config-unknown-option-cli --no-such-option
new "max-clients = many"; like config-bad-value-type --genesis-json "$genesis"
new "http-server-address = 127.0.0.1:1"; like config-dup-config-value --genesis-json "$genesis"
new; like config-missing-config-file --config other.ini
new "plugin = eosio::nope_plugin"; like config-bad-plugin --genesis-json "$genesis"
new "http-threads = 0"; like config-http-threads-0 --genesis-json "$genesis"
new; set_line http-max-response-time-ms -5; like config-negative-maxresp --genesis-json "$genesis"
new; set_line http-server-address 127.0.0.1; like config-http-addr-noport --genesis-json "$genesis"
new; set_line p2p-listen-endpoint 127.0.0.1; like config-bad-p2p-listen --genesis-json "$genesis"
new "agent-name = $(printf 'x%.0s' {1..400})"; like config-agent-name-long --genesis-json "$genesis"
new; set_line chain-state-db-size-mb 0; like config-dbsize-zero --genesis-json "$genesis"
new; set_line chain-state-db-size-mb 1; like config-dbsize-tiny --genesis-json "$genesis"
new "${producer_lines[@]:1:1}" "read-mode = irreversible"
like config-read-mode-irreversible-producer --genesis-json "$genesis"
new "p2p-peer-address = nohostport"; like_running config-bad-peer --genesis-json "$genesis"
new "p2p-peer-address = 127.0.0.1:1"
settled='_close ' like_running config-unreachable-peer --genesis-json "$genesis"
# A name that is none: only where something answers for names at once.
timeout 2 getent ahostsv4 no.such.host.invalid >/dev/null
if [ $? -eq 2 ]; then
	new "p2p-peer-address = no.such.host.invalid:9876"
	unordered=1 settled='Unable to resolve' like_running config-unresolvable-peer --genesis-json "$genesis"
	new; set_line http-server-address 256.1.1.1:18890
	like_running config-bad-http-address --genesis-json "$genesis"
else
	skipped=$((skipped + 4))
fi
new; like print-build-info --print-build-info
new "${producer_lines[@]}"; set_line chain-state-db-size-mb 130
like dbsize-below-guard-producing --genesis-json "$genesis"

# --- information
is "--version" "$("$sim" --version)" v4.0.6-nodesim
yes "--full-version" grep -q '^v4.0.6-nodesim-' <("$sim" --full-version)
yes "--help tells of the knobs" grep -q NODESIM_FLUSH <("$sim" --help)
is "--print-default-config is a config.ini" "$("$sim" --print-default-config | grep -c '^[^#]')" 0
new "snapshot = x"; run "$dir"; is "--snapshot in the file" "$rc" 254
new; run "$dir" --extract-genesis-json /x; is "--extract-genesis-json is not simulated" "$rc" 254
yes "and says so" grep -q "does not simulate the option 'extract-genesis-json'" "$dir/log"
new; rm "$dir/config/config.ini"
start "$dir" --p2p-listen-endpoint= --http-server-address= --genesis-json "$genesis"
yes "a missing config.ini is made" within 5 test -s "$dir/config/config.ini"
stop "$pid"
