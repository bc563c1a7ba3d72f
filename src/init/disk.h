/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for hardware: drivers are loaded for the devices that the kernel announces, until the slot's
 * partitions are there.
 */
#pragma once

#include "init/modules.h"
#include "init/slot.h"
#include "init/state.h"

struct disk_wait {
	int uevents; /* from uevent_open(), opened before the first module was loaded */
	struct modules *modules;
	const struct strv *arguments; /* of the command line */
	uint64_t deadline;	      /* report_uptime_ms() */
};

/*
 * Takes the notices that have come, and loads drivers for them; where there is none, waits for one until the
 * deadline. Returns 0; -ETIMEDOUT once the deadline has passed.
 */
int disk_wait_event(const struct disk_wait *wait, struct error **err);

/* Waits for the slot. Returns 0; -ETIMEDOUT with *err* saying which disks there were instead. */
int disk_wait_slot(
	const struct disk_wait *wait, const struct slot_query *query, struct slot *ret, struct error **err);

/*
 * Waits for a disk with a state partition, for a slot without a disk: see state_find_disk(). Returns 0;
 * -ETIMEDOUT with *err* saying which disks there were instead.
 */
int disk_wait_state(
	const struct disk_wait *wait, const struct state_query *query, struct slot *slot, struct error **err);
