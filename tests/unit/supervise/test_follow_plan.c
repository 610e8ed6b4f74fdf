#include "unit/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "supervise/follow_plan.h"

#define PORT 9876

static struct in_addr ip(unsigned last)
{
	return (struct in_addr){ htonl(0x0a000100 + last) };
}

/* --- the graph ---------------------------------------------------------------------------- */

#define MOST 64

/* The dials of all n members, as each of them decides by itself. */
static void whole_graph(bool dial[MOST][MOST], const struct in_addr *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_true(follow_choose(dial[i], a, n, (int)i, "unused") >= 0);
}

static size_t reached(bool dial[MOST][MOST], size_t n)
{
	bool seen[MOST] = { true };
	size_t count = 1;

	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				if (seen[i] && !seen[j] && (dial[i][j] || dial[j][i])) {
					seen[j] = more = true;
					count++;
				}
	}
	return count;
}

static void the_graph_is_one_piece_and_bounded(void **state)
{
	struct in_addr a[MOST];

	(void)state;
	for (unsigned i = 0; i < MOST; i++)
		a[i] = ip(3 * i);
	for (size_t n = 2; n <= MOST; n++) {
		bool dial[MOST][MOST] = { 0 };

		whole_graph(dial, a, n);
		if (reached(dial, n) != n)
			fail_msg("%zu members: %zu are connected", n, reached(dial, n));
		for (size_t i = 0; i < n; i++) {
			unsigned out = 0, in = 0;

			for (size_t j = 0; j < n; j++) {
				out += dial[i][j];
				in += dial[j][i];
				if (dial[i][j] && (dial[j][i] || i == j))
					fail_msg("%zu members: %zu and %zu dial twice", n, i, j);
			}
			if (out + in > FOLLOW_DEGREE || (n <= FOLLOW_DEGREE && out + in != n - 1))
				fail_msg("%zu members: %zu has %u", n, i, out + in);
			/* Somebody to judge its own head by. */
			if (n > 2 && out == 0)
				fail_msg("%zu members: %zu dials nobody", n, i);
		}
	}
}

/* Nobody dials for the others: the work does not follow the order of the addresses. */
static void the_dials_are_shared(void **state)
{
	bool dial[MOST][MOST] = { 0 };
	unsigned low = 0, high = 0;
	struct in_addr a[MOST];

	(void)state;
	for (unsigned i = 0; i < MOST; i++)
		a[i] = ip(i);
	whole_graph(dial, a, MOST);
	for (size_t i = 0; i < MOST / 4; i++)
		for (size_t j = 0; j < MOST; j++) {
			low += dial[i][j];
			high += dial[MOST - 1 - i][j];
		}
	if (low > 2 * high || high > 2 * low)
		fail_msg("the lowest dial %u, the highest %u", low, high);
}

/* One member more changes few of the pairs of the others. */
static void the_graph_is_stable(void **state)
{
	unsigned changed = 0, total = 0;

	(void)state;
	for (unsigned gone = 0; gone < 30; gone++) {
		bool all[MOST][MOST] = { 0 }, less[MOST][MOST] = { 0 };
		struct in_addr a[MOST], b[MOST];
		size_t n = 30, m = 0;

		for (unsigned i = 0; i < n; i++) {
			a[i] = ip(i + 1);
			if (i != gone)
				b[m++] = a[i];
		}
		whole_graph(all, a, n);
		whole_graph(less, b, m);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++) {
				if (i == gone || j == gone)
					continue;
				total += all[i][j];
				changed += all[i][j] != less[i - (i > gone)][j - (j > gone)];
			}
	}
	if (changed * 5 > total)
		fail_msg("%u of %u pairs changed", changed, total);
}

static void strangers_are_chosen_by_key(void **state)
{
	static const char *const keys[] = { "readers.1", "readers.2", "readers.3", "readers.4" };
	unsigned uses[40] = { 0 }, unused = 0;
	bool chosen[40], again[40];
	struct in_addr a[40];

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		a[i] = ip(i);
	assert_int_equal(follow_choose(chosen, a, 0, -1, "x"), 0);
	assert_int_equal(follow_choose(chosen, a, 3, -1, "x"), 3);
	assert_int_equal(follow_choose(chosen, a, 1, 0, "x"), 0);
	for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
		assert_int_equal(follow_choose(chosen, a, 40, -1, keys[k]), FOLLOW_DEGREE);
		assert_int_equal(follow_choose(again, a, 40, -1, keys[k]), FOLLOW_DEGREE);
		assert_memory_equal(chosen, again, sizeof(chosen));
		for (size_t i = 0; i < 40; i++)
			uses[i] += chosen[i];
	}
	for (size_t i = 0; i < 40; i++)
		unused += !uses[i];
	assert_true(unused < 25);
}

/* --- the table, against a nodeos of a few lines ---------------------------------------------- */

struct entry {
	char text[NODEOS_PEER_SIZE];
	bool in_config;
};

struct fake {
	struct follow_table t;
	struct entry has[64];
	size_t n;
	bool is_down[256], is_hated[256]; /* by the last byte of the address */
	bool is_deaf;                     /* it hears, but its answers are lost */
	int64_t now;
	struct buf log;
};

static unsigned last_byte(const char *text)
{
	struct in_addr a = { 0 };
	char host[64];

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(text, ":"), text);
	assert_int_equal(inet_pton(AF_INET, host, &a), 1);
	return ntohl(a.s_addr) & 0xff;
}

static size_t place(const struct fake *f, const char *text)
{
	size_t i = 0;

	while (i < f->n && strcmp(f->has[i].text, text) != 0)
		i++;
	return i;
}

static enum nodeos_net_reply tell(struct fake *f, enum follow_action what, const char *text)
{
	size_t i = place(f, text);

	if (what == FOLLOW_DISCONNECT) {
		if (i == f->n)
			return NODEOS_NET_UNKNOWN;
		f->has[i] = f->has[--f->n];
		return NODEOS_NET_REMOVED;
	}
	if (i < f->n)
		return NODEOS_NET_ALREADY;
	if (!f->is_hated[last_byte(text)]) {
		assert_true(f->n < ARRAY_LEN(f->has));
		f->has[f->n].in_config = false;
		snprintf(f->has[f->n++].text, NODEOS_PEER_SIZE, "%s", text);
	}
	return NODEOS_NET_ADDED;
}

static void list(struct fake *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct entry *x = &f->has[i];
		struct nodeos_peer p = { .text = x->text,
			.is_handshaken = !f->is_down[last_byte(x->text)] };

		(void)follow_peer(&f->t, &p, x->in_config);
	}
	follow_listed(&f->t, f->now, f->now);
}

static void act(struct fake *f)
{
	const char *text, *why;
	enum follow_action what;

	for (int i = 0; i < 100; i++) {
		char copy[NODEOS_PEER_SIZE];
		enum nodeos_net_reply reply;

		what = follow_next(&f->t, f->now, &text, &why);
		if (what == FOLLOW_NOTHING)
			return;
		snprintf(copy, sizeof(copy), "%s", text);
		assert_int_equal(buf_add_fmt(&f->log, "%s%s%u", f->log.len ? " " : "",
		                         what == FOLLOW_CONNECT ? "+" : "-", last_byte(copy)),
		        0);
		reply = tell(f, what, copy);
		follow_told(&f->t, what, copy, f->is_deaf ? NODEOS_NET_OTHER : reply, f->now);
	}
	fail_msg("no end of actions: %s", f->log.data);
}

/* "a=1,2": name a is found with two addresses; "a=" without any; "a=-": no such name; "a=!". */
static void dns(struct fake *f, const char *word)
{
	struct in_addr a[64], own = ip(200);
	enum follow_found found = FOLLOW_FOUND;
	size_t n = 0;

	for (const char *s = word + 2; *s;) {
		char *end;

		if (*s == '-' || *s == '!') {
			found = *s == '-' ? FOLLOW_NO_NAME : FOLLOW_FAILED;
			break;
		}
		a[n++] = ip((unsigned)strtoul(s, &end, 10));
		s = *end == ',' ? end + 1 : end;
	}
	assert_int_equal(
	        follow_answer(&f->t, (size_t)(word[0] - 'a'), found, a, n, &own, 1, PORT, f->now),
	        0);
}

/* Seconds pass; nodeos's list is looked at in each. */
static void pass_time(struct fake *f, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		f->now += NS_PER_SEC;
		list(f);
		act(f);
	}
}

static void stranger(struct fake *f, unsigned n, bool in_config)
{
	f->has[f->n].in_config = in_config;
	snprintf(f->has[f->n++].text, NODEOS_PEER_SIZE, "10.0.1.%u:9876", n);
}

static void word(struct fake *f, const char *w)
{
	unsigned n = (unsigned)strtoul(w + 1, NULL, 10);

	switch (*w) {
	case 'a':
	case 'b':
		dns(f, w);
		break;
	case '@': /* time */
		pass_time(f, n);
		break;
	case 'd':
		f->is_down[n] = true;
		break;
	case 'u':
		f->is_down[n] = false;
		break;
	case 'h': /* nodeos throws it out */
		f->is_hated[n] = true;
		if (place(f, "10.0.1.5:9876") < f->n)
			(void)tell(f, FOLLOW_DISCONNECT, "10.0.1.5:9876");
		break;
	case 'l': /* nodeos loves it again */
		f->is_hated[n] = false;
		break;
	case 'q':
		f->is_deaf = n;
		break;
	case 'c': /* of config.ini */
	case 's': /* somebody else's */
		stranger(f, n, *w == 'c');
		break;
	case 'r': /* another nodeos */
		f->n = 0;
		follow_restart(&f->t);
		break;
	default:
		fail_msg("'%s'", w);
	}
}

static void start(struct fake *f)
{
	AUTO(strvec) struct strvec names = STRVEC_INIT;
	struct err e = ERR_INIT;

	memset(f, 0, sizeof(*f));
	f->now = 1000 * NS_PER_SEC;
	f->t.key = "readers.1";
	buf_init(&f->log, 65536);
	assert_int_equal(buf_add_str(&f->log, ""), 0);
	assert_int_equal(strvec_add(&names, "devchain:9876"), 0);
	assert_int_equal(strvec_add(&names, "tasks.readers:9876"), 0);
	assert_int_equal(follow_set_names(&f->t, &names, "nodeswarm_readers", &e), 1);
}

static void table(void **state)
{
	static const struct {
		const char *name, *script, *wanted;
	} t[] = {
		{ "nothing before the first list", "a=1", "" },
		{ "a task appears", "a=1 @1", "+1" },
		{ "once is enough", "a=1 @1 a=1 @60", "+1" },
		{ "it is replaced", "a=1 @10 d1 a=2 @10", "+1 +2 -1" },
		{ "replaced, but alive: five minutes", "a=1 @10 a=2 @295", "+1 +2" },
		{ "and then let go", "a=1 @10 a=2 @305", "+1 +2 -1" },
		{ "down is not gone", "a=1 @1 d1 @900 a=1 @900", "+1" },
		{ "no DNS", "a=1 @1 a=! @900", "+1" },
		{ "no DNS, and down", "a=1 @1 d1 a=! @900", "+1" },
		{ "gone, then no DNS", "a=1,2 @1 a=1 @1 d2 a=! @900", "+1 +2" },
		{ "another name's trouble", "a=1,2 b=! @1 d2 a=1 @10", "+1 +2 -2" },
		{ "no such name is not believed", "a=1 @1 d1 a=- @290", "+1" },
		{ "no such name, after five minutes", "a=1 @1 d1 a=- @310", "+1 -1" },
		{ "no such name, but it is alive", "a=1 @1 a=- @900", "+1" },
		{ "no such name, and back with another address", "a=1 @1 d1 a=- @5 a=3 @6",
		        "+1 +3 -1" },
		{ "no such name, and back", "a=1 @1 d1 a=- @310 a=1 @1", "+1 -1 +1" },
		{ "an empty answer is an answer", "a=1 @1 d1 a= @6", "+1 -1" },
		{ "comes back before it is let go", "a=1 @1 d1 a= @3 u1 a=1 @60", "+1" },
		{ "ourselves", "b=200 @5", "" },
		{ "two readers, the lower dials", "b=200,201 @5", "+201" },
		{ "two readers, the higher waits", "b=199,200 @5", "" },
		{ "not in DNS yet: all are strangers", "b=3,4 @5", "+3 +4" },
		{ "then in it: one side lets go", "b=199 @5 b=199,200 @14", "+199" },
		{ "after a quarter of a minute", "b=199 @5 b=199,200 @16", "+199 -199" },
		{ "not while DNS is out", "b=199 @5 b=199,200 @5 b=! @60", "+199" },
		{ "in both names", "a=1 b=1 @1 a= @1 d1 @30 b= @6", "+1 -1" },
		{ "the config's own", "c1 a=1 @1 d1 a= @600", "" },
		{ "somebody else's", "a=2 @1 s1 a=1,2 @1 d1 a=2 @600", "+2 +1" },
		{ "thrown out: 5, 10, 20 s", "a=5 @1 h5 @38", "+5 +5 +5 +5" },
		{ "no end, but a limit", "a=5 @1 h5 @1300", "+5 +5 +5 +5 +5 +5 +5 +5 +5 +5" },
		{ "welcome again", "a=5 @1 h5 @30 l5 @10 @60 h5 @6", "+5 +5 +5 +5 +5" },
		{ "another nodeos", "a=1 @1 r0 @1", "+1 +1" },
		{ "another nodeos while DNS is out", "a=1 @1 a=! r0 @1", "+1 +1" },
		{ "the answer was lost", "q1 a=1 @1 q0 @30 d1 a= @6", "+1 -1" },
		{ "the answer was lost, and the task went", "q1 a=1 @1 q0 d1 a= @8", "+1 -1" },
		{ "what a lost answer does not make ours", "c1 q1 a=1 @1 q0 @9 d1 a= @900", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(free) char *copy = strdup(t[i].script);
		char *save = NULL;
		struct fake f;

		start(&f);
		for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
			word(&f, w);
		if (strcmp(f.log.data, t[i].wanted) != 0)
			fail_msg("%s: '%s' did '%s', not '%s'", t[i].name, t[i].script, f.log.data,
			        t[i].wanted);
		follow_release(&f.t);
		buf_release(&f.log);
	}
}

/* A head counts only from an address that DNS has now, whoever listens there. */
static void who_is_chosen(void **state)
{
	struct nodeos_peer p = { .text = "10.0.1.1:9876", .is_handshaken = true };
	struct nodeos_peer other = { .text = "10.0.1.9:9876", .is_handshaken = true };
	struct fake f;

	(void)state;
	start(&f);
	assert_false(follow_peer(&f.t, &p, false));
	word(&f, "a=1,2");
	assert_true(follow_peer(&f.t, &p, false));
	assert_false(follow_peer(&f.t, &other, false));
	word(&f, "a=!");
	assert_true(follow_peer(&f.t, &p, false));
	word(&f, "@1");
	word(&f, "a=2");
	assert_false(follow_peer(&f.t, &p, false));
	follow_release(&f.t);
	buf_release(&f.log);
}

static void counts(void **state)
{
	static const struct {
		const char *script;
		struct follow_counts wanted;
	} t[] = {
		{ "", { 0, 0, 0, 0, 1 } }, /* the dev chain; our own service has nobody */
		{ "b=200", { 0, 0, 0, 0, 1 } },
		{ "b=200,201", { 1, 0, 0, 0, 2 } },
		{ "b=200,201 @1", { 1, 0, 0, 0, 2 } },
		{ "b=200,201 @2", { 1, 1, 0, 0, 2 } },
		{ "b=200,201 @2 b=200", { 0, 0, 1, 0, 1 } },
		{ "a=1 b=! @2", { 1, 1, 0, 1, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(free) char *copy = strdup(t[i].script);
		struct follow_counts c;
		char *save = NULL;
		struct fake f;

		start(&f);
		for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
			word(&f, w);
		c = follow_count(&f.t);
		if (memcmp(&c, &t[i].wanted, sizeof(c)) != 0)
			fail_msg("'%s': %u %u %u %u %u", t[i].script, c.wanted, c.connected, c.kept,
			        c.failing, c.sources);
		follow_release(&f.t);
		buf_release(&f.log);
	}
}

static void names(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: good */
		unsigned port;
		bool is_own;
	} t[] = {
		{ "tasks.readers:9876", NULL, 9876, true },
		{ "readers:1", NULL, 1, true },
		{ "nodeswarm_readers:1", NULL, 1, true },
		{ "tasks.nodeswarm_readers:1:blk", NULL, 1, true },
		{ "devchain:65535:trx", NULL, 65535, false },
		{ "eaders:1", NULL, 1, false },
		{ "swarm_readers:1", NULL, 1, false },
		{ "10.0.0.1:7", NULL, 7, false },
		{ "[::1]:7", "'[::1]:7' cannot be followed: nodeos connects over IPv4 only", 0,
		        false },
		{ "x", "port of 'x': '' is not a whole number from 1 to 65535", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		AUTO(strvec) struct strvec v = STRVEC_INIT;
		struct follow_table table = { 0 };
		struct err e = ERR_INIT;
		int rc;

		assert_int_equal(strvec_add(&v, t[i].text), 0);
		rc = follow_set_names(&table, &v, "nodeswarm_readers", &e);
		if (rc != (t[i].error ? -1 : 1) || (rc < 0 && strcmp(e.msg, t[i].error) != 0))
			fail_msg("'%s': %d %s", t[i].text, rc, e.msg);
		if (rc > 0 &&
		        (table.names[0].port != t[i].port || table.names[0].is_own != t[i].is_own))
			fail_msg("'%s': %u %d", t[i].text, table.names[0].port,
			        table.names[0].is_own);
	}
}

/* Our own address with another port is somebody else. */
static void another_port_is_another_node(void **state)
{
	struct in_addr own = ip(200);
	struct fake f;

	(void)state;
	start(&f);
	assert_int_equal(
	        follow_answer(&f.t, 0, FOLLOW_FOUND, &own, 1, &own, 1, PORT + 1, f.now), 0);
	assert_int_equal(follow_count(&f.t).wanted, 1);
	assert_int_equal(follow_answer(&f.t, 0, FOLLOW_FOUND, &own, 1, &own, 1, PORT, f.now), 0);
	assert_int_equal(follow_count(&f.t).wanted, 0);
	follow_release(&f.t);
	buf_release(&f.log);
}

static void too_many_names(void **state)
{
	AUTO(strvec) struct strvec v = STRVEC_INIT;
	struct follow_table table = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i <= FOLLOW_NAMES_MAX; i++)
		assert_int_equal(strvec_add_fmt(&v, "n%d:1", i), 0);
	assert_int_equal(follow_set_names(&table, &v, "s", &e), -1);
	assert_string_equal(e.msg, "more than 16 names to follow");
}

/* A flood of addresses is cut, and the table does not grow without end. */
static void floods_are_bounded(void **state)
{
	struct in_addr a[1000], own = ip(200);
	struct fake f;

	(void)state;
	start(&f);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 1000; i++)
			a[i].s_addr = htonl(0x0a000000 + round * 1000 + i);
		assert_int_equal(
		        follow_answer(&f.t, 0, FOLLOW_FOUND, a, 1000, &own, 1, PORT, f.now), 0);
		assert_int_equal(f.t.names[0].addresses, FOLLOW_ADDRESSES_MAX);
		assert_int_equal(follow_count(&f.t).wanted <= FOLLOW_DEGREE, true);
		assert_true(f.t.npeers <= FOLLOW_PEERS_MAX);
	}
	follow_release(&f.t);
	buf_release(&f.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_graph_is_one_piece_and_bounded),
		cmocka_unit_test(the_dials_are_shared),
		cmocka_unit_test(the_graph_is_stable),
		cmocka_unit_test(strangers_are_chosen_by_key),
		cmocka_unit_test(table),
		cmocka_unit_test(who_is_chosen),
		cmocka_unit_test(counts),
		cmocka_unit_test(names),
		cmocka_unit_test(another_port_is_another_node),
		cmocka_unit_test(too_many_names),
		cmocka_unit_test(floods_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
