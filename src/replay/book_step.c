/*
 * What several changes do to an entry, all on a copy that book_commit() writes; and how words from
 * outside become ours, because all of them end in JSON, on pages and in terminals.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/str.h"
#include "replay/book_priv.h"

int step_to(struct entry *en, enum job_status to, struct err *e)
{
	if (!job_may_become(en->job.status, to))
		return err_set(e, ERR_CONFLICT, "job %lld is %s, it cannot become %s",
		        (long long)en->job.id, job_status_name(en->job.status),
		        job_status_name(to));
	en->job.status = to;
	return 0;
}

void step_judge(struct entry *en)
{
	struct job *j = &en->job;

	if (j->status != JOB_COMPLETE && j->status != JOB_HASH_MISMATCH)
		return;
	j->status = JOB_COMPLETE;
	if (job_verdict(j) == JOB_MISMATCH)
		j->status = JOB_HASH_MISMATCH;
}

void step_wait(struct entry *en, int64_t retry_at_ns)
{
	struct job *j = &en->job;

	assert(job_may_become(j->status, JOB_WAITING));
	j->status = JOB_WAITING;
	j->retry_at_ns = retry_at_ns;
	j->last_block = j->start;
	j->start_ns = j->end_ns = 0;
	j->end_text[0] = j->start_hash[0] = j->actual_hash[0] = j->nodeos_version[0] = '\0';
	j->worker[0] = j->lease[0] = '\0';
	j->is_cancelled = false;
}

int64_t step_backoff_ns(const struct book *b, unsigned times)
{
	int64_t wait = b->cfg.retry_ns;

	while (--times > 0 && wait < BOOK_RETRY_MAX_NS)
		wait *= 2;
	return wait < BOOK_RETRY_MAX_NS ? wait : BOOK_RETRY_MAX_NS;
}

int step_learn(struct book *b, uint32_t height, const char *hash, struct err *e)
{
	/* No slice ends at the genesis. */
	if (height == 0 || !hash[0])
		return 0;
	for (size_t k = book_first_end(b, height); k < b->n; k++) {
		size_t i = b->by_end[k];
		const struct job *j = &b->v[i].job;
		struct entry *en;

		if (j->end != height)
			break;
		/* What the manifest or a person says is not overruled by a snapshot. */
		if ((j->expected_hash[0] && !j->is_expected_learned) ||
		        strcasecmp(j->expected_hash, hash) == 0)
			continue;
		en = book_edit(b, i, e);
		if (!en)
			return -1;
		(void)snprintf(en->job.expected_hash, sizeof(en->job.expected_hash), "%s", hash);
		en->job.is_expected_learned = true;
		step_judge(en);
	}
	return 0;
}

void text_take(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text ? text : "");
	str_printable(out);
}

void text_take_log(char out[JOB_LOG_MAX], const char *text)
{
	size_t n = text ? strlen(text) : 0;
	char *line = out, *end;

	if (n >= JOB_LOG_MAX)
		text += n - (JOB_LOG_MAX - 1);
	(void)snprintf(out, JOB_LOG_MAX, "%s", text ? text : "");
	/* Lines and tabs are no harm; what is left of a character at the cut becomes '?'. */
	for (; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		for (char *tab = line; (tab = strchr(tab, '\t')); tab++)
			*tab = ' ';
		str_printable(line);
		if (end)
			*end = '\n';
	}
}

int hash_take(char out[SLICE_HASH_SIZE], const char *hash)
{
	unsigned char raw[SHA256_LEN];

	if (hex_decode(raw, sizeof(raw), hash) < 0)
		return -1;
	hex_encode(out, raw, sizeof(raw));
	return 0;
}
