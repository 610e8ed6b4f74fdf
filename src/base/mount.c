#include "base/mount.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define LINE_MAX_SIZE (3 * MOUNT_PATH_SIZE)

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blanks, tabs, newlines and backslashes in a path are written as \040 and so on. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

bool mount_has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = options; *s; s += strcspn(s, ","), s += *s == ',')
		if (strncmp(s, name, n) == 0 && (s[n] == ',' || s[n] == '\0'))
			return true;
	return false;
}

/* "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue" */
static int mount_line(struct mount *m, char *line)
{
	char *save = NULL, *field[6], *word, *super, *dash = strstr(line, " - ");
	unsigned major, minor;

	if (!dash)
		return -1;
	*dash = '\0';
	for (size_t i = 0; i < 6; i++)
		if (!(field[i] = strtok_r(i ? NULL : line, " ", &save)))
			return -1;
	word = strtok_r(dash + 3, " ", &save);
	super = word && strtok_r(NULL, " ", &save) ? strtok_r(NULL, " ", &save) : NULL;
	if (!super || sscanf(field[2], "%9u:%9u", &major, &minor) != 2 ||
	        strlen(field[3]) >= sizeof(m->root) || strlen(field[4]) >= sizeof(m->point))
		return -1;
	snprintf(m->root, sizeof(m->root), "%s", field[3]);
	snprintf(m->point, sizeof(m->point), "%s", field[4]);
	snprintf(m->type, sizeof(m->type), "%.31s", word);
	snprintf(m->options, sizeof(m->options), "%.511s", super);
	m->major = major;
	m->minor = minor;
	m->is_read_only = mount_has_option(field[5], "ro") || mount_has_option(super, "ro");
	unescape(m->root);
	unescape(m->point);
	return 0;
}

static bool is_within(const char *path, const char *point)
{
	size_t n = strlen(point);

	if (n && point[n - 1] == '/')
		n--;
	return strncmp(path, point, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int mount_of(struct mount *ret, const char *mountinfo, const char *path)
{
	char line[LINE_MAX_SIZE];
	struct mount m;
	size_t best = 0;
	int rc = 1;

	while (str_next_line(line, sizeof(line), &mountinfo) == 0) {
		if (mount_line(&m, line) < 0 || !is_within(path, m.point) || strlen(m.point) < best)
			continue;
		best = strlen(m.point);
		*ret = m;
		rc = 0;
	}
	return rc;
}
