#include "sim/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/nlog.h"

static void add(struct fail *f, const char *fmt, ...) PRINTF(2, 3);

static void add(struct fail *f, const char *fmt, ...)
{
	size_t len = strlen(f->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->text + len, sizeof(f->text) - len, fmt, ap);
	va_end(ap);
}

void fail_frame(struct fail *f, const char *message, const char *data, const char *place)
{
	add(f, "%s\n    %s\n    nodeos  %s\n", message, data, place);
}

static void set_fc(struct fail *f, int code, const char *name, const char *what, const char *place,
        const char *data, const char *fmt, va_list ap) PRINTF(7, 0);

static void set_fc(struct fail *f, int code, const char *name, const char *what, const char *place,
        const char *data, const char *fmt, va_list ap)
{
	char message[2048];

	(void)vsnprintf(message, sizeof(message), fmt, ap);
	f->kind = FAIL_FC;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text), "%d %s: %s\n", code, name, what);
	fail_frame(f, message, data, place);
}

int fail_fc(struct fail *f, int code, const char *name, const char *what, const char *place,
        const char *data, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_fc(f, code, name, what, place, data, fmt, ap);
	va_end(ap);
	return -1;
}

int fail_config(struct fail *f, const char *place, const char *data, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_fc(f, 3110006, "plugin_config_exception", "Incorrect plugin configuration", place, data,
	        fmt, ap);
	va_end(ap);
	return -1;
}

int fail_block_log(struct fail *f, const char *place, const char *data, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_fc(f, 3190000, "block_log_exception", "Block log exception", place, data, fmt, ap);
	va_end(ap);
	return -1;
}

int fail_std(struct fail *f, const char *type, const char *place, const char *fmt, ...)
{
	char what[1024], quoted[2048];
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	for (const char *p = what; *p && n + 2 < sizeof(quoted); p++) {
		if (*p == '"' || *p == '\\')
			quoted[n++] = '\\';
		quoted[n++] = *p;
	}
	quoted[n] = '\0';
	f->kind = strcmp(what, "Database dirty flag set") == 0 ? FAIL_DIRTY : FAIL_STD;
	f->status = f->kind == FAIL_DIRTY ? EXIT_DIRTY : EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text),
	        "13 %s: %s\nrethrow %s: \n    {\"what\":\"%s\"}\n    nodeos  %s\n", type, what,
	        what, quoted, place);
	return -1;
}

int fail_short_read(struct fail *f, const char *path, size_t wanted, size_t got)
{
	char text[FAIL_SHORT_READ_MAX];

	return fail_std(f, "NSt8ios_base7failureB5cxx11E",
	        "chain_plugin.cpp:1077 plugin_initialize", "%s",
	        fail_short_read_text(text, path, wanted, got));
}

const char *fail_short_read_text(
        char out[FAIL_SHORT_READ_MAX], const char *path, size_t wanted, size_t got)
{
	snprintf(out, FAIL_SHORT_READ_MAX,
	        "cfile: %s unable to read %zu bytes; only read %zu, eof: true, ferror: 0: iostream "
	        "error",
	        path, wanted, got);
	return out;
}

int fail_options(struct fail *f, const char *type, const char *fmt, ...)
{
	char what[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	f->kind = FAIL_OPTIONS;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text),
	        "Throw location unknown (consider using BOOST_THROW_EXCEPTION)\n"
	        "Dynamic exception type: boost::wrapexcept<%s>\nstd::exception::what: %s",
	        type, what);
	return -1;
}

int fail_not_simulated(struct fail *f, const char *what)
{
	f->kind = FAIL_PLAIN;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text), "nodesim does not simulate %s; a real nodeos has it",
	        what);
	return -1;
}

int fail_quiet(struct fail *f, int status)
{
	f->kind = FAIL_QUIET;
	f->status = status;
	return -1;
}

void fail_log_initialize(struct fail *f, const char *place)
{
	char at[96];

	if (f->kind != FAIL_FC && f->kind != FAIL_STD && f->kind != FAIL_DIRTY)
		return;
	nlog(NLOG_WARN, place, "plugin_initialize", "%s", f->text);
	if (f->kind == FAIL_FC) {
		snprintf(at, sizeof(at), "%s plugin_initialize", place);
		fail_frame(f, "rethrow", "{}", at);
	}
}

int fail_report(const struct fail *f)
{
	switch (f->kind) {
	case FAIL_DIRTY:
		nlog(NLOG_ERROR, "main.cpp:157", "main",
		        "database dirty flag set (likely due to unclean shutdown): replay "
		        "required");
		break;
	case FAIL_FC:
	case FAIL_STD:
		nlog(NLOG_ERROR, "main.cpp:161", "main", "%s", f->text);
		break;
	case FAIL_OPTIONS:
		nlog(NLOG_ERROR, "main.cpp:167", "main", "%s", f->text);
		break;
	case FAIL_PLAIN:
		nlog(NLOG_ERROR, f->status == EXIT_BAD_ALLOC ? "main.cpp:164" : "main.cpp:178",
		        "main", "%s", f->text);
		break;
	case FAIL_NONE:
	case FAIL_QUIET:
		break;
	}
	return f->status;
}
