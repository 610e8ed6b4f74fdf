/* Paths in mountinfo are chosen by whoever may mount; the rest is here because it is text. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/proc.h"
#include "base/mount.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mount m;
	struct proc_socket s;
	char *text = malloc(size + 1), word[16];
	const char *at = text;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	while (proc_socket_next(&s, &at) == 0)
		if (strlen(s.local) >= sizeof(s.local) || strlen(s.remote) >= sizeof(s.remote))
			abort();
	if (at != text + strlen(text))
		abort();
	if (mount_of(&m, text, "/var/lib/nodeswarm") == 0 &&
	        strncmp("/var/lib/nodeswarm", m.point, strlen(m.point)) != 0 &&
	        strcmp(m.point, "/var/lib/nodeswarm/") != 0)
		abort();
	(void)proc_meminfo_bytes(text, "MemTotal");
	(void)proc_lists_module(text, "ip_vs");
	proc_chosen_word(word, sizeof(word), text);
	free(text);
	return 0;
}
