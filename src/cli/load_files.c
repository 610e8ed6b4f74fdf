#include "cli/load_files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"

/* The path of a file that is not there yet, from the root, so that two options with the same file
 * are seen whichever way it is written. */
static char *new_path(const char *path)
{
	AUTO(free) char *copy = strdup(path);
	AUTO(free) char *dir = NULL;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (!copy)
		return NULL;
	/* dirname() changes what it is given. */
	dir = realpath(dirname(copy), NULL);
	return dir ? str_fmt("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name) : NULL;
}

/* Where a link leads, so that the file is replaced and not the link; "/dev/null" and pipes cannot
 * be replaced by renaming. */
static char *final_path(const char *option, const char *path, struct err *e)
{
	struct stat st;
	char *real;

	if (strcmp(path, "-") == 0) {
		err_set(e, ERR_USAGE, "%s wants the name of a file: standard output has the report",
		        option);
		return NULL;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		err_set(e, ERR_USAGE, "%s: '%s' is not a regular file", option, path);
		return NULL;
	}
	real = realpath(path, NULL);
	if (!real && errno == ENOENT)
		real = new_path(path);
	if (!real)
		err_sys(e, errno, "%s: '%s'", option, path);
	return real;
}

int load_file_open(struct load_file *f, const char *option, const char *path, struct err *e)
{
	*f = LOAD_FILE_INIT;
	f->option = option;
	if (!path)
		return 0;
	f->path = final_path(option, path, e);
	if (!f->path)
		return -1;
	f->tmp = str_fmt("%s.%ld.tmp", f->path, (long)getpid());
	if (!f->tmp)
		return err_nomem(e);
	/* One of that name is what a killed process with our id has left. */
	(void)unlink(f->tmp);
	f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	return f->fd < 0 ? err_sys(e, errno, "%s: create '%s'", option, f->tmp) : 0;
}

int load_file_commit(struct load_file *f, const void *data, size_t n, struct err *e)
{
	int fd;

	if (fs_write_all(f->fd, data, n) < 0 || fsync(f->fd) < 0)
		return err_sys(e, errno, "%s: write '%s'", f->option, f->tmp);
	fd = TAKE_FD(f->fd);
	if (close(fd) < 0)
		return err_sys(e, errno, "%s: close '%s'", f->option, f->tmp);
	if (rename(f->tmp, f->path) < 0)
		return err_sys(e, errno, "%s: rename '%s' to '%s'", f->option, f->tmp, f->path);
	free(TAKE(f->tmp));
	return 0;
}

void load_file_release(struct load_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	if (f->tmp)
		(void)unlink(f->tmp);
	free(f->tmp);
	free(f->path);
	*f = LOAD_FILE_INIT;
}
