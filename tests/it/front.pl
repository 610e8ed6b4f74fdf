#!/usr/bin/perl
# front.pl - what stands around a front in test_front_config.sh; only Perl's base modules
#
#	front.pl dns FILE           name server on 127.0.0.11:53. FILE, read for each question, has
#	                            addresses, one a line, or one word: nxdomain, servfail, refused,
#	                            silent, empty
#	front.pl reader IP DIR      a reader: API on IP:8888, /readyz on IP:8880, p2p on IP:9876.
#	                            DIR/IP.log gets all bytes that reach the API. DIR/IP.mode, read for
#	                            each request, may say: unready, break (take the request, close
#	                            without an answer), hang, fail (status 500)
#	front.pl raw HOST PORT [SECONDS]
#	                            send standard input, print what comes back until the other end
#	                            closes or is silent that long (3)
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
$| = 1;
$SIG{PIPE} = 'IGNORE';

my $what = shift // '';

sub slurp
{
	open(my $f, '<', $_[0]) or return '';
	local $/;
	return <$f> // '';
}

sub dns
{
	my ($file) = @_;
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.11', LocalPort => 53, Proto => 'udp') or die "dns: $!";
	while (defined(my $from = $s->recv(my $q, 65535))) {
		next if length($q) < 12;
		my ($id, undef, undef, undef, undef, undef) = unpack('n6', $q);
		my $end = index($q, "\0", 12);
		my $question = substr($q, 12, $end + 5 - 12);
		my $type = unpack('n', substr($q, $end + 1, 2));
		my @ips = split(/\s+/, slurp($file));
		my $word = @ips && $ips[0] =~ /^[a-z]/ ? shift @ips : '';
		next if $word eq 'silent';
		my $rcode = { nxdomain => 3, servfail => 2, refused => 5 }->{$word} // 0;
		@ips = () if $word || $type != 1;
		my $answer = join('', map { pack('n n n N n', 0xc00c, 1, 1, 600, 4) . inet_aton($_) } @ips);
		$s->send(pack('n6', $id, 0x8180 | $rcode, 1, scalar(@ips), 0, 0) . $question . $answer, 0, $from);
	}
}

sub reader
{
	my ($ip, $dir) = @_;
	my %port;
	my $sel = IO::Select->new;
	for my $p (8888, 8880, 9876) {
		my $l = IO::Socket::INET->new(LocalAddr => $ip, LocalPort => $p, Listen => 128, ReuseAddr => 1)
			or die "reader $ip:$p: $!";
		$port{fileno($l)} = $p;
		$sel->add($l);
	}
	open(my $log, '>>', "$dir/$ip.log") or die "log: $!";
	$log->autoflush(1);
	my (%in, %kind);
	while (1) {
		for my $fh ($sel->can_read) {
			my $n = fileno($fh);
			if ($port{$n}) {
				my $c = $fh->accept or next;
				$kind{fileno($c)} = $port{$n};
				$in{fileno($c)} = '';
				$sel->add($c);
				next;
			}
			my $got = sysread($fh, my $data, 65536);
			if (!$got) {
				$sel->remove($fh);
				close($fh);
				next;
			}
			if ($kind{$n} == 9876) {
				syswrite($fh, "$ip $data");
				next;
			}
			print $log $data if $kind{$n} == 8888;
			$in{$n} .= $data;
			while ($in{$n} =~ /\r\n\r\n/) {
				my ($head, $rest) = split(/\r\n\r\n/, $in{$n}, 2);
				my $length = $head =~ /^content-length:\s*(\d+)/im ? $1 : 0;
				last if length($rest) < $length;
				$in{$n} = substr($rest, $length);
				my ($line) = $head =~ /^([^\r\n]*)/;
				my $mode = slurp("$dir/$ip.mode");
				chomp $mode;
				if ($kind{$n} == 8880) {
					my $status = $mode eq 'unready' ? '503 Unready' : '200 OK';
					syswrite($fh, "HTTP/1.1 $status\r\nContent-Length: 0\r\n\r\n");
					next;
				}
				next if $mode eq 'hang';
				if ($mode eq 'break') {
					$sel->remove($fh);
					close($fh);
					last;
				}
				my $status = $mode eq 'fail' ? '500 Internal Service Error' : '200 OK';
				my $body = "{\"ip\":\"$ip\",\"line\":\"$line\"}\n";
				# A header of that name must not come through.
				syswrite($fh, "HTTP/1.1 $status\r\nServer: nodeos/v4.0.6\r\nX-Served-By: forged\r\n" .
					"Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
			}
		}
	}
}

sub raw
{
	my ($host, $p, $seconds) = (@_, 3);
	local $/;
	my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $p, Timeout => 3) or die "raw: $!";
	my $request = <STDIN>;
	syswrite($s, $request);
	my $sel = IO::Select->new($s);
	while ($sel->can_read($seconds)) {
		last unless sysread($s, my $data, 65536);
		print $data;
	}
}

my %commands = (dns => \&dns, reader => \&reader, raw => \&raw);
($commands{$what} // die "front.pl: no '$what'\n")->(@ARGV);
