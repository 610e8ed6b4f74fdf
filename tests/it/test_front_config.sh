#!/usr/bin/env bash
# test_front_config.sh - stacks/front/haproxy.cfg in a real HAProxy, without an engine: what it lets
# through, limits, retries, discovery. The readers are fakes that record what reached them.
# time-limit: 180
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need ip curl iptables
unpacked=$ROOT/build/packages/haproxy
PATH=$unpacked/usr/sbin:$PATH
need haproxy
library=$(find "$unpacked/usr/lib" -name 'liblua*' -printf '%h\n' -quit 2>/dev/null)

front_pl=$ROOT/tests/it/front.pl
url=http://127.0.0.1:8888

# The variables of the stack file, with its defaults.
defaults()
{
	sed -n 's/^ *\(NODESWARM_[A-Z0-9_]*\): "\${[A-Z0-9_]*:-\([^}]*\)}"$/\1=\2/p' "$ROOT/stacks/front.yml"
}
config=$IT_DIR/haproxy.cfg
sed "s,/etc/haproxy/,$ROOT/stacks/front/," "$ROOT/stacks/front/haproxy.cfg" >"$config"

# exec_haproxy [NAME=VALUE...] ARG...
exec_haproxy()
{
	local vars=()
	mapfile -t vars < <(defaults)
	while [[ ${1-} == *=* ]]; do
		vars+=("$1") && shift
	done
	exec env "${vars[@]}" ${library:+LD_LIBRARY_PATH="$library"} haproxy -f "$config" "$@"
}
haproxy_with()
(
	exec_haproxy "$@"
)

check 'the configuration is valid, without a warning' expect '^Configuration file is valid$' \
	haproxy_with -c -dW || exit

# What is written in two places.
same_numbers()
{
	local fall servers
	fall=$(sed -n 's/^#define SUPERVISE_CHECK_FALL \([0-9]*\).*/\1/p' "$ROOT/src/supervise/supervise.h")
	servers=$(sed -n 's/^#define FRONT_SERVERS_MAX *\([0-9]*\).*/\1/p' "$ROOT/src/deploy/front.h")
	expect "server-template reader $servers .* check port 8880 inter .* fall $fall rise 1 observe" cat "$config" >/dev/null &&
		[ "$(grep -c "server-template reader $servers " "$config")" = "$(grep -c server-template "$config")" ] &&
		grep -q "NODESWARM_CHECK_INTERVAL: \"\${NODESWARM_CHECK_INTERVAL:-1s}\"" "$ROOT/stacks/readers.yml" &&
		grep -q "NODESWARM_CHECK_INTERVAL: \"\${NODESWARM_CHECK_INTERVAL:-1s}\"" "$ROOT/stacks/front.yml"
}
check 'the supervisor, the command line and the front have the same numbers' same_numbers
same_image()
{
	"$ROOT/docker/build-image.sh" --quiet --front --output "$IT_DIR/1.tar" &&
		"$ROOT/docker/build-image.sh" --quiet --front --output "$IT_DIR/2.tar" && cmp "$IT_DIR/1.tar" "$IT_DIR/2.tar" &&
		expect 'usr/bin/haproxy' sh -c "tar -xOf $IT_DIR/1.tar layer.tar | tar -t"
}
check 'the image is the same each time it is built' same_image
check 'and takes no other program' expect_fail 2 'takes no programs' "$ROOT/docker/build-image.sh" --front sleep

# --- around it ---------------------------------------------------------------------------------

# Readers live in a namespace of their own, because haproxy listens on all addresses of this one.
readers=(10.9.0.1 10.9.0.2 10.9.0.3 10.9.0.4)
ip netns add readers
ip link add front0 type veth peer name readers0 netns readers
ip addr add 10.9.0.100/24 dev front0
ip link set front0 up
for a in "${readers[@]}"; do
	ip -n readers addr add "$a/24" dev readers0
done
ip -n readers link set readers0 up
ip -n readers link set lo up

retries=$(sed -n 's/^ *net.ipv4.tcp_retries2: "\([0-9]*\)"$/\1/p' "$ROOT/stacks/front.yml")
check 'the kernel setting of the stack file' sh -c "echo ${retries:-none} >/proc/sys/net/ipv4/tcp_retries2"

declare -A reader_pid
reader()
{
	ip netns exec readers "$front_pl" reader "$1" "$IT_DIR" 50>&- 51<&- 52<&- &
	reader_pid[$1]=$!
}
for a in "${readers[@]}"; do
	reader "$a"
done
dns()
{
	printf '%s\n' "$@" >"$IT_DIR/dns.new"
	mv "$IT_DIR/dns.new" "$IT_DIR/dns"
}
dns "${readers[@]}"
"$front_pl" dns "$IT_DIR/dns" 50>&- 51<&- 52<&- &

# haproxy_start [NAME=VALUE...]: a fresh one, ready
haproxy_start()
{
	if [ -n "${HAPROXY-}" ]; then
		kill -KILL "$HAPROXY"
		wait "$HAPROXY" 2>/dev/null
		# Its worker ends by itself.
		wait_for 5 sh -c '! ss -Hltn "sport = :8888" | grep .' >/dev/null
	fi
	exec_haproxy "$@" -W -db >"$IT_DIR/haproxy.log" 2>&1 50>&- 51<&- 52<&- &
	HAPROXY=$!
	wait_for 5 up "${#readers[@]}"
}

metric()
{
	curl -sf http://127.0.0.1:8404/metrics | awk -v m="$1" 'index($0, m) == 1 { print $2 }'
}
up()
{
	[ "$(metric 'haproxy_backend_active_servers{proxy="readers"}')" = "$1" ]
}

status()
{
	curl -s -m 8 -o "$IT_DIR/body" -w '%{http_code}' "$@"
}
served_by()
{
	curl -s -m 8 -o /dev/null -D - "$@" | tr -d '\r' | sed -n 's/^x-served-by: //pI'
}
mode()
{
	echo "$2" >"$IT_DIR/$1.mode"
}
ask()
{
	local n=$1 i
	shift
	for ((i = 0; i < n; i++)); do
		status "$@" "$url/v1/chain/get_info"
		echo
	done | sort | uniq -c | sed 's/^ *//'
}

check 'it starts, and finds 4 readers' haproxy_start NODESWARM_FRONT_RATE=100000 || { cat "$IT_DIR/haproxy.log"; exit; }

# --- paths -------------------------------------------------------------------------------------

every_line()
{
	local path n=0
	while read -r path; do
		n=$((n + 1))
		[ "$(status -d '{}' "$url$path")" = 200 ] || { echo "$path" && return 1; }
		grep -qF "POST $path HTTP/1.1" "$IT_DIR/body" || { echo "$path: $(cat "$IT_DIR/body")" && return 1; }
	done < <(grep '^/' "$ROOT/stacks/front/paths.lst")
	echo "$n paths"
	[ "$n" -gt 20 ]
}
check 'every path of the list reaches a reader' every_line

# Each with GET and POST: what nodeos would serve on this port, and ways to spell it.
refused_paths()
{
	cat <<-'END'
		/
		/v1
		/v1/
		/v1/chain
		/v1/chain/
		/v1/chain/nope
		/v1/chain/get_info/
		/v1/chain/get_infos
		/v1/chain/push_block
		/v1/chain/push_transactions
		/v1/producer/pause
		/v1/producer/resume
		/v1/producer/paused
		/v1/producer/create_snapshot
		/v1/producer/schedule_snapshot
		/v1/producer/get_runtime_options
		/v1/producer/update_runtime_options
		/v1/producer/get_integrity_hash
		/v1/producer/set_whitelist_blacklist
		/v1/producer/schedule_protocol_feature_activations
		/v1/net/connect
		/v1/net/disconnect
		/v1/net/connections
		/v1/net/status
		/v1/db_size/get
		/v1/node/get_supported_apis
		/v1/snapshot/get_snapshots
		/v1/trace_api/get_block
		/v1/test_control/kill_node_on_producer
		/v1/history/get_actions
		/v1/prometheus/metrics
		/v1/wallet/sign_digest
		/metrics
		/state
		/admin
		//v1/chain/get_info
		/v1//chain/get_info
		/v1/chain//get_info
		/./v1/chain/get_info
		/v1/chain/./get_info
		/v1/chain/get_info/.
		/v1/chain/get_info/..
		/v1/chain/../producer/pause
		/v1/chain/get_info/../../producer/pause
		/v1/chain/get_info/..;/..;/producer/pause
		/v1/chain/..;/producer/pause
		/v1/chain/get_info;x=1
		/v1/chain;x/get_info
		/v1/chain/%2e%2e/producer/pause
		/v1/chain/%2E%2E/producer/pause
		/v1/chain/..%2fproducer/pause
		/v1/chain/..%2Fproducer%2Fpause
		/v1/chain/%2e%2e%2fproducer%2fpause
		/v1/chain/%252e%252e/producer/pause
		/v1%2fchain%2fget_info
		/v1/chain/%67et_info
		/v1/chain/get_info%00
		/v1/chain/get_info%0d%0aX:%20y
		/v1/chain/get_info%20
		/v1/chain/get_info%3f
		/v1/chain/get_info%23
		/v1\chain\get_info
		/v1/chain\get_info
		/v1/chain/..\producer\pause
		/V1/chain/get_info
		/v1/Chain/get_info
		/v1/chain/GET_INFO
		/v1/producer/pause?/v1/chain/get_info
		/v1/producer/pause;/v1/chain/get_info
		/?/v1/chain/get_info
	END
}
# Not one byte of these may reach a reader.
refused_all()
{
	local path method n=0
	cat "$IT_DIR"/10.*.log >"$IT_DIR/before"
	while read -r path; do
		for method in GET POST; do
			n=$((n + 1))
			[ "$(status --path-as-is -X $method -d '{}' "$url$path")" = 403 ] ||
				{ echo "$method $path is not refused with 403" && return 1; }
			grep -q '"code":403' "$IT_DIR/body" || { cat "$IT_DIR/body" && return 1; }
		done
	done < <(refused_paths)
	echo "$n requests refused"
	cat "$IT_DIR"/10.*.log | cmp - "$IT_DIR/before"
}
check 'all else is refused with 403 and JSON, and reaches no reader' refused_all

# raw STATUS REQUEST [TIMES]: as printf has it; the status of the first answer ("-": none), and how
# many answers there are.
raw()
{
	local want=$1 times=${3:-1} answer got
	# shellcheck disable=SC2059
	printf "$2" | "$front_pl" raw 127.0.0.1 8888 >"$IT_DIR/answer" || return
	answer=$(tr -d '\0\r' <"$IT_DIR/answer")
	got=$(sed -n '1s/^HTTP\/1\.[01] \([0-9]*\).*/\1/p' <<<"$answer")
	[ "${got:--}" = "$want" ] || { echo "'$2': ${got:-no answer}, not $want" && head -c 600 <<<"$answer" && return 1; }
	got=$(grep -c '^HTTP/' <<<"$answer")
	[ "$want" = - ] || [ "$got" = "$times" ] || { echo "'$2': $got answers, not $times" && return 1; }
}
I=/v1/chain/get_info P=/v1/producer/pause
H='Host: x\r\nConnection: close\r\n'
raw_requests()
{
	cat "$IT_DIR"/10.*.log >"$IT_DIR/before"
	# What is one request to us and two to somebody else, or a path to only one of us.
	raw 403 "GET http://x$P HTTP/1.1\r\n$H\r\n" &&
	raw 403 "GET http://x/v1/chain/get_info@y$P HTTP/1.1\r\n$H\r\n" &&
	raw 403 "GET $P$I HTTP/1.1\r\n$H\r\n" &&
	raw 403 "GET *$I HTTP/1.1\r\n$H\r\n" &&
	raw 403 "OPTIONS * HTTP/1.1\r\n$H\r\n" &&
	raw 400 "GET $I\\000 HTTP/1.1\r\n$H\r\n" &&
	raw 400 "GET $I\\013 HTTP/1.1\r\n$H\r\n" &&
	raw 400 "GET $I x HTTP/1.1\r\n$H\r\n" &&
	raw 400 "GET $I\r\n\r\n" &&
	raw 400 "GET $I HTTP/0.9\r\n\r\n" &&
	raw 400 "GET $I HTTP/2.0\r\n$H\r\n" &&
	raw 400 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" &&
	raw 400 "GET $I HTTP/1.1\r\nHost : x\r\nConnection: close\r\n\r\n" &&
	raw 400 "GET $I HTTP/1.1\r\n${H}X\\000: 1\r\n\r\n" &&
	raw 405 "HEAD $I HTTP/1.1\r\n$H\r\n" &&
	raw 405 "PUT $I HTTP/1.1\r\n$H\r\n" &&
	raw 405 "DELETE $I HTTP/1.1\r\n$H\r\n" &&
	raw 405 "get $I HTTP/1.1\r\n$H\r\n" &&
	raw 400 "CONNECT $I HTTP/1.1\r\n$H\r\n" &&
	# Smuggling: the second request inside of the first one's body.
	raw 400 "POST $I HTTP/1.1\r\n${H}Content-Length: 4\r\nContent-Length: 5\r\n\r\n{}xxGET $P HTTP/1.1\r\n\r\n" &&
	raw 400 "POST $I HTTP/1.1\r\n${H}Content-Length: 4, 5\r\n\r\n{}xxGET $P HTTP/1.1\r\n\r\n" &&
	raw 400 "POST $I HTTP/1.1\r\n${H}Content-Length: +2\r\n\r\n{}" &&
	raw 400 "POST $I HTTP/1.1\r\n${H}Content-Length: -1\r\n\r\n{}" &&
	raw 400 "POST $I HTTP/1.1\r\n${H}Content-Length: 0x2\r\n\r\n{}" &&
	raw 411 "POST $I HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" &&
	raw 411 "POST $I HTTP/1.1\r\n${H}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET $P HTTP/1.1\r\n\r\n" &&
	raw 411 "POST $I HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG" &&
	raw 411 "POST $I HTTP/1.1\r\n${H}transfer-ENCODING: Chunked\r\n\r\n0\r\n\r\n" &&
	raw 413 "POST $I HTTP/1.1\r\n${H}Content-Length: 131073\r\n\r\n" &&
	raw 413 "POST $I HTTP/1.1\r\n${H}Content-Length: 18446744073709551\r\n\r\n" &&
	raw 400 "GET $I HTTP/1.1\r\n${H}X: $(printf '%09000d' 0)\r\n\r\n" || return
	cat "$IT_DIR"/10.*.log | cmp - "$IT_DIR/before"
}
check 'broken and ambiguous requests reach no reader' raw_requests
te_tricks()
{
	local te
	for te in 'Transfer-Encoding: xchunked' 'Transfer-Encoding:\tchunked' 'Transfer-Encoding : chunked' \
		'X: y\r\n Transfer-Encoding: chunked' 'Transfer-Encoding: identity' 'Transfer-Encoding: chunked, identity' \
		'Transfer-Encoding: gzip, chunked' 'Transfer-Encoding: "chunked"' 'Transfer-Encoding: chunked\r\nTransfer-Encoding: x' \
		'Transfer_Encoding: chunked' 'Transfer-Encoding: \x0bchunked'; do
		printf 'POST %s HTTP/1.1\r\n'"$H""$te"'\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$I" "$P" |
			"$front_pl" raw 127.0.0.1 8888 >"$IT_DIR/answer"
		head -n1 "$IT_DIR/answer"
	done
	! grep -a /v1/producer "$IT_DIR"/10.*.log
}
check 'no spelling of Transfer-Encoding smuggles a request' te_tricks

passed()
{
	raw 200 "GET $I HTTP/1.1\r\n$H\r\n" &&
	raw 200 "GET $I HTTP/1.0\r\n\r\n" &&
	raw 200 "GET $I?x=1 HTTP/1.1\r\n$H\r\n" && grep -qF "GET $I HTTP/1.1" "$IT_DIR/answer" &&
	raw 200 "GET http://x$I HTTP/1.1\r\n$H\r\n" && grep -qF "\"GET $I HTTP/1.1\"" "$IT_DIR/answer" &&
	raw 200 "GET http://x$I?a=/../ HTTP/1.1\r\n$H\r\n" && grep -qF "\"GET $I HTTP/1.1\"" "$IT_DIR/answer" &&
	raw 200 "OPTIONS $I HTTP/1.1\r\n$H\r\n" &&
	# A body of one's own choice, and requests one after another.
	raw 200 "POST $I HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\n{}" &&
	raw 200 "GET $I HTTP/1.1\r\nHost: x\r\n\r\nGET $I HTTP/1.1\r\n$H\r\n" 2 &&
	raw 200 "GET $I HTTP/1.1\r\nHost: x\r\n\r\nGET $P HTTP/1.1\r\n$H\r\n" 2 &&
	raw 200 "GET $I HTTP/1.1\r\n${H}Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n" &&
	raw 200 "GET $I\\t HTTP/1.1\r\n$H\r\n" && grep -qF "\"GET $I HTTP/1.1\"" "$IT_DIR/answer" &&
	raw 100 "POST $I HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}" 2
}
check 'queries and hosts before the path are cut off; the rest passes' passed

# The last word: the first line of each request that any reader got.
only_listed()
{
	cat "$IT_DIR"/10.*.log | tr -d '\r' | grep -a ' HTTP/' | cut -d' ' -f2 | sort | uniq -c |
		sort -rn | awk '{ print $2 }' >"$IT_DIR/seen"
	wc -l <"$IT_DIR/seen"
	! grep -vxFf <(grep '^/' "$ROOT/stacks/front/paths.lst") "$IT_DIR/seen"
}
check 'no reader has ever seen a path that is not in the list' only_listed
headers_gone()
{
	status --interface 127.0.0.5 -H 'X-Forwarded-For: 1.2.3.4' -H 'Forwarded: for=1.2.3.4' -H 'X-Real-IP: 1.2.3.4' -H 'Marker: m' "$url$I" || return
	cat "$IT_DIR"/10.*.log | tr -d '\r' | grep -aA20 '^marker: m$' | grep -a '^x-forwarded-for: 127.0.0.5$' &&
		! grep -a -e '1\.2\.3\.4' -e '^upgrade' -e '^expect' "$IT_DIR"/10.*.log
}
check "headers that claim a source are the front's own" headers_gone

# --- answers -----------------------------------------------------------------------------------

check 'X-Served-By is the address of the reader, once, not what the reader says' expect '^10\.9\.0\.[1-4]:8888$' served_by "$url$I"
check 'and names who really answered' sh -c "
	curl -s -D $IT_DIR/h $url$I | grep -o '10[.0-9]*' >$IT_DIR/b
	grep -i \"^x-served-by: \$(cat $IT_DIR/b):8888\" $IT_DIR/h"
check 'answers of the front itself have none' test -z "$(served_by "$url$P")"
check 'livez' expect '^200$' status "$url/livez"
check 'readyz' expect '^200$' status "$url/readyz"
check 'metrics' expect 'haproxy_server_status\{proxy="readers",server="reader1",state="UP"\} 1' curl -sf http://127.0.0.1:8404/metrics
check 'and nothing else there' expect 403 status http://127.0.0.1:8404/
spread()
{
	for _ in {1..60}; do served_by "$url$I"; done | sort | uniq -c
	[ "$(for _ in {1..60}; do served_by "$url$I"; done | sort -u | wc -l)" = 4 ]
}
check 'all readers get requests' spread
p2p()
{
	echo hello | "$front_pl" raw 127.0.0.1 9876 | grep -E '^10\.9\.0\.[1-4] hello$'
}
check 'p2p goes to a reader' p2p

# --- readers that go ---------------------------------------------------------------------------

unready_leaves()
{
	mode 10.9.0.1 unready
	wait_for 4 up 3 || return
	for _ in {1..30}; do served_by "$url$I"; done | sort -u | tee "$IT_DIR/by"
	! grep -q 10.9.0.1: "$IT_DIR/by" || return
	mode 10.9.0.1 ''
	wait_for 4 up 4
}
check 'a reader that is not ready gets nothing, and comes back' unready_leaves
breaks()
{
	mode 10.9.0.1 break
	mode 10.9.0.2 break
	mode 10.9.0.3 break
	expect '^60 200$' ask 60
}
check 'readers that break off: reads are sent to another one' breaks
writes_once()
{
	local n
	n=$(cat "$IT_DIR"/10.*.log | grep -ac 'POST /v1/chain/send_transaction ')
	for _ in {1..12}; do status -d '{}' "$url/v1/chain/send_transaction" && echo; done | sort | uniq -c
	n=$(($(cat "$IT_DIR"/10.*.log | grep -ac 'POST /v1/chain/send_transaction ') - n))
	echo "12 transactions, $n sent"
	[ "$n" = 12 ]
}
check 'transactions are never sent twice' writes_once
for a in "${readers[@]}"; do mode "$a" ''; done
check 'all come back' wait_for 5 up 4

killed()
{
	local rc=0
	ask 300 >"$IT_DIR/asked" &
	local asker=$!
	sleep 0.3
	kill -KILL "${reader_pid[10.9.0.2]}" "${reader_pid[10.9.0.3]}"
	wait "$asker"
	expect '^300 200$' cat "$IT_DIR/asked" || rc=1
	wait_for 4 up 2 || rc=1
	reader 10.9.0.2
	reader 10.9.0.3
	wait_for 5 up 4 || rc=1
	return $rc
}
check 'readers killed: no request fails' killed

# power_off ADDRESS: it is silent from now on, with connections to it open and idle
power()
{
	ip netns exec readers iptables -w "$2" INPUT -d "$1" -j DROP
	ip netns exec readers iptables -w "$2" OUTPUT -s "$1" -j DROP
}
powered_off()
{
	local rc=0
	# Keep-alive connections of a client that asks all the time.
	curl -s -m 40 -o /dev/null -w '%{http_code}\n' "$url$I?[1-40]" >"$IT_DIR/warm"
	(for _ in {1..12}; do
		curl -s -m 40 -o /dev/null -w '%{http_code}\n' "$url$I?[1-100]"
	done) >"$IT_DIR/asked" &
	local asker=$!
	sleep 0.1
	power 10.9.0.4 -A
	wait "$asker"
	sort "$IT_DIR/asked" | uniq -c
	grep event= "$IT_DIR/haproxy.log" | tail -n 5
	[ "$(grep -c '^200$' "$IT_DIR/asked")" = 1200 ] || rc=1
	wait_for 6 up 3 || rc=1
	power 10.9.0.4 -D
	wait_for 6 up 4 || rc=1
	return $rc
}
check 'a host loses power: no request fails' powered_off

fails_open()
{
	local a rc=0
	for a in "${readers[@]}"; do mode "$a" unready; done
	wait_for 5 up 0 || return
	expect '^40 200$' ask 40 || rc=1
	expect '^10.9.0' served_by "$url$I" || rc=1
	expect '^503$' status "$url/readyz" || rc=1
	expect '^200$' status "$url/livez" || rc=1
	# One of them dead.
	kill -KILL "${reader_pid[10.9.0.2]}"
	expect '^40 200$' ask 40 || rc=1
	reader 10.9.0.2
	for a in "${readers[@]}"; do mode "$a" ''; done
	wait_for 5 up 4 || rc=1
	return $rc
}
check 'no reader is ready: it fails open' fails_open

# --- discovery ---------------------------------------------------------------------------------

hiccup()
{
	dns "$1"
	sleep 5
	up 4 && expect '^20 200$' ask 20 || return
	dns "${readers[@]}"
	sleep 1.2
}
for word in nxdomain servfail refused silent empty; do
	check "a name server that answers '$word' for 5 s takes nobody away" hiccup $word
done
check 'nor does it for minutes' test "$(grep -cE '^	hold (nx|other|refused|timeout) 10m$' "$config")" = 4
fewer()
{
	dns 10.9.0.1 10.9.0.2
	wait_for 6 up 2 || return
	dns "${readers[@]}"
	wait_for 4 up 4
}
check 'a task that has gone leaves, a new one comes' fewer

# --- limits by source --------------------------------------------------------------------------

check 'a front of 20 requests a second, 4 connections' haproxy_start NODESWARM_FRONT_RATE=20 \
	NODESWARM_FRONT_CONNECTIONS=4 NODESWARM_FRONT_TRUSTED=127.0.0.77 NODESWARM_FRONT_P2P_CONNECTIONS=2
one_is_too_fast()
{
	local rc=0
	(for _ in {1..4}; do curl -s --interface 127.0.0.5 -o /dev/null -w '%{http_code}\n' "$url$I?[1-100]"; done) >"$IT_DIR/fast" &
	local fast=$!
	for _ in {1..10}; do
		status --interface 127.0.0.6 "$url$I"
		echo
		sleep 0.1
	done >"$IT_DIR/slow"
	wait "$fast"
	sort "$IT_DIR/fast" | uniq -c
	grep -q '^429$' "$IT_DIR/fast" && grep -q '^200$' "$IT_DIR/fast" || rc=1
	expect '^ *10 200$' sh -c "sort $IT_DIR/slow | uniq -c" || rc=1
	return $rc
}
check 'a source over its rate gets 429, another one is not touched' one_is_too_fast
refusal()
{
	curl -s -i --interface 127.0.0.5 "$url$I?[1-60]" | tr -d '\r' >"$IT_DIR/h"
	grep -i '^retry-after: 1$' "$IT_DIR/h" | head -n1 && grep '"code":429,"message":"Too Many Requests"' "$IT_DIR/h" | head -n1
}
check '429 has JSON and Retry-After' expect 'code' refusal
check 'a second later it may ask again' sh -c "sleep 2; curl -sf --interface 127.0.0.5 -o /dev/null $url$I"
forwarded()
{
	# Two clients behind a proxy that is trusted are two sources; from anybody else it is a claim.
	curl -s -o /dev/null -H 'X-Forwarded-For: 9.9.9.9, 10.1.1.1' --interface 127.0.0.77 "$url$I?[1-60]"
	expect '^429$' status -H 'X-Forwarded-For: 8.8.8.8, 10.1.1.1' --interface 127.0.0.77 "$url$I" || return
	expect '^200$' status -H 'X-Forwarded-For: 10.1.1.2' --interface 127.0.0.77 "$url$I" || return
	curl -s -o /dev/null --interface 127.0.0.8 "$url$I?[1-60]"
	expect '^429$' status -H 'X-Forwarded-For: 10.1.1.3' --interface 127.0.0.8 "$url$I"
}
check "a trusted proxy's word about the source counts, nobody else's does" forwarded
connections()
{
	local held=() i rc=0
	for ((i = 0; i < 5; i++)); do
		exec {fd}<>/dev/tcp/127.0.0.1/8888
		held+=("$fd")
	done
	expect '^429$' status "$url$I" || rc=1
	for ((i = 0; i < 3; i++)); do
		exec {fd}<>/dev/tcp/127.0.0.1/8888
		held+=("$fd")
	done
	expect_fail any '^000$' status "$url$I" || rc=1
	expect '^200$' status --interface 127.0.0.6 "$url$I" || rc=1
	for fd in "${held[@]}"; do
		exec {fd}>&-
	done
	sleep 0.5
	expect '^200$' status "$url$I" || rc=1
	return $rc
}
check 'too many connections of one source: 429, then not even that; another one is not touched' connections
check 'lines of refusals are limited' sh -c "wc -l <$IT_DIR/haproxy.log; [ \$(wc -l <$IT_DIR/haproxy.log) -lt 150 ]"
check 'lines name client, path and end' expect 'event=request client=127.0.0.5 method=GET path="/v1/chain/get_info" status=429' \
	cat "$IT_DIR/haproxy.log"
largest_body()
{
	head -c 131072 /dev/zero | tr '\0' x >"$IT_DIR/large" &&
		expect '^200$' status --data-binary "@$IT_DIR/large" "$url$I"
}
check 'the largest body passes' largest_body
slow_senders()
{
	cat "$IT_DIR"/10.*.log >"$IT_DIR/before"
	# A head that never ends, a body that never comes, one that never ends.
	printf 'GET %s HTTP/1.1\r\nHost: x\r\n' "$I" | "$front_pl" raw 127.0.0.1 8888 20 >"$IT_DIR/slow1" &
	local first=$!
	printf 'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab' "$I" |
		"$front_pl" raw 127.0.0.1 8888 20 >"$IT_DIR/slow2" &
	local second=$!
	{
		printf 'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 131072\r\n\r\n' "$I"
		for _ in {1..12}; do
			head -c 20000 "$IT_DIR/large" || break
			sleep 2
		done
	} 2>/dev/null | timeout 20 curl -s telnet://127.0.0.1:8888 >"$IT_DIR/slow3"
	wait $first $second
	head -n1 "$IT_DIR"/slow[123]
	[ "$(grep -l "^HTTP/1.1 408" "$IT_DIR"/slow[123] | wc -l)" = 3 ] || return
	cat "$IT_DIR"/10.*.log | cmp - "$IT_DIR/before"
}
check 'slow senders get 408, and no reader hears of them' slow_senders

# --- its end -----------------------------------------------------------------------------------

soft_stop()
{
	local rc=0
	{ printf 'POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{' "$I"; sleep 1.5; printf '}'; } |
		timeout 5 curl -s telnet://127.0.0.1:8888 >"$IT_DIR/in-flight" &
	local client=$!
	sleep 0.5
	kill -USR1 "$HAPROXY"
	sleep 0.5
	expect_fail any '^000$' status "$url$I" || rc=1
	wait "$client"
	grep '^HTTP/1.1 200' "$IT_DIR/in-flight" || rc=1
	wait "$HAPROXY" || echo "exit status $?"
	return $rc
}
check 'SIGUSR1: no new connection, the request in flight is answered, and it ends' soft_stop
