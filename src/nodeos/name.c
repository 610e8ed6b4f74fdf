#include "nodeos/name.h"

#include <string.h>

static const char letters[] = ".12345abcdefghijklmnopqrstuvwxyz";

#define LONG  12 /* letters of five bits */
#define WHOLE (LONG + 1)

int nodeos_name_parse(uint64_t *ret, const char *text, struct err *e)
{
	size_t n = strspn(text, letters);
	uint64_t v = 0;

	if (!*text)
		return err_set(e, ERR_USAGE, "a name is missing");
	if (text[n])
		return err_set(e, ERR_USAGE, "'%.40s' is no name: only a-z, 1-5 and dots", text);
	if (n > WHOLE)
		return err_set(
		        e, ERR_USAGE, "'%.40s' is no name: more than %d letters", text, WHOLE);
	if (text[n - 1] == '.')
		return err_set(e, ERR_USAGE, "'%s' is no name: it ends with a dot", text);
	for (size_t i = 0; i < n; i++) {
		uint64_t c = (uint64_t)(strchr(letters, text[i]) - letters);

		if (i == LONG && c > 0xf)
			return err_set(e, ERR_USAGE,
			        "'%s' is no name: the last of %d letters is beyond 'j'", text,
			        WHOLE);
		v |= i == LONG ? c : c << (64 - 5 * (i + 1));
	}
	*ret = v;
	return 0;
}

const char *nodeos_name_text(char out[NODEOS_NAME_SIZE], uint64_t name)
{
	size_t n = WHOLE;

	for (size_t i = 0; i < LONG; i++)
		out[i] = letters[name >> (64 - 5 * (i + 1)) & 0x1f];
	out[LONG] = letters[name & 0xf];
	while (n && out[n - 1] == '.')
		n--;
	out[n] = '\0';
	return out;
}
