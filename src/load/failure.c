#include "load/failure.h"

#include <assert.h>
#include <stddef.h>

#include "base/compiler.h"

static const struct {
	const char *name, *text;
} classes[LOAD_CLASSES] = {
	[LOAD_OK] = { "ok", "complete and right" },
	[LOAD_CONNECT] = { "connect", "no connection: refused or unreachable; is the server up?" },
	[LOAD_RESET] = { "reset", "the connection broke before a reply came" },
	[LOAD_TIMEOUT] = { "timeout", "no whole reply in time; see --timeout" },
	[LOAD_SHORT] = { "short", "the connection ended within the reply" },
	[LOAD_STATUS] = { "status", "another status than 200, or with --any than 200 to 299" },
	[LOAD_NOT_HTTP] = { "not-http", "not an HTTP/1.x reply, or more than was asked for" },
	[LOAD_TOO_LARGE] = { "too-large", "a head above 16 KiB or a body above 4 MiB" },
	[LOAD_NOT_JSON] = { "not-json", "200, but the body is not JSON" },
	[LOAD_NOT_INFO] = { "not-info", "JSON, but no get_info; for another call use --any" },
	[LOAD_WRONG_CHAIN] = { "wrong-chain", "a get_info of another chain" },
	[LOAD_HEAD_BACK] = { "head-back", "head_block_num went back further than a fork can" },
	[LOAD_LOST] = { "lost", "in a pipeline, behind a failure or the end of its connection" },
	[LOAD_UNSENT] = { "unsent", "planned, but no connection was free until the end; see -c" },
	[LOAD_LOCAL] = { "local", "this machine had no port, descriptor or memory left" },
};

const char *load_class_name(enum load_class c)
{
	assert((size_t)c < ARRAY_LEN(classes));
	return classes[c].name;
}

const char *load_class_text(enum load_class c)
{
	assert((size_t)c < ARRAY_LEN(classes));
	return classes[c].text;
}
