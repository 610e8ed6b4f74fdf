#include "unit/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "gate/gate.h"
#include "gate/signed.h"
#include "lease/record.h"
#include "nodeos/sign.h"

/* Everybody's key, see nodeos/test_sign.c. */
#define WIF     "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"
#define KEY     "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
#define KEY_K1  "PUB_K1_6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5BoDq63"
#define FOREIGN "EOS5p78kHbL33Rn3JWkTWRE2B9uz6gy4r1KbfAKLNQGE3ovMBS5bu"
#define EPOCH   3

static char dir[] = "/tmp/test_gate.XXXXXX";
static int dirfd_ = -1;
static struct lease_right right;
static struct gate *gate;
static uint32_t digests; /* each test's requests have their own */

/* --- what happens while the gate signs, or writes --------------------------------------------- */

enum hook { NOTHING, DROP, CLOSE, REOPEN, LATE, FAIL, STAY };
static atomic_int hook;
static atomic_int in_hook, may_leave;
static atomic_int write_errno;

int __real_sign_digest(const struct sign_key *k, unsigned char ret[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN], struct err *e);
int __wrap_sign_digest(const struct sign_key *k, unsigned char ret[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN], struct err *e);
ssize_t __real_pwrite64(int fd, const void *data, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t at);

static void sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * NS_PER_MS };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

int __wrap_sign_digest(const struct sign_key *k, unsigned char ret[SIGN_LEN],
        const unsigned char digest[SIGN_DIGEST_LEN], struct err *e)
{
	int rc = __real_sign_digest(k, ret, digest, e);

	switch ((enum hook)hook) {
	case DROP:
		lease_right_drop(&right);
		break;
	case CLOSE:
		gate_close(gate);
		break;
	case REOPEN:
		gate_close(gate);
		gate_open(gate, EPOCH);
		break;
	case LATE:
		sleep_ms(GATE_PROVIDER_TIMEOUT_MS + 20);
		break;
	case FAIL:
		return err_sys(e, EIO, "the signature does not verify");
	case STAY:
		in_hook = 1;
		while (!may_leave)
			sleep_ms(1);
		break;
	case NOTHING:
	default:
		break;
	}
	return rc;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t n, off_t at)
{
	if (write_errno) {
		errno = write_errno;
		return -1;
	}
	return __real_pwrite64(fd, data, n, at);
}

/* --- the gate and a client -------------------------------------------------------------------- */

static void start(void)
{
	struct gate_config cfg = { .dirfd = dirfd_, .right = &right };
	char path[sizeof(dir) + 8];
	struct err e = ERR_INIT;

	(void)snprintf(path, sizeof(path), "%s/key", dir);
	cfg.key_path = path;
	gate = gate_start(&cfg, &e);
	if (!gate)
		fail_msg("%s", e.msg);
}

static void grant(void)
{
	lease_right_release(&right);
	lease_right_init(&right);
	lease_right_set(&right, EPOCH, clock_boot_ns() + 3600 * NS_PER_SEC, 0, UINT32_MAX);
}

static int set_up(void **state UNUSED)
{
	struct err e = ERR_INIT;

	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd_ < 0 || fs_write_at(dirfd_, "key", WIF "\n", strlen(WIF) + 1, 0600, &e) < 0)
		return -1;
	hook = NOTHING;
	in_hook = may_leave = 0;
	write_errno = 0;
	grant();
	start();
	return 0;
}

static int tear_down(void **state UNUSED)
{
	struct err e = ERR_INIT;

	may_leave = 1;
	gate_stop(TAKE(gate));
	(void)close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

static void connect_socket(int fd, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	union {
		struct sockaddr_in in;
		struct sockaddr sa;
	} u = { .in = a };

	if (fd < 0 || connect(fd, &u.sa, sizeof(u.in)) < 0)
		fail_msg("connect: %s", strerror(errno));
}

static int connect_to(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	connect_socket(fd, port);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void digest_of(unsigned char out[SIGN_DIGEST_LEN], uint32_t n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "digest %u", n);
	sha256(out, text, strlen(text));
}

static void send_request(int fd, const char *path, uint32_t n, const char *key)
{
	unsigned char digest[SIGN_DIGEST_LEN];
	char body[256], text[512], hex[SHA256_HEX_SIZE];

	digest_of(digest, n);
	hex_encode(hex, digest, sizeof(digest));
	(void)snprintf(body, sizeof(body), "[\"%s\",\"%s\"]", hex, key);
	(void)snprintf(text, sizeof(text),
	        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:28080\r\nUser-Agent: Boost.Beast/300\r\n"
	        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	        path, strlen(body), body);
	send_text(fd, text);
}

/* The reply as a whole; its status, 0: none in this time, -1: hung up. */
static int receive(int fd, char *text, size_t size, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	size_t n = 0;
	int status = -1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	while (n < size - 1) {
		const char *end;
		size_t length = 0;
		ssize_t got = recv(fd, text + n, size - 1 - n, 0);

		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got <= 0)
			return -1;
		n += (size_t)got;
		text[n] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end && sscanf(text, "HTTP/1.1 %d", &status) == 1 &&
		        sscanf(strstr(text, "Content-Length: "), "Content-Length: %zu", &length) ==
		                1 &&
		        strlen(end + 4) >= length)
			return status;
	}
	return -1;
}

/* What a digest's answer has to be; and that there is none otherwise. */
static int ask_as(int fd, const char *path, uint32_t n, const char *key)
{
	AUTO(sign_key_free) struct sign_key *k = NULL;
	unsigned char digest[SIGN_DIGEST_LEN], sig[SIGN_LEN];
	char text[1024] = "", want[SIGN_TEXT_SIZE], body[SIGN_TEXT_SIZE + 8];
	struct err e = ERR_INIT;
	int status;

	send_request(fd, path, n, key);
	status = receive(fd, text, sizeof(text), 200);
	if (status != 200) {
		assert_null(strstr(text, "SIG_"));
		return status;
	}
	k = sign_key_parse(WIF, &e);
	digest_of(digest, n);
	assert_int_equal(__real_sign_digest(k, sig, digest, &e), 0);
	(void)snprintf(body, sizeof(body), "\r\n\r\n\"%s\"", sign_text(want, sig));
	assert_non_null(strstr(text, body));
	return status;
}

static int ask(int fd, uint32_t n)
{
	return ask_as(fd, GATE_PATH, n, KEY);
}

static uint64_t counted(enum gate_refusal why)
{
	struct gate_counts n;

	gate_get_counts(gate, &n);
	return n.by[why];
}

static uint32_t slot_now(void)
{
	return lease_slot_at(clock_real_ns());
}

/* Until a slot begins, in which the next steps fit. */
static uint32_t fresh_slot(void)
{
	uint32_t slot = slot_now();

	while (slot_now() == slot)
		sleep_ms(1);
	return slot_now();
}

/* A connection whose first request was refused, early in a slot; *n: of a digest to ask for. */
static int opened(uint32_t *n)
{
	int fd = connect_to(gate_port(gate));

	gate_open(gate, EPOCH);
	(void)fresh_slot();
	*n = ++digests;
	assert_int_equal(ask(fd, *n), 500);
	return fd;
}

/* Whether it signs: the first may be refused after a silence, and a slow machine may lose slots. */
static bool signs(int fd)
{
	for (int tries = 0; tries < 5; tries++) {
		int status;

		(void)fresh_slot();
		status = ask(fd, ++digests);
		if (status == 500)
			status = ask(fd, digests);
		if (status == 200)
			return true;
	}
	return false;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void it_signs(void **state UNUSED)
{
	struct gate_counts n;
	uint32_t first;
	int fd = opened(&first);

	assert_string_equal(gate_public_key(gate), KEY);
	assert_int_equal(ask(fd, first), 200);
	assert_int_equal(ask(fd, first), 200);
	fresh_slot();
	assert_int_equal(ask_as(fd, "/", ++digests, KEY), 200);
	fresh_slot();
	assert_int_equal(ask_as(fd, "/any?path=x", ++digests, KEY_K1), 200);
	gate_get_counts(gate, &n);
	assert_int_equal(n.by[GATE_SIGNED], 4);
	assert_int_equal(n.by[GATE_FIRST], 1);
	assert_true(n.last_slot <= slot_now() && n.last_slot + 20 > slot_now());
	assert_true(n.is_open && n.worst_ns > 0 && n.total_ns >= n.worst_ns);
	assert_true(clock_real_ns() - n.last_signed_real_ns < 2 * NS_PER_SEC);
	(void)close(fd);
}

/* One digest in a slot; on a slow machine the slot may be over too soon, then again. */
static void one_digest_in_a_slot(void **state UNUSED)
{
	for (int tries = 0; tries < 10; tries++) {
		uint32_t a;
		int fd = opened(&a), other = connect_to(gate_port(gate)), rc, rc2, rc3;
		uint32_t slot = slot_now();

		rc = ask(fd, a);
		rc2 = ask(other, a + 1000000);
		rc3 = ask(fd, a);
		(void)close(fd);
		(void)close(other);
		gate_close(gate);
		if (slot_now() != slot)
			continue;
		assert_int_equal(rc, 200);
		assert_int_equal(rc2, 0);
		assert_int_equal(rc3, 200);
		assert_true(counted(GATE_OTHER_DIGEST) > 0);
		return;
	}
	fail_msg("the machine is too slow");
}

static void what_is_not_answered(void **state UNUSED)
{
	char text[1024] = "";
	uint32_t n;
	int fd = connect_to(gate_port(gate));
	int64_t from;

	/* Closed: nothing, and a 500 to who waits longer than any nodeos that we configure. */
	from = clock_mono_ns();
	send_request(fd, GATE_PATH, ++digests, KEY);
	assert_int_equal(receive(fd, text, sizeof(text), 5000), 500);
	assert_true(clock_mono_ns() - from >= 390 * NS_PER_MS);
	assert_null(strstr(text, "SIG_"));
	assert_int_equal(receive(fd, text, sizeof(text), 5000), -1);
	assert_int_equal(counted(GATE_CLOSED), 1);
	(void)close(fd);

	/* No right, another's key, no request. */
	fd = opened(&n);
	assert_int_equal(ask_as(fd, GATE_PATH, n, FOREIGN), 0);
	assert_int_equal(counted(GATE_OTHER_KEY), 1);
	(void)close(fd);
	fd = connect_to(gate_port(gate));
	send_text(fd, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
	assert_int_equal(receive(fd, text, sizeof(text), 80), 0);
	assert_int_equal(counted(GATE_MALFORMED), 1);
	(void)close(fd);
	lease_right_drop(&right);
	fd = connect_to(gate_port(gate));
	assert_int_equal(ask(fd, n), 0);
	assert_int_equal(counted(GATE_NO_RIGHT), 1);
	(void)close(fd);
	assert_int_equal(counted(GATE_SIGNED), 0);
}

static void what_is_no_request(void **state UNUSED)
{
	static const struct {
		const char *text;
		int status;
	} t[] = {
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405 },
		{ "hello\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n", 413 },
	};
	char text[1024], *big;
	uint32_t n;
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		fd = connect_to(gate_port(gate));
		send_text(fd, t[i].text);
		assert_int_equal(receive(fd, text, sizeof(text), 5000), t[i].status);
		assert_int_equal(receive(fd, text, sizeof(text), 5000), -1);
		(void)close(fd);
	}
	/* Bytes without end. */
	fd = connect_to(gate_port(gate));
	big = calloc(1, 1 << 20);
	assert_non_null(big);
	memset(big, 'x', 1 << 20);
	for (int i = 0; i < 64; i++)
		if (send(fd, big, 1 << 20, MSG_NOSIGNAL) < 0)
			break;
	free(big);
	(void)close(fd);
	fd = opened(&n);
	assert_int_equal(ask(fd, n), 200);
	(void)close(fd);
}

/* Between the decision and the answer: whatever it is, nothing goes out, and the slot is taken. */
static void changes_under_way(void **state UNUSED)
{
	static const struct {
		const char *name;
		enum hook hook;
		enum gate_refusal why;
	} t[] = {
		{ "the right is dropped", DROP, GATE_NO_RIGHT },
		{ "closed", CLOSE, GATE_CLOSED },
		{ "closed and opened again", REOPEN, GATE_CLOSED },
		{ "it takes too long", LATE, GATE_OLD_SLOT },
		{ "the signature is wrong", FAIL, GATE_FAULT },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct gate_counts c;
		char text[1024] = "";
		uint32_t n, slot;
		int fd = opened(&n), status;

		slot = slot_now();
		hook = (int)t[i].hook;
		send_request(fd, GATE_PATH, n, KEY);
		status = receive(fd, text, sizeof(text), 250);
		hook = NOTHING;
		(void)close(fd);
		gate_get_counts(gate, &c);
		if (status == 200 || strstr(text, "SIG_") || !c.by[t[i].why] || c.by[GATE_SIGNED] ||
		        c.last_slot < slot)
			fail_msg("%s: status %d, '%s'", t[i].name, status, text);
		gate_stop(gate);
		grant();
		assert_int_equal(unlinkat(dirfd_, GATE_SIGNED_FILE, 0), 0);
		start();
	}
}

/* Does not wait for it, and nothing comes of it any more. */
static void closing_while_it_signs(void **state UNUSED)
{
	char text[1024] = "";
	uint32_t n;
	int fd = opened(&n);
	int64_t from;

	hook = STAY;
	send_request(fd, GATE_PATH, n, KEY);
	while (!in_hook)
		sleep_ms(1);
	from = clock_mono_ns();
	gate_close(gate);
	assert_true(clock_mono_ns() - from < 50 * NS_PER_MS);
	may_leave = 1;
	assert_int_equal(receive(fd, text, sizeof(text), 200), 0);
	assert_null(strstr(text, "SIG_"));
	assert_int_equal(counted(GATE_CLOSED), 1);
	assert_int_equal(counted(GATE_SIGNED), 0);
	(void)close(fd);
}

static void slots_that_cannot_be_written_down(void **state UNUSED)
{
	static const int errnums[] = { ENOSPC, EROFS, EIO };
	struct gate_counts c;
	uint32_t n;
	int fd = opened(&n);

	for (size_t i = 0; i < ARRAY_LEN(errnums); i++) {
		write_errno = errnums[i];
		n = ++digests;
		assert_int_equal(ask(fd, n), 0);
		assert_int_equal(counted(GATE_NO_RECORD), i + 1);
		(void)close(fd);
		fd = connect_to(gate_port(gate));
	}
	/* It was decided, and a part of it may be in the file: for the lease it counts. */
	gate_get_counts(gate, &c);
	assert_true(c.last_slot + 4 > slot_now());
	write_errno = 0;
	assert_true(signs(fd));
	(void)close(fd);
}

/* The next process knows what this one has signed. */
static void a_restart_in_the_slot(void **state UNUSED)
{
	for (int tries = 0; tries < 10; tries++) {
		uint32_t n, slot;
		int fd = opened(&n), rc[3], again;

		slot = slot_now();
		assert_int_equal(ask(fd, n), 200);
		(void)close(fd);
		gate_stop(gate);
		start();
		gate_open(gate, EPOCH);
		fd = connect_to(gate_port(gate));
		rc[0] = ask(fd, n + 1000000);
		rc[1] = ask(fd, n + 1000000);
		(void)close(fd);
		again = connect_to(gate_port(gate));
		rc[2] = ask(again, n);
		(void)close(again);
		if (slot_now() != slot) {
			gate_close(gate);
			continue;
		}
		assert_int_equal(rc[0], 500);
		assert_int_equal(rc[1], 0);
		assert_int_equal(rc[2], 200);
		assert_int_equal(counted(GATE_OTHER_DIGEST), 1);
		return;
	}
	fail_msg("the machine is too slow");
}

static uint32_t height_of(uint32_t n)
{
	unsigned char digest[SIGN_DIGEST_LEN];

	digest_of(digest, n);
	return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
	        digest[3];
}

static void heights(void **state UNUSED)
{
	struct gate_counts c;
	uint32_t n, other;
	int fd;

	gate_set_heights(gate);
	fd = opened(&n);
	assert_int_equal(ask(fd, n), 0);
	assert_int_equal(counted(GATE_HEIGHT), 1);
	(void)close(fd);
	do
		n = ++digests;
	while (height_of(n) < 2 || height_of(n) > UINT32_MAX - 2);
	gate_set_head(gate, height_of(n) - 1);
	gate_close(gate);
	fd = opened(&other);
	assert_int_equal(ask(fd, n), 200);
	(void)close(fd);
	gate_get_counts(gate, &c);
	assert_int_equal(c.last_height, height_of(n));
	gate_stop(gate);
	start();
	gate_get_counts(gate, &c);
	assert_int_equal(c.last_height, height_of(n));
}

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void many_connections(void **state UNUSED)
{
	struct rlimit lim;
	int *fds = calloc(5000, sizeof(*fds)), fd;
	size_t most = 5000;
	uint32_t n;
	struct gate_counts c;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	if (lim.rlim_cur < 6000)
		most = lim.rlim_cur / 2;
	fd = opened(&n);
	assert_int_equal(ask(fd, n), 200);
	/* Who only connects, and who asks and is not answered; nodeos's stays. */
	for (size_t i = 0; i < most; i++) {
		fds[i] = connect_to(gate_port(gate));
		if (i % 50 == 0)
			send_request(fds[i], GATE_PATH, n, FOREIGN);
		if (i % 1000 == 0)
			assert_true(signs(fd));
	}
	assert_true(signs(fd));
	assert_true(open_descriptors() < most + 600);
	gate_get_counts(gate, &c);
	print_message("%zu connections; worst %lld us\n", most, (long long)c.worst_ns / 1000);
	for (size_t i = 0; i < most; i++)
		(void)close(fds[i]);
	assert_true(signs(fd));
	(void)close(fd);
	free(fds);
}

static int64_t processor_ns(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

/* Nor any of its own to close: it must not spin. */
static void no_descriptors(void **state UNUSED)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), lowest = dup(fd);
	struct rlimit lim, none;
	int64_t used;

	assert_true(fd >= 0 && lowest >= 0);
	(void)close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	none = lim;
	none.rlim_cur = (rlim_t)lowest;
	gate_open(gate, EPOCH);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	connect_socket(fd, gate_port(gate));
	used = processor_ns();
	sleep_ms(500);
	used = processor_ns() - used;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	assert_true(used < 100 * NS_PER_MS);
	assert_true(signs(fd));
	(void)close(fd);
}

/* --- frozen ----------------------------------------------------------------------------------- */

static pid_t frozen_pid;
static uint16_t frozen_port;

/* A gate in a process of its own. */
static void start_process(void)
{
	int p[2];

	gate_stop(TAKE(gate));
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	frozen_pid = fork();
	assert_true(frozen_pid >= 0);
	if (frozen_pid == 0) {
		uint16_t port;

		start();
		gate_open(gate, EPOCH);
		port = gate_port(gate);
		(void)!write(p[1], &port, sizeof(port));
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(p[0], &frozen_port, sizeof(frozen_port)), sizeof(frozen_port));
	(void)close(p[0]);
	(void)close(p[1]);
}

static void freeze(void)
{
	int status;

	assert_int_equal(kill(frozen_pid, SIGSTOP), 0);
	assert_int_equal(waitpid(frozen_pid, &status, WUNTRACED), frozen_pid);
	assert_true(WIFSTOPPED(status));
}

static int end_process(void **state)
{
	if (frozen_pid > 0) {
		(void)kill(frozen_pid, SIGKILL);
		(void)waitpid(frozen_pid, NULL, 0);
	}
	frozen_pid = 0;
	return tear_down(state);
}

static uint32_t last_recorded(void)
{
	struct err e = ERR_INIT;
	struct signed_log *s = signed_open(dirfd_, &e);
	uint32_t slot;

	assert_non_null(s);
	slot = signed_last(s) ? signed_last(s)->slot : 0;
	signed_close(s);
	return slot;
}

/* nodeos asks, gives up, asks again: hundreds of requests are there when the gate thaws. */
static void frozen_with_requests(void **state UNUSED)
{
	uint32_t before;
	int fd;

	start_process();
	fd = connect_to(frozen_port);
	assert_true(signs(fd));
	(void)close(fd);
	before = last_recorded();
	freeze();
	for (int i = 0; i < 300; i++) {
		fd = connect_to(frozen_port);
		send_request(fd, GATE_PATH, ++digests, KEY);
		(void)close(fd);
		if (i % 30 == 0)
			sleep_ms(120);
	}
	assert_int_equal(kill(frozen_pid, SIGCONT), 0);
	sleep_ms(100);
	assert_int_equal(last_recorded(), before);
	fd = connect_to(frozen_port);
	assert_true(signs(fd));
	(void)close(fd);
}

/* The right is over when it thaws. */
static void frozen_beyond_the_right(void **state UNUSED)
{
	const int64_t until = clock_boot_ns() + 5 * NS_PER_SEC;
	char text[1024] = "";
	int fd;

	lease_right_release(&right);
	lease_right_init(&right);
	lease_right_set(&right, EPOCH, until, 0, UINT32_MAX);
	start_process();
	fd = connect_to(frozen_port);
	assert_true(signs(fd));
	freeze();
	send_request(fd, GATE_PATH, ++digests, KEY);
	while (clock_boot_ns() < until)
		sleep_ms(10);
	assert_int_equal(kill(frozen_pid, SIGCONT), 0);
	assert_int_equal(receive(fd, text, sizeof(text), 200), 0);
	assert_null(strstr(text, "SIG_"));
	(void)close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_signs),
		TEST(one_digest_in_a_slot),
		TEST(what_is_not_answered),
		TEST(what_is_no_request),
		TEST(changes_under_way),
		TEST(closing_while_it_signs),
		TEST(slots_that_cannot_be_written_down),
		TEST(a_restart_in_the_slot),
		TEST(heights),
		TEST(many_connections),
		TEST(no_descriptors),
		cmocka_unit_test_setup_teardown(frozen_with_requests, set_up, end_process),
		cmocka_unit_test_setup_teardown(frozen_beyond_the_right, set_up, end_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
