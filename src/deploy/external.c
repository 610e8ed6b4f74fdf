/*
 * The life of the fresh node's container
 *
 * Its name is chosen here, before the engine is told to make it.  So whatever becomes of that call
 * (no answer in time, Ctrl-C while it runs), it can be removed by name afterwards, and removing
 * what was never made is no error.
 */

#include "deploy/external.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/boot_id.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/container.h"
#include "engine/exec.h"

#define ASK_NS    (10 * NS_PER_SEC)
#define LEFT_NS   (60 * NS_PER_SEC) /* after its time is over: clocks of hosts differ */
#define GONE_NS   (20 * NS_PER_SEC) /* how long the engine may take to remove it */
#define GONE_STEP 100               /* ms */

struct external {
	struct engine *eng;
	char name[96];
};

/* --- whose it is ------------------------------------------------------------------------------ */

/* When the process began, in clock ticks since boot: tells it from a later one with its number.
 * Source: proc_pid_stat(5).  false: there is no such process. */
static bool start_of(uint64_t *ret, const char *pid)
{
	AUTO(free) char *path = str_fmt("/proc/%s/stat", pid);
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err ignored = ERR_INIT;
	const char *at;

	if (!path || fs_read_at(AT_FDCWD, path, &text, &ignored) != 0 || !text.data)
		return false;
	/* The name of the program, in brackets, may have blanks and brackets. */
	at = strrchr(text.data, ')');
	for (unsigned field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, " %" SCNu64, ret) == 1;
}

/* "HOST/BOOT-ID/PID-NAMESPACE/": the processes that we can see have it in common. */
static void our_place(char *out, size_t size)
{
	char boot[BOOT_ID_SIZE];
	struct err ignored = ERR_INIT;
	char host[ENGINE_NAME_SIZE] = "";
	struct stat st = { .st_ino = 0 };

	(void)gethostname(host, sizeof(host) - 1);
	(void)!boot_id(boot, &ignored);
	(void)stat("/proc/self/ns/pid", &st);
	snprintf(out, size, "%s/%s/%ju/", host, boot, (uintmax_t)st.st_ino);
}

void external_owner(char out[EXTERNAL_OWNER_SIZE])
{
	char place[EXTERNAL_OWNER_SIZE - 48], pid[24];
	uint64_t start = 0;

	our_place(place, sizeof(place));
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	(void)start_of(&start, pid);
	snprintf(out, EXTERNAL_OWNER_SIZE, "%s%s/%" PRIu64, place, pid, start);
}

/* false also when it cannot be known from here. */
static bool is_dead(const char *owner, const char *self)
{
	const char *last = strrchr(self, '/'), *pid;
	char number[24];
	uint64_t was, start;
	int64_t id;
	struct err ignored = ERR_INIT;

	/* Up to its process id our own is the same. */
	while (last > self && last[-1] != '/')
		last--;
	if (strncmp(owner, self, (size_t)(last - self)) != 0)
		return false;
	pid = owner + (last - self);
	last = strchr(pid, '/');
	if (!last || (size_t)(last - pid) >= sizeof(number) ||
	        num_uint(&was, last + 1, 0, UINT64_MAX, &ignored) < 0)
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)(last - pid), pid);
	if (num_int(&id, number, 1, INT32_MAX, &ignored) < 0)
		return false;
	/* Those of others may be hidden in /proc (its option hidepid), but not from kill(). */
	if (!start_of(&start, number))
		return kill((pid_t)id, 0) < 0 && errno == ESRCH;
	return start != was;
}

bool external_is_left(const json_t *labels, const char *owner, int64_t now_real_ns)
{
	const char *theirs = json_string_value(json_object_get(labels, EXTERNAL_LABEL_OWNER));
	const char *until = json_string_value(json_object_get(labels, EXTERNAL_LABEL_UNTIL));
	int64_t end;

	if (!json_object_get(labels, EXTERNAL_LABEL))
		return false;
	if (theirs && is_dead(theirs, owner))
		return true;
	return !until || clock_parse(&end, until) < 0 || now_real_ns > end + LEFT_NS;
}

/* --- its end ---------------------------------------------------------------------------------- */

/* Kill and remove it: what it has made is thrown away, so there is nothing to be left clean. */
static int remove_container(struct engine *eng, const char *name, struct err *e)
{
	int64_t until = clock_mono_ns() + GONE_NS;

	for (;;) {
		AUTO(json) json_t *j = NULL;

		/* While the engine removes it by itself, because it has ended, it refuses us. */
		if (engine_container_remove(eng, name, e) < 0 && e->kind != ERR_CONFLICT)
			return -1;
		err_clear(e);
		j = engine_container_inspect(eng, name, e);
		if (!j && e->kind == ERR_NOT_FOUND) {
			err_clear(e);
			return 0;
		}
		if (!j)
			return -1;
		if (clock_mono_ns() > until)
			return err_set(e, ERR_TIMEOUT, "the engine does not get it removed");
		(void)poll(NULL, 0, GONE_STEP);
	}
}

int external_stop(struct external *x, struct err *e)
{
	const volatile int *flag = engine_interrupt_on(x->eng, NULL);
	int rc = remove_container(x->eng, x->name, e);

	(void)engine_interrupt_on(x->eng, flag);
	if (rc < 0) {
		err_wrap(e, "remove the container '%s'", x->name);
		err_hint(e, "docker rm -fv %s", x->name);
	}
	free(x);
	return rc;
}

void external_free(struct external *x)
{
	struct err ignored = ERR_INIT;

	if (x && external_stop(x, &ignored) < 0)
		err_clear(&ignored);
}

/* --- its begin ------------------------------------------------------------------------------- */

static int sweep(struct engine *eng, const char *owner, struct err *e)
{
	AUTO(json)
	json_t *list = engine_container_list(eng, ENGINE_FILTERS({ "label", EXTERNAL_LABEL }), e);

	if (!list)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		const char *id = json_str(c, "Id", "");

		if (!str_is_name(id, ENGINE_ID_SIZE - 1) ||
		        !external_is_left(json_object_get(c, "Labels"), owner, clock_real_ns()))
			continue;
		if (remove_container(eng, id, e) < 0)
			return err_wrap(e, "remove '%.12s', which an earlier check has left", id);
	}
	return 0;
}

static int choose_name(struct external *x, const char *stack, struct err *e)
{
	uint8_t bytes[4];
	char hex[2 * sizeof(bytes) + 1];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(e, errno, "getrandom");
	hex_encode(hex, bytes, sizeof(bytes));
	snprintf(x->name, sizeof(x->name), "%.64s-fresh-%s", stack, hex);
	return 0;
}

static int make(struct external *x, const struct external_plan *p, const char *owner, struct err *e)
{
	AUTO(json) json_t *body = external_body(p, owner, clock_real_ns());
	const volatile int *flag;
	int rc;

	if (!body)
		return err_nomem(e);
	/* Seen to its end, also after Ctrl-C: removed while it is being made, it would come after
	 * all, and one that was never started does not end by itself. */
	flag = engine_interrupt_on(x->eng, NULL);
	rc = engine_container_create(x->eng, x->name, body, NULL, e);
	(void)engine_interrupt_on(x->eng, flag);
	if (rc == 0)
		return engine_container_start(x->eng, x->name, e);
	if (e->kind == ERR_NOT_FOUND)
		err_hint(e,
		        "it runs on the engine's own host, which must have the image '%s' and "
		        "the network '%s'",
		        p->image, p->network);
	return -1;
}

struct external *external_start(struct engine *eng, const struct external_plan *p, struct err *e)
{
	AUTO(free) struct external *x = calloc(1, sizeof(*x));
	char owner[EXTERNAL_OWNER_SIZE];

	if (!x) {
		err_nomem(e);
		return NULL;
	}
	x->eng = eng;
	external_owner(owner);
	if (sweep(eng, owner, e) < 0 || choose_name(x, p->stack, e) < 0)
		return NULL;
	if (make(x, p, owner, e) < 0) {
		external_free(TAKE(x));
		return NULL;
	}
	return TAKE(x);
}

/* --- questions -------------------------------------------------------------------------------- */

json_t *external_ask(struct external *x, const json_t *request, struct err *e)
{
	AUTO(engine_exec_result) struct engine_exec_result r = ENGINE_EXEC_RESULT_INIT;
	AUTO(free) char *text = request ? json_text(request, false) : NULL;
	const char *const argv[] = { "/usr/bin/nodeswarm", "fresh", "ask", text, NULL };
	const char *words;

	if (request && !text) {
		err_nomem(e);
		return NULL;
	}
	if (engine_exec_run(x->eng, x->name,
	            &(struct engine_exec){ .argv = argv, .timeout_ns = ASK_NS }, &r, e) < 0)
		return NULL;
	if (r.exit_code == 0)
		return json_parse_object(r.out.data, r.out.len, "the fresh node's answer", e);
	words = r.err.len ? r.err.data : r.out.data;
	err_set(e, ERR_PROTOCOL, "'nodeswarm fresh ask' in '%s' exits with %d: %.*s", x->name,
	        r.exit_code, (int)strcspn(words, "\r\n"), words);
	if (r.exit_code == 2 || r.exit_code == 126 || r.exit_code == 127)
		err_hint(e, "the image needs a nodeswarm of this version");
	return NULL;
}

int external_tail(struct external *x, unsigned lines, struct buf *out, struct err *e)
{
	return engine_container_tail(x->eng, x->name, lines, out, e);
}
