#include "base/file_stamp.h"

#include <sys/stat.h>

#include "base/clock.h"

bool file_stamp_look(struct file_stamp *s, const char *path)
{
	struct stat st = { 0 };
	struct file_stamp was = *s;

	(void)!stat(path, &st);
	*s = (struct file_stamp){
		.is_known = true,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		/* The time of the inode: that of the data can be set back. */
		.changed_ns = st.st_ctim.tv_sec * NS_PER_SEC + st.st_ctim.tv_nsec,
	};
	return !was.is_known || was.dev != s->dev || was.ino != s->ino || was.size != s->size ||
	        was.changed_ns != s->changed_ns;
}
