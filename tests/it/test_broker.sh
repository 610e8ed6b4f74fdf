#!/usr/bin/env bash
# test_broker.sh - the broker on a real engine: token, compare-and-swap, two brokers, an engine that hangs
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker dockerd jq curl

check 'engine' engine_up || exit

TOKEN=$IT_DIR/token
head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$TOKEN"
A=http://127.0.0.1:8871
B=http://127.0.0.1:8872

broker()
{
	nodeswarm broker --port "$1" --token "$TOKEN" >"$IT_DIR/broker.$1" 2>&1 &
	echo $! >"$IT_DIR/broker.$1.pid"
}
broker 8871
broker 8872

# METHOD URL [BODY]: the status, then the body. BEARER: another token.
ask()
{
	local args=(-s -m 20 -w '\n%{http_code}' -X "$1")
	[ $# -lt 3 ] || args+=(-H 'Content-Type: application/json' --data-binary "$3")
	curl "${args[@]}" -H "Authorization: Bearer ${BEARER-$(cat "$TOKEN")}" "$2" | { mapfile -t l; printf '%s %s\n' "${l[-1]}" "${l[0]}"; }
}
is()
{
	local status=$1 pattern=$2
	shift 2
	expect "^$status .*$pattern" ask "$@"
}

# A record: VERSION EPOCH COUNT HOLDER FLOOR CEILING
slot_now() { echo $((($(date +%s) - 946684800) * 2)); }
record()
{
	jq -cn --arg holder "$4" --argjson version "$1" --argjson epoch "$2" --argjson count "$3" \
		--argjson floor "$5" --argjson ceiling "$6" '{format: 1, lease: {name: "producer", version: $version,
		epoch: $epoch, count: $count, claim: false, term_ns: 4000000000, holder: $holder,
		place: (if $holder == "" then "" else "at " + $holder end), nonce: "", floor: $floor,
		ceiling: $ceiling, order: "none", order_id: 0, order_to: "", order_reason: "",
		history: [{real_ns: 5, epoch: $epoch, holder: $holder, reason: "test"}]}}'
}
stands() { ask GET "$A/v1/lease/producer" | cut -d' ' -f2- | jq -c .lease; }
# What follows what stands: jq over the lease.
next() { stands | jq -c "{format: 1, lease: ($1)}"; }

check 'they live' wait_for 10 curl -sf "$A/livez" "$B/livez"
check 'without a token' expect '^401' curl -s -w '%{http_code}' -o /dev/null "$A/v1/lease/producer"
BEARER=wrong check 'with a wrong one' is 401 denied GET "$A/v1/lease/producer"
BEARER=wrong check 'with a wrong one and a body' expect '^(401|413)' ask PUT "$A/v1/lease/producer" "$(record 0 1 0 a.1 0 1)"
check 'another path' is 404 not_found GET "$A/v1/nothing"
check 'a name that is none' is 404 'no name of a lease' GET "$A/v1/lease/Producer"
check 'a name that leads elsewhere' is 404 'no name of a lease' GET "$A/v1/lease/..%2f..%2fconfigs"
check 'another method' is 405 'read by GET' DELETE "$A/v1/lease/producer"
check 'there is none yet' is 200 '"lease":null' GET "$A/v1/lease/producer"
check 'no JSON' is 400 protocol PUT "$A/v1/lease/producer" '{"format":1'
check 'another format' is 400 'no format' PUT "$A/v1/lease/producer" '{"format":2}'
check 'no record' is 400 'no name of a lease' PUT "$A/v1/lease/producer" '{"format":1,"lease":{}}'
NOW=$(slot_now)
check 'another name' is 400 "'other' and 'producer'" PUT "$A/v1/lease/other" "$(record 0 1 0 a.1 0 "$NOW")"
check 'too large' expect '^(413|000)' ask PUT "$A/v1/lease/producer" "$(head -c 70000 /dev/zero | tr '\0' x)"
check 'one that may not be the first' is 403 'has to stay as it is' PUT "$A/v1/lease/producer" "$(record 0 0 0 '' 0 5)"
check 'of a clock that is far ahead' is 403 'too far ahead' PUT "$A/v1/lease/producer" "$(record 0 1 0 a.1 0 $((NOW + 500)))"
check 'of another version' is 409 '"lease":null' PUT "$A/v1/lease/producer" "$(record 7 1 0 a.1 0 $((NOW + 8)))"
check 'the first' is 200 '"holder":"a.1"' PUT "$A/v1/lease/producer" "$(record 0 1 0 a.1 0 $((NOW + 8)))"
check 'it is there, on the other broker too' is 200 '"epoch":1' GET "$B/v1/lease/producer"
check 'a second first one' is 409 '"holder":"a.1"' PUT "$B/v1/lease/producer" "$(record 0 1 0 b.1 0 $((NOW + 8)))"
check 'as an object' expect '"nodeswarm.lease.holder": "a.1"' docker config inspect nodeswarm-lease-producer
check 'which says what it is' expect 'nodeswarm keeps a lease' docker config inspect --pretty nodeswarm-lease-producer

check 'a renewal' is 200 '"count":1' PUT "$A/v1/lease/producer" "$(next '.count += 1 | .ceiling += 2')"
check 'a renewal that lowers the ceiling' is 403 'lower the ceiling' PUT "$A/v1/lease/producer" "$(next '.count += 1 | .ceiling -= 2')"
check 'a taking with too low a floor' is 403 'below the ceiling' PUT "$A/v1/lease/producer" \
	"$(next '.epoch += 1 | .count = 0 | .holder = "b.1" | .floor = .ceiling - 1 | .ceiling += 9 | .history = [{real_ns: 5, epoch: .epoch, holder: "b.1", reason: "x"}] + .history')"

# A label of somebody else stays.
foreign()
{
	local it
	it=$(curl -s --unix-socket "$IT_DIR/docker.sock" http://d/configs/nodeswarm-lease-producer) &&
		curl -sf --unix-socket "$IT_DIR/docker.sock" -H 'Content-Type: application/json' \
			--data-binary "$(jq -c '.Spec | .Labels.colour = "blue"' <<<"$it")" \
			"http://d/configs/$(jq -r .ID <<<"$it")/update?version=$(jq .Version.Index <<<"$it")"
}
check 'a label of somebody else' foreign
check 'a renewal after it' is 200 '"count":2' PUT "$A/v1/lease/producer" "$(next '.count += 1')"
check 'leaves it there' expect '"colour": "blue"' docker config inspect nodeswarm-lease-producer

# Two at once, through two brokers: one of them, and the other hears which.
check 'give it back' is 200 '"holder":""' PUT "$A/v1/lease/producer" \
	"$(next '.holder = "" | .place = "" | .ceiling -= 2 | .history = [{real_ns: 5, epoch: .epoch, holder: "", reason: "x"}] + .history')"
race_one()
{
	local i base codes ok=0
	for ((i = 0; i < 20; i++)); do
		base=$(next '.epoch += 1 | .count = 0 | .floor = .ceiling | .ceiling += 1 | .holder = "X.1" | .place = "at X"
			| .history = ([{real_ns: 5, epoch: .epoch, holder: "X.1", reason: "x"}] + .history)[0:12]')
		ask PUT "$A/v1/lease/producer" "${base//X.1/x.1}" >"$IT_DIR/r1" &
		ask PUT "$B/v1/lease/producer" "${base//X.1/y.1}" >"$IT_DIR/r2"
		wait $!
		sleep 0.4 # each taking is a slot ahead, and brokers refuse slots too far ahead of their clock
		codes=$(cut -c1-3 "$IT_DIR/r1" "$IT_DIR/r2" | sort | tr '\n' ' ')
		if [ "$codes" = '200 409 ' ]; then
			ok=$((ok + 1))
		else
			cat "$IT_DIR/r1" "$IT_DIR/r2"
		fi
		# Both name the one that stands.
		[ "$(sed 's/.*"holder":"\([^"]*\)","place.*/\1/' "$IT_DIR/r1" "$IT_DIR/r2" | sort -u | wc -l)" = 1 ] || { cat "$IT_DIR/r1" "$IT_DIR/r2" && return 1; }
	done
	echo "$ok of 20"
	[ "$ok" = 20 ]
}
check 'two at once: one is done, the other hears of it' race_one
check 'epochs rose by one' expect '^21$' jq .epoch <<<"$(stands)"

# The engine hangs: refused in time, and no more threads or memory than a few.
threads() { awk '/^Threads/ { print $2 }' "/proc/$(cat "$IT_DIR/broker.8871.pid")/status"; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/$(cat "$IT_DIR/broker.8871.pid")/status"; }
hang()
{
	local i pids=() before most=0 n
	before=$(rss)
	kill -STOP "$(cat /run/dockerd.pid)"
	for ((i = 0; i < 60; i++)); do
		ask GET "$A/v1/lease/producer" >"$IT_DIR/h$i" &
		pids+=($!)
	done
	for ((i = 0; i < 10; i++)); do
		n=$(threads)
		[ "$n" -le "$most" ] || most=$n
		curl -sf -m 1 "$A/livez" >/dev/null || { echo 'not alive' && kill -CONT "$(cat /run/dockerd.pid)" && return 1; }
		sleep 0.2
	done
	wait "${pids[@]}"
	kill -CONT "$(cat /run/dockerd.pid)"
	cut -c1-3 "$IT_DIR"/h? "$IT_DIR"/h?? | sort | uniq -c
	echo "threads at most $most, memory $before KiB, then $(rss) KiB"
	[ "$(cut -c1-3 "$IT_DIR"/h? "$IT_DIR"/h?? | sort -u)" = 503 ] && [ "$most" -le 20 ] && [ "$(rss)" -lt $((before + 8192)) ]
}
T=$(now)
check 'an engine that hangs' hang
check 'for no longer than a few seconds' test "$(since "$T" | cut -d. -f1)" -lt 15
check 'and is there again' wait_for 10 is 200 '"epoch":21' GET "$A/v1/lease/producer"

# Three thousand requests leave no threads and little memory.
many()
{
	local before
	before=$(rss)
	curl -s -o /dev/null -H "Authorization: Bearer $(cat "$TOKEN")" "$A/v1/lease/producer?n=[1-3000]" || return
	echo "memory $before KiB, then $(rss) KiB, threads $(threads)"
	[ "$(rss)" -lt $((before + 4096)) ] && [ "$(threads)" -le 3 ]
}
check 'many requests' many

echo 'another-token-of-more-than-thirty-two-characters' >"$TOKEN.new" && mv "$TOKEN.new" "$TOKEN"
check 'a new token' is 200 '"epoch":21' GET "$A/v1/lease/producer"
secret_kept()
{
	local p
	! grep -q "$(cat "$TOKEN")" "$IT_DIR"/broker.8871 "$IT_DIR"/broker.8872 || return
	for p in 8871 8872; do
		! tr '\0' '\n' <"/proc/$(cat "$IT_DIR/broker.$p.pid")/cmdline" | grep -q another-token || return
		! tr '\0' '\n' <"/proc/$(cat "$IT_DIR/broker.$p.pid")/environ" | grep -q another-token || return
	done
}
check 'it is in no log, argument or environment' secret_kept

check 'no swarm any more' docker swarm leave --force
check 'is nobody who can be asked' is 503 'manager' GET "$A/v1/lease/producer"

stop()
{
	local p=$1
	kill -TERM "$(cat "$IT_DIR/broker.$p.pid")" && wait_for 5 test ! -e "/proc/$(cat "$IT_DIR/broker.$p.pid")/exe" && tail -n 2 "$IT_DIR/broker.$p" && grep -q 'broker stopped' "$IT_DIR/broker.$p"
}
check 'stop' stop 8871
kill -STOP "$(cat /run/dockerd.pid)"
ask GET "$B/v1/lease/producer" >"$IT_DIR/last" &
sleep 0.5
check 'stop while the engine hangs' stop 8872
kill -CONT "$(cat /run/dockerd.pid)"
