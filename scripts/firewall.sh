#!/usr/bin/env bash
# firewall.sh - let nobody but those who may reach the hosts' ports: every host, IPv4 and IPv6
#
# usage: scripts/firewall.sh [OPTION...]            all goes to "nodeswarm firewall apply --all"
#        scripts/firewall.sh plan|verify|remove|apply [OPTION...]
#
# Open are 8888 and 9876; 2376, 2377, 7946, 4789 and 8870 are for nodes of the swarm; 3888 and 4876,
# the producer's, are closed. Own additions: /etc/nodeswarm/firewall.conf, see nodeswarm help firewall plan.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PATH=$PWD/build:$PATH
verb=apply
case ${1-} in
plan | apply | verify | remove) verb=$1 && shift ;;
-h | --help) exec nodeswarm help firewall apply ;;
esac
exec nodeswarm firewall "$verb" --all "$@"
