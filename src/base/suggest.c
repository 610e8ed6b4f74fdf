#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

void suggest_start(struct suggest *s, const char *word)
{
	size_t n = strlen(word);

	*s = (struct suggest){ .word = word };
	/* One letter may be wrong in a short word, two in a usual one (or
	 * exchanged), then three. */
	s->distance = n < 4 ? 2 : n < 9 ? 3 : 4;
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t n = strlen(s->word);
	unsigned d = str_distance(s->word, candidate);

	/* A typed beginning is what an abbreviation would have been. */
	if (n >= 2 && str_starts(candidate, s->word, NULL))
		d = 1;
	if (d < s->distance) {
		s->distance = d;
		s->best = candidate;
	}
}

const char *suggest_text(struct suggest *s)
{
	if (!s->best)
		return "";
	(void)snprintf(s->text, sizeof(s->text), "; did you mean '%.60s'?", s->best);
	return s->text;
}
