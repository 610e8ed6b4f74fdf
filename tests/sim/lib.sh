# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# What the parts of tests/sim/run.sh share.  Everything runs on loopback, below one temporary
# directory, and ends with this shell.

passed=0 failed=0 skipped=0
data=$here/../data/sim
sim=${SIM:-${BUILD:-$here/../../build}/nodesim}
work=$(mktemp -d /tmp/nodesim-it.XXXXXX)
pids=()

cleanup() {
	local p
	# A subshell that is killed before it has dropped our traps must not clean up.
	[ "$BASHPID" = $$ ] || return
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

pass() { passed=$((passed + 1)); }
fail() {
	failed=$((failed + 1))
	printf 'FAILED %s\n' "$1"
	[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/    /' | cut -c1-400 | head -n 40
}
# is NAME GOT WANTED
is() { if [ "$2" = "$3" ]; then pass; else fail "$1" "got '$2', wanted '$3'"; fi; }
# yes NAME COMMAND...
yes() {
	local name=$1
	shift
	if "$@" >/dev/null 2>&1; then pass; else fail "$name" "false: $*"; fi
}
# within SECONDS COMMAND...: try it until it is true; a busy machine gets six times as long
within() {
	local end=$((SECONDS + 6 * $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# Ports that nobody listens on.  Taken from below the range that connections get theirs from.
# Each part of a parallel run has a range of its own.
case ${part:-$1} in start) range=0 ;; http) range=1 ;; cluster) range=2 ;; snapshot) range=-1 ;; *) range=3 ;; esac
next_port=$((10000 + 5000 * range + RANDOM % 4000))
[ "${part:-$1}" != damage ] || next_port=$((29100 + RANDOM % 3000))
[ "${part:-$1}" != transactions ] || next_port=$((9100 + RANDOM % 800))
[ "${part:-$1}" != gate ] || next_port=$((3100 + RANDOM % 800))
[ "${part:-$1}" != producers ] || next_port=$((4100 + RANDOM % 800))
[ "${part:-$1}" != replay ] || next_port=$((5100 + RANDOM % 800))
free_port() {
	# By looking, not by connecting: that would stand in the log of whoever listens there.
	while next_port=$((next_port + 1)); grep -q ":$(printf %04X "$next_port") 00000000:0000 0A" /proc/net/tcp; do :; done
	port=$next_port
}

all_plugins="chain chain_api http net net_api producer producer_api db_size_api prometheus"

# new_node NAME [LINE...]: a config with fresh ports; sets dir, http, p2p
new_node() {
	local p
	dir=$work/$1
	shift
	mkdir -p "$dir/config"
	free_port; http=127.0.0.1:$port
	free_port; p2p=127.0.0.1:$port
	{
		for p in $all_plugins; do echo "plugin = eosio::${p}_plugin"; done
		echo "http-server-address = $http"
		echo "p2p-listen-endpoint = $p2p"
		echo "p2p-server-address = $p2p"
		echo "chain-state-db-size-mb = 256"
		echo "http-max-response-time-ms = 500"
		printf '%s\n' "$@"
	} >"$dir/config/config.ini"
}
# set_line KEY VALUE: change one of the lines above
set_line() { sed -i "s|^$1 = .*|$1 = $2|" "$dir/config/config.ini"; }

producer_lines=(
	"enable-stale-production = true"
	"producer-name = eosio"
	"signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
	"p2p-max-nodes-per-host = 20"
)

# start DIR [ARG...]: in the background; sets pid.  The log is DIR/log.
start() {
	local d=$1
	shift
	rm -f "$d/log" # or the old one would be read as the new one's
	"$sim" --data-dir "$d/data" --config-dir "$d/config" "$@" 2>"$d/log" &
	pid=$!
	pids+=("$pid")
}
# finish PID: wait for its end; sets rc
finish() {
	wait "$1" 2>/dev/null
	rc=$?
}
stop() {
	kill -TERM "$1"
	finish "$1"
}
# run DIR [ARG...]: to the end, at most a minute; sets rc
run() {
	local d=$1
	shift
	timeout -s KILL 60 "$sim" --data-dir "$d/data" --config-dir "$d/config" "$@" 2>"$d/log"
	rc=$?
}

get() { curl -s -m 3 "http://$1/v1/$2" "${@:3}"; }
info() { get "$1" chain/get_info | jq -r ".$2"; }
head_of() { info "$1" head_block_num; }
serves() { [ "$(head_of "$1")" -ge "${2:-1}" ]; }
ready() { grep -q 'acceptor_.listen()' "$1/log"; }
dirty_byte() { xxd -s 8 -l 1 -p "$1/data/state/shared_memory.bin"; }
id_at() { get "$1" chain/get_block_info -d "{\"block_num\":$2}" | jq -r .id; }

# A log without what may differ between a nodeos and a nodesim, or two runs: times, paths,
# numbers in messages, what the recordings had removed.  Places (file:line) stay.
normal_log() {
	perl -ne '
		next if /^(\$ |# exit code)/ or /\] (\S+ simulator|nodesim )/ or
			/ (file_space_handler|platform_timer_accurac)\S* .*\] (Checktime|.*to be monitored)/;
		s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}/TIME/g;
		s{/\S*?/(?=application_base)}{}g; s{/(srv/lab/run|tmp/nodesim-it\.\w+)}{W}g;
		s{W/(\w+|\w[\w.-]*)/(data|config)}{W/NODE/$2}g; s{W/[\w.-]*genesis\S*?json}{W/genesis.json}g;
		s{W/bad\w*\.json}{W/genesis.json}g;
		s/Host not found \((non-)?auth.*/Host not found/;
		s/(Unable to resolve \S+) .*/$1 WHY/; # which depends on the resolver of the machine
		s/ net-\d / net-0 /; s/nodeos version .*/nodeos version/;
		s/\b(?=\w*[a-f])[0-9a-f]{16,}/H/g; s/(- )[0-9a-f]{7}"/$1H"/g;
		if (/^(\w+ +TIME \S+ +\S+ +\S+ +\] )(.*)/s) { ($a, $b) = ($1, $2); $b =~ s/\d+/N/g; $_ = "$a$b" }
		elsif (!/^    nodeos  /) { s/\d+/N/g }
		print' "$1" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' # the recordings lack empty lines at the end
}
# same_log NAME DIR: the log of DIR against the recording
same_log() {
	local difference order2=
	local order=cat
	# What several threads of nodeos say at the same time has no order.
	[ -z "${unordered:-}" ] || order='grep -v _close' order2=sort
	difference=$(diff <(normal_log "$data/log/$1.log" | $order | ${order2:-cat}) \
		<(normal_log "$2/log" | $order | ${order2:-cat}))
	if [ -z "$difference" ]; then pass; else fail "log of $1 (< nodeos, > nodesim)" "$difference"; fi
}
recorded_rc() { sed -n '2s/.*exit code \([0-9]*\) .*/\1/p' "$data/log/$1.log"; }

# like NAME [ARG...]: run the node in $dir to its end, compare with the recording NAME
like() {
	local name=$1
	shift
	run "$dir" "$@"
	is "exit status of $name" "$rc" "$(recorded_rc "$name")"
	same_log "$name" "$dir"
}
# in_order FILE LINE...: these stand in it, one after the other
in_order() {
	local file=$1 at=0 line next
	shift
	for line; do
		next=$(tail -n "+$((at + 1))" "$file" | grep -nF -m 1 -- "$line" | cut -d: -f1)
		[ -n "$next" ] || { echo "no '$line' after line $at" >&2; return 1; }
		at=$((at + next))
	done
}
