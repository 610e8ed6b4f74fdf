#include "cli/plan_print.h"

#include "base/table.h"
#include "cli/command.h"
#include "cli/output.h"
#include "deploy/plan.h"

int plan_print(struct context *ctx, const struct plan *p, struct err *e)
{
	static const struct table_column cols[] = {
		{ "ACTION", "action", TABLE_TEXT },
		{ "OBJECT", "object", TABLE_TEXT },
		{ "NAME", "name", TABLE_TEXT },
		{ "REPLICAS", "replicas", TABLE_NUMBER },
		{ "WHY", "why", TABLE_WIDE },
	};
	AUTO(table_free) struct table *t = table_new(cols, ARRAY_LEN(cols));

	if (!t)
		return err_nomem(e);
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_op *op = &p->ops[i];

		table_row(t);
		table_set(t, 0, json_string(plan_action_name(op->action)));
		table_set(t, 1, json_string(plan_object_name(op->object)));
		table_set(t, 2, json_string(op->name));
		table_set(t, 3, op->replicas >= 0 ? json_integer(op->replicas) : NULL);
		table_set(t, 4, *op->why ? json_string(op->why) : NULL);
	}
	if (output_value(ctx, "changes", json_integer((json_int_t)plan_changes(p)), e) < 0)
		return -1;
	return output_table(ctx, "operations", t, e);
}
