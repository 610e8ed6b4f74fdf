#include "watch/from_view.h"

#include "sample/status.h"

bool watch_is_wanted(const struct view_task *t)
{
	return t->service->is_supervised && t->is_current && view_task_is_wanted(t);
}

static void feed(
        struct watch *w, int node, const struct view_task *t, int64_t now_ns, int64_t real_ns)
{
	AUTO(sample) struct sample s = SAMPLE_INIT;
	struct err why = ERR_INIT;
	char text[400];

	if (!t->status)
		watch_lose(w, node, view_task_reason(t, text, sizeof(text)), now_ns);
	else if (sample_from_status(&s, t->status, real_ns, &why) < 0)
		watch_lose(w, node, why.msg, now_ns);
	else
		watch_see(w, node, &s, now_ns);
}

int watch_feed_view(
        struct watch *w, const struct view *v, int64_t now_ns, int64_t real_ns, struct err *e)
{
	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct view_task *t = &v->tasks[i];
		int node;

		if (!watch_is_wanted(t))
			continue;
		node = watch_add(w, &(struct watch_who){ WATCH_OWN, t->name, t->host }, e);
		if (node < 0)
			return -1;
		feed(w, node, t, now_ns, real_ns);
	}
	watch_judge(w, now_ns);
	return 0;
}
