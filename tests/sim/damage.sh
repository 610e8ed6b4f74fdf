# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# The table of damages, row by row: what a start says to it, what repairs it, what is left on disk.
# A row that names a recording has the whole log compared with it; "seen" names the measured nodeos
# v4.0.6 where only its exit, message and files were written down.

genesis=$work/genesis.json
cp "$data/genesis.json" "$genesis"

new_node sound "${producer_lines[@]}"
clean=$dir
start "$clean" --genesis-json "$genesis"
within 20 serves "$http" 8 || fail "no blocks"
stop "$pid"
is "clean stop" "$rc" 0
rm "$clean/log"
last=$(($(stat -c %s "$clean/data/blocks/blocks.index") / 8)) # irreversible; the head is one more

copies=0
copy() {
	copies=$((copies + 1))
	new_node "row$copies" "$@"
	cp -a --sparse=always "$clean/data" "$dir/data"
	log=$dir/data/blocks/blocks.log index=$dir/data/blocks/blocks.index
	forkdb=$dir/data/blocks/reversible/fork_db.dat state=$dir/data/state/shared_memory.bin
}
put() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
flip() { perl -e 'open F, "+<", $ARGV[0] or die; seek F, $ARGV[1], 0; read F, $b, 1; seek F, $ARGV[1], 0; print F chr(ord($b) ^ $ARGV[2])' "$1" "$2" "${3:-255}"; }
size() { stat -c %s "$1"; }
dirty() { put "$state" 8 '\1'; }
backup() { find "$dir/data" -maxdepth 1 -name 'blocks-20??-??-??T??:??:??.???'; }
tails() { find "$dir/data/blocks" -name 'blocks-bad-tail-20??-??-??T??:??:??.???.log'; }

# like_running NAME [ARG...]: as like, of one that runs on
like_running() {
	local name=$1
	shift
	start "$dir" "$@"
	within 5 ready "$dir" || fail "$name: not ready" "$(cat "$dir/log")"
	stop "$pid"
	is "exit status of $name after SIGTERM" "$rc" 0
	same_log "$name" "$dir"
}
# refuses NAME STATUS TEXT [ARG...]: every time
refuses() {
	local name=$1 status=$2 text=$3
	shift 3
	run "$dir" "$@"
	is "$name: exit status" "$rc" "$status"
	if grep -qF -- "$text" "$dir/log"; then pass; else fail "$name: no '$text'" "$(tail -n 12 "$dir/log")"; fi
}
# runs NAME HEAD [ARG...]: serves with that head, and stops well
runs() {
	local name=$1 head=$2
	shift 2
	start "$dir" "$@"
	within 5 ready "$dir" || fail "$name: not ready" "$(tail -n 12 "$dir/log")"
	is "$name: head" "$(sed -n 's/.*Blockchain started; head block is #\([0-9]*\).*/\1/p' "$dir/log")" "$head"
	stop "$pid"
	is "$name: stop" "$rc" 0
}
replay_by_hand() { rm -rf "$dir/data/state" "$dir/data/blocks/reversible"; }
replays() { replay_by_hand && runs "$1" "${2:-$last}"; }
no_fork_db='No existing fork database despite existing chain state. Replay required.'
no_genesis='Genesis state is necessary to initialize fresh blockchain state but genesis state could not be found in the blocks log.'
does_not_match='which does not match the last block postion'
dirty_text='database dirty flag set (likely due to unclean shutdown): replay required'
short_read='/blocks.log unable to read'

# --- killed: dirty, refused for ever, four ways back
copy; dirty; rm "$forkdb"
refuses "dirty" 2 "$dirty_text"; refuses "dirty, again" 2 "$dirty_text"
refuses "dirty, with the genesis" 2 "$dirty_text" --genesis-json "$genesis"
runs "dirty, --replay" "$last" --replay-blockchain
copy; dirty; rm "$forkdb"; runs "dirty, --hard-replay" "$last" --hard-replay-blockchain
copy; dirty; rm "$forkdb"; replays "dirty, state and reversible away"
copy; dirty; rm "$forkdb"; NODESIM_START=3s start "$dir" --replay-blockchain
within 5 grep -q 'attempting to replay' "$dir/log"; kill -KILL "$pid"; finish "$pid"
refuses "killed in a replay" 2 "$dirty_text"; replays "killed in a replay, replayed"
# nothing but a dirty state: seen
copy; dirty; rm -r "$dir/data/blocks"
refuses "dirty without blocks" 2 "$dirty_text" --genesis-json "$genesis"
like_running blocksdir-missing-replay --replay-blockchain --genesis-json "$genesis"
copy; dirty; rm -r "$dir/data/blocks"; refuses "--hard-replay of nothing" 254 "Block log not found in '" --hard-replay-blockchain

# --- blocks.log
copy; truncate -s -5 "$log"; refuses "log - 5" 254 'Invalid block position'; refuses "log - 5, replay" 254 'Invalid block position' --replay-blockchain
runs "log - 5, hard replay" $((last - 1)) --hard-replay-blockchain; is "no bad tail: the block was whole" "$(tails)" ''
copy; truncate -s -100 "$log"; refuses "log - 100" 254 'Invalid block position'
like_running blockslog-trunc100-hardreplay --hard-replay-blockchain
is "its bad tail" "$(size "$(tails)")" 92
copy; truncate -s -192 "$log"; refuses "log - one block" 254 "$does_not_match"; runs "log - one block, hard replay" $((last - 1)) --hard-replay-blockchain
copy; perl -e 'print "\1" x 100' >>"$log"; refuses "log + 100" 254 'Invalid block position'
like_running blockslog-append-hardreplay --hard-replay-blockchain
is "the garbage is kept" "$(size "$(tails)")" 100
copy; head -c 4096 /dev/zero >>"$log"; refuses "log + zeros" 254 "$does_not_match"
like_running blockslog-append4kzero-hardreplay --hard-replay-blockchain
is "which parse, so no bad tail" "$(tails)" ''
copy; flip "$log" $(($(size "$log") - 300)); runs "a flip before the last block is not noticed" $((last + 1))
copy; flip "$log" $((126 + 2 * 192 + 20)); like blockslog-flip-hardreplay --hard-replay-blockchain
copy; flip "$log" $(($(size "$log") - 192 + 17)) $(((last - 1) ^ last)); like blockslog-last-num # one more
# what a replay meets in the last block, which a start does not look at
copy; flip "$log" $(($(size "$log") - 100)) 1; runs "a flip in the last block is not noticed" $((last + 1))
replay_by_hand; refuses "but cannot be replayed" 254 'Block ID does not match'
refuses "nor by --hard-replay" 254 'Block ID does not match' --hard-replay-blockchain
refuses "once more" 254 'Block ID does not match' --hard-replay-blockchain
rm -r "$dir/data/state"; runs "only without that block" $((last - 1)) --hard-replay-blockchain --truncate-at-block $((last - 1))
copy; flip "$log" $(($(size "$log") - 185)) 1; replay_by_hand; like blockslog-last-producer-replay
copy; flip "$log" $(($(size "$log") - 20)); replays "a flip in its signature"
copy; : >"$log"; like blockslog-empty; like blockslog-empty-hardreplay --hard-replay-blockchain
copy; : >"$log"; : >"$index"; replay_by_hand; refuses "0 bytes are not 'no log'" 254 "$short_read"; rm "$log" "$index"; runs "without them it begins anew" 1 --genesis-json "$genesis"
copy; truncate -s 20 "$log"; refuses "cut preamble" 254 "$short_read"; refuses "cut preamble, hard replay" 254 "$short_read" --hard-replay-blockchain
copy; put "$log" 0 '\x0b'; like blockslog-version; refuses "version, hard replay" 254 'Unsupported version of block log' --hard-replay-blockchain
copy; put "$log" 0 '\0'; refuses "version 0" 254 'Block log was not setup properly'
copy; put "$log" 120 '\0'; like blockslog-totem; refuses "separator, hard replay" 254 'Expected separator' --hard-replay-blockchain
copy; put "$log" 4 '\3'; refuses "first block" 254 'Expected separator between block log header and blocks was not found'
copy; flip "$log" 60; refuses "genesis in the log" 254 'does not match the existing  chain ID in state ('; replay_by_hand; refuses "and replayed" 254 'previous mismatch'
copy; truncate -s 126 "$log"; refuses "no block" 254 "$does_not_match"; runs "hard replay of no block begins anew" 1 --hard-replay-blockchain
copy; rm "$log" "$index"; runs "no log, state kept" $((last + 1)); is "the new log begins after the LIB" "$(xxd -s 4 -l 4 -p "$log")" "$(printf %02x000000 $((last + 1)))"
refuses "and cannot be replayed" 254 "$no_genesis" --replay-blockchain; is "which has taken the state" "$(ls "$dir/data/state")" ''
copy; rm "$log"; like hard-replay-no-log --hard-replay-blockchain; is "which has taken the state too" "$(ls "$dir/data/state")" ''

# --- blocks.index
for cut in '-s -3' '-s -8' '-s 0' '-s 8' '-s 12' '-s +8'; do
	copy
	# shellcheck disable=SC2086
	truncate $cut "$index"
	refuses "index $cut" 254 'blocks.index'
	replay_by_hand
	refuses "index $cut: replayed" 254 'blocks.index'
	runs "index $cut: hard replay" "$last" --hard-replay-blockchain
done
copy; rm "$index"; refuses "no index" 254 'blocks.index file is empty, please use leap-util'; is "it makes an empty one" "$(size "$index")" 0
copy; flip "$index" 0; runs "a flip at the index's begin is not noticed" $((last + 1))
copy; tail -c 8 "$index" >"$work/entry"; cat "$work/entry" >>"$index"; runs "nor one entry too many" $((last + 1))

# --- fork_db.dat
copy; rm "$forkdb"; refuses "no fork_db.dat" 254 "$no_fork_db"; runs "replay" "$last" --replay-blockchain
copy; printf 'garbage garbage' >"$forkdb"; refuses "garbage" 254 'has unexpected magic number'; refuses "garbage, replay" 254 'has unexpected magic number' --replay-blockchain
rm "$forkdb"; runs "without it, replay" "$last" --replay-blockchain
copy; : >"$forkdb"; refuses "fork_db.dat of 0 bytes" 254 'error unpacking uint32_t'; refuses "and --replay" 254 'error unpacking uint32_t' --replay-blockchain
runs "and --hard-replay" "$last" --hard-replay-blockchain
copy; : >"$forkdb"; replays "0 bytes, state and reversible away"
copy; put "$forkdb" 4 '\xfe'; like forkdb-version
copy; flip "$forkdb" $(($(size "$forkdb") - 21)); like forkdb-head; replays "head unknown: replayed"
copy; put "$forkdb" $((8 + 14)) '\0\0\0\x4e'; refuses "another root" 254 "does not contain the last irreversible block (79)"; replays "another root: replayed"
copy; truncate -s 100 "$forkdb"; refuses "cut in its root" 254 'read datastream of length 100 over by'; refuses "cut in its root, again" 254 'read datastream'
copy; truncate -s -1 "$forkdb"; refuses "without its last byte" 254 'read datastream of length'; runs "the second start has written it again" $((last + 1))
copy; echo more >>"$forkdb"; runs "more bytes are not noticed" $((last + 1))

# --- state/
copy; rm -r "$dir/data/state"; runs "no state: by itself, with fork_db.dat" $((last + 1))
copy; replay_by_hand; like_running state-and-reversible-missing
copy; rm "$state"; runs "state/ empty" $((last + 1))
copy; replay_by_hand; runs "no state, with the genesis" "$last" --genesis-json "$genesis"
copy; put "$state" 0 EOSIODB3; like state-format-3; replays "format 3: replayed"
copy; put "$state" 0 EOSIODB3; dirty; refuses "the format is looked at first" 254 'database format not compatible'
copy; flip "$state" 528 1; like state-environment; replays "another build: replayed"
copy; flip "$state" 528 1; dirty; refuses "the dirty byte before the build" 2 "$dirty_text"
for at in 9 10 11 12 16 527 783; do copy; flip "$state" $at; refuses "state, byte $at" 254 'Database incompatible; All environment parameters must match'; done
copy; flip "$state" 784; runs "byte 784 is nobody's" $((last + 1))
for at in 0 9 1023; do copy; truncate -s $at "$state"; refuses "state of $at bytes" 254 'Failed to read DB header'; done
for at in 1024 4096 134217728; do copy; truncate -s $at "$state"; run "$dir" 2>/dev/null; is "state cut to $at" "$rc" 139; done
replays "cut state: replayed"

# --- hard replay
copy; like_running hard-replay-sound --hard-replay-blockchain
is "one copy" "$(backup | wc -l)" 1
yes "which has the log" cmp "$(backup)/blocks.log" "$log"
yes "the index" cmp "$(backup)/blocks.index" "$index"
yes "and fork_db.dat" test -s "$(backup)/reversible/fork_db.dat"
runs "a second hard replay" "$last" --hard-replay-blockchain; is "leaves a second copy" "$(backup | wc -l)" 2
# killed between its renames and its copy, seen: all is in the backup, and a plain start begins anew
copy; rm "$state"; mkdir "$dir/data/blocks-2026-11-21T11:49:51.891"; mv "$dir/data/blocks/"* "$dir/data/blocks-2026-11-21T11:49:51.891/"
refuses "killed after the move, hard replay" 254 "Block log not found in '" --hard-replay-blockchain
runs "killed after the move: another chain" 1
copy; rm "$state" "$index"; mkdir "$dir/data/blocks-2026-11-21T11:49:51.891"; mv "$log" "$dir/data/blocks-2026-11-21T11:49:51.891/"
refuses "killed after the first rename" 254 'previous mismatch'; is "which has written a log" "$(size "$log")" 318

# --- hashes
copy; like_running integrity-hash-on-start --integrity-hash-on-start --integrity-hash-on-stop
is "one state, one hash" "$(sed -n 's/.*chain database .* with hash: //p' "$dir/log" | uniq | wc -l)" 1

# --- two openers, the second with --replay-blockchain: nothing prevents it
new_node twice "${producer_lines[@]}"
twice=$dir twice_http=$http
start "$twice" --genesis-json "$genesis"
first=$pid
within 20 serves "$twice_http" 5
new_node other
"$sim" --data-dir "$twice/data" --config-dir "$dir/config" --replay-blockchain 2>"$dir/log" &
second=$!
pids+=("$second")
yes "the second runs" within 5 serves "$http" 3
at=$(head_of "$twice_http")
yes "the first too" within 5 serves "$twice_http" $((at + 2))
stop "$second"; is "the second stops" "$rc" 0
yes "and the first still runs" within 5 serves "$twice_http" $((at + 4))
stop "$first"; is "the first stops" "$rc" 0
dir=$twice
refuses "after both" 254 'is inconsistent with state ('
start "$twice" --replay-blockchain
yes "a replay repairs it" within 5 serves "$twice_http" $((at + 3))
stop "$pid"

# --- a disk that is full
if mkdir "$work/full" && mount -t tmpfs -o size=4m none "$work/full" 2>/dev/null; then
	trap 'umount "$work/full" 2>/dev/null; cleanup' EXIT
	new_node tiny
	"$sim" --data-dir "$work/full/data" --config-dir "$dir/config" --genesis-json "$genesis" 2>"$dir/log"
	is "too small at the first start" $? 135
	is "no word of it" "$(grep -cE '^error|warning' "$dir/log")" 0
	umount "$work/full"
else
	skipped=$((skipped + 2))
fi
