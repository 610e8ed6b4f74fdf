#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

size_t terminal_columns(FILE *f)
{
	struct winsize ws;

	if (ioctl(fileno(f), TIOCGWINSZ, &ws) < 0 || ws.ws_col < 2)
		return 79;
	return ws.ws_col - 1U;
}

size_t terminal_rows(FILE *f)
{
	struct winsize ws;

	return ioctl(fileno(f), TIOCGWINSZ, &ws) < 0 || ws.ws_row < 1 ? 24 : ws.ws_row;
}

int terminal_fit(const char *s, size_t cols)
{
	size_t n = 0, used = 0;

	for (; s[n]; n++) {
		if (((unsigned char)s[n] & 0xc0) == 0x80)
			continue;
		if (used++ == cols)
			break;
	}
	return (int)n;
}

bool terminal_can_draw(void)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb") != 0;
}
