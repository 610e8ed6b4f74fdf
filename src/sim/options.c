#include "sim/options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/str.h"
#include "sim/nlog.h"

#define TEXT_MAX   65536
#define VALUES_MAX 1024 /* of one list */
#define PO         "boost::program_options::"
#define IMPL                                                       \
	"application_base.cpp(%d): Throw in function bool "        \
	"appbase::application_base::initialize_impl(int, char**, " \
	"std::vector<appbase::abstract_plugin*>, std::function<void()>)\n"

struct value {
	struct strvec list; /* a scalar has one element */
	bool from_args, from_file;
};

struct options {
	struct value *value; /* parallel to option_table */
};

static const struct option_row *find_row(const char *name, size_t n)
{
	for (size_t i = 0; i < option_table_size; i++)
		if (strlen(option_table[i].name) == n && memcmp(option_table[i].name, name, n) == 0)
			return &option_table[i];
	return NULL;
}

static struct value *value_of(const struct options *o, const struct option_row *row)
{
	return &o->value[row - option_table];
}

static const struct value *lookup(
        const struct options *o, const char *name, const struct option_row **ret_row)
{
	const struct option_row *row = find_row(name, strlen(name));

	assert(row);
	*ret_row = row;
	return value_of(o, row);
}

struct options *options_new(void)
{
	struct options *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->value = calloc(option_table_size, sizeof(*o->value));
	if (!o->value) {
		free(o);
		return NULL;
	}
	return o;
}

void options_free(struct options *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < option_table_size; i++)
		strvec_release(&o->value[i].list);
	free(o->value);
	free(o);
}

/* --- values ------------------------------------------------------------------------------- */

static int parse_bool(bool *ret, const char *s)
{
	static const char *const yes[] = { "", "on", "yes", "1", "true" };
	static const char *const no[] = { "off", "no", "0", "false" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (strcasecmp(s, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (strcasecmp(s, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	return -1;
}

static bool is_choice(const char *choices, const char *s)
{
	size_t n = strlen(s);

	for (const char *p = choices; n && p; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (strncmp(p, s, n) == 0 && (p[n] == '\0' || p[n] == ' '))
			return true;
	}
	return false;
}

static bool is_valid(const struct option_row *row, const char *s)
{
	struct err e = ERR_INIT;
	uint64_t u;
	int64_t i;
	double d;
	bool b;

	switch (row->type) {
	case OPTION_SWITCH:
	case OPTION_BOOL:
		return parse_bool(&b, s) == 0;
	case OPTION_PATH:
		return s[0] != '\0';
	case OPTION_UINT:
		return num_uint(&u, s, 0, row->max, &e) == 0;
	case OPTION_INT:
		return num_int(&i, s, -(int64_t)row->max - 1, (int64_t)row->max, &e) == 0;
	case OPTION_DECIMAL:
		return num_decimal(&d, s, &e) == 0;
	case OPTION_CHOICE:
		return is_choice(row->choices, s);
	case OPTION_TEXT:
	case OPTION_LIST:
		return true;
	}
	return false;
}

/* dashes is "--" for the command line, because that is how the messages name an option there. */
static int take(struct options *o, const struct option_row *row, const char *text,
        const char *dashes, struct fail *f)
{
	struct value *v = value_of(o, row);
	bool *seen = *dashes ? &v->from_args : &v->from_file;

	if (row->type != OPTION_LIST) {
		if (*seen)
			return fail_options(f, PO "multiple_occurrences",
			        "option '%s%s' cannot be specified more than once", dashes,
			        row->name);
		if (v->from_args)
			return 0; /* the command line has won */
	}
	if (!is_valid(row, text)) {
		if (row->type == OPTION_BOOL || row->type == OPTION_SWITCH)
			return fail_options(f, PO "invalid_bool_value",
			        "the argument ('%s') for option '%s%s' is invalid. Valid choices "
			        "are "
			        "'on|off', 'yes|no', '1|0' and 'true|false'",
			        text, dashes, row->name);
		if (row->type == OPTION_PATH)
			return fail_options(f, PO "invalid_option_value",
			        "the argument for option '%s%s' is invalid", dashes, row->name);
		return fail_options(f, PO "invalid_option_value",
		        "the argument ('%s') for option '%s%s' is invalid", text, dashes,
		        row->name);
	}
	*seen = true;
	if (v->list.n >= VALUES_MAX || strvec_add(&v->list, text) < 0)
		return fail_options(f, "std::bad_alloc", "too many values for '%s'", row->name);
	return 0;
}

/* --- command line --------------------------------------------------------------------------- */

static int fail_unknown_arg(struct fail *f, const char *arg, size_t n)
{
	char name[256];

	snprintf(name, sizeof(name), "%.*s", n > 200 ? 200 : (int)n, arg);
	str_printable(name);
	f->kind = FAIL_OPTIONS;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text),
	        IMPL "Dynamic exception type: boost::wrapexcept<std::runtime_error>\n"
	             "std::exception::what: Unknown option '%s' passed as command line argument",
	        267, name);
	return -1;
}

static bool is_value(const char *arg)
{
	return arg && (arg[0] != '-' || arg[1] == '\0');
}

static const struct option_row *find_letter(char c)
{
	for (size_t i = 0; c && i < option_table_size; i++)
		if (option_table[i].letter == c)
			return &option_table[i];
	return NULL;
}

/* One option at argv[*i], whose name ends before *inline_value (NULL without one). */
static int take_arg(struct options *o, const struct option_row *row, const char *inline_value,
        int argc, char *const argv[], int *i, struct fail *f)
{
	if (row->type == OPTION_SWITCH) {
		if (inline_value)
			return fail_options(f, PO "invalid_command_line_syntax",
			        "option '--%s' does not take any arguments", row->name);
		return take(o, row, "true", "--", f);
	}
	if (inline_value)
		return take(o, row, inline_value, "--", f);
	if (*i + 1 >= argc || !is_value(argv[*i + 1]))
		return fail_options(f, PO "invalid_command_line_syntax",
		        "the required argument for option '--%s' is missing", row->name);
	do {
		if (take(o, row, argv[++*i], "--", f) < 0)
			return -1;
	} while ((row->flags & OPTION_MULTITOKEN) && *i + 1 < argc && is_value(argv[*i + 1]));
	return 0;
}

int options_parse_args(struct options *o, int argc, char *const argv[], struct fail *f)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value = NULL;
		const struct option_row *row;
		size_t n;

		if (strlen(arg) > TEXT_MAX)
			return fail_options(f, "std::length_error", "an argument is too long");
		if (strncmp(arg, "--", 2) == 0 && arg[2]) {
			n = strcspn(arg, "=");
			row = find_row(arg + 2, n - 2);
			if (arg[n] == '=')
				value = arg + n + 1;
		} else if (arg[0] == '-' && arg[1] && arg[1] != '-') {
			n = 2;
			row = find_letter(arg[1]);
			if (arg[2])
				value = arg + 2;
		} else {
			return fail_unknown_arg(f, arg, strlen(arg));
		}
		if (!row)
			return fail_unknown_arg(f, arg, n);
		if (take_arg(o, row, value, argc, argv, &i, f) < 0)
			return -1;
	}
	return 0;
}

/* --- config.ini ------------------------------------------------------------------------------ */

static int fail_unknown_key(struct fail *f, const char *key, const char *path)
{
	f->kind = FAIL_OPTIONS;
	f->status = EXIT_OTHER_FAIL;
	snprintf(f->text, sizeof(f->text),
	        IMPL "Dynamic exception type: boost::wrapexcept<std::runtime_error>\n"
	             "std::exception::what: Unknown option '%.200s' inside the config file %s",
	        336, key, path);
	return -1;
}

/* A line without its comment; section is changed by "[name]". */
static int take_line(
        struct options *o, char *line, char **section, const char *path, struct fail *f)
{
	AUTO(free) char *full = NULL;
	const struct option_row *row;
	char *eq, *key;

	line[strcspn(line, "#")] = '\0';
	line = str_trim(line);
	if (!*line)
		return 0;
	if (line[0] == '[' && str_ends(line, "]")) {
		line[strlen(line) - 1] = '\0';
		free(*section);
		*section = str_fmt("%s.", line + 1);
		return *section ? 0 : fail_options(f, "std::bad_alloc", "std::bad_alloc");
	}
	eq = strchr(line, '=');
	if (!eq || eq == line) {
		str_printable(line);
		return fail_options(f, PO "invalid_config_file_syntax",
		        "the options configuration file contains an invalid line '%.200s'", line);
	}
	*eq = '\0';
	key = str_trim(line);
	full = str_fmt("%s%s", *section ? *section : "", key);
	if (!full)
		return fail_options(f, "std::bad_alloc", "std::bad_alloc");
	row = find_row(full, strlen(full));
	if (!row || (row->flags & OPTION_CLI_ONLY)) {
		str_printable(full);
		return fail_unknown_key(f, full, path);
	}
	return take(o, row, str_trim(eq + 1), "", f);
}

static bool same_value(const struct option_row *row, const char *a, const char *b)
{
	struct err e = ERR_INIT;
	double x, y;
	bool p, q;

	switch (row->type) {
	case OPTION_SWITCH:
	case OPTION_BOOL:
		return parse_bool(&p, a) == 0 && parse_bool(&q, b) == 0 && p == q;
	case OPTION_DECIMAL:
		return num_decimal(&x, a, &e) == 0 && num_decimal(&y, b, &e) == 0 &&
		        !(x < y || x > y);
	case OPTION_UINT:
	case OPTION_INT:
		return strtoll(a, NULL, 10) == strtoll(b, NULL, 10);
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_LIST:
	case OPTION_CHOICE:
		return strcmp(a, b) == 0;
	}
	return false;
}

/* The value that the file gave first: of a list, what comes after the command line's. */
static void warn_redundant(const struct options *o, const size_t *args_n)
{
	AUTO(buf) struct buf b = BUF_INIT(TEXT_MAX);
	size_t on_line = 0;
	bool any = false;

	for (size_t i = 0; i < option_table_size; i++) {
		const struct option_row *row = &option_table[i];
		const struct value *v = &o->value[i];

		if (!v->from_file || !row->initial || v->list.n <= args_n[i] ||
		        !same_value(row, v->list.v[args_n[i]], row->initial))
			continue;
		if (buf_add_fmt(&b, "%s%s", any ? ", " : "", row->name) < 0)
			return;
		any = true;
		on_line += strlen(row->name);
		if (on_line > 65) {
			if (buf_add_str(&b, "\n             ") < 0)
				return;
			on_line = 0;
		}
	}
	if (any)
		nlog_plain("APPBASE: Warning: The following configuration items in the config.ini "
		           "file are redundantly set to\n"
		           "         their default value:\n"
		           "             %s\n"
		           "         Explicit values will override future changes to application "
		           "defaults. Consider commenting out or\n"
		           "         removing these items.",
		        b.data);
}

int options_read_config(struct options *o, const char *text, const char *path, struct fail *f)
{
	AUTO(free) size_t *args_n = calloc(option_table_size, sizeof(*args_n));
	AUTO(free) char *copy = strdup(text);
	AUTO(free) char *section = NULL;
	char *next = copy;

	if (!copy || !args_n)
		return fail_options(f, "std::bad_alloc", "std::bad_alloc");
	for (size_t i = 0; i < option_table_size; i++)
		args_n[i] = o->value[i].list.n;
	while (next) {
		char *line = strsep(&next, "\n");

		if (take_line(o, line, &section, path, f) < 0)
			return -1;
	}
	warn_redundant(o, args_n);
	return 0;
}

/* --- getters -------------------------------------------------------------------------------- */

bool option_given(const struct options *o, const char *name)
{
	const struct option_row *row;
	const struct value *v = lookup(o, name, &row);

	return v->from_args || v->from_file;
}

const char *option_text(const struct options *o, const char *name)
{
	const struct option_row *row;
	const struct value *v = lookup(o, name, &row);

	return v->list.n ? v->list.v[0] : row->initial;
}

bool option_bool(const struct options *o, const char *name)
{
	const char *s = option_text(o, name);
	bool b = false;

	if (s)
		(void)parse_bool(&b, s);
	return b;
}

int64_t option_int(const struct options *o, const char *name)
{
	const char *s = option_text(o, name);

	/* Checked when it was taken; what is above INT64_MAX becomes that. */
	return s ? strtoll(s, NULL, 10) : 0;
}

const struct strvec *option_list(const struct options *o, const char *name)
{
	const struct option_row *row;

	return &lookup(o, name, &row)->list;
}

const char *options_not_simulated(const struct options *o)
{
	for (size_t i = 0; i < option_table_size; i++) {
		const struct option_row *row = &option_table[i];
		const struct value *v = &o->value[i];

		if (!(row->flags & OPTION_NOT_SIMULATED) || !v->list.n)
			continue;
		if (row->initial && same_value(row, v->list.v[0], row->initial))
			continue;
		return row->name;
	}
	return NULL;
}

/* --- help ------------------------------------------------------------------------------------- */

static const char *const knobs =
        "\nEnvironment of nodesim (nodeos has none of these):\n"
        "  NODESIM_FLUSH=DURATION            time from the end of a stop's log lines until the\n"
        "                                    state is on disk and clean (default 50ms); a range\n"
        "                                    like 0s..120s draws one at each start\n"
        "  NODESIM_FLUSH_PER_BLOCK=DURATION  added to it for each block of the chain\n"
        "  NODESIM_START=DURATION            how much longer a producer's start, and a replay,\n"
        "                                    takes before HTTP listens (default 500ms)\n"
        "  NODESIM_SYNC_RATE=N               apply at most N blocks a second while syncing or\n"
        "                                    replaying (default: no limit)\n"
        "  NODESIM_CHAIN_LENGTH=N            a chain that begins has N blocks at once, the same\n"
        "                                    for the same genesis, which has to be older\n"
        "  NODESIM_SNAPSHOT_EVERY=N          and leaves a snapshot of every N-th of them\n"
        "  NODESIM_WRONG_FROM=N[..M]         execute the blocks from N (to M) wrong: the state\n"
        "                                    and its integrity hash are others from then on\n"
        "  NODESIM_DB_USED=SIZE              used bytes of the state database (default 5.2M);\n"
        "                                    less than chain-state-db-guard-size-mb left stops\n"
        "                                    the node with exit status 0\n"
        "  NODESIM_PRODUCERS=NAME[=KEY],...  who makes blocks instead of eosio, in turns of 12\n"
        "                                    slots; the same on all nodes of a chain; without a\n"
        "                                    public key that of the genesis\n"
        "  NODESIM_DISK_USED=PERCENT         what the resource monitor sees instead of the\n"
        "                                    real file system; at 100 fork_db.dat is left with\n"
        "                                    0 bytes, as on a full disk\n";

char *options_help(void)
{
	struct buf b;
	const char *group = "";
	int rc;

	buf_init(&b, TEXT_MAX);
	rc = buf_add_str(&b, "nodesim: a simulator of nodeos v4.0.6, not a blockchain node\n");
	for (size_t i = 0; i < option_table_size && rc == 0; i++) {
		const struct option_row *row = &option_table[i];

		if (strcmp(row->group, group) != 0) {
			group = row->group;
			rc = buf_add_fmt(&b, "\nOptions for %s:\n", group);
		}
		if (rc == 0)
			rc = buf_add_fmt(&b, "  ");
		if (rc == 0 && row->letter)
			rc = buf_add_fmt(&b, "-%c [ --%s ]", row->letter, row->name);
		else if (rc == 0)
			rc = buf_add_fmt(&b, "--%s", row->name);
		if (rc == 0 && row->type != OPTION_SWITCH)
			rc = row->initial && row->type != OPTION_LIST
			        ? buf_add_fmt(&b, " arg (=%s)", row->initial)
			        : buf_add_str(&b, " arg");
		if (rc == 0 && (row->flags & OPTION_NOT_SIMULATED))
			rc = buf_add_str(&b, "   (not simulated)");
		if (rc == 0)
			rc = buf_add_str(&b, "\n");
	}
	if (rc == 0)
		rc = buf_add_str(&b, knobs);
	if (rc < 0)
		buf_clear(&b);
	return buf_take(&b);
}

char *options_template(void)
{
	struct buf b;
	const char *group = "";
	int rc = 0;

	buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < option_table_size && rc == 0; i++) {
		const struct option_row *row = &option_table[i];

		if (row->flags & OPTION_CLI_ONLY)
			continue;
		if (strcmp(row->group, group) != 0) {
			group = row->group;
			rc = buf_add_fmt(&b, "# Options of %s\n\n", group);
		}
		/* The default key is public, but a template is no place for a key. */
		if (rc == 0)
			rc = buf_add_fmt(&b, "# %s = %s\n\n", row->name,
			        row->initial && row->type != OPTION_LIST ? row->initial : "");
	}
	if (rc < 0)
		buf_clear(&b);
	return buf_take(&b);
}
