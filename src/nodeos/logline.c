#include "nodeos/logline.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/* Copy n bytes, cut to fit. */
static void copy(char *out, size_t size, const char *from, size_t n)
{
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), from);
}

/* Take one word and the blanks behind it off *s; false at the end of the line. */
static bool word(char *out, size_t size, const char **s)
{
	size_t n = strcspn(*s, " ");

	if (n == 0 || !(*s)[n])
		return false;
	copy(out, size, *s, n);
	*s += n;
	*s += strspn(*s, " ");
	return true;
}

static enum nodeos_log_level level_of(const char *s)
{
	static const struct {
		const char *word;
		enum nodeos_log_level level;
	} levels[] = {
		{ "debug", NODEOS_LOG_DEBUG },
		{ "info", NODEOS_LOG_INFO },
		{ "warn", NODEOS_LOG_WARN },
		{ "error", NODEOS_LOG_ERROR },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i].word, s) == 0)
			return levels[i].level;
	return NODEOS_LOG_NONE;
}

int nodeos_logline_parse(struct nodeos_logline *l, const char *line)
{
	struct nodeos_logline got = { .level = NODEOS_LOG_NONE };
	char level[8], time[32];
	const char *s = line, *end;
	size_t n;

	*l = got;
	l->message = line;
	if (!word(level, sizeof(level), &s) || !word(time, sizeof(time), &s) ||
	        !word(got.thread, sizeof(got.thread), &s) ||
	        !word(got.where, sizeof(got.where), &s))
		return 1;
	got.level = level_of(level);
	if (got.level == NODEOS_LOG_NONE || clock_parse(&got.time_ns, time) < 0)
		return 1;
	/* The method's column is cut at its width, and may have blanks in it. */
	end = strstr(s, " ]");
	if (!end || (end[2] && end[2] != ' '))
		return 1;
	for (n = (size_t)(end - s); n > 0 && s[n - 1] == ' '; n--)
		;
	copy(got.method, sizeof(got.method), s, n);
	got.message = end[2] ? end + 3 : end + 2;
	*l = got;
	return 0;
}

/* The first rule that matches a line's message decides; where no rule does, its level. */
static const struct {
	const char *text;
	bool at_start;
	enum nodeos_logline_weight weight;
} rules[] = {
	/* What comes with every block, connection or handshake. */
	{ "Received block ", true, NODEOS_LINE_ROUTINE },
	{ "Produced block ", true, NODEOS_LINE_ROUTINE },
	{ "p2p client connections: ", true, NODEOS_LINE_ROUTINE },
	{ "old state ", true, NODEOS_LINE_ROUTINE },
	{ "Sending handshake generation ", false, NODEOS_LINE_ROUTINE },
	{ "] handshake lib ", false, NODEOS_LINE_ROUTINE },
	{ "] Peer closed connection", false, NODEOS_LINE_ROUTINE },
	{ "] closing", false, NODEOS_LINE_ROUTINE },
	{ "] Closing connection", false, NODEOS_LINE_ROUTINE },
	{ "] connection failed to ", false, NODEOS_LINE_ROUTINE },
	{ "] enqueue ", false, NODEOS_LINE_ROUTINE },
	{ "] requesting range ", false, NODEOS_LINE_ROUTINE },
	{ "] reconnecting", false, NODEOS_LINE_ROUTINE },
	{ "Catching up with chain", false, NODEOS_LINE_ROUTINE },
	{ "Support for builtin protocol feature ", true, NODEOS_LINE_ROUTINE },
	{ "Saved default specification for builtin protocol feature ", true, NODEOS_LINE_ROUTINE },
	/* "add api url: ..." of Leap; "add chain_ro api url: ... on 0.0.0.0:8888" of Spring */
	{ " api url: /v1/", false, NODEOS_LINE_ROUTINE },
	/* Thousands a second from two prometheus plugins on one port, and by transactions. */
	{ "accept: Invalid argument", false, NODEOS_LINE_ROUTINE },
	{ "dropped incoming block ", true, NODEOS_LINE_NORMAL },

	{ "nodeos version ", true, NODEOS_LINE_IMPORTANT },
	{ "nodeos successfully exiting", true, NODEOS_LINE_IMPORTANT },
	{ "nodeos using configuration file ", true, NODEOS_LINE_IMPORTANT },
	{ "Blockchain started; ", true, NODEOS_LINE_IMPORTANT },
	{ "starting chain in ", true, NODEOS_LINE_IMPORTANT },
	{ "start listening ", true, NODEOS_LINE_IMPORTANT },
	{ "eached configured maximum block ", false, NODEOS_LINE_IMPORTANT },
	{ "chain database stopped with hash: ", true, NODEOS_LINE_IMPORTANT },
	{ "chain database started with hash: ", true, NODEOS_LINE_IMPORTANT },
	{ "switching forks from ", true, NODEOS_LINE_IMPORTANT },
	{ "successfully switched fork to new head ", true, NODEOS_LINE_IMPORTANT },
	{ "Replay requested: ", true, NODEOS_LINE_IMPORTANT },
	{ "Hard replay requested: ", true, NODEOS_LINE_IMPORTANT },
	{ "existing block log, attempting to replay ", true, NODEOS_LINE_IMPORTANT },
	{ "replayed ", true, NODEOS_LINE_IMPORTANT },
	{ "Starting initialization from snapshot", true, NODEOS_LINE_IMPORTANT },
	{ "Finished initialization from snapshot", true, NODEOS_LINE_IMPORTANT },
	{ "Starting fresh blockchain state", true, NODEOS_LINE_IMPORTANT },
	{ "Producer paused.", true, NODEOS_LINE_IMPORTANT },
	{ "Producer resumed.", true, NODEOS_LINE_IMPORTANT },
	{ "Launching block production ", true, NODEOS_LINE_IMPORTANT },
	{ "Gracefully shutting down, ", true, NODEOS_LINE_IMPORTANT },
	/* Without a frame. */
	{ "std::exception::what: ", true, NODEOS_LINE_IMPORTANT },
	{ "CHAINBASE: ", true, NODEOS_LINE_IMPORTANT },
	{ "Config file ", true, NODEOS_LINE_IMPORTANT },
	{ "rethrow ", true, NODEOS_LINE_IMPORTANT },
};

enum nodeos_logline_weight nodeos_logline_weight(const struct nodeos_logline *l)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].at_start ? str_starts(l->message, rules[i].text, NULL)
		                      : strstr(l->message, rules[i].text) != NULL)
			return rules[i].weight;
	/* What the threads of the network call an error is the end of one connection. */
	if (str_starts(l->thread, "net-", NULL) || str_starts(l->thread, "http-", NULL))
		return NODEOS_LINE_NORMAL;
	return l->level == NODEOS_LOG_ERROR ? NODEOS_LINE_IMPORTANT : NODEOS_LINE_NORMAL;
}

#define BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#define ALNUM  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Whether text[0..at) ends with this. */
static bool behind(const char *text, size_t at, const char *what)
{
	size_t n = strlen(what);

	return at >= n && memcmp(text + at - n, what, n) == 0;
}

/* How long the private key at text + at is, 0 if there is none. */
static size_t key_length(const char *text, size_t at)
{
	/* A WIF key is 51 bytes of base58; one that was mistyped is a secret too. */
	enum { WIF_MIN = 45 };
	static const char *const public[] = { "PUB_K1_", "PUB_R1_", "PUB_WA_", "SIG_K1_", "SIG_R1_",
		"SIG_WA_" };
	const char *s = text + at;

	/* signature-provider = EOS...=KEY:..., also when nodeos complains of it. */
	if (behind(text, at, "=KEY:"))
		return strcspn(s, " \t\r\n\"',;)}]");
	if (strncmp(s, "PVT_", 4) == 0)
		return 4 + strspn(s + 4, ALNUM "_-");
	if (s[0] != '5' || !s[1] || !strchr("HJK", s[1]))
		return 0;
	/* In the middle of a longer word it is a part of a public key or signature. */
	if (at > 0 && strchr(ALNUM, text[at - 1]))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(public); i++)
		if (behind(text, at, public[i]))
			return 0;
	return strspn(s, BASE58) >= WIF_MIN ? strspn(s, BASE58) : 0;
}

unsigned nodeos_redact(char *text)
{
	unsigned count = 0;

	for (size_t at = 0; text[at];) {
		size_t n = key_length(text, at);

		if (n) {
			memset(text + at, '*', n);
			at += n;
			count++;
		} else {
			at++;
		}
	}
	return count;
}

static bool hash_behind(char out[65], const char *line, const char *words)
{
	struct nodeos_logline l;
	const char *hash;

	if (nodeos_logline_parse(&l, line) != 0 || !str_starts(l.message, words, &hash) ||
	        strspn(hash, "0123456789abcdef") != 64)
		return false;
	snprintf(out, 65, "%.64s", hash);
	return true;
}

bool nodeos_logline_start_hash(char out[65], const char *line)
{
	return hash_behind(out, line, "chain database started with hash: ");
}

bool nodeos_logline_stop_hash(char out[65], const char *line)
{
	return hash_behind(out, line, "chain database stopped with hash: ");
}
