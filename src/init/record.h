/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /run/orlop: what orlop-init tells the running system of this boot. docs/formats/init.md has the members.
 */
#pragma once

#include "base/buffer.h"
#include "init/slot.h"
#include "init/state.h"

struct record {
	const struct slot *slot;
	const char *root_hash;
	bool signature;		   /* the kernel has checked the root hash's signature */
	const struct state *state; /* NULL: there is none, or it is volatile */
	const char *degraded;	   /* why state is volatile; NULL: it is not */
	uint64_t kernel_ms;	   /* when orlop-init began, milliseconds after the kernel */
	uint64_t usr_ms, done_ms;  /* when /usr was mounted, and when the record was written */
};

/* Appends the record as one JSON object and a newline. */
void record_format(const struct record *record, struct buffer *ret);

/*
 * Writes /run/orlop/boot.json, a link /run/orlop/esp to the boot partition where there is one, and, where
 * state is volatile, /run/orlop/degraded with the reason as its one line.
 */
int record_write(const struct record *record, struct error **err);
