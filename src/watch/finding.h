#pragma once

/*
 * What was found: one row for each rule and what it is about
 *
 * Judges say in each round all that is so (findings_add); what was so in the round before and is
 * said again keeps its begin, what is not said again is over.  findings_begin() and findings_end()
 * are the two ends of a round.
 *
 * The text does not name the subject, which is shown beside it: "40 blocks behind", not "readers.3
 * is 40 blocks behind".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strvec.h"
#include "watch/rule.h"

#define FINDING_SUBJECT_SIZE 160
#define FINDING_TEXT_MAX     400
#define FINDING_EVIDENCE_MAX 64 /* lines */
#define FINDINGS_MAX         4096

struct finding {
	enum watch_rule_id rule;
	char subject[FINDING_SUBJECT_SIZE]; /* a node, a producer, "" for all of us */
	char text[FINDING_TEXT_MAX];        /* one line, with the numbers */
	double value, limit;    /* what the rule has compared; NAN: nothing to compare */
	struct strvec evidence; /* lines: who has which id, a tree, last lines of a log */
	int64_t since_ns;       /* now_ns of the round in which it was first so */
	bool is_new;            /* since the round before */
};

struct findings {
	struct finding *v; /* the worst first; of one criticality by rule and subject */
	size_t n;
	struct finding *over; /* those that ended in this round */
	size_t n_over;
	/* Some are missing, as there were more than FINDINGS_MAX or no memory: not healthy. */
	bool is_cut;
	/* the round under way */
	struct finding *next;
	size_t n_next, max_next;
	struct finding spare; /* for what there is no place for */
};

void findings_release(struct findings *f);
void findings_begin(struct findings *f);

/* A row of this round, to which evidence may be added until the next call; never NULL (when no row
 * can be had it is one that is thrown away, and is_cut is set).  The text is made printable.  What
 * is said again of the same rule and subject becomes evidence of the row that there is. */
struct finding *findings_add(struct findings *f, enum watch_rule_id rule, const char *subject,
        double value, double limit, const char *fmt, ...) PRINTF(6, 7);
void finding_evidence(struct finding *f, const char *fmt, ...) PRINTF(2, 3);
void findings_end(struct findings *f, int64_t now_ns);

/* {"rule","criticality","subject","text","value","limit","since_seconds","evidence":[...],"hint"},
 * a new reference. */
json_t *finding_json(const struct finding *f, int64_t now_ns) NODISCARD;
