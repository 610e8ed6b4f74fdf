#!/usr/bin/perl
# no-names.pl - a name server that knows no name, and says so at once
#
# usage: no-names.pl ADDRESS
#
# For engines in a network without any. With no name server an engine asks 20 s for the registry of
# an image, and a container 10 s for each name of a service that has no task yet.
use strict;
use warnings;
use Socket;

my $address = inet_aton(shift // '') or die "usage: no-names.pl ADDRESS\n";
my $s;
socket($s, PF_INET, SOCK_DGRAM, 0) && bind($s, sockaddr_in(53, $address))
	or die "no-names.pl: $!\n";
# The question goes back as it came, as an answer (QR, RD, RA) with the code NXDOMAIN (RFC 1035).
while (my $from = recv($s, my $q, 4096, 0)) {
	send($s, substr($q, 0, 2) . "\x81\x83" . substr($q, 4), 0, $from) if length($q) >= 12;
}
