#!/usr/bin/env bash
# test_request.sh - ask a node for get_info, WORKERS at a time, JOBS times each
#
# usage: scripts/test_request.sh SERVER PORT [WORKERS [JOBS]] [OPTION...]
#
# SERVER is a name, an address or http://NAME; WORKERS and JOBS are 100 unless said.  OPTIONs go to
# "nodeswarm load", such as --timeout 2s or, for a public address of your own, --i-own-this.  The
# last five lines say what became of the requests; exit 1 when any failed.
PATH=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build:$PATH || exit 1

usage() {
	echo "test_request.sh: $1" >&2
	echo "usage: scripts/test_request.sh SERVER PORT [WORKERS [JOBS]] [OPTION...]" >&2
	exit 2
}

# A number of 1 to 9 digits, so that their product is one too.
is_number() {
	[[ $1 =~ ^[1-9][0-9]{0,8}$ ]]
}

(($# >= 2)) || usage 'SERVER and PORT are missing'
server=${1#http://} port=$2
shift 2
server=${server%/}
[[ $server == *:*:* && $server != \[* ]] && server="[$server]"
is_number "$port" || usage "'$port' is not a port"
workers=100 jobs=100
if [[ ${1-} =~ ^[^-] ]]; then
	workers=$1
	shift
fi
if [[ ${1-} =~ ^[^-] ]]; then
	jobs=$1
	shift
fi
is_number "$workers" || usage "'$workers' is not a number of workers"
is_number "$jobs" || usage "'$jobs' is not a number of jobs"
exec nodeswarm load "http://$server:$port" -c "$workers" -n $((workers * jobs)) "$@"
