/* Healing of slots, as their supervisors tell it (supervise/heal.h). */

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "deploy/view.h"

json_t *view_task_heal(const struct view_task *t)
{
	AUTO(json) json_t *of_record = t->has_record ? record_json(t->record) : NULL;
	json_t *heal = json_object_get(t->status ? t->status : of_record, "heal");

	return json_is_object(heal) ? json_incref(heal) : NULL;
}

/* Whether it is still to be told: one that has ended well is not. */
static bool is_open(const char *stage)
{
	return strcmp(stage, "waiting") == 0 || strcmp(stage, "repairing") == 0 ||
	        strcmp(stage, "probation") == 0;
}

const char *view_heal_text(const json_t *heal, char *out, size_t size)
{
	const char *stage = json_str(heal, "stage", ""), *repair = json_str(heal, "repair", ""),
	           *begun = json_str(heal, "begun", ""),
	           *verdict = json_str(heal, "verdict", "bad");
	long long tries = (long long)json_int(heal, "tries", 0);
	bool has_given_up = strcmp(stage, "gave-up") == 0;
	char what[64] = "";

	*out = '\0';
	if (!has_given_up && !is_open(stage))
		return out;
	if (*repair && strcmp(repair, "none") != 0)
		snprintf(what, sizeof(what), "%s%.40s", has_given_up ? "; last " : "; ", repair);
	if (has_given_up)
		snprintf(out, size, "%.20s and given up after %lld %s%s", verdict, tries,
		        tries == 1 ? "try" : "tries", what);
	else
		snprintf(out, size, "was %.20s%s, try %lld", verdict, what, tries > 0 ? tries : 1);
	if (*begun) {
		size_t n = strlen(out);

		snprintf(out + n, size - n, "; since %.40s", begun);
	}
	str_printable(out);
	return out;
}
