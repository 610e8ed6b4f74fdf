#pragma once

/* Which boot of the machine this is: a random UUID of the kernel's, the same for all containers on
 * it, and another one after each boot. */

#include "base/compiler.h"
#include "base/err.h"

#define BOOT_ID_SIZE 37

/* After an error, where /proc is not what it should be, out is "". */
int boot_id(char out[BOOT_ID_SIZE], struct err *e) NODISCARD;
