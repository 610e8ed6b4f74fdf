#include "cli/load_live.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/terminal.h"

#define TEXT_MAX  ((size_t)64 << 10)
#define FIELD_MAX 160
#define BAR_MAX   40
#define SLOT_COLS 40 /* columns of a slot's name */
#define GAP       3  /* columns between fields */
#define NARROW    60 /* columns with which a slot has no more than its figures */

void load_live_init(struct load_live *l, FILE *out, const struct load_config *c, const char *title,
        load_namer_fn *namer, void *namer_arg)
{
	*l = (struct load_live){
		.out = out, .config = c, .title = title, .namer = namer, .namer_arg = namer_arg
	};
}

/* --- lines that fit -------------------------------------------------------------------- */

/* Lines that are being made: fields flow onto them, and what does not fit is not there. */
struct page {
	struct buf *out;
	size_t cols, rows, at, lines;
};

static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void end_line(struct page *p)
{
	if (p->at == 0)
		return;
	if (buf_add_str(p->out, "\n") == 0)
		p->lines++;
	p->at = 0;
}

/* Put a field behind those that stand on the line, or on the next one. */
PRINTF(2, 3)
static void field(struct page *p, const char *fmt, ...)
{
	char text[FIELD_MAX];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_printable(text);
	n = width(text);
	if (p->at && p->at + GAP + n > p->cols)
		end_line(p);
	if (p->lines >= p->rows)
		return;
	if (p->at && buf_add_fmt(p->out, "%*s", GAP, "") == 0)
		p->at += GAP;
	if (buf_add(p->out, text, (size_t)terminal_fit(text, p->cols)) == 0)
		p->at += n < p->cols ? n : p->cols;
}

/* --- what they say --------------------------------------------------------------------- */

static void add_bar(struct page *p, double share, const char *said)
{
	size_t room = p->cols > width(said) + 4 ? p->cols - width(said) - 3 : 0, done;
	static const char full[] = "########################################";
	static const char empty[] = "........................................";

	if (room > BAR_MAX)
		room = BAR_MAX;
	share = share < 0 ? 0 : share > 1 ? 1 : share;
	done = (size_t)(share * (double)room);
	if (room < 4)
		field(p, "%s", said);
	else
		field(p, "[%.*s%.*s] %s", (int)done, full, (int)(room - done), empty, said);
	end_line(p);
}

/* As other times are told; from a minute on as durations are. */
static const char *length_text(char out[REPORT_TEXT_MAX], int64_t ns)
{
	char text[NUM_TEXT_MAX];

	if (ns < NS_PER_SEC)
		return report_time(out, ns);
	if (ns < 60 * NS_PER_SEC)
		(void)snprintf(out, REPORT_TEXT_MAX, "%.1f s", (double)ns / 1e9);
	else
		(void)snprintf(out, REPORT_TEXT_MAX, "%s", num_duration_text(text, ns));
	return out;
}

static void add_progress(struct page *p, const struct load_live *l, const struct load_interval *i)
{
	const struct load_config *c = l->config;
	char a[REPORT_TEXT_MAX], b[REPORT_TEXT_MAX], said[128];
	double share;

	if (i->is_warmup) {
		if (i->end_ns < 0)
			(void)snprintf(
			        said, sizeof(said), "warm-up, %s left", length_text(a, -i->end_ns));
		else
			(void)snprintf(said, sizeof(said), "warm-up is over");
		share = c->warmup_ns ? 1 + (double)i->end_ns / (double)c->warmup_ns : 1;
	} else if (c->requests) {
		(void)snprintf(said, sizeof(said), "%" PRIu64 " of %" PRIu64 " requests", l->total,
		        c->requests);
		share = (double)l->total / (double)c->requests;
	} else if (i->end_ns >= c->duration_ns) {
		(void)snprintf(said, sizeof(said), "waiting for the last answers");
		share = 1;
	} else {
		(void)snprintf(said, sizeof(said), "%s of %s", length_text(a, i->end_ns),
		        length_text(b, c->duration_ns));
		share = (double)i->end_ns / (double)c->duration_ns;
	}
	add_bar(p, share, said);
}

static void add_latency(struct page *p, const struct load_live *l, const struct load_tally *t)
{
	const struct load_hist *h = l->config->scheduled && t->planned ? t->planned : t->sent;
	static const struct {
		const char *name;
		double p;
	} rows[] = { { "p50", 50 }, { "p99", 99 }, { "p99.9", 99.9 } };
	char text[REPORT_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (h && h->total)
			field(p, "%s %s", rows[i].name,
			        report_time(text, load_hist_percentile(h, rows[i].p)));
		else
			field(p, "%s -", rows[i].name);
}

static void add_errors(struct page *p, const struct load_live *l)
{
	uint64_t failed = l->total - l->classes[LOAD_OK];

	field(p, "failed %" PRIu64, failed);
	for (int c = LOAD_OK + 1; c < LOAD_CLASSES; c++)
		if (l->classes[c])
			field(p, "%s %" PRIu64, load_class_name((enum load_class)c), l->classes[c]);
}

static double rate_of(uint64_t n, const struct load_interval *i)
{
	int64_t ns = i->end_ns - i->begin_ns;

	return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

/* The newest of the heads' times. */
static int64_t age_of(const struct load_tally *t)
{
	int64_t age = INT64_MIN;

	for (unsigned i = 0; i < t->n_backends; i++) {
		const struct load_backend *b = &t->backends[i];

		if (b->head && b->head == t->head && b->head_age_ns != INT64_MIN &&
		        (age == INT64_MIN || b->head_age_ns < age))
			age = b->head_age_ns;
	}
	return age;
}

static void add_state(struct page *p, const struct load_live *l, const struct load_interval *i)
{
	char text[REPORT_TEXT_MAX];
	int64_t age = age_of(i->tally);

	field(p, "open %u", i->open);
	if (l->config->scheduled)
		field(p, "backlog %" PRIu64, i->backlog);
	if (i->tally->head)
		field(p, "head %u", i->tally->head);
	if (age != INT64_MIN)
		field(p, "head age %s%s", age < 0 ? "-" : "",
		        report_time(text, age < 0 ? -age : age));
}

/* --- slots ----------------------------------------------------------------------------- */

struct row {
	const struct load_backend *b;
	char name[80];
};

static int by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

static void add_slot(
        struct page *p, const struct row *r, size_t name_cols, const struct load_interval *i)
{
	const struct load_backend *b = r->b;
	char name[REPORT_TEXT_MAX + SLOT_COLS * 4], rate[NUM_TEXT_MAX], text[REPORT_TEXT_MAX];
	char lag[24] = "";
	int n = terminal_fit(r->name, name_cols);

	/* As a whole, so that what belongs to a slot is in its line. */
	(void)snprintf(name, sizeof(name), "%.*s%*s", n, r->name,
	        (int)(width(r->name) < name_cols ? name_cols - width(r->name) : 0), "");
	(void)load_rate_text(rate, rate_of(b->ok + b->failed, i));
	(void)report_time(text, load_hist_percentile(b->latency, 99));
	if (b->head && i->tally->head >= b->head)
		(void)snprintf(lag, sizeof(lag), " lag %u", i->tally->head - b->head);
	field(p, p->cols < NARROW ? "%s %7s %s%s%s" : "%s %9s  p99 %-8s%s%s", name, rate,
	        b->latency->total ? text : "-", lag, b->failed ? "  FAILS" : "");
	end_line(p);
}

static void add_slots(struct page *p, const struct load_live *l, const struct load_interval *i)
{
	struct row rows[LOAD_LIVE_LINES] = { { .b = NULL } };
	size_t n = 0, room = p->rows > p->lines ? p->rows - p->lines : 0, name_cols = 0, more = 0;

	for (unsigned k = 0; k < i->tally->n_backends; k++) {
		const struct load_backend *b = &i->tally->backends[k];

		if (!*b->name)
			continue;
		if (n == ARRAY_LEN(rows)) {
			more++;
			continue;
		}
		rows[n].b = b;
		if (!l->namer ||
		        !l->namer(l->namer_arg, b->name, rows[n].name, sizeof(rows[n].name)))
			(void)snprintf(rows[n].name, sizeof(rows[n].name), "%s", b->name);
		if (width(rows[n].name) > name_cols)
			name_cols = width(rows[n].name);
		n++;
	}
	if (name_cols > p->cols / 2)
		name_cols = p->cols / 2;
	if (name_cols > SLOT_COLS)
		name_cols = SLOT_COLS;
	qsort(rows, n, sizeof(rows[0]), by_name);
	for (size_t k = 0; k < n && room; k++) {
		if (room == 1 && n - k + more > 1) {
			field(p, "and %zu more", n - k + more);
			end_line(p);
			break;
		}
		add_slot(p, &rows[k], name_cols, i);
		room--;
	}
}

/* --- drawing --------------------------------------------------------------------------- */

static void count(struct load_live *l, const struct load_interval *i)
{
	if (i->is_warmup)
		return;
	for (int c = 0; c < LOAD_CLASSES; c++)
		l->classes[c] += i->tally->classes[c];
	l->total += load_tally_total(i->tally);
}

void load_live_text(struct load_live *l, const struct load_interval *i, size_t cols, size_t rows,
        struct buf *out)
{
	struct page p = { .out = out, .cols = cols, .rows = rows };
	char rate[NUM_TEXT_MAX];

	count(l, i);
	field(&p, "%s", l->title);
	end_line(&p);
	add_progress(&p, l, i);
	field(&p, "%s", load_rate_text(rate, rate_of(i->tally->classes[LOAD_OK], i)));
	add_latency(&p, l, i->tally);
	end_line(&p);
	add_state(&p, l, i);
	add_errors(&p, l);
	end_line(&p);
	add_slots(&p, l, i);
}

/*
 * Up to the first line, and erase from there on (ECMA-48: CUU, ED).  A terminal that has become
 * narrower meanwhile has broken the lines that no longer fit.
 */
static int add_erase(const struct load_live *l, size_t cols, struct buf *out)
{
	size_t up = 0;

	for (unsigned i = 0; i < l->n_lines; i++)
		up += l->widths[i] > cols ? (l->widths[i] + cols - 1) / cols : 1;
	return up ? buf_add_fmt(out, "\r\033[%zuA\033[J", up) : 0;
}

/* In one piece, for stderr has no buffer and a half-drawn page flickers. */
static void put(const struct load_live *l, const struct buf *text)
{
	if (text->len)
		(void)fwrite(text->data, 1, text->len, l->out);
	(void)fflush(l->out);
}

void load_live_erase(struct load_live *l)
{
	AUTO(buf) struct buf text = BUF_INIT(64);

	if (add_erase(l, terminal_columns(l->out) + 1, &text) == 0)
		put(l, &text);
	l->n_lines = 0;
}

void load_live_interval(struct load_live *l, const struct load_interval *i)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	size_t cols = terminal_columns(l->out), rows = terminal_rows(l->out), begin;

	/* The cursor stands on a line of its own below them. */
	rows = rows > LOAD_LIVE_LINES ? LOAD_LIVE_LINES : rows > 2 ? rows - 1 : 1;
	if (add_erase(l, cols + 1, &text) < 0)
		return;
	begin = text.len;
	load_live_text(l, i, cols, rows, &text);
	l->n_lines = 0;
	for (char *s = text.len > begin ? text.data + begin : NULL, *end;
	        s && (end = strchr(s, '\n')); s = end + 1) {
		*end = '\0';
		if (l->n_lines < LOAD_LIVE_LINES)
			l->widths[l->n_lines++] = width(s);
		*end = '\n';
	}
	put(l, &text);
}
