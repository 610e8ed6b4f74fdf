#include "data/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "data/slot.h"

/* How many of the n bytes the last lines of them are; a last line without its end counts. */
static size_t last_lines(const char *text, size_t n, unsigned *lines)
{
	size_t at = n;

	if (!*lines)
		return 0;
	if (at && text[at - 1] == '\n')
		at--;
	while (at) {
		if (text[at - 1] == '\n' && --*lines == 0)
			return n - at;
		at--;
	}
	if (n)
		--*lines;
	return n;
}

/* Strangers read it, on terminals. */
static void make_printable(char *text, size_t n)
{
	char *piece = text;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '\0')
			text[i] = '?';
		if (c != '\n' && c != '\t')
			continue;
		text[i] = '\0';
		str_printable(piece);
		text[i] = c;
		piece = text + i + 1;
	}
	text[n] = '\0';
	str_printable(piece);
}

/*
 * The last *lines whole lines of a file, at most room bytes; *lines is what is still missing.  An
 * allocated string, "" without such a file.
 */
static char *end_of(int dirfd, const char *name, size_t room, unsigned *lines, struct err *e)
{
	AUTO(close_fd)
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	AUTO(free) char *text = NULL;
	struct stat st = { 0 };
	size_t got = 0, want, keep;

	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && fstat(fd, &st) < 0)) {
		err_sys(e, errno, "open '%s'", name);
		return NULL;
	}
	if (fd >= 0 && !S_ISREG(st.st_mode)) {
		err_set(e, ERR_USAGE, "'%s' is not a regular file", name);
		return NULL;
	}
	want = (size_t)st.st_size < room ? (size_t)st.st_size : room;
	text = malloc(want + 1);
	if (!text) {
		err_nomem(e);
		return NULL;
	}
	while (got < want) {
		ssize_t n =
		        pread(fd, text + got, want - got, st.st_size - (off_t)want + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, errno, "read '%s'", name);
			return NULL;
		}
		if (n == 0)
			break;
		got += (size_t)n;
	}
	keep = last_lines(text, got, lines);
	if (keep == got && (off_t)want < st.st_size) {
		/* The file goes on above: its first line here is not whole. */
		const char *end = memchr(text, '\n', got);

		keep = end ? (size_t)(text + got - end - 1) : keep;
		*lines = 0;
	}
	memmove(text, text + got - keep, keep);
	make_printable(text, keep);
	return TAKE(text);
}

char *tail_read(int dirfd, unsigned lines, struct err *e)
{
	AUTO(free) char *new = end_of(dirfd, SLOT_LOG, TAIL_BYTES_MAX, &lines, e);
	AUTO(free) char *old = NULL;
	char *all;

	if (!new || !lines)
		return TAKE(new);
	old = end_of(dirfd, SLOT_LOG ".1", TAIL_BYTES_MAX - strlen(new), &lines, e);
	if (!old)
		return NULL;
	all = str_fmt("%s%s", old, new);
	if (!all)
		err_nomem(e);
	return all;
}
