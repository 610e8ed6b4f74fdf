#include "cli/check_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/check_print.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/terminal.h"

#define VERDICT_MAX 512
#define PAGE_MAX    ((size_t)256 << 10)

void check_live_init(struct check_live *l, struct context *ctx, const struct watch *w,
        enum watch_criticality fail_on, const char *title)
{
	*l = (struct check_live){ .ctx = ctx,
		.w = w,
		.fail_on = fail_on,
		.title = title,
		.is_page = ctx->out_tty && !ctx->json && terminal_can_draw() };
}

/* --- the page --------------------------------------------------------------------------------- */

/* What a part prints, as text. */
typedef int part_fn(struct context *ctx, const struct check_live *l, int64_t now_ns, struct err *e);

static int print_findings(
        struct context *ctx, const struct check_live *l, int64_t now_ns, struct err *e)
{
	return check_print_findings(ctx, l->w, now_ns, e);
}

static int print_production(
        struct context *ctx, const struct check_live *l, int64_t now_ns UNUSED, struct err *e)
{
	return check_print_production(ctx, l->w, e);
}

/* More nodes than lines would be printed for nothing. */
static int print_nodes(
        struct context *ctx, const struct check_live *l, int64_t now_ns UNUSED, struct err *e)
{
	return check_print_nodes(ctx, l->w, true, terminal_rows(l->ctx->out), e);
}

static char *capture(const struct check_live *l, part_fn *fn, int64_t now_ns, struct err *e)
{
	char *text = NULL;
	size_t size;
	struct context part = *l->ctx;
	int rc;

	part.out = open_memstream(&text, &size);
	if (!part.out) {
		err_nomem(e);
		return NULL;
	}
	rc = fn(&part, l, now_ns, e);
	if (fclose(part.out) == 0 && rc == 0)
		return text;
	free(text);
	if (rc == 0)
		err_nomem(e);
	return NULL;
}

struct page {
	struct buf text;
	size_t cols, left; /* lines */
	bool is_full;
};

static void put_line(struct page *p, const char *line)
{
	if (!p->left)
		return;
	if (buf_add(&p->text, line, (size_t)terminal_fit(line, p->cols)) < 0 ||
	        buf_add_str(&p->text, "\n") < 0)
		p->is_full = true;
	p->left--;
}

/* At most that many lines of a text, the last of which says how many are not there. */
static void put_part(struct page *p, const char *text, size_t most)
{
	size_t n = 0, shown = 0;
	char line[1024];

	while (*text == '\n')
		text++;
	for (const char *s = text; *s; s++)
		n += *s == '\n';
	if (most > p->left)
		most = p->left;
	while ((n <= most || shown + 1 < most) && str_next_line(line, sizeof(line), &text) == 0) {
		put_line(p, line);
		shown++;
	}
	if (shown < n && most) {
		snprintf(line, sizeof(line), "... and %zu more line%s", n - shown,
		        n - shown == 1 ? "" : "s");
		put_line(p, line);
	}
}

static int put_all(struct page *p, const struct check_live *l, int64_t now_ns, struct err *e)
{
	AUTO(free) char *findings = capture(l, print_findings, now_ns, e);
	AUTO(free) char *production = findings ? capture(l, print_production, now_ns, e) : NULL;
	AUTO(free) char *nodes = production ? capture(l, print_nodes, now_ns, e) : NULL;

	if (!nodes)
		return -1;
	if (*production)
		put_part(p, production, 1);
	put_line(p, "");
	if (*findings) {
		put_part(p, findings, p->left / 2);
		put_line(p, "");
	}
	put_part(p, nodes, p->left);
	return 0;
}

char *check_live_page(struct check_live *l, const char *trouble, int64_t now_ns, size_t cols,
        size_t rows, struct err *e)
{
	struct page p = { .text = BUF_INIT(PAGE_MAX), .cols = cols, .left = rows };
	char line[VERDICT_MAX], verdict[VERDICT_MAX], at[CLOCK_TEXT_MAX];
	char *text = NULL;

	snprintf(line, sizeof(line), "%s  %.19sZ", l->title, clock_text(at, clock_real_ns()));
	put_line(&p, line);
	put_line(&p, watch_verdict_text(l->w, l->fail_on, verdict, sizeof(verdict)));
	if (trouble) {
		snprintf(line, sizeof(line), "%s", trouble);
		str_printable(line);
		put_line(&p, line);
	}
	if (put_all(&p, l, now_ns, e) == 0) {
		text = p.is_full ? NULL : buf_take(&p.text);
		if (!text)
			err_nomem(e);
	}
	buf_release(&p.text);
	return text;
}

/* From the top, each line over the one that stands there: clearing first would flicker. */
static int draw(struct check_live *l, const char *trouble, int64_t now_ns, struct err *e)
{
	size_t rows = terminal_rows(l->ctx->out);
	AUTO(free)
	char *page = check_live_page(
	        l, trouble, now_ns, terminal_columns(l->ctx->out), rows > 1 ? rows - 1 : 1, e);
	AUTO(buf) struct buf out = BUF_INIT(2 * PAGE_MAX);
	const char *at = page;
	char line[1024];

	if (!page)
		return -1;
	if (buf_add_str(&out, l->was_drawn ? "\033[H" : "\033[H\033[2J") < 0)
		return err_nomem(e);
	while (str_next_line(line, sizeof(line), &at) == 0)
		if (buf_add_fmt(&out, "%s\033[K\n", line) < 0)
			return err_nomem(e);
	if (buf_add_str(&out, "\033[J") < 0)
		return err_nomem(e);
	(void)fwrite(out.data, 1, out.len, l->ctx->out);
	l->was_drawn = true;
	return 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

static int tell(struct check_live *l, const char *event, const char *text, struct err *e)
{
	char at[CLOCK_TEXT_MAX];

	clock_text(at, clock_real_ns());
	output_line(l->ctx, "%s %-7s  %s", at, event, text);
	if (output_value(l->ctx, "time", json_string(at), e) < 0 ||
	        output_value(l->ctx, "event", json_string(event), e) < 0)
		return -1;
	return 0;
}

static int tell_verdict(struct check_live *l, bool is_healthy, struct err *e)
{
	char verdict[VERDICT_MAX];

	watch_verdict_text(l->w, l->fail_on, verdict, sizeof(verdict));
	if (tell(l, "verdict", verdict, e) < 0 ||
	        output_value(l->ctx, "healthy", json_boolean(is_healthy), e) < 0 ||
	        output_value(l->ctx, "verdict", json_string(verdict), e) < 0)
		return -1;
	return output_flush(l->ctx, e);
}

static int tell_found(struct check_live *l, const struct finding *f, int64_t now_ns, struct err *e)
{
	char line[FINDING_TEXT_MAX + 256];

	if (tell(l, "found", check_finding_text(f, line, sizeof(line)), e) < 0 ||
	        output_value(l->ctx, "finding", finding_json(f, now_ns), e) < 0)
		return -1;
	return output_flush(l->ctx, e);
}

static int tell_over(struct check_live *l, const struct finding *f, int64_t now_ns, struct err *e)
{
	double lasted = (double)(now_ns - f->since_ns) / NS_PER_SEC;
	char line[FINDING_TEXT_MAX + 256], text[CHECK_TEXT_MAX];
	size_t n;

	check_finding_text(f, line, sizeof(line));
	n = strlen(line);
	snprintf(line + n, sizeof(line) - n, "; lasted %s", check_seconds_text(text, lasted));
	if (tell(l, "over", line, e) < 0 ||
	        output_value(l->ctx, "finding", finding_json(f, now_ns), e) < 0 ||
	        output_value(l->ctx, "lasted_seconds", json_real(lasted), e) < 0)
		return -1;
	return output_flush(l->ctx, e);
}

static int tell_changes(struct check_live *l, int64_t now_ns, struct err *e)
{
	const struct findings *f = watch_findings(l->w);
	bool is_healthy = watch_is_healthy(l->w, l->fail_on);

	for (size_t i = 0; i < f->n_over; i++)
		if (tell_over(l, &f->over[i], now_ns, e) < 0)
			return -1;
	for (size_t i = 0; i < f->n; i++)
		if ((f->v[i].is_new || !l->was_told) && tell_found(l, &f->v[i], now_ns, e) < 0)
			return -1;
	if (l->was_told && l->was_healthy == is_healthy)
		return 0;
	l->was_told = true;
	l->was_healthy = is_healthy;
	return tell_verdict(l, is_healthy, e);
}

int check_live_round(struct check_live *l, const char *trouble, int64_t now_ns, struct err *e)
{
	if (l->is_page)
		return draw(l, trouble, now_ns, e) < 0 ? -1 : output_flush(l->ctx, e);
	if (trouble && strcmp(trouble, l->trouble) != 0)
		output_warn(l->ctx, "%s", trouble);
	snprintf(l->trouble, sizeof(l->trouble), "%s", trouble ? trouble : "");
	return tell_changes(l, now_ns, e);
}
