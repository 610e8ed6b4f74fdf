#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/secret.h"
#include "gate/gate.h"
#include "lease/right.h"
#include "nodeos/sign.h"

/*
 * Where the key is, in all memory of a process that has a gate: in the secret pages and nowhere
 * else.  What is looked for stands in this program with one added to each byte, or it would be
 * found here.
 */
static const char masked_wif[] = "6KRzE{VOX{oUShG4I:DUxO[U2hDNzv7IXIsQ8ccTizulKfjhvUz";
static const char masked_pvt[] = "QWU`L2`chfL3ITZEVBgsnFxl[sLqLp6OTnnFDoVocuSZiV848:5S[yf5";
static const char masked_hex[] = "5fd1dee9ee4:27g23d1ef589df:422c81gcd552e92c64935g531ffc:18ef32d8";

#define PATTERNS 5
#define PART     16 /* bytes of each that are enough */
#define SIGNED   1000
#define SCAN_MAX (1ULL << 30)

static unsigned char patterns[PATTERNS][PART]; /* masked */
static const char *const names[PATTERNS] = { "bytes", "bytes, the last first", "hex", "WIF",
	"PVT" };

static char dir[] = "/tmp/test_gate_memory.XXXXXX";
static int dirfd_ = -1;

static unsigned nibble(char masked)
{
	char c = (char)(masked - 1);

	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void make_patterns(void)
{
	for (size_t i = 0; i < PART; i++) {
		unsigned v = nibble(masked_hex[2 * i]) << 4 | nibble(masked_hex[2 * i + 1]);

		/* Big-endian, and as the words of a little-endian machine have it, whose last
		 * bytes are the first: the pattern is the end of those. */
		patterns[0][i] = (unsigned char)(v + 1);
		patterns[1][PART - 1 - i] = (unsigned char)(v + 1);
		patterns[2][i] = (unsigned char)masked_hex[i];
		patterns[3][i] = (unsigned char)masked_wif[i + 8];
		patterns[4][i] = (unsigned char)masked_pvt[i + 12];
	}
}

/* --- looking ---------------------------------------------------------------------------------- */

struct region {
	uint64_t from, to;
	bool is_secret; /* gone in a child, in no core */
	char what[256];
};

struct finding {
	unsigned inside, outside;
	char where[512];
};

static bool is_at(const unsigned char *p, const unsigned char *masked)
{
	for (size_t i = 0; i < PART; i++)
		if ((unsigned char)(p[i] + 1) != masked[i])
			return false;
	return true;
}

static void look_into(struct finding *f, const struct region *r, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i + PART <= n; i++)
		for (size_t k = 0; k < PATTERNS; k++) {
			if ((unsigned char)(p[i] + 1) != patterns[k][0] ||
			        !is_at(p + i, patterns[k]))
				continue;
			if (r->is_secret)
				f->inside++;
			else if (!f->outside++)
				(void)snprintf(
				        f->where, sizeof(f->where), "%s in %s", names[k], r->what);
		}
}

/* Through one buffer that is in secret pages itself. */
static void look_at(
        struct finding *f, const struct region *r, int mem, unsigned char *b, size_t size)
{
	size_t keep = 0;

	for (uint64_t at = r->from; at < r->to;) {
		size_t n = size - keep;
		ssize_t got;

		if (n > r->to - at)
			n = (size_t)(r->to - at);
		got = pread(mem, b + keep, n, (off_t)at);
		if (got <= 0)
			return;
		look_into(f, r, b, keep + (size_t)got);
		at += (uint64_t)got;
		keep += (size_t)got;
		n = keep < PART - 1 ? keep : PART - 1;
		memmove(b, b + keep - n, n);
		keep = n;
	}
}

/* The regions of /proc/self/smaps, with what their flags say. */
static struct finding look(void)
{
	struct finding f = { 0 };
	const size_t size = 1 << 20;
	unsigned char *b = secret_alloc(size, NULL);
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/smaps", "re");
	struct region r = { 0 };
	char line[512];

	assert_true(b && mem >= 0 && maps);
	while (fgets(line, sizeof(line), maps)) {
		uint64_t from, to;
		char perms[8];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, perms) == 3) {
			r = (struct region){ .from = from, .to = to };
			(void)snprintf(
			        r.what, sizeof(r.what), "%.*s", (int)strcspn(line, "\n"), line);
			if (perms[0] != 'r')
				r.to = r.from;
		}
		if (strncmp(line, "VmFlags:", 8) != 0)
			continue;
		r.is_secret = strstr(line, " wf") && strstr(line, " dd");
		if (r.to - r.from <= SCAN_MAX)
			look_at(&f, &r, mem, b, size);
	}
	(void)fclose(maps);
	(void)close(mem);
	secret_free(b, size);
	return f;
}

/* --- the gate --------------------------------------------------------------------------------- */

static void write_key_file(void)
{
	char text[sizeof(masked_wif)];
	struct err e = ERR_INIT;
	/* Another process, whose memory nobody looks at. */
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0) {
		for (size_t i = 0; i < sizeof(text) - 1; i++)
			text[i] = (char)(masked_wif[i] - 1);
		_exit(fs_write_at(dirfd_, "key", text, sizeof(text) - 1, 0400, &e) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int set_up(void **state UNUSED)
{
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_patterns();
	write_key_file();
	return dirfd_ < 0 ? -1 : 0;
}

static int tear_down(void **state UNUSED)
{
	struct err e = ERR_INIT;

	(void)close(dirfd_);
	return fs_remove_tree_at(AT_FDCWD, dir, &e);
}

/* Each request has a slot of its own. */
static atomic_int slots_ahead;
int64_t __real_clock_real_ns(void);
int64_t __wrap_clock_real_ns(void);

int64_t __wrap_clock_real_ns(void)
{
	return __real_clock_real_ns() + slots_ahead * (NS_PER_SEC / 2);
}

static int connect_to(uint16_t port)
{
	union {
		struct sockaddr_in in;
		struct sockaddr sa;
	} a = { .in = { .sin_family = AF_INET,
		        .sin_port = htons(port),
		        .sin_addr = { htonl(INADDR_LOOPBACK) } } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &a.sa, sizeof(a.in)), 0);
	return fd;
}

static int ask(int fd, const char *key, unsigned n)
{
	char text[1024] = "", body[256], hex[SHA256_HEX_SIZE];
	struct timeval tv = { .tv_sec = 10 };
	int status = -1;

	(void)snprintf(body, sizeof(body), "[\"%s\",\"%s\"]", sha256_hex(hex, &n, sizeof(n)), key);
	(void)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
	        strlen(body), body);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	memset(text, 0, sizeof(text));
	if (recv(fd, text, sizeof(text) - 1, 0) > 0)
		(void)sscanf(text, "HTTP/1.1 %d", &status);
	return status;
}

static void sign_many(struct gate *g)
{
	int fd = connect_to(gate_port(g));
	struct gate_counts c;

	for (unsigned n = 0; n < SIGNED; n++) {
		int status;

		slots_ahead++;
		status = ask(fd, gate_public_key(g), n);
		if (status == 500)
			status = ask(fd, gate_public_key(g), n);
		assert_int_equal(status, 200);
	}
	(void)close(fd);
	gate_get_counts(g, &c);
	assert_int_equal(c.by[GATE_SIGNED], SIGNED);
}

/* Other programs' memory is not ours to look through. */
static bool is_watched(void)
{
	const char *preload = getenv("LD_PRELOAD");
	bool is = preload && strstr(preload, "vgpreload");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	is = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	is = true;
#endif
#endif
	return is;
}

static void assert_only_inside(const char *when)
{
	struct finding f = look();

	if (f.outside || !f.inside)
		fail_msg("%s: %u times in secret pages, %u times elsewhere: %s", when, f.inside,
		        f.outside, f.where);
}

/* What is found, if it is there at all. */
static void copies_are_found(void **state UNUSED)
{
	if (is_watched())
		skip();
	for (size_t k = 0; k < PATTERNS; k++) {
		unsigned char *copy = malloc(4096);
		struct finding f;

		assert_non_null(copy);
		for (size_t i = 0; i < PART; i++)
			copy[1000 + i] = (unsigned char)(patterns[k][i] - 1);
		f = look();
		explicit_bzero(copy, 4096);
		free(copy);
		if (f.outside != 1 || strncmp(f.where, names[k], strlen(names[k])))
			fail_msg("%s: found %u times, %s", names[k], f.outside, f.where);
	}
}

static void found_in_secret_pages_only(void **state UNUSED)
{
	struct gate_config cfg = { .dirfd = dirfd_ };
	struct lease_right right;
	char path[sizeof(dir) + 8];
	struct err e = ERR_INIT;
	struct gate *g;
	struct finding f;
	int status = -1;
	pid_t pid;

	if (is_watched())
		skip();
	lease_right_init(&right);
	lease_right_set(&right, 1, clock_boot_ns() + 3600 * NS_PER_SEC, 0, UINT32_MAX);
	(void)snprintf(path, sizeof(path), "%s/key", dir);
	cfg.key_path = path;
	cfg.right = &right;
	g = gate_start(&cfg, &e);
	if (!g)
		fail_msg("%s", e.msg);
	assert_only_inside("after the start");
	gate_open(g, 1);
	sign_many(g);
	assert_only_inside("after the signatures");
	pid = fork();
	if (pid == 0) {
		f = look();
		_exit(f.inside || f.outside);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	gate_stop(g);
	f = look();
	assert_int_equal(f.inside + f.outside, 0);
	lease_right_release(&right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_found),
		cmocka_unit_test(found_in_secret_pages_only),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
