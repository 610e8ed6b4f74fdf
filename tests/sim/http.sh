# shellcheck shell=bash
# Variables go from lib.sh to the parts and back; some commands are for eval.
# shellcheck disable=SC2016,SC2034,SC2119,SC2120,SC2154
# The HTTP replies: for each recorded request the same status, headers, fields in the same
# order and of the same types; errors byte for byte.

new_node api-a "${producer_lines[@]}"
a=$dir a_http=$http a_p2p=$p2p
start "$a" --genesis-json "$data/genesis.json"
a_pid=$pid
# Who finds its peer's port closed waits 30 s, as with nodeos.
within 5 ready "$a" || fail "the producer does not start"
new_node api-b "p2p-peer-address = $a_p2p"
b=$dir b_http=$http
start "$b" --genesis-json "$data/genesis.json"
b_pid=$pid
within 10 serves "$b_http" 9 || fail "no blocks for the HTTP part"

# ask NAME HTTP: send the recorded request; sets status, headers, body and the recorded ones
ask() {
	local file=$work/recorded method target sent args host
	tr -d '\r' <"$data/http/$1.txt" >"$file"
	read -r method target _ <"$file"
	host=$(sed -n '/^----/q; s/^Host: //p' "$file")
	sent=$(sed -n '/^----/q; p' "$file" | sed '1,/^$/d')
	args=(-s -m 3 -X "$method" -D "$work/headers" -o "$work/body")
	case $host in
	'') args+=(-H Host:) ;;
	127.0.0.1:*) ;;
	*) args+=(-H "Host: $host") ;;
	esac
	[ "$method" != HEAD ] || args+=(-I)
	[ -z "$sent" ] || args+=(-d "${sent//127.0.0.1:19881/$a_p2p}" -H 'Content-Type: application/json')
	: >"$work/body"
	curl "${args[@]}" "http://$2$target"
	status=$(awk 'NR == 1 {print $2}' "$work/headers")
	recorded_status=$(sed -n '/^----/,$p' "$file" | awk 'NR == 2 {print $2}')
	body=$(cat "$work/body")
	recorded_body=$(sed -n '/^----/,$p' "$file" | sed '1,/^$/d')
	is "status of $1" "$status" "$recorded_status"
	is "content type of $1" "$(tr -d '\r' <"$work/headers" | sed -n 's/^Content-Type: //p')" application/json
}
exact() {
	ask "$@"
	is "body of $1" "$body" "$recorded_body"
}
# Paths in their order and types of all leaves; a list counts as its elements' shape.
shape() {
	jq -c '[tostream | select(length == 2)
		| [(.[0] | map(if type == "number" then 0 else . end)), (.[1] | type)]] | unique_by(.[0]) as $u
		| $u, [.[][0]]' 2>&1
}
same_shape() {
	ask "$@"
	is "shape of $1" "$(shape <<<"$body")" "$(shape <<<"$recorded_body")"
}

for t in get_info-GET get_info-POST get_info-PUT get_info-DELETE get_info-POST-nobody get_block get_block-str \
	get_block_info get_producer_schedule get_integrity_hash-A connections-A; do
	same_shape $t "$a_http"
done
same_shape get_info-sync-node "$b_http"
same_shape net_status-B "$b_http"
for t in get_info-OPTIONS get_info-POST-badbody get_info-POST-extra get_info-query get_info-slash root unknown \
	get_block-missing get_block-bad get_block-empty get_block-GET get_block-notjson get_block-trunc \
	get_block_info-missing get_producers get_activated_protocol_features host-localhost host-missing \
	host-noport host-other get_runtime_options-A paused-A paused-GET net_status-A supported_apis-A; do
	exact $t "$a_http"
done
exact get_producer_schedule "$a_http"
same_shape db_size-A "$a_http"
is "indices of db_size" "$(jq -c .indices <<<"$body")" "$(jq -c .indices <<<"$recorded_body")"

is "block 1 is that of the recorded chain" "$(id_at "$a_http" 1)" \
	0000000172aaeac0d968b7d7d8fc8277966bb3105e6194a7eda67ccee68291de
is "and so is the chain id" "$(info "$a_http" chain_id)" \
	b233c4bb3588faa9c6d41cd3051f7951ae2697e0d6d02606c9c29e31d744ef3c

# A reply has the headers of nodeos and no others.
is "headers" "$(curl -s -D - -o /dev/null "http://$a_http/v1/chain/get_info" | sed 's/:.*//' | tr -d '\r' | sort | tr '\n' ' ')" \
	' Content-Length Content-Type HTTP/1.1 200 OK Server '
yes "says what it is" grep -q '^Server: nodeos/v4.0.6-nodesim' <(curl -si "http://$a_http/v1/chain/get_info")
is "version" "$(info "$a_http" server_version_string)" v4.0.6-nodesim
is "two requests on one connection" \
	"$(curl -sv "http://$a_http/v1/chain/get_info" "http://$a_http/v1/chain/get_info" 2>&1 >/dev/null | grep -c 'Re-using existing')" 1
head -c 2200000 /dev/zero | curl -s -m 5 -o /dev/null --data-binary @- -H 'Expect:' "http://$a_http/v1/chain/get_info"
case $? in 52 | 55 | 56) pass ;; *) fail "a body above max-body-size: curl exit $?" ;; esac
is "what is not simulated says so" \
	"$(get "$a_http" chain/get_account -d '{"account_name":"eosio"}' | jq -r '.code, .error.name' | tr '\n' ' ')" \
	'500 not_simulated '

# The producer is paused: the block in progress is made, then nothing, and no field says so.
before=$(head_of "$a_http")
exact pause-A "$a_http"
exact paused-A-after "$a_http"
sleep 0.6
paused=$(head_of "$a_http")
yes "one more block at most" test "$paused" -le $((before + 2))
sleep 1
is "the head stands" "$(head_of "$a_http")" "$paused"
same_shape get_info-paused "$a_http"
within 3 serves "$b_http" "$paused"
is "equal integrity hashes at the same head" "$(get "$b_http" producer/get_integrity_hash)" \
	"$(get "$a_http" producer/get_integrity_hash)"
exact resume-A "$a_http"
yes "goes on" within 3 serves "$a_http" $((paused + 2))
yes "logs of the pause" grep -q 'pause  .*] Producer paused.' "$a/log"
yes "logs of the resume" grep -q 'resume .*] Producer resumed. Scheduling production.' "$a/log"

# net/connect and disconnect
for body in '' '{}' '["127.0.0.1:1"]' '{"a":1}'; do
	is "connect '$body'" "$(get "$b_http" net/connect -o /dev/null -w '%{http_code}' -d "$body")" 400
done
is "connect a number" "$(get "$b_http" net/connect -d 5)" '"added connection"'
is "disconnect what is not there" "$(get "$b_http" net/disconnect -d '"x"')" '"no known connection for host"'
exact net-connect-bad "$b_http"
is "a peer that is down is listed" "$(get "$b_http" net/connections | jq -c 'map([.peer, .last_handshake.network_version])[1]')" \
	'["127.0.0.1:1",0]'
exact net-disconnect "$b_http"
is "and the other is gone" "$(get "$b_http" net/connections | jq length)" 1
is "unknown peer" "$(get "$b_http" net/disconnect -d '"127.0.0.1:9"')" '"no known connection for host"'
exact net-connect "$b_http"

# Hosts
is "http-alias does not come by itself" "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: node1:8888' "http://$a_http/v1/chain/get_info")" 400
stop "$b_pid"
printf '%s\n' 'http-alias = node1:8888' >>"$b/config/config.ini"
start "$b"
within 5 ready "$b"
for row in '200 node1:8888' '400 Node1:8888' '400 node1' "200 $b_http"; do
	is "alias, Host ${row#* }" "$(curl -s -o /dev/null -w '%{http_code}' -H "Host: ${row#* }" "http://$b_http/v1/chain/get_info")" "${row% *}"
done
stop "$pid"
sed -i '/http-alias/d; s/^plugin = .*_api_plugin//' "$b/config/config.ini"
printf '%s\n' 'http-validate-host = false' 'plugin = eosio::chain_api_plugin' >>"$b/config/config.ini"
start "$b"
within 5 ready "$b"
is "http-validate-host = false" "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: any' "http://$b_http/v1/chain/get_info")" 200
is "no API without its plugin" "$(curl -s -o /dev/null -w '%{http_code}' "http://$b_http/v1/net/connections")" 404
is "and it is not in the list" "$(get "$b_http" node/get_supported_apis | jq -c '[.apis[] | split("/")[2]] | unique')" '["chain"]'
stop "$pid"
sed -i 's/^http-max-response-time-ms.*/http-max-response-time-ms = 0/' "$b/config/config.ini"
start "$b"
within 5 ready "$b"
is "no time" "$(get "$b_http" chain/get_info)" '{"message": "Internal Server Error"}'
stop "$pid"
stop "$a_pid"
yes "the key is not in any log" sh -c "! grep -q 5KQwr $a/log $b/log"
