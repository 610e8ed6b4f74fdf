#pragma once

/*
 * What the bytes of a data-dir say, without a judgement
 *
 * A few hundred KiB are read at most, whatever the sizes: the header of the state, fork_db.dat's
 * begin and end, both ends of blocks.log and blocks.index, the names of split files (and both ends
 * of the newest one), the names of snapshots.  No link below the directory is followed; nothing is
 * written.  nodeos should not run; if it does, what is read is of the moment.
 *
 * Anything odd in the directory is evidence, not an error: the `fault` of a part says in words for
 * people what is wrong with it.
 *
 * Sources: a real nodeos v4.0.6; AntelopeIO/leap v4.0.6, libraries/chain/{block_log,fork_database,
 * controller}.cpp; AntelopeIO/chainbase; AntelopeIO/spring for versions 2 and 3 of fork_db.dat.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

enum data_seen {
	SEEN_NOTHING,
	SEEN_FILE,
	SEEN_ODD, /* a link, device, directory ... where a file or directory should be */
};

struct evidence_part {
	enum data_seen seen;
	uint64_t size;
	char fault[160]; /* "": nothing that shows is wrong with it */
};

struct data_evidence {
	struct evidence_part state;
	/* Of the state: "EOSIODB2", also one that is called alike and not known here; "": none, or
	 * no format's name. */
	char format[9];
	bool is_dirty; /* its dirty byte is not 0 */

	struct evidence_part fork_db;
	uint32_t fork_version;   /* 0: not known */
	uint32_t head_block_num; /* 0: not known, as with Spring */
	char head_block_id[65];
	uint32_t root_block_num; /* the irreversible block below them; 0: not known */
	char root_block_id[65];

	struct evidence_part log; /* blocks/blocks.log; fault of its preamble or of its end */
	bool log_begins_well;     /* the preamble is whole: what is wrong is at its end */
	bool log_is_pruned;
	bool log_has_block;           /* its first block is whole, also where its end is bad */
	uint32_t log_version;         /* 1 to 3; 4 is of EOSIO 2.1, which no Leap opens */
	uint32_t log_first, log_last; /* of the log alone; last 0: it has no block */

	struct evidence_part index; /* fault: it does not fit the log, or is not there */

	struct evidence_part pieces; /* split files: size is how many; fault of the newest */
	bool has_blocks; /* there is anything but empty files in blocks/, fork_db.dat apart */

	/* Of the log and the split files in blocks/ and the retained dir, which nodeos reads. */
	char chain_id[65]; /* "": nothing tells it */
	/* From here to lib_block_num nothing is missing; 0: no blocks.  Of a log whose end is bad,
	 * from here to that. */
	uint32_t first_block;
	uint32_t lib_block_num; /* as struct blocklog_facts; 0: not known */
	char lib_block_id[65];

	char snapshot[256];      /* the newest whole one in snapshots/; "" */
	uint32_t snapshot_block; /* of its name; 0: the name does not say */

	char second_copy[80];      /* "blocks-<time>": what a hard replay has left; "" */
	uint64_t second_copy_size; /* of the log in it */
};

/* blocks.log is a file and has no block.  nodeos refuses one of 0 bytes, which it leaves itself
 * when it is killed in its first moments.  A preamble alone, as after each split, is good beside
 * its state; without one nodeos begins the chain again, whatever the split files have. */
static inline bool data_log_is_hollow(const struct data_evidence *d)
{
	return d->log.seen == SEEN_FILE &&
	        (d->log.size == 0 || (d->log_begins_well && !d->log_last && !*d->log.fault));
}

/* The blocks are replayed without blocks.log and its index, which have nothing that could be kept:
 * from the split files, or, of a log of 0 bytes, from the genesis. */
static inline bool data_log_is_in_the_way(const struct data_evidence *d)
{
	if (!d->pieces.size)
		return d->log.seen == SEEN_FILE && d->log.size == 0;
	return data_log_is_hollow(d) || (*d->log.fault && !d->log_has_block);
}

/* retained_dir: where nodeos puts split files, below blocks/ as blocks-retained-dir of its
 * config.ini has it, or below the data-dir as struct render_info has it ("blocks/..."); "": the
 * setting is not known, and blocks/retained is looked at.  What is outside of the data-dir is not
 * seen.  -1 only when something cannot be read (ERR_SYSTEM), which says nothing of the data. */
int nodeos_evidence_at(struct data_evidence *ret, int data_dirfd, const char *retained_dir,
        struct err *e) NODISCARD;
