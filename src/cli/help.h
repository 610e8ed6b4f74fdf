#pragma once

/*
 * Help, from the same tables as the parser
 *
 * Text is wrapped at HELP_COLUMNS, which fits every terminal and mail.
 */

#include <stdio.h>

#include "base/compiler.h"
#include "base/json.h"

struct command;
struct command_family;

#define HELP_COLUMNS 80

/* Print words from column `at` on, where the cursor is, and end the line; each further line is
 * indented by so many columns. */
void help_wrap(FILE *out, const char *text, size_t at, size_t indent);

/* All commands by group, and the global options. */
void help_overview(FILE *out);

/* The commands of one family. */
void help_family(FILE *out, const struct command_family *f);

/* One command. */
void help_command(FILE *out, const struct command *c);

/* The same facts for programs (shell completion, editors): a new reference, NULL without
 * memory. */
json_t *help_command_json(const struct command *c) NODISCARD;
json_t *help_global_json(void) NODISCARD;
