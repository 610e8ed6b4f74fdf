#!/usr/bin/env bash
# test_tls.sh - the engine over TCP and TLS, chosen as the docker CLI chooses it, and what is said when
# the two sides do not go together
# time-limit: 240
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker openssl

TLS=$IT_DIR/tls
PLAIN=tcp://127.0.0.1:2375
mkdir -p "$TLS" && cd "$TLS" || exit

# --- certificates ------------------------------------------------------------------------------------

# authority NAME: NAME/ca.pem and its key
authority()
{
	mkdir -p "$1" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj "/CN=$1" -keyout "$1/ca-key.pem" -out "$1/ca.pem"
}

# certificate AUTHORITY DIR SUBJECT USE [NAMES [END]]: DIR/{ca,cert,key}.pem. END: the end of its time
certificate()
{
	local ca=$1 dir=$2 end=${6-}
	mkdir -p "$dir" && cp "$ca/ca.pem" "$dir/ca.pem" &&
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" \
			-keyout "$dir/key.pem" -out "$dir/req.pem" &&
		printf 'extendedKeyUsage=%s\n%s\n' "$4" "${5:+subjectAltName=$5}" >"$dir/ext" &&
		if [ -n "$end" ]; then
			# x509 -req counts whole days from now; "ca" takes dates.
			: >"$dir/index" && echo 01 >"$dir/serial" &&
				printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nserial=%s/serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
					"$dir" "$dir" "$dir" >"$dir/ca.cnf" &&
				openssl ca -batch -config "$dir/ca.cnf" -cert "$ca/ca.pem" -keyfile "$ca/ca-key.pem" \
					-startdate 20200101000000Z -enddate "$end" -extfile "$dir/ext" -in "$dir/req.pem" -out "$dir/cert.pem" -notext
		else
			openssl x509 -req -days 30 -in "$dir/req.pem" -CA "$ca/ca.pem" -CAkey "$ca/ca-key.pem" -CAcreateserial \
				-extfile "$dir/ext" -out "$dir/cert.pem"
		fi
}

make_certificates()
{
	local names='DNS:localhost,IP:127.0.0.1,IP:192.168.77.1,IP:::1'
	authority good && authority evil &&
		certificate good server engine serverAuth "$names" &&
		certificate good expired engine serverAuth "$names" 20210101000000Z &&
		certificate good elsewhere engine serverAuth 'DNS:elsewhere.example' &&
		certificate good client me clientAuth &&
		certificate good oldclient me clientAuth '' 20210101000000Z &&
		certificate evil evilclient me clientAuth &&
		mkdir -p nocert evilca && cp good/ca.pem nocert && cp client/*.pem evilca && cp evil/ca.pem evilca
}
check 'certificates' make_certificates || exit

# The engine itself: a socket, plain TCP on loopback and on the network, and TLS on both families. One
# dockerd has one setting for TLS, so TLS is ended in front of it where it has to differ.
check 'engine' engine_up --no-swarm --tls=false --host "$PLAIN" --host tcp://192.168.77.1:2375 || exit
docker swarm init --advertise-addr 192.168.77.1 --listen-addr 192.168.77.1:2377 --default-addr-pool 10.200.0.0/16 >/dev/null
check 'image' tiny_image t:1 /bin/sleep || exit
cat >"$IT_DIR/s.yml" <<-YML
	services:
	  web:
	    image: t:1
	    command: ["100000"]
	    logging: {options: {max-size: 1m}}
	    deploy: {endpoint_mode: dnsrr}
YML

# second NAME PORT ARG...: another dockerd, which nothing runs on, with TLS
second()
{
	local name=$1 port=$2 i
	shift 2
	mkdir -p "$IT_DIR/$name"
	setsid dockerd --data-root "$IT_DIR/$name/data" --exec-root "$IT_DIR/$name/exec" --pidfile "$IT_DIR/$name/pid" \
		--host "unix://$IT_DIR/$name/s" --host "tcp://127.0.0.1:$port" --host "tcp://[::1]:$port" --bridge none --iptables=false \
		--tlsverify --tlscacert "$TLS/good/ca.pem" "$@" \
		50>&- 51<&- 52<&- </dev/null >"$IT_DIR/$name/log" 2>&1 &
	for ((i = 0; i < 300; i++)); do
		! curl -sf -m 2 -o /dev/null --unix-socket "$IT_DIR/$name/s" http://d/_ping || return 0
		sleep 0.1
	done
	tail "$IT_DIR/$name/log"
	return 1
}
unset DOCKER_HOST
check 'an engine with TLS' second tls 2376 --tlscert "$TLS/server/cert.pem" --tlskey "$TLS/server/key.pem" || exit
docker --host "unix://$IT_DIR/tls/s" swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:3377 >/dev/null
docker save t:1 | docker --host "unix://$IT_DIR/tls/s" load

# --- each way to name it -------------------------------------------------------------------------------

# both ENV... -- ARG...: status and a plan
works()
{
	local vars=()
	while [ "$1" != -- ]; do
		vars+=("$1")
		shift
	done
	shift
	env "${vars[@]}" nodeswarm "$@" status && expect 'create service +nodeswarm_web' \
		env "${vars[@]}" nodeswarm "$@" up -f "$IT_DIR/s.yml" --plan
}
quietly()
{
	expect_fail 1 '^$' grep warning < <("$@" 2>&1)
}
SECURE=(DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$TLS/client")

check 'DOCKER_HOST, plain' works DOCKER_HOST=$PLAIN --
check '--host, plain' works -- --host $PLAIN
check '--host, http://' works -- --host http://127.0.0.1:2375
check 'loopback: no warning' quietly nodeswarm --host $PLAIN status
check 'the network: a warning' expect "^nodeswarm: warning: 'tcp://192.168.77.1:2375' is spoken to without TLS" \
	nodeswarm --host tcp://192.168.77.1 status
once()
{
	[ "$(nodeswarm --host tcp://192.168.77.1 up -f "$IT_DIR/s.yml" --plan 2>&1 | grep -c warning)" = 1 ]
}
check 'one warning' once
check 'TLS by environment' works DOCKER_HOST=tcp://127.0.0.1:2376 "${SECURE[@]}" --
check 'TLS, no host at all: localhost' works "${SECURE[@]}" --
check 'TLS, --host, the default port' works "${SECURE[@]}" -- --host tcp://127.0.0.1
check 'TLS, IPv6' works "${SECURE[@]}" -- --host 'tcp://[::1]:2376'
check 'TLS, https://' works DOCKER_CERT_PATH="$TLS/client" -- --host https://127.0.0.1
check 'TLS without verification' works DOCKER_TLS=1 DOCKER_CERT_PATH="$TLS/evilca" -- --host tcp://127.0.0.1
default_dir()
{
	mkdir -p "$DOCKER_CONFIG" && cp client/*.pem "$DOCKER_CONFIG" && works DOCKER_TLS_VERIFY=1 -- --host tcp://127.0.0.1
}
check 'TLS, certificates beside config.json' default_dir
rm -f "$DOCKER_CONFIG"/*.pem

# Both generations of the CLI, where there are two: what they write is read, and the same is chosen.
clis=()
for cli in /usr/bin/docker /usr/local/bin/docker; do
	[ ! -x $cli ] || clis+=("$cli")
done

# The engines are told apart by their names: nodeswarm's plan knows the image on both, so it is asked
# for what only the CLI and the API tell, the id of the swarm's node.
node_of()
{
	docker --host "$1" info -f '{{.Swarm.NodeID}}'
}
nodes()
{
	PLAIN_NODE=$(node_of "$PLAIN") && TLS_NODE=$(node_of "unix://$IT_DIR/tls/s") && [ "$PLAIN_NODE" != "$TLS_NODE" ]
}
check 'two engines' nodes
# Only the first has a service, so `status` says which one it was.
nodeswarm --host $PLAIN up -f "$IT_DIR/s.yml" >/dev/null 2>&1
chosen()
{
	local out
	out=$(nodeswarm "$@" status 2>&1) || { echo "refused: $out" >&2 && echo error && return; }
	if grep -q '^web' <<<"$out"; then echo plain; else echo tls; fi
}
chosen_by()
{
	local cli=$1 id
	shift
	id=$("$cli" "$@" info -f '{{.Swarm.NodeID}}' 2>/dev/null) || id=
	case $id in
	"$PLAIN_NODE") echo plain ;;
	"$TLS_NODE") echo tls ;;
	*) echo error ;;
	esac
}
# same WANT [VAR=VALUE]... [-- ARG...]: the CLI and we choose the engine WANT
same()
{
	local want=$1 a b
	shift
	a=$(with chosen "$@") && b=$(with "chosen_by $cli" "$@") && echo "ours $a, docker's $b" && [ "$a" = "$want" ] && [ "$b" = "$want" ]
}
with()
{
	local what=$1
	shift
	(
		while [ $# -gt 0 ] && [ "$1" != -- ]; do
			export "${1?}"
			shift
		done
		shift
		$what "$@"
	)
}
T=tcp://127.0.0.1:2376
for cli in "${clis[@]}"; do
	v=$($cli version -f '{{.Client.Version}}' 2>/dev/null)
	rm -rf "$DOCKER_CONFIG"
	contexts()
	{
		$cli context create tls --docker "host=$T,ca=$TLS/client/ca.pem,cert=$TLS/client/cert.pem,key=$TLS/client/key.pem" &&
			$cli context create plain --docker "host=$PLAIN" &&
			$cli context create skip --docker "host=$T,cert=$TLS/client/cert.pem,key=$TLS/client/key.pem,skip-tls-verify=true" &&
			$cli context create ssh --docker host=ssh://me@there
	}
	check "$v: contexts" contexts
	check "$v: --context" works -- --context tls
	check "$v: DOCKER_CONTEXT" works DOCKER_CONTEXT=tls --
	check "$v: a context without verification" works -- --context skip
	check "$v: a context of ssh" expect_fail 2 'hint: .*ssh -NL' nodeswarm --context ssh status
	check "$v: no such context" expect_fail 1 "context 'nope' does not exist" nodeswarm --context nope status
	check "$v: --context and --host" expect_fail 2 'cannot be given together' nodeswarm --context tls --host $PLAIN status
	check "$v: both choose --context" same tls DOCKER_HOST=$PLAIN DOCKER_CONTEXT=plain -- --context tls
	check "$v: both choose --host" same plain DOCKER_CONTEXT=tls -- --host $PLAIN
	check "$v: both choose DOCKER_HOST" same plain DOCKER_HOST=$PLAIN DOCKER_CONTEXT=tls --
	check "$v: the context default is DOCKER_HOST" same plain DOCKER_HOST=$PLAIN -- --context default
	$cli context use tls >/dev/null
	check "$v: both choose the current context" same tls --
	check "$v: its own files, not DOCKER_CERT_PATH" same tls DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/nonexistent --
	check "$v: both choose DOCKER_CONTEXT before it" same plain DOCKER_CONTEXT=plain --
	check "$v: both choose DOCKER_HOST before it" same plain DOCKER_HOST=$PLAIN --
	check "$v: both refuse a context that is gone" same error DOCKER_CONTEXT=gone --
	check "$v: DOCKER_TLS_VERIFY=0 is not nothing" same tls DOCKER_HOST=$T DOCKER_TLS_VERIFY=0 DOCKER_CERT_PATH="$TLS/client" --
	check "$v: both refuse another CA" same error DOCKER_HOST=$T DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$TLS/evilca" --
	check "$v: and take it unverified" same tls DOCKER_HOST=$T DOCKER_TLS=1 DOCKER_CERT_PATH="$TLS/evilca" --
done
rm -rf "$DOCKER_CONFIG"

# --- what goes wrong -----------------------------------------------------------------------------------

# refused CERTS PATTERN HINT [HOST]
refused()
{
	local out rc=0
	out=$(DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$TLS/$1 nodeswarm --host "${4-$T}" status 2>&1) || rc=$?
	printf '%s\n' "$out"
	[ "$rc" -ge 1 ] && [ "$rc" -le 2 ] && grep -Eq -- "$2" <<<"$out" && grep -Eq -- "hint: .*$3" <<<"$out"
}
check 'unknown CA' refused evilca "none of the CAs in $TLS/evilca/ca.pem" 'ca.pem must be the CA'
check 'no client certificate' refused nocert 'wants a client certificate, and there is none' "looked for in $TLS/nocert"
check 'a client certificate of another CA' refused evilclient "issued by none of the CAs" 'ca.pem'
cp good/ca.pem evilclient/ca.pem
check 'a client certificate that the engine does not trust' refused evilclient 'does not accept the client certificate' 'tlscacert'
check 'a client certificate that has expired' refused oldclient 'does not accept the client certificate' 'not have expired'
check 'no ca.pem' refused nothing "no '$TLS/nothing/ca.pem'" DOCKER_CERT_PATH
check 'TLS to a plain port' refused client 'speaks no TLS' 'unset DOCKER_TLS_VERIFY' $PLAIN
check 'plain HTTP to a TLS port' expect_fail 1 'the engine speaks TLS here' nodeswarm --host $T status
check 'and what to do' expect_fail 1 'hint: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH' nodeswarm --host $T status
check 'nobody there' refused client "nobody listens at 'tcp://127.0.0.1:9'" '2376' tcp://127.0.0.1:9
mkdir mixed && cp client/*.pem mixed && cp evilclient/key.pem mixed/key.pem
check 'a key of another certificate' refused mixed "client certificate $TLS/mixed/cert.pem and its key" 'belong together'
mkdir locked && cp client/*.pem locked &&
	openssl ec -in client/key.pem -aes256 -passout pass:x -out locked/key.pem 2>/dev/null
check 'a key with a passphrase: refused, not asked for' refused locked "client certificate $TLS/locked/cert.pem and its key" 'passphrase'
mkdir junk && cp client/*.pem junk && echo junk >junk/ca.pem
check 'a ca.pem that is none' refused junk "the CA file $TLS/junk/ca.pem" 'PEM'
unreadable()
{
	chmod 755 "$TLS" "$TLS/client" "$TLS/server" && chmod 0 "$TLS/client/key.pem"
	expect_fail 1 "'$TLS/client/key.pem' cannot be read: Permission denied" setpriv --reuid 65534 --regid 65534 --clear-groups \
		env "${SECURE[@]}" nodeswarm --host $T status
	local rc=$?
	chmod 600 "$TLS/client/key.pem"
	return $rc
}
check 'a key that we may not read' unreadable

check 'an engine whose certificate has expired' second old 3376 --tlscert "$TLS/expired/cert.pem" --tlskey "$TLS/expired/key.pem"
check 'expired' refused client 'its certificate has expired' 'renew' tcp://127.0.0.1:3376
kill "$(cat "$IT_DIR/old/pid")"
check 'an engine with a certificate for another name' second other 4376 --tlscert "$TLS/elsewhere/cert.pem" --tlskey "$TLS/elsewhere/key.pem"
check 'wrong name' refused client 'its certificate is for another name' "subjectAltName for '127.0.0.1'" tcp://127.0.0.1:4376
