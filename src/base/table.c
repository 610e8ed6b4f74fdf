#include "base/table.h"

#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/str.h"

struct table {
	const struct table_column *cols;
	size_t ncols, nrows;
	json_t ***rows; /* nrows x ncols, NULL for an empty cell */
	bool failed;
};

struct table *table_new(const struct table_column *cols, size_t n)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t) {
		t->cols = cols;
		t->ncols = n;
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nrows; i++) {
		for (size_t c = 0; c < t->ncols; c++)
			json_decref(t->rows[i][c]);
		free(t->rows[i]);
	}
	free(t->rows);
	free(t);
}

void table_row(struct table *t)
{
	json_t ***rows = reallocarray(t->rows, t->nrows + 1, sizeof(*rows));

	if (rows)
		t->rows = rows;
	if (!rows || !(rows[t->nrows] = calloc(t->ncols, sizeof(**rows)))) {
		t->failed = true;
		return;
	}
	t->nrows++;
}

void table_set(struct table *t, size_t col, json_t *take)
{
	if (t->failed || t->nrows == 0) {
		json_decref(take);
		return;
	}
	json_decref(t->rows[t->nrows - 1][col]);
	t->rows[t->nrows - 1][col] = take;
}

/* Cells of different types stand in this order; the same for all pairs, or qsort goes astray. */
static int rank(const json_t *v)
{
	return !v || json_is_null(v) ? 0
	        : json_is_boolean(v) ? 1
	        : json_is_number(v)  ? 2
	        : json_is_string(v)  ? 3
	                             : 4;
}

static int compare(const void *x, const void *y, void *arg)
{
	size_t col = *(const size_t *)arg;
	json_t *const *const *ra = x;
	json_t *const *const *rb = y;
	const json_t *a = (*ra)[col], *b = (*rb)[col];

	if (rank(a) != rank(b))
		return rank(a) - rank(b);
	if (json_is_string(a))
		return strverscmp(json_string_value(a), json_string_value(b));
	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) -
		        (json_integer_value(a) < json_integer_value(b));
	if (json_is_number(a))
		return (json_number_value(a) > json_number_value(b)) -
		        (json_number_value(a) < json_number_value(b));
	return json_is_true(a) - json_is_true(b);
}

void table_sort(struct table *t, size_t col)
{
	if (t->nrows)
		qsort_r(t->rows, t->nrows, sizeof(*t->rows), compare, &col);
}

static char *cell_text(const struct table_column *col, const json_t *v)
{
	char size[NUM_TEXT_MAX];

	if (!v || json_is_null(v))
		return strdup("-");
	if (json_is_string(v)) {
		char *s = strdup(json_string_value(v));

		if (s)
			str_printable(s);
		return s;
	}
	if (json_is_boolean(v))
		return strdup(json_is_true(v) ? "yes" : "no");
	if (json_is_integer(v) && col->kind == TABLE_SIZE && json_integer_value(v) >= 0)
		return strdup(num_size_text(size, (uint64_t)json_integer_value(v)));
	return json_text(v, false);
}

static int fill(const struct table *t, struct libscols_table *out)
{
	for (size_t c = 0; c < t->ncols; c++) {
		enum table_kind kind = t->cols[c].kind;

		if (kind == TABLE_JSON)
			continue;
		if (!scols_table_new_column(out, t->cols[c].title, 0,
		            kind == TABLE_NUMBER || kind == TABLE_SIZE ? SCOLS_FL_RIGHT
		                    : kind == TABLE_WIDE               ? SCOLS_FL_TRUNC
		                                                       : 0))
			return -1;
	}
	for (size_t r = 0; r < t->nrows; r++) {
		struct libscols_line *line = scols_table_new_line(out, NULL);
		size_t at = 0;

		if (!line)
			return -1;
		for (size_t c = 0; c < t->ncols; c++) {
			char *text;

			if (t->cols[c].kind == TABLE_JSON)
				continue;
			text = cell_text(&t->cols[c], t->rows[r][c]);
			if (!text || scols_line_refer_data(line, at++, text) != 0) {
				free(text);
				return -1;
			}
		}
	}
	return 0;
}

int table_print(const struct table *t, FILE *stream, struct err *e)
{
	struct libscols_table *out;
	int rc;

	if (t->failed)
		return err_nomem(e);
	out = scols_new_table();
	if (!out)
		return err_nomem(e);
	scols_table_set_stream(out, stream);
	/* Cut wide cells only where a person looks; a pipe gets everything. */
	if (!isatty(fileno(stream)))
		scols_table_set_termforce(out, SCOLS_TERMFORCE_NEVER);
	rc = fill(t, out);
	if (rc == 0 && t->nrows)
		rc = scols_print_table(out);
	else if (rc == 0) {
		/* The library prints nothing for a table without rows; people want the heading. */
		for (size_t c = 0; c < t->ncols; c++)
			if (t->cols[c].kind != TABLE_JSON)
				fprintf(stream, "%s%s", c ? " " : "", t->cols[c].title);
		fputc('\n', stream);
	}
	scols_unref_table(out);
	return rc == 0 ? 0 : err_set(e, ERR_SYSTEM, "print the table");
}

json_t *table_json(const struct table *t, struct err *e)
{
	AUTO(json) json_t *list = json_array();

	if (t->failed || !list)
		goto nomem;
	for (size_t r = 0; r < t->nrows; r++) {
		json_t *o = json_object();

		if (!o || json_array_append_new(list, o) < 0)
			goto nomem;
		for (size_t c = 0; c < t->ncols; c++)
			if (json_object_set(o, t->cols[c].key,
			            t->rows[r][c] ? t->rows[r][c] : json_null()) < 0)
				goto nomem;
	}
	return TAKE(list);
nomem:
	err_nomem(e);
	return NULL;
}
