# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# Several producers in a schedule: their turns, the LIB, and a fork that is healed.

export NODESIM_PRODUCERS=aa,bb,cc
lines=("enable-stale-production = true" "p2p-max-nodes-per-host = 20" "${producer_lines[2]}")

new_node p "${lines[@]}" "producer-name = aa" "producer-name = cc"
p=$dir p_http=$http p_p2p=$p2p
start "$p" --genesis-json "$data/genesis.json"
p_pid=$pid
within 5 ready "$p" || fail "the first producer does not start"
new_node q "${lines[@]}" "producer-name = bb"
q=$dir q_http=$http
start "$q" --genesis-json "$data/genesis.json" "--p2p-peer-address=$p_p2p"
q_pid=$pid

# What each block's time says, against who made it.
turns() {
	perl -ne 'next unless /\] (?:Produced|Received) block \w+\.\.\. #(\d+) @ (\S+) signed by (\S+) /;
		my ($num, $at, $by) = ($1, $2, $3);
		my ($s, $ms) = $at =~ /(.*)\.(\d+)/;
		chomp(my $unix = `date -ud "$s" +%s`);
		my $slot = 2 * ($unix - 946684800) + ($ms >= 500);
		print "$num $by\n" if (qw(aa bb cc))[int($slot % 36 / 12)] ne $by' "$1"
}
is "who is scheduled" "$(get "$p_http" chain/get_producer_schedule | jq -r '[.active.producers[].producer_name]|join(" ")')" "aa bb cc"
all_made() {
	local n
	for n in aa bb cc; do
		grep -q "signed by $n " "$p/log" && grep -q "signed by $n " "$q/log" || return 1
	done
}
yes "all three make blocks" within 25 all_made
is "in their turns, says the first" "$(turns "$p/log")" ""
is "and the second" "$(turns "$q/log")" ""
is "one chain" "$(id_at "$q_http" 5)" "$(id_at "$p_http" 5)"

# Cut in two while bb's turn comes and one of the others'; both go on alone.
lib=$(info "$p_http" last_irreversible_block_num)
get "$q_http" net/disconnect -d "\"$p_p2p\"" >/dev/null
head=$(head_of "$q_http")
cut=$(head_of "$p_http")
within 20 eval 'test "$(head_of "$q_http")" -ge $((head + 6)) -a "$(head_of "$p_http")" -ge $((cut + 13))'
within 20 eval 'test "$(head_of "$p_http")" -gt $(($(head_of "$q_http") + 3))'
is "two chains" "$(test "$(id_at "$q_http" $((cut + 3)))" != "$(id_at "$p_http" $((cut + 3)))"; echo $?)" 0
yes "LIB stands" test "$(info "$q_http" last_irreversible_block_num)" -le $((lib + 12))
get "$q_http" net/connect -d "\"$p_p2p\"" >/dev/null
yes "the shorter one gives way" within 15 eval 'test "$(id_at "$q_http" $((cut + 3)))" = "$(id_at "$p_http" $((cut + 3)))"'
yes "it says what was not applied" grep -q "on_incoming_block    \] Block not applied to head [0-9a-f]\{16\}\.\.\. #[0-9]* @ " "$q/log"
yes "and that it switches" grep -q "controller.cpp:2346 .*maybe_switch_forks   \] switching forks from [0-9a-f]\{64\} (block number [0-9]*) to [0-9a-f]\{64\} (block number [0-9]*)$" "$q/log"
yes "and has" grep -q 'controller.cpp:2407 .*maybe_switch_forks   \] successfully switched fork to new head [0-9a-f]\{64\}$' "$q/log"
is "the other one never switched" "$(grep -c 'switching forks' "$p/log")" 0

# A stop and a start: the reversible blocks are there again.
stop "$q_pid"
is "it stops" "$rc" 0
head=$(sed -n 's/.* #\([0-9]*\) @ .*/\1/p' "$q/log" | sort -n | tail -n 1)
start "$q" "--p2p-peer-address=$p_p2p"
q_pid=$pid
yes "it starts with its head" within 5 grep -q "Blockchain started; head block is #$head" "$q/log"
yes "and goes on" within 10 serves "$q_http" $((head + 3))
is "on the same chain" "$(id_at "$q_http" $((cut + 3)))" "$(id_at "$p_http" $((cut + 3)))"
kill -KILL "$q_pid"
finish "$q_pid"
start "$q" --replay-blockchain "--p2p-peer-address=$p_p2p"
q_pid=$pid
yes "after a replay too" within 15 serves "$q_http" $((head + 5))
stop "$q_pid"
stop "$p_pid"
unset NODESIM_PRODUCERS
