#pragma once

/*
 * The two halves of a fresh chain node, in its container (deploy/external.h)
 *
 * `fresh run` is its PID 1, `fresh ask` is run beside it again and again by who watches it.  They
 * meet in EXTERNAL_DIR:
 *
 *	data/ config/ genesis.json   nodeos's
 *	asked                        touched by each `fresh ask`
 *	ended                        nodeos's wait status, once it has ended
 */

#define FRESH_ASKED "asked"
#define FRESH_ENDED "ended"
