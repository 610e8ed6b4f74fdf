#include "replay/node_ask.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/run.h"
#include "base/str.h"
#include "replay/node_env.h"

#define HELP_MAX   (1024U * 1024)
#define TIMEOUT_NS (60 * NS_PER_SEC)

static int ask(struct buf *out, const char *program, const char *option, const volatile int *cancel,
        struct err *e)
{
	AUTO(free) char **envp = node_env();
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)option, NULL };
	const struct run_how how = {
		.envp = envp,
		.keep_fd = -1,
		.timeout_ns = TIMEOUT_NS,
		.cancel = cancel,
	};

	if (!envp)
		return err_nomem(e);
	buf_clear(out);
	if (run_output_how(argv, &how, out, NULL, e) < 0)
		return err_wrap(e, "ask '%s' for %s", program, option);
	return 0;
}

int node_ask(struct node_kind *ret, const char *program, const volatile int *cancel, struct err *e)
{
	AUTO(buf) struct buf out = BUF_INIT(HELP_MAX);
	char *line;

	memset(ret, 0, sizeof(*ret));
	if (ask(&out, program, "--help", cancel, e) < 0)
		return -1;
	ret->has_start_hash = out.data && strstr(out.data, "--integrity-hash-on-start");
	ret->has_stop_hash = out.data && strstr(out.data, "--integrity-hash-on-stop");
	if (ask(&out, program, "--full-version", cancel, e) < 0) {
		if (e->kind == ERR_INTERRUPTED)
			return -1;
		/* Old ones have but the short one. */
		err_clear(e);
		if (ask(&out, program, "--version", cancel, e) < 0)
			return -1;
	}
	line = str_trim(out.data ? out.data : (char[]){ "" });
	snprintf(ret->version, sizeof(ret->version), "%.*s", (int)strcspn(line, "\n"), line);
	str_printable(ret->version);
	return 0;
}
