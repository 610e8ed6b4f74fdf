/* Operations on the directories of slots. */

#include "data/op_priv.h"
