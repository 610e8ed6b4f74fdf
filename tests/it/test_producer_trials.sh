#!/usr/bin/env bash
# test_producer_trials.sh - a seeded campaign of faults against a producer and its standbys: never two who
# may sign, no slot signed twice, no fork on a reader, and blocks again soon
#
# The short form of tests/soak/producer; producer_trials.py says what happens, producer_oracle.py what
# must be so. A machine that tests has more to do, so that the time it takes is no finding here, only
# that blocks come again: bench/bench_producer.sh measures.
#
#	DECK=whole all classes, hosts that are lost too, within their time (default: quick)
#	SEED=N     others than the usual trials (default 1)
#	TRIALS=N   how many (default 12; 40 of the whole deck)
#	FROM=N     from that one on: FROM=17 TRIALS=1 repeats the 17th
#	ONLY=A,B   of these classes only
# time-limit: 900
# shellcheck source=tests/it/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/it/producers.sh
. "$ROOT/tests/it/producers.sh"

if [ "${DECK:=quick}" = quick ]; then
	hosts=3 how=(--quick --patience 60) TRIALS=${TRIALS:-12}
else
	hosts=5 how=() TRIALS=${TRIALS:-40}
fi

campaign()
{
	trials "${how[@]}" --trace --seed "${SEED:-1}" --first "${FROM:-1}" --trials "$TRIALS" ${ONLY:+--only "$ONLY"} | tee "$IT_DIR/campaign"
	return "${PIPESTATUS[0]}"
}
told()
{
	grep -v '^trial ' "$IT_DIR/campaign" | while IFS= read -r line; do it_report '|' "$line"; done
}

check "$hosts hosts; producer, standbys, readers" producers_up 2 "$hosts" || exit
[ -z "${UP_ONLY:-}" ] || exit
check "seed ${SEED:-1}, $TRIALS trials" campaign
told
check 'the key is nowhere' key_nowhere
[ -z "${CAMPAIGN_REPORT:-}" ] || cp "$IT_DIR/campaign" "$CAMPAIGN_REPORT"
[ -z "${CAMPAIGN_EVIDENCE:-}" ] || cp "$IT_DIR/evidence" "$CAMPAIGN_EVIDENCE"
