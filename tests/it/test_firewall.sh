#!/usr/bin/env bash
# test_firewall.sh - one host's firewall before a real engine: traffic of a stranger and of a node in
# IPv4 and IPv6, what others do to the rules, programs that fail. Hosts of a swarm: test_firewall_swarm.sh.
# time-limit: 300
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
need docker jq iptables iptables-legacy busybox

export NODESWARM_POOL=$IT_DIR/pool
conf=$IT_DIR/own.conf
cat >"$conf" <<-END
	# what the tests try beside the built-in rules
	node 192.168.77.2
	node fd77::2
	nodes tcp 9100
	from tcp 9200 192.168.77.3
	from tcp 9200 fd77::3
	nodes udp 9300
END

# --- the hosts ---------------------------------------------------------------------------------

# The client: a stranger (250), a node (2), and a host of the rule for 9200 (3).
ip netns add client
ip link set lan0 netns client
for n in 250 2 3; do
	ip -n client addr add 192.168.77.$n/24 dev lan0
	ip -n client addr add fd77::$n/64 dev lan0 nodad
done
ip -n client link set lan0 up
ip -n client link set lo up
ip addr add fd77::1/64 dev eth0 nodad
client()
{
	ip netns exec client "$@"
}

# reach SOURCE ADDRESS PORT: ok (an answer), refused, silent
reach()
{
	local rc=0
	client curl -gs -m 1.5 -o /dev/null --interface "$1" "http://$2:$3/" || rc=$?
	case $rc in
	0 | 52 | 56) echo ok ;;
	7) echo refused ;;
	28) echo silent ;;
	*) echo "curl $rc" ;;
	esac
}

# 3888 8888 9100 9200 are published, 4876 9876 2376 in the host's network, 5555 nobody's.
PORTS='2376 3888 4876 5555 8888 9100 9200 9876'
traffic()
(
	for port in $PORTS; do
		for n in 250 2 3; do
			echo "$port v4 $n $(reach 192.168.77.$n 192.168.77.1 "$port")" >>"$IT_DIR/seen.new" &
			echo "$port v6 $n $(reach fd77::$n '[fd77::1]' "$port")" >>"$IT_DIR/seen.new" &
		done
	done
	wait
	sort "$IT_DIR/seen.new"
	rm "$IT_DIR/seen.new"
)

# wanted PORT STRANGER NODE THIRD
wanted()
{
	local v
	for v in v4 v6; do
		printf '%s\n' "$1 $v 250 $2" "$1 $v 2 $3" "$1 $v 3 $4"
	done
}
{
	wanted 2376 silent ok silent
	wanted 3888 silent silent silent
	wanted 4876 silent silent silent
	wanted 5555 refused refused refused
	wanted 8888 ok ok ok
	wanted 9100 silent ok silent
	wanted 9200 silent silent ok
	wanted 9876 ok ok ok
} | sort >"$IT_DIR/wanted"
traffic_is_right()
{
	traffic >"$IT_DIR/seen"
	diff "$IT_DIR/wanted" "$IT_DIR/seen"
}

# save FAMILY...: without counters and times
save()
{
	iptables-save | sed 's/ \[.*//; /^#/d'
	ip6tables-save | sed 's/ \[.*//; /^#/d'
}
ours()
{
	save 2>/dev/null | grep -e NODESWARM
}
jumps_are_first()
{
	[ "$(iptables -S INPUT 1) $(ip6tables -S INPUT 1)" = '-A INPUT -j NODESWARM-INPUT -A INPUT -j NODESWARM-INPUT' ] &&
		[ "$(iptables -S DOCKER-USER 1)" = '-A DOCKER-USER -j NODESWARM-FORWARD' ]
}
is_same()
{
	ours | diff "$IT_DIR/ours" - && jumps_are_first
}
apply()
{
	nodeswarm firewall apply --file "$conf"
}
verify()
{
	nodeswarm firewall verify "$@"
}
# shellcheck disable=SC2317 # by name
is_as()
{
	diff "$@"
}
# shellcheck disable=SC2317 # by name
nothing_in()
{
	! grep -q "$@"
}

check 'engine' engine_up || exit
tiny_image it/web busybox >/dev/null
web_up()
{
	docker run -d --stop-timeout 1 --name web -p 3888:8000 -p 8888:8000 -p 9100:8000 -p 9200:8000 -p 9300:8000/udp \
		it/web httpd -f -p 8000
}
web_up >/dev/null
for port in 4876 9876 2376; do
	busybox httpd -f -p $port -h "$IT_DIR" 50>&- 51<&- 52<&- &
done
# serve PORT GREETING: say it, then everything back
serve()
{
	perl -MIO::Socket -e '$SIG{CHLD} = "IGNORE"; my $s = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die;
		while (my $c = $s->accept) { next if fork; print $c $ARGV[1]; $c->flush; print $c $_ and $c->flush while <$c>; exit }' \
		"$1" "$2" 50>&- 51<&- 52<&- &
}
serve 22 ''
iptables -A INPUT -s 203.0.113.9 -m comment --comment 'of "somebody" else' -j DROP
iptables -I DOCKER-USER -s 203.0.113.9 -j DROP
ip6tables -A INPUT -s 2001:db8::9 -j DROP
nodeswarm pool init >/dev/null
save >"$IT_DIR/before"

# shellcheck disable=SC2317 # by name
all_is_open()
{
	! traffic | grep -v ' 5555 \| ok$' | grep -v '^5555 .*refused$'
}
check 'without a firewall all is reached' wait_for 10 all_is_open

# --- plan, apply, traffic ----------------------------------------------------------------------

check 'plan shows the rules and changes nothing' expect '^9100 +tcp +nodes ' nodeswarm firewall plan --file "$conf"
check 'plan has the address of the swarm' expect '192\.168\.77\.1, 192\.168\.77\.2 \(added\)' nodeswarm firewall plan --file "$conf"
check 'a dry run shows the text' expect '^-A NODESWARM-INPUT -p tcp -m tcp --dport 4876 -j DROP' nodeswarm firewall apply --file "$conf" --dry-run
check 'neither changes anything' is_as "$IT_DIR/before" <(save)
check 'verify without a firewall' expect_fail 1 'no firewall was applied' verify

# A connection that lives through all of it, and new ones to the ssh port.
# shellcheck disable=SC2016
client bash -c 'exec 5<>/dev/tcp/192.168.77.1/22 || exit
	while [ ! -e "$1/held.stop" ]; do
		echo x >&5 && read -r -t 2 <&5 && echo kept || echo LOST
		(exec 6<>/dev/tcp/192.168.77.1/22) && echo new || echo LOST
		sleep 0.02
	done' - "$IT_DIR" >"$IT_DIR/held" 2>&1 50>&- 51<&- 52<&- &
# shellcheck disable=SC2317 # by name
nothing_lost()
{
	touch "$IT_DIR/held.stop"
	sleep 0.3
	sort "$IT_DIR/held" | uniq -c
	[ "$(grep -c kept "$IT_DIR/held")" -gt 20 ] && ! grep -v '^kept$\|^new$' "$IT_DIR/held"
}

check 'apply' expect 'is applied' apply
ours >"$IT_DIR/ours"
check 'traffic: published, in the host network, nobody, in both families' wait_for 10 traffic_is_right
check 'apply again changes nothing' expect 'nothing to change' apply
check 'the rules are the same' is_same
check 'verify' expect '[0-9]+ as expected, 0 not; 0 not proved' verify
# shellcheck disable=SC2016
check 'verify as JSON' jq -e '.differences == [] and .traffic.different == 0 and .traffic.not_proved == 0
	and ([.proofs[] | select(.protocol == "udp" and .seen == "silent")] | length) == 6' <(verify --json)
check 'plan as JSON' jq -e '.changes == false and (.rules | length) == 13' <(nodeswarm firewall plan --file "$conf" --json)
check 'nothing of the outside is left' expect_fail 1 '^$' grep nsfw <(ip -o link)

# --- what others do ------------------------------------------------------------------------------

engine_back()
{
	# What a killed engine leaves on docker0 has the container's address; a clean restart takes it away.
	docker rm -f web && web_up && wait_for 15 expect ok reach 192.168.77.250 192.168.77.1 8888
}
check 'the engine is killed and starts' engine_kill9
check 'it is back' engine_restart
check 'the rules after kill -9 of the engine' is_same
check 'the engine restarts' engine_restart && check 'and its container' engine_back
check 'the rules after a restart of the engine' is_same
check 'traffic after restarts' wait_for 10 traffic_is_right

iptables -F DOCKER-USER
check 'DOCKER-USER is flushed' expect_fail 1 'IPv4: no jump from DOCKER-USER' verify --no-traffic
check 'and traffic shows it' expect_fail 1 '3888 +tcp +nobody +reached, NOT silent +silent' verify
check 'apply mends it' expect 'is applied' apply
check 'to the same rules' is_same
iptables -A DOCKER-USER -s 203.0.113.9 -j DROP
iptables -A DOCKER-USER -j RETURN

# Each rule of ours, some of both families at a time: each has to be named, and nothing else.
mapfile -t v4 < <(iptables-save 2>/dev/null | grep '^-A .*NODESWARM')
mapfile -t v6 < <(ip6tables-save 2>/dev/null | grep '^-A .*NODESWARM')
rounds=8 removed=0 wrong=''
# gone FAMILY PROGRAM ROUND RULE...: take away every eighth, and say how verify has to name them
gone()
{
	local family=$1 program=$2 n=$3 rule
	shift 3
	for ((n += 1; n <= $#; n += rounds)); do
		rule=${!n#-A }
		eval "$program -D $rule" || echo "cannot remove $rule"
		case ${!n} in
		'-A NODESWARM'*) echo "$family: missing: $rule" ;;
		*) echo "$family: no jump from ${rule%% *}: $rule" ;;
		esac
	done
}
for ((n = 0; n < rounds; n++)); do
	gone IPv4 iptables $n "${v4[@]}" >"$IT_DIR/named"
	gone IPv6 ip6tables $n "${v6[@]}" >>"$IT_DIR/named"
	removed=$((removed + $(wc -l <"$IT_DIR/named")))
	verify --no-traffic >"$IT_DIR/one" 2>&1 && wrong+="$n is not missed;"
	wrong+=$(grep '^IPv[46]: ' "$IT_DIR/one" | diff <(sort "$IT_DIR/named") <(sort))
	nodeswarm firewall apply --saved >"$IT_DIR/one" 2>&1 || wrong+="$n: $(tail -n2 "$IT_DIR/one");"
	ours | cmp -s "$IT_DIR/ours" - || wrong+="$n is not mended;"
done
if [ -z "$wrong" ] && [ $removed = $((${#v4[@]} + ${#v6[@]})) ] && [ $removed -gt 90 ]; then
	pass "each of $removed rules is missed and mended"
else
	fail 'each rule is missed and mended' "$removed, $wrong"
fi

# mends NAME PATTERN COMMAND...: after COMMAND verify says PATTERN, and apply mends it
mends()
{
	local name=$1 pattern=$2
	shift 2
	"$@" || fail "$name" 'cannot be done'
	check "$name: verify" expect_fail 1 "$pattern" verify --no-traffic
	apply >/dev/null
	check "$name: apply" is_same
}
mends 'a rule before our jump' "is rule 2 of INPUT, not the first" iptables -I INPUT -s 203.0.113.1 -j ACCEPT
mends 'another chain before ours' 'is rule 2 of DOCKER-USER' iptables -I DOCKER-USER -s 203.0.113.1 -j RETURN
mends 'a jump twice' 'IPv6: extra: .INPUT -j NODESWARM-INPUT. is there 2 times' ip6tables -A INPUT -j NODESWARM-INPUT
mends 'a jump from elsewhere' 'extra: FORWARD -p tcp -j NODESWARM-NODES' iptables -I FORWARD -p tcp -j NODESWARM-NODES
mends 'a rule in our chain' 'extra: NODESWARM-NODES -s 203.0.113.1/32 -j RETURN' iptables -I NODESWARM-NODES -s 203.0.113.1 -j RETURN
mends 'two rules in the wrong order' 'IPv6: order:' bash -c 'ip6tables -D NODESWARM-NODES 1 && ip6tables -A NODESWARM-NODES -s fd77::2 -j RETURN'
mends 'chains of ours in the other backend' 'chains of ours in iptables-legacy' iptables-legacy -N NODESWARM-NODES
check 'the other backend is clean' nothing_in NODESWARM <(iptables-legacy -S)
check 'rules of others are still there' iptables -C INPUT -s 203.0.113.1 -j ACCEPT
iptables -D INPUT -s 203.0.113.1 -j ACCEPT
iptables -D DOCKER-USER -s 203.0.113.1 -j RETURN
ip6tables -D NODESWARM-INPUT -p udp -m udp --dport 7946 -j NODESWARM-NODES
check 'UDP is proved by counters' expect_fail 1 '7946 +udp +nodes +silent +reached, NOT silent' verify
apply >/dev/null

# --- ssh ------------------------------------------------------------------------------------------

echo 'closed tcp 20-30' >"$IT_DIR/wrong.conf"
check 'no rule for ssh' expect_fail 2 "wrong.conf:1: 'closed tcp 20-30': tcp port 22 is ssh's" nodeswarm firewall plan --file "$IT_DIR/wrong.conf"
echo 'closed tcp 2222' >"$IT_DIR/wrong.conf"
check 'no rule for the port of our own connection' expect_fail 2 'tcp port 2222 is ssh' \
	env SSH_CONNECTION='192.168.77.250 50000 192.168.77.1 2222' nodeswarm firewall plan --file "$IT_DIR/wrong.conf"
cat "$conf" >>"$IT_DIR/wrong.conf"
serve 2222 $'SSH-2.0-test\r\n'
sleep 0.3
check 'no rule for where an ssh server listens' expect_fail 1 'ssh server of this host listens on tcp port 2222' \
	nodeswarm firewall apply --file "$IT_DIR/wrong.conf"
check 'the rules are as before' is_same

# --- programs that fail -----------------------------------------------------------------------------

# with NAME BODY COMMAND...: first in PATH is a program NAME that does BODY, in which "real" is the right one
with()
{
	local name=$1 body=$2
	shift 2
	mkdir -p "$IT_DIR/wrap"
	printf '#!/bin/bash\nreal() { PATH=/usr/sbin:/usr/bin %s "$@"; }\n%s\n' "$name" "$body" >"$IT_DIR/wrap/$name"
	chmod 755 "$IT_DIR/wrap/$name"
	PATH=$IT_DIR/wrap:$PATH "$@"
	local rc=$?
	rm -r "$IT_DIR/wrap"
	return $rc
}
{
	cat "$conf"
	echo 'closed tcp 15432'
} >"$IT_DIR/more.conf"
more()
{
	nodeswarm firewall apply --file "$IT_DIR/more.conf"
}
# shellcheck disable=SC2016
COMMIT='case $* in *--test*) real "$@" ;; *) echo "no luck" >&2; exit 1 ;; esac'
check 'iptables-restore fails' expect_fail 1 'IPv4: iptables-nft-restore: no luck' with iptables-nft-restore 'echo no luck >&2; exit 1' more
check 'both families are as before' is_same
check 'ip6tables-restore fails when it is tried' expect_fail 1 'IPv6: .*no luck' with ip6tables-nft-restore 'echo no luck >&2; exit 1' more
check 'both families are as before 2' is_same
check 'ip6tables-restore fails when IPv4 is done' expect_fail 1 'IPv6: ip6tables-nft-restore: no luck' with ip6tables-nft-restore "$COMMIT" more
check 'IPv4 is put back' is_same
check 'ip6tables-restore is killed' expect_fail 1 'ended by signal 9' with ip6tables-nft-restore "${COMMIT/exit 1/kill -9 \$\$}" more
check 'IPv4 is put back 2' is_same
check 'iptables-save says nonsense' expect_fail 1 'IPv4: .*not understood' with iptables-nft-save 'echo nonsense' more
check 'iptables-save never ends its output' expect_fail 1 'IPv4: .*more than 16777216 bytes' with iptables-nft-save 'yes "# x"' more
# shellcheck disable=SC2016 # of the inner shell
check 'no ip6tables' expect_fail 1 "no program 'ip6tables-nft-save'" unshare -m bash -c '
	mkdir -p /run/sbin/upper /run/sbin/work
	mount -t overlay -o lowerdir=/usr/sbin,upperdir=/run/sbin/upper,workdir=/run/sbin/work overlay /usr/sbin
	rm /usr/sbin/ip6tables* && nodeswarm firewall apply --file "$1"' - "$IT_DIR/more.conf"
check 'both families are as before 3' is_same

# kill -9 of apply at any point: a family has the old or the new rules.
apply >/dev/null
more >/dev/null
ours >"$IT_DIR/ours.more"
apply >/dev/null
wrong=''
for at in before-v4 after-v4 before-v6 after-v6; do
	program=iptables-nft-restore
	[[ $at != *v6 ]] || program=ip6tables-nft-restore
	body='case $* in *--test*) real "$@"; exit ;; esac; '
	# shellcheck disable=SC2016 # of the wrapper
	[[ $at != before* ]] || body+='kill -9 $PPID; sleep 0.1; real "$@"'
	# shellcheck disable=SC2016
	[[ $at != after* ]] || body+='real "$@"; kill -9 $PPID'
	with $program "$body" more >/dev/null 2>&1
	sleep 0.4
	for f in iptables ip6tables; do
		n=$($f-save | grep -c NODESWARM)
		m=$($f-save | grep -c 15432)
		echo "$at: $f has $n rules, $m new"
		[ "$m" = 0 ] || [ "$m" = 2 ] || wrong+="$at: $f;"
	done
	more >/dev/null 2>&1 || wrong+="$at: apply;"
	ours | cmp -s "$IT_DIR/ours.more" - || wrong+="$at: not mended;"
	apply >/dev/null
done
check 'apply may be killed anywhere' test -z "$wrong"
check 'the rules are as before 4' is_same

verify >/dev/null 2>&1 &
sleep 0.8
ip -o link | grep nsfw
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
# shellcheck disable=SC2317 # by name
no_outside()
{
	! ip -o link | grep nsfw && ! ip route | grep 100.64
}
check 'verify may be killed' wait_for 5 no_outside

sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip6tables -D NODESWARM-INPUT 1
check 'IPv6 without addresses is still mended' apply
check 'and what is not proved is said' expect 'not proved in IPv6: this host has no address there' verify
sysctl -qw net.ipv6.conf.all.disable_ipv6=0

# --- boot, legacy -----------------------------------------------------------------------------------

check 'connections that were there, and new ones to ssh, went on all the time' nothing_lost
ip netns add boot
boot()
{
	DOCKER_HOST=unix:///nowhere ip netns exec boot "$@"
}
boot ip link set lo up
# Anybody may take the name by which applies take turns. Abstract sockets are of a network namespace.
ip netns add held
# shellcheck disable=SC2016 # perl's
ip netns exec held perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0);
	bind($s, pack("S", 1) . "\0nodeswarm-firewall") or die; sleep 60' 50>&- 51<&- 52<&- &
holds=$!
(
	sleep 0.5
	ip netns exec held timeout 10 "$(command -v nodeswarm)" firewall apply --saved
) >"$IT_DIR/held.apply" 2>&1 50>&- 51<&- 52<&- &
held=$!
check 'at boot what was saved is applied, without an engine' expect 'is applied' boot nodeswarm firewall apply --saved
check 'it is the same' is_as "$IT_DIR/ours" <(for f in iptables ip6tables; do boot $f-save; done | sed 's/ \[.*//' | grep -e NODESWARM)
check 'and removed' boot nodeswarm firewall remove
check 'nothing is left' nothing_in -v '^#\|ACCEPT\|^\*\|COMMIT' <(boot iptables-save && boot ip6tables-save)
nodeswarm firewall apply --file "$conf" >/dev/null # saves it again

# docker with iptables-legacy
for f in iptables ip6tables; do
	boot $f-legacy -N DOCKER
	boot $f-legacy -N DOCKER-USER
	boot $f-legacy -A DOCKER-USER -j RETURN
	boot $f-legacy -A FORWARD -j DOCKER-USER
	boot $f-legacy-save | sed 's/ \[.*//; /^#/d'
done >"$IT_DIR/legacy.before"
check 'legacy, where docker has its rules' expect 'is applied' boot nodeswarm firewall apply --saved
boot_legacy()
{
	local f
	for f in iptables ip6tables; do
		boot $f-legacy-save | sed 's/ \[.*//; /^#/d'
	done
}
check 'legacy prints the rules as nft does' is_as "$IT_DIR/ours" <(boot_legacy | grep -e NODESWARM)
check 'legacy: apply again' expect 'nothing to change' boot nodeswarm firewall apply --saved
boot ip6tables-legacy -D NODESWARM-INPUT 7
check 'legacy: verify' expect_fail 1 'IPv6: missing' boot nodeswarm firewall verify --no-traffic
# Before the lock is held, which it would wait for as well.
check 'apply where somebody else has the turn' wait "$held" || cat "$IT_DIR/held.apply"
kill $holds
flock -F /run/xtables.lock sleep 20 50>&- 51<&- 52<&- &
holder=$!
check 'legacy: somebody holds the lock' expect_fail 1 'IPv6: ip6tables-legacy-restore: ' boot nodeswarm firewall apply --saved
kill $holder
check 'legacy: apply mends it' expect 'is applied' boot nodeswarm firewall apply --saved
check 'legacy: remove' boot nodeswarm firewall remove
check 'legacy: nothing is left' is_as "$IT_DIR/legacy.before" <(boot_legacy)

# --- remove -------------------------------------------------------------------------------------------

ip addr add fd77::1/64 dev eth0 nodad # gone with disable_ipv6
# shellcheck disable=SC2317 # by name
four_at_once()
(
	local n rc=0
	for n in 1 2 3 4; do
		apply &
	done
	for n in 1 2 3 4; do
		wait -n || rc=1
	done
	return $rc
)
nodeswarm firewall remove >/dev/null
check 'four applies at once' four_at_once
check 'make the rules once' is_same
check 'remove' expect 'is removed' nodeswarm firewall remove
check 'remove again' expect 'nothing to change' nodeswarm firewall remove
# A restart of the engine has put its rules in another order.
save >"$IT_DIR/before"
apply >/dev/null
# In IPv6 docker has no DOCKER-USER.
others()
{
	diff "$IT_DIR/before" <(save | grep -v NODESWARM) | grep '^[<>]'
}
check 'rules of others are as before' test "$(others)" = '> :DOCKER-USER -'
nodeswarm firewall remove >/dev/null
check 'all is as it was before' is_as "$IT_DIR/before" <(save)
check 'and open again' all_is_open
