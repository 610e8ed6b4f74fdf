#!/usr/bin/env bash
# time-limit: 60
# The client of the serving tests counts each way in which a server can fail: one that cannot count
# a failure proves nothing.
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"

need jq perl

# server PORT TEXT: answers every request with TEXT and closes; "hang": with nothing; "reset": RST.
server()
{
	perl -MIO::Socket::INET -MSocket -e '
		my ($port, $text) = @ARGV;
		$text =~ s/\\n/\r\n/g;
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 9, ReuseAddr => 1) or die;
		while (my $c = $s->accept) {
			sysread $c, my $q, 65536;
			if ($text eq "hang") { push @kept, $c; next }
			if ($text eq "reset") { setsockopt $c, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0); close $c; next }
			syswrite $c, $text;
			close $c;
		}' "$1" "$2" &
	wait_for 5 eval "exec 7<>/dev/tcp/127.0.0.1/$1" 2>/dev/null
	exec 7>&-
}

# says PORT KIND: asked for a second, the client fails and names that kind for every request.
says()
{
	local rc=0
	timeout -s TERM 1.5 "$ROOT/tests/it/ask_forever" --close --rate 5 --timeout 0.3 127.0.0.1 "$1" >"$IT_DIR/out" || rc=$?
	cat "$IT_DIR/out"
	[ "$rc" = 1 ] || [ "$rc" = 124 ] || return
	jq -e --arg k "$2" '.failed > 2 and .failed == .requests and .longest_gap_ms > 700 and all(.failures[]; .kind == $k)' "$IT_DIR/out" >/dev/null
}

chain=$(printf '%064d' 1)
good="{\"chain_id\":\"$chain\",\"head_block_num\":7}"
port=7000
case_of()
{
	port=$((port + 1))
	server "$port" "$2"
	check "$1" says "$port" "$3"
}
case_of 'status 503' 'HTTP/1.1 503 No\nContent-Length: 2\n\n{}' 'status 503'
case_of 'body cut short' "HTTP/1.1 200 OK\nContent-Length: 500\n\n$good" short
case_of 'closed without a byte' '' closed
case_of 'hangs' hang timeout
case_of 'reset' reset reset
case_of 'not HTTP' 'SSH-2.0-no\n\n\n' 'not HTTP'
case_of 'not JSON' 'HTTP/1.1 200 OK\nContent-Length: 2\n\nno' 'not JSON'
case_of 'another JSON' 'HTTP/1.1 200 OK\nContent-Length: 2\n\n{}' 'no get_info'
check 'nobody listens' says 6999 connect

port=$((port + 1))
server "$port" "HTTP/1.1 200 OK\nContent-Length: ${#good}\nX-Served-By: 10.0.0.1:8888\n\n$good"
answered()
{
	"$ROOT/tests/it/ask_forever" --close --start "$IT_DIR/began" 127.0.0.1 "$port" >"$IT_DIR/out" &
	wait_for 5 test -e "$IT_DIR/began" && sleep 0.5 && kill $! && wait $! &&
		jq -e '.failed == 0 and .requests > 10 and .longest_gap_ms > 15 and .longest_gap_ms < 500 and .backends["10.0.0.1:8888"] == .requests' "$IT_DIR/out"
}
check 'good answers are good, and counted by backend' answered
