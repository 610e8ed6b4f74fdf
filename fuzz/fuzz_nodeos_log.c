/* nodeos's output, as the supervisor gets it: line by line, and its end as a whole. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeos/exit.h"
#include "nodeos/logline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 0, 1, 2, 5, 254, 255, 7 };
	struct nodeos_logline l;
	struct nodeos_exit x;
	char *text, *save = NULL;

	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		nodeos_exit_classify(&x, statuses[i] << 8, false, text);
		for (const char *c = x.why; *c; c++)
			if (*c < ' ' || *c == 0x7f)
				abort();
	}
	for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
		nodeos_logline_parse(&l, s);
		if (l.message < s || l.message > s + strlen(s))
			abort();
		nodeos_redact(s);
		/* What is redacted has nothing more to redact, but what follows "=KEY:". */
		if (!strstr(s, "=KEY:") && nodeos_redact(s))
			abort();
	}
	free(text);
	return 0;
}
