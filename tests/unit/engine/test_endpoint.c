#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "base/str.h"
#include "engine/endpoint_priv.h"
#include "engine/engine_priv.h"

static struct err e;
static char dir[64];

static const char *const variables[] = { "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS",
	"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH" };

static void write_file(const char *path, const char *text, mode_t mode)
{
	AUTO(free) char *full = str_fmt("%s/%s", dir, path);
	AUTO(free) char *parent = strdup(path);
	AUTO(close_fd) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(close_fd) int fd = -1;

	*strrchr(parent, '/') = '\0';
	if (*parent) {
		fd = fs_open_dir_at(root, parent, true, 0755, &e);
		assert_true(fd >= 0);
	}
	assert_int_equal(fs_write_at(AT_FDCWD, full, text, strlen(text), mode, &e), 0);
}

static void make_context(const char *name, const char *host, bool skip, bool ca, bool cert)
{
	char id[SHA256_HEX_SIZE];
	AUTO(free) char *meta = NULL;
	AUTO(free) char *text = NULL;

	sha256_hex(id, name, strlen(name));
	meta = str_fmt("config/contexts/meta/%s/meta.json", id);
	text = str_fmt("{\"Name\":\"%s\",\"Metadata\":{},\"Endpoints\":{\"docker\":{\"Host\":"
	               "\"%s\",\"SkipTLSVerify\":%s}}}",
	        name, host, skip ? "true" : "false");
	write_file(meta, text, 0644);
	for (int i = 0; i < 3; i++) {
		static const char *const files[] = { "ca.pem", "cert.pem", "key.pem" };
		AUTO(free) char *path = str_fmt("config/contexts/tls/%s/docker/%s", id, files[i]);

		if (i ? cert : ca)
			write_file(path, "", 0644);
	}
}

static int setup(void **state)
{
	AUTO(free) char *config = NULL;

	(void)state;
	err_clear(&e);
	snprintf(dir, sizeof(dir), "/tmp/test-endpoint-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	config = str_fmt("%s/config", dir);
	setenv("DOCKER_CONFIG", config, 1);
	return 0;
}

static int teardown(void **state)
{
	struct err ignored = ERR_INIT;

	(void)state;
	unsetenv("DOCKER_CONFIG");
	return fs_remove_tree_at(AT_FDCWD, dir, &ignored);
}

/* --- forms of a host ------------------------------------------------------------------------ */

static void hosts(void **state)
{
	static const struct {
		const char *text, *host, *url, *name;
		bool tls, is_local;
	} rows[] = {
		{ "unix:///x/y.sock", "unix:///x/y.sock", "http://docker", NULL, false, true },
		{ "unix://", "unix:///var/run/docker.sock", "http://docker", NULL, false, true },
		{ "unix:///x", "unix:///x", "http://docker", NULL, true, true },
		{ "tcp://10.0.0.1", "tcp://10.0.0.1:2375", "http://10.0.0.1:2375", "10.0.0.1",
		        false, false },
		{ "tcp://10.0.0.1", "tcp://10.0.0.1:2376", "https://10.0.0.1:2376", "10.0.0.1",
		        true, false },
		{ "tcp://10.0.0.1:", "tcp://10.0.0.1:2375", "http://10.0.0.1:2375", "10.0.0.1",
		        false, false },
		{ "tcp://h:1", "tcp://h:1", "https://h:1", "h", true, false },
		{ "tcp://h:65535/", "tcp://h:65535", "http://h:65535", "h", false, false },
		{ "tcp://h/base/x", "tcp://h:2375/base/x", "http://h:2375/base/x", "h", false,
		        false },
		{ "tcp://", "tcp://localhost:2375", "http://localhost:2375", "localhost", false,
		        true },
		{ "tcp://:99", "tcp://localhost:99", "http://localhost:99", "localhost", false,
		        true },
		{ "tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1",
		        false, true },
		{ "tcp://127.evil.example", "tcp://127.evil.example:2375",
		        "http://127.evil.example:2375", "127.evil.example", false, false },
		{ "tcp://[::1]", "tcp://[::1]:2375", "http://[::1]:2375", "::1", false, true },
		{ "tcp://[fd00::1]:99", "tcp://[fd00::1]:99", "http://[fd00::1]:99", "fd00::1",
		        false, false },
		{ "tcp://[fe80::1%25eth0]", "tcp://[fe80::1%25eth0]:2375",
		        "http://[fe80::1%25eth0]:2375", "fe80::1%25eth0", false, false },
		{ "https://h", "tcp://h:2376", "https://h:2376", "h", false, false },
		{ "http://h", "tcp://h:2375", "http://h:2375", "h", false, false },
		{ "10.0.0.1:99", "tcp://10.0.0.1:99", "http://10.0.0.1:99", "10.0.0.1", false,
		        false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;

		ep.is_tls = rows[i].tls;
		if (engine_host_parse(&ep, rows[i].text, &e) < 0 ||
		        strcmp(ep.host, rows[i].host) != 0 || strcmp(ep.url, rows[i].url) != 0 ||
		        !ep.name != !rows[i].name ||
		        (ep.name && strcmp(ep.name, rows[i].name) != 0) ||
		        engine_endpoint_is_local(&ep) != rows[i].is_local)
			fail_msg(
			        "%s: %s %s %s '%s'", rows[i].text, ep.host, ep.url, ep.name, e.msg);
		engine_endpoint_release(&ep);
	}
}

static void no_hosts(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} rows[] = {
		{ "ssh://me@there", "nodeswarm does not start ssh itself",
		        "ssh -NL /tmp/docker.sock:/var/run/docker.sock me@there" },
		{ "fd://", "this kind of host is not supported", "tcp://HOST:PORT" },
		{ "npipe:////./pipe/docker", "this kind of host", "unix:///PATH" },
		{ "/var/run/docker.sock", "not of the form tcp://",
		        "a socket is unix:///var/run/docker.sock" },
		{ "unix://docker.sock", "not of the form unix:///PATH", "for example unix:///" },
		{ "tcp://h:0", "not of the form tcp://", "for example" },
		{ "tcp://h:65536", "not of the form tcp://", "for example" },
		{ "tcp://h:99999999999", "not of the form tcp://", "for example" },
		{ "tcp://h:9x", "not of the form tcp://", "for example" },
		{ "tcp://user@h", "not of the form tcp://", "for example" },
		{ "tcp://h h", "not of the form tcp://", "for example" },
		{ "tcp://[::1", "not of the form tcp://", "for example" },
		{ "tcp://[::1]x", "not of the form tcp://", "for example" },
		{ "tcp://[]:1", "not of the form tcp://", "for example" },
		{ "tcp://h/?x", "not of the form tcp://", "for example" },
		{ "tcp://h\r\nX: y", "not of the form tcp://", "for example" },
		{ "https://", "not of the form tcp://", "for example" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;

		if (engine_host_parse(&ep, rows[i].text, &e) == 0 || e.kind != ERR_USAGE ||
		        !strstr(e.msg, rows[i].message) || !strstr(e.hint, rows[i].hint))
			fail_msg("%s: '%s' (%s)", rows[i].text, e.msg, e.hint);
		err_clear(&e);
		engine_endpoint_release(&ep);
	}
}

static void long_hosts(void **state)
{
	char text[4096] = "unix:///";

	(void)state;
	for (size_t n = 100; n < sizeof(text); n += n) {
		struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;

		memset(text + 8, 'a', n);
		text[8 + n] = '\0';
		assert_int_equal(engine_host_parse(&ep, text, &e), n < 100 ? 0 : n > 100 ? -1 : 0);
		err_clear(&e);
		engine_endpoint_release(&ep);
	}
}

/* --- which one ------------------------------------------------------------------------------ */

enum tls { PLAIN, UNVERIFIED, VERIFIED };

struct choice {
	const char *name, *host; /* host: as for engine_new() */
	const char *docker_host, *docker_context, *tls, *verify, *config;
	const char *wants; /* the host, or a part of the message */
	enum tls wants_tls;
	enum err_kind kind;
};

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void check_choice(const struct choice *c)
{
	AUTO(engine_endpoint) struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;
	enum tls tls;
	int rc;

	set("DOCKER_HOST", c->docker_host);
	set("DOCKER_CONTEXT", c->docker_context);
	set("DOCKER_TLS", c->tls);
	set("DOCKER_TLS_VERIFY", c->verify);
	write_file("config/config.json", c->config ? c->config : "{}", 0600);
	rc = engine_endpoint_find(&ep, c->host, &e);
	if ((rc < 0) != (c->kind != ERR_NONE) || e.kind != c->kind)
		fail_msg("%s: %s '%s'", c->name, err_kind_name(e.kind), e.msg);
	if (rc < 0) {
		if (!strstr(e.msg, c->wants) || !*e.hint)
			fail_msg("%s: '%s' (%s)", c->name, e.msg, e.hint);
		err_clear(&e);
		return;
	}
	tls = ep.is_tls ? ep.is_verified ? VERIFIED : UNVERIFIED : PLAIN;
	if (strcmp(ep.host, c->wants) != 0 || tls != c->wants_tls)
		fail_msg("%s: %s, tls %d", c->name, ep.host, tls);
}

#define UNIX    "unix:///var/run/docker.sock"
#define CURRENT "{\"auths\":{},\"currentContext\":\"plain\"}"

static void choices(void **state)
{
	static const struct choice rows[] = {
		{ .name = "nothing", .wants = UNIX },
		{ .name = "empty variables",
		        .docker_host = "",
		        .docker_context = "",
		        .tls = "",
		        .verify = "",
		        .wants = UNIX },
		{ .name = "a host", .host = "tcp://a:1", .wants = "tcp://a:1" },
		{ .name = "an empty host",
		        .host = "",
		        .docker_host = "tcp://b:1",
		        .wants = "tcp://b:1" },
		{ .name = "host before DOCKER_HOST",
		        .host = "tcp://a:1",
		        .docker_host = "tcp://b:1",
		        .wants = "tcp://a:1" },
		{ .name = "host before DOCKER_CONTEXT",
		        .host = "tcp://a:1",
		        .docker_context = "plain",
		        .wants = "tcp://a:1" },
		{ .name = "host before currentContext",
		        .host = "tcp://a:1",
		        .config = CURRENT,
		        .wants = "tcp://a:1" },
		{ .name = "context before DOCKER_HOST",
		        .host = "context:plain",
		        .docker_host = "tcp://b:1",
		        .wants = "tcp://plain:2375" },
		{ .name = "context before DOCKER_CONTEXT",
		        .host = "context:plain",
		        .docker_context = "tls",
		        .wants = "tcp://plain:2375" },
		{ .name = "DOCKER_HOST before DOCKER_CONTEXT",
		        .docker_host = "tcp://b:1",
		        .docker_context = "plain",
		        .wants = "tcp://b:1" },
		{ .name = "DOCKER_HOST before currentContext",
		        .docker_host = "tcp://b:1",
		        .config = CURRENT,
		        .wants = "tcp://b:1" },
		{ .name = "DOCKER_CONTEXT before currentContext",
		        .docker_context = "tls",
		        .config = CURRENT,
		        .wants = "tcp://tls:2376",
		        .wants_tls = VERIFIED },
		{ .name = "currentContext", .config = CURRENT, .wants = "tcp://plain:2375" },
		{ .name = "an empty DOCKER_HOST and currentContext",
		        .docker_host = "",
		        .config = CURRENT,
		        .wants = "tcp://plain:2375" },
		{ .name = "the context default means DOCKER_HOST",
		        .host = "context:default",
		        .docker_host = "tcp://b:1",
		        .config = CURRENT,
		        .wants = "tcp://b:1" },
		{ .name = "the context default",
		        .docker_context = "default",
		        .config = CURRENT,
		        .wants = UNIX },
		{ .name = "TLS",
		        .docker_host = "tcp://b",
		        .tls = "1",
		        .wants = "tcp://b:2376",
		        .wants_tls = UNVERIFIED },
		{ .name = "TLS and no host",
		        .tls = "1",
		        .wants = "tcp://localhost:2376",
		        .wants_tls = UNVERIFIED },
		{ .name = "verified",
		        .docker_host = "tcp://b:9",
		        .verify = "1",
		        .wants = "tcp://b:9",
		        .wants_tls = VERIFIED },
		{ .name = "0 is not nothing",
		        .docker_host = "tcp://b:9",
		        .verify = "0",
		        .wants = "tcp://b:9",
		        .wants_tls = VERIFIED },
		{ .name = "both",
		        .host = "tcp://a:9",
		        .tls = "1",
		        .verify = "1",
		        .wants = "tcp://a:9",
		        .wants_tls = VERIFIED },
		{ .name = "a socket has no TLS",
		        .docker_host = "unix:///x",
		        .verify = "1",
		        .wants = "unix:///x" },
		{ .name = "https",
		        .host = "https://a",
		        .wants = "tcp://a:2376",
		        .wants_tls = VERIFIED },
		{ .name = "https, not verified",
		        .host = "https://a",
		        .tls = "1",
		        .wants = "tcp://a:2376",
		        .wants_tls = UNVERIFIED },
		{ .name = "http against TLS",
		        .host = "http://a",
		        .verify = "1",
		        .wants = "without TLS, but TLS is asked for",
		        .kind = ERR_USAGE },
		{ .name = "a context is not asked of TLS variables",
		        .host = "context:plain",
		        .verify = "1",
		        .wants = "tcp://plain:2375" },
		{ .name = "a context with TLS",
		        .host = "context:tls",
		        .wants = "tcp://tls:2376",
		        .wants_tls = VERIFIED },
		{ .name = "a context that skips",
		        .host = "context:skip",
		        .wants = "tcp://skip:9",
		        .wants_tls = UNVERIFIED },
		{ .name = "a context without a host", .host = "context:empty", .wants = UNIX },
		{ .name = "a context of ssh",
		        .host = "context:ssh",
		        .wants = "docker context 'ssh': engine host 'ssh://me@there': nodeswarm "
		                 "does not start ssh itself",
		        .kind = ERR_USAGE },
		{ .name = "no such context",
		        .host = "context:nope",
		        .wants = "the docker context 'nope' does not exist in",
		        .kind = ERR_NOT_FOUND },
		{ .name = "no such context of the environment",
		        .docker_context = "nope",
		        .wants = "the docker context 'nope' of DOCKER_CONTEXT does not exist in",
		        .kind = ERR_NOT_FOUND },
		{ .name = "no such context of the config",
		        .config = "{\"currentContext\":\"../x\"}",
		        .wants = "the docker context '../x' of config.json does not exist in",
		        .kind = ERR_NOT_FOUND },
		{ .name = "a config that is none",
		        .config = "{\"currentContext\"",
		        .wants = "config.json': ",
		        .kind = ERR_PROTOCOL },
		{ .name = "which does not matter here",
		        .config = "{",
		        .docker_host = "tcp://b:1",
		        .wants = "tcp://b:1" },
		{ .name = "a bad DOCKER_HOST",
		        .docker_host = "x://",
		        .wants = "DOCKER_HOST: engine host",
		        .kind = ERR_USAGE },
	};

	(void)state;
	make_context("plain", "tcp://plain", false, false, false);
	make_context("tls", "tcp://tls", false, true, true);
	make_context("skip", "tcp://skip:9", true, false, false);
	make_context("empty", "", false, false, false);
	make_context("ssh", "ssh://me@there", false, false, false);
	write_file("config/ca.pem", "", 0644);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_choice(&rows[i]);
}

static void no_config_at_all(void **state)
{
	AUTO(engine_endpoint) struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;

	(void)state;
	assert_int_equal(engine_endpoint_find(&ep, NULL, &e), 0);
	assert_string_equal(ep.host, UNIX);
	assert_true(str_ends(ep.cert_dir, "/config"));
}

/* --- TLS files ------------------------------------------------------------------------------ */

static void tls_files(void **state)
{
	AUTO(engine_endpoint) struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;
	AUTO(free) char *certs = str_fmt("%s/certs", dir);

	(void)state;
	setenv("DOCKER_CERT_PATH", certs, 1);
	setenv("DOCKER_TLS_VERIFY", "1", 1);
	assert_int_equal(engine_endpoint_find(&ep, "tcp://a", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "/certs/ca.pem'"));
	assert_non_null(strstr(e.hint, "DOCKER_CERT_PATH"));
	err_clear(&e);

	write_file("certs/ca.pem", "", 0644);
	assert_int_equal(engine_endpoint_find(&ep, "tcp://a", &e), 0);
	assert_true(str_ends(ep.ca, "/certs/ca.pem"));
	assert_null(ep.cert);
	assert_null(ep.key);

	write_file("certs/cert.pem", "", 0644);
	write_file("certs/key.pem", "", 0600);
	assert_int_equal(engine_endpoint_find(&ep, "tcp://a", &e), 0);
	assert_true(str_ends(ep.cert, "/certs/cert.pem"));
	assert_true(str_ends(ep.key, "/certs/key.pem"));
	unsetenv("DOCKER_CERT_PATH");
	unsetenv("DOCKER_TLS_VERIFY");
}

/* Root may read everything, so this goes on as somebody else for a while. */
static void unreadable_files(void **state)
{
	AUTO(engine_endpoint) struct engine_endpoint ep = ENGINE_ENDPOINT_INIT;
	bool is_root = geteuid() == 0;
	int rc, without;

	(void)state;
	assert_int_equal(chmod(dir, 0755), 0);
	make_context("tls", "tcp://tls", false, true, true);
	write_file("config/config.json", "{\"currentContext\":\"tls\"}", 0);
	{
		char id[SHA256_HEX_SIZE];
		AUTO(free)
		char *path = str_fmt(
		        "%s/config/contexts/tls/%s/docker/key.pem", dir, sha256_hex(id, "tls", 3));

		assert_int_equal(chmod(path, 0), 0);
	}
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	rc = engine_endpoint_find(&ep, "context:tls", &e);
	without = engine_endpoint_find(&ep, NULL, &(struct err){ 0 });
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_non_null(strstr(e.msg, "docker context 'tls': the TLS file '"));
	assert_non_null(strstr(e.msg, "key.pem' cannot be read: Permission denied"));
	assert_non_null(strstr(e.hint, "ls -l "));
	/* A config that is another's is left alone, as the CLI does. */
	assert_int_equal(without, 0);
	assert_string_equal(ep.host, UNIX);
}

static void metas(void **state)
{
	static const struct {
		const char *text, *host, *message;
	} rows[] = {
		{ "{\"Name\":\"n\",\"Endpoints\":{\"docker\":{\"Host\":\"tcp://h\"}}}", "tcp://h",
		        NULL },
		{ "{\"Name\":\"n\",\"Endpoints\":{\"docker\":{}}}", "", NULL },
		{ "{\"Name\":\"m\",\"Endpoints\":{\"docker\":{}}}", NULL,
		        "it describes another context, 'm'" },
		{ "{\"Name\":\"n\",\"Endpoints\":{\"kubernetes\":{}}}", NULL,
		        "it has no Docker endpoint" },
		{ "{\"Name\":\"n\",\"Endpoints\":[]}", NULL, "it has no Docker endpoint" },
		{ "[]", NULL, "meta.json" },
		{ "", NULL, "meta.json" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(free) char *host = NULL;
		bool skip = true;
		int rc = engine_context_parse(
		        &host, &skip, "n", rows[i].text, strlen(rows[i].text), &e);

		if (rows[i].host ? rc < 0 || skip || strcmp(host, rows[i].host) != 0
		                 : rc == 0 || e.kind != ERR_PROTOCOL ||
		                        !strstr(e.msg, rows[i].message))
			fail_msg("%s: %d '%s' '%s'", rows[i].text, rc, host ? host : "", e.msg);
		err_clear(&e);
	}
}

/* --- what is said of a failure -------------------------------------------------------------- */

static void hints(void **state)
{
	static const struct {
		enum http_tls_trouble trouble;
		const char *hint, *of_context;
	} rows[] = {
		{ HTTP_TLS_NO_TLS, "unset DOCKER_TLS_VERIFY", "The context asks for TLS" },
		{ HTTP_TLS_EXPIRED, "renew the certificate", "renew the certificate" },
		{ HTTP_TLS_NOT_YET_VALID, "clocks", "clocks" },
		{ HTTP_TLS_UNKNOWN_CA, "looked for in /certs", "docker context update ctx" },
		{ HTTP_TLS_BAD_CERT, "looked for in /certs", "docker context update ctx" },
		{ HTTP_TLS_WRONG_NAME, "subjectAltName for 'h'", "subjectAltName for 'h'" },
		{ HTTP_TLS_WANTS_CERT, "cert.pem and key.pem must be there",
		        "host=tcp://h:2376,ca=FILE,cert=FILE,key=FILE" },
		{ HTTP_TLS_REFUSES_CERT, "--tlscacert", "--tlscacert" },
		{ HTTP_TLS_BAD_OWN_CERT, "passphrase", "passphrase" },
		{ HTTP_TLS_BAD_CA_FILE, "a certificate in PEM", "a certificate in PEM" },
	};
	struct engine_endpoint at = { .host = (char[]){ "tcp://h:2376" },
		.name = (char[]){ "h" },
		.cert_dir = (char[]){ "/certs" },
		.is_tls = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		const char *hint = i % 2 ? rows[i / 2].of_context : rows[i / 2].hint;

		at.context = i % 2 ? (char[]){ "ctx" } : NULL;
		err_set(&e, ERR_DENIED, "x");
		assert_int_equal(engine_explain(&at, rows[i / 2].trouble, &e), -1);
		if (!strstr(e.hint, hint))
			fail_msg("row %zu: '%s' has no '%s'", i, e.hint, hint);
		err_clear(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(no_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(long_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(choices, setup, teardown),
		cmocka_unit_test_setup_teardown(no_config_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(tls_files, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_files, setup, teardown),
		cmocka_unit_test_setup_teardown(metas, setup, teardown),
		cmocka_unit_test_setup_teardown(hints, setup, teardown),
	};

	return cmocka_run_group_tests_name("engine/endpoint", tests, NULL, NULL);
}
