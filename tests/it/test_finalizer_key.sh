#!/usr/bin/env bash
# test_finalizer_key.sh - a finalizer's key is changed, as docs/security.md has it. nodesim has no Savanna: it starts with such
# keys and does not vote, so what is tried is who may have which.
# time-limit: 120
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/cluster.sh
. "$(dirname "$0")/cluster.sh"
need docker jq
export NODESWARM_PEERS='' NODESWARM_BOOTSTRAP=1 NODESWARM_DOCKER_SOCKET=$IT_DIR/docker.sock

check 'engine' engine_up || exit
check 'images' cluster_images || exit
check 'pool' cluster_pool || exit
echo 5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3 | docker secret create producer-key - >/dev/null
check 'a producer' "$ROOT/scripts/start_bp.sh" --wait 60s || exit

signs()
{
	nodeswarm --json producer status | jq -e '.candidates[0].state == "producing"'
}
# with KEY...: the producer has these
with()
{
	local key
	cp "$ROOT/stacks/producer/config.ini" "$IT_DIR/producer.ini"
	for key in "$@"; do
		echo "signature-provider = $key=KEY:PVT_BLS_$key" >>"$IT_DIR/producer.ini"
	done
	NODESWARM_PRODUCER_CONFIG=$IT_DIR/producer.ini "$ROOT/scripts/start_bp.sh" 0 --wait 90s
}
# The holders of all claims but that of the signing key; a claim is named by a digest.
claims()
{
	nodeswarm --json producer finalizer | jq -c '[.claims[] | select(.claim | startswith("key-") | not) | .holder]'
}
check 'a key in the configuration of the one producer' with PUB_BLS_old
check 'its slot has it' expect '^\["nodeswarm_producer.1"\]$' claims
check 'the new one beside it' with PUB_BLS_old PUB_BLS_new
check 'the slot has both' expect '^\["nodeswarm_producer.1","nodeswarm_producer.1"\]$' claims
check 'the new one alone' with PUB_BLS_new
check 'the old claim stays, and is not given back by itself' expect_fail 1 'it may run and vote' \
	nodeswarm producer finalizer release PUB_BLS_old
check 'but by who knows that it is in no configuration' nodeswarm producer finalizer release --force PUB_BLS_old
check 'it is free, the new one is not' expect '^\["nodeswarm_producer.1"(,null)?\]$|^\[null,"nodeswarm_producer.1"\]$' claims
check 'it signs on' wait_for 20 signs
