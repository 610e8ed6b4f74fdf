#include "unit/load/golden.h"

#include "base/json.h"

/*
 * The pages themselves are for eyes: PAGES=DIR keeps them there, one for each sample.
 */

#define PAGE_MAX ((size_t)1 << 20)

/* The JSON in the page; the page stays as it is. */
static json_t *embedded(const char *page)
{
	static const char open[] = "<script type=\"application/json\" id=\"data\">";
	const char *at = strstr(page, open), *end;
	struct err e = ERR_INIT;
	json_t *j;

	assert_non_null(at);
	at += sizeof(open) - 1;
	end = strstr(at, "</script>");
	assert_non_null(end);
	j = json_parse_object(at, (size_t)(end - at), "the data of the page", &e);
	if (!j)
		fail_msg("%s", e.msg);
	return j;
}

static void keep(enum sample_kind kind, const char *page, size_t n)
{
	const char *dir = getenv("PAGES");
	char path[256];
	FILE *f;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%s.html", dir, sample_name(kind));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(page, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void pages_are_whole(void **state)
{
	(void)state;
	for (enum sample_kind kind = 0; kind < SAMPLES; kind++) {
		struct sample *s = sample_new(kind, false);
		size_t n, points;
		char *page = written(&s->report, load_report_html, &n);
		json_t *j = embedded(page);

		keep(kind, page, n);
		assert_int_equal(n, strlen(page));
		assert_true(n < PAGE_MAX);
		assert_null(strstr(page, "<!--@"));
		assert_int_equal(occurrences(page, "<script"), 2);
		assert_int_equal(occurrences(page, "</script>"), 2);
		assert_int_equal(json_int(j, "report.requests_total", -1),
		        load_tally_total(s->result.total));
		points = json_array_size(json_at(j, "series.begin"));
		assert_in_range(points, 1, LOAD_REPORT_HTML_POINTS + 2);
		assert_int_equal(json_array_size(json_at(j, "series.max")), points);
		json_decref(j);
		free(page);
		sample_free(s);
	}
}

/* The sum and the maximum of a long series are in its buckets. */
static void buckets_lose_no_spike(void **state)
{
	struct sample *s = sample_new(SAMPLE_DAY, false);
	size_t n, i;
	char *page = written(&s->report, load_report_html, &n);
	json_t *j = embedded(page), *v;
	double max = 0, timeouts = 0, low = 1e9;

	(void)state;
	json_array_foreach(json_at(j, "series.max"), i, v) if (json_number_value(v) > max) max =
	        json_number_value(v);
	json_array_foreach(json_at(j, "series.classes.timeout"), i, v) timeouts +=
	        json_number_value(v);
	json_array_foreach(json_at(j, "series.ok_low"), i, v) if (json_number_value(v) < low) low =
	        json_number_value(v);
	assert_true(max == 5e6);
	assert_true(timeouts == 48);
	assert_true(low == 0);
	assert_true(json_number_value(json_array_get(json_at(j, "series.begin"), 0)) == -2);
	assert_true(json_number_value(json_array_get(json_at(j, "series.begin"), 1)) == 0);
	json_decref(j);
	free(page);
	sample_free(s);
}

/* Names come from the target's replies. */
static void hostile_names_stay_text(void **state)
{
	static char url[] = "http://127.0.0.1/?a=</script><b>&\"'";
	static const char *const notes[] = { "</title><!--@data--><script>alert(1)</script>",
		NULL };
	static const char name[] = "</script><!--&\"\\\xe2\x80\xa8'";
	struct sample *s = sample_new(SAMPLE_SLOTS, false);
	size_t n;
	char *page, *text;
	json_t *j;

	(void)state;
	s->target.url = url;
	s->report.notes = notes;
	snprintf(s->report.slots[1].name, sizeof(s->report.slots[1].name), "%s", name);
	snprintf(s->report.slots[1].address, sizeof(s->report.slots[1].address), "%s", name);
	page = written(&s->report, load_report_html, &n);
	j = embedded(page);
	assert_int_equal(occurrences(page, "<script"), 2);
	assert_int_equal(occurrences(page, "</script>"), 2);
	assert_int_equal(occurrences(page, "</title>"), 1);
	assert_null(strstr(page, "alert(1)</"));
	assert_non_null(strstr(page, "?a=&lt;/script&gt;&lt;b&gt;&amp;&quot;&#39;"));
	assert_string_equal(json_string_value(json_object_get(
	                            json_array_get(json_at(j, "report.slots"), 1), "name")),
	        name);
	assert_string_equal(json_str(j, "report.url", ""), url);
	text = strstr(page, "id=\"data\">");
	assert_null(strstr(text, "\xe2\x80\xa8"));
	json_decref(j);
	free(page);
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_whole),
		cmocka_unit_test(buckets_lose_no_spike),
		cmocka_unit_test(hostile_names_stay_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
