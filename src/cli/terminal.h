#pragma once

/* How much a terminal shows. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The columns that may be written to, for the last one would wrap the line; 79 if unknown. */
size_t terminal_columns(FILE *f);

/* Its lines; 24 if unknown. */
size_t terminal_rows(FILE *f);

/* How many bytes of s fill at most that many columns, one for each UTF-8 character. */
int terminal_fit(const char *s, size_t cols);

/* Whether the terminal that TERM names moves its cursor where it is told to. */
bool terminal_can_draw(void);
