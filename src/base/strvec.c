#include "base/strvec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strvec_release(struct strvec *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	*sv = STRVEC_INIT;
}

int strvec_add_take(struct strvec *sv, char *s)
{
	char **v;

	if (!s)
		return -1;
	v = reallocarray(sv->v, sv->n + 2, sizeof(*v));
	if (!v) {
		free(s);
		return -1;
	}
	sv->v = v;
	sv->v[sv->n++] = s;
	sv->v[sv->n] = NULL;
	return 0;
}

int strvec_add(struct strvec *sv, const char *s)
{
	return strvec_add_take(sv, strdup(s));
}

int strvec_add_fmt(struct strvec *sv, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? -1 : strvec_add_take(sv, s);
}
