#include "control/control.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

static char *line_of(json_t *take)
{
	AUTO(json) json_t *j = take;
	AUTO(free) char *text = j ? json_text(j, false) : NULL;

	return text ? str_fmt("%s\n", text) : NULL;
}

char *control_request(const char *name, const json_t *args)
{
	json_t *j = json_pack("{s:i, s:s}", "format", CONTROL_FORMAT, "request", name);

	if (j && args && json_object_update_missing(j, (json_t *)(uintptr_t)args) < 0) {
		json_decref(j);
		j = NULL;
	}
	return line_of(j);
}

char *control_error(const struct err *why)
{
	return line_of(
	        json_pack("{s:i, s:o}", "format", CONTROL_FORMAT, "error", json_of_err(why)));
}

static json_t *parse_format(const char *line, size_t n, const char *what, struct err *e)
{
	AUTO(json) json_t *j = NULL;

	if (n > CONTROL_LINE_MAX) {
		err_set(e, ERR_PROTOCOL, "%s of more than %u bytes", what, CONTROL_LINE_MAX);
		return NULL;
	}
	j = json_parse_object(line, n, what, e);
	if (!j)
		return NULL;
	if (json_int(j, "format", 0) != CONTROL_FORMAT) {
		err_set(e, ERR_PROTOCOL, "%s of format %lld; this program speaks %d", what,
		        (long long)json_int(j, "format", 0), CONTROL_FORMAT);
		return NULL;
	}
	return TAKE(j);
}

json_t *control_reply_parse(const char *line, size_t n, struct err *e)
{
	AUTO(json) json_t *j = parse_format(line, n, "control reply", e);
	const json_t *error = j ? json_at(j, "error") : NULL;

	if (!error)
		return TAKE(j);
	json_to_err(e, error);
	return NULL;
}

int control_request_parse(
        json_t **ret_request, const char **ret_name, const char *line, size_t n, struct err *e)
{
	AUTO(json) json_t *j = parse_format(line, n, "control request", e);
	const char *name;

	if (!j)
		return -1;
	name = json_str(j, "request", NULL);
	if (!name)
		return err_set(e, ERR_PROTOCOL, "control request without 'request'");
	*ret_name = name;
	*ret_request = TAKE(j);
	return 0;
}
