/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/disk.h"

#include <errno.h>
#include <poll.h>

#include "base/encoding.h"
#include "init/report.h"
#include "init/uevent.h"

/* Takes all notices that are there. Returns their number. */
static unsigned take_events(const struct disk_wait *wait)
{
	char buffer[UEVENT_MAX];
	struct uevent event;
	unsigned count = 0;
	int r;

	for (;; count++) {
		r = uevent_receive(wait->uevents, buffer, &event);
		if (r == -ENOBUFS)
			modules_load_for_devices(wait->modules, wait->arguments);
		else if (r < 0)
			return count;
		else if (event.modalias && streq(event.action, "add"))
			modules_load_for(wait->modules, event.modalias, module_load, (void *)wait->arguments);
	}
}

int disk_wait_event(const struct disk_wait *wait, struct error **err)
{
	for (;;) {
		struct pollfd poll_fd = {.fd = wait->uevents, .events = POLLIN};
		uint64_t now = report_uptime_ms();

		if (take_events(wait) > 0)
			return 0;
		if (now >= wait->deadline)
			return error_set(err, -ETIMEDOUT, "nothing more came in time");
		if (poll(&poll_fd, 1, (int)MIN(wait->deadline - now, (uint64_t)INT32_MAX)) < 0 &&
			errno != EINTR)
			return error_set_errno(err, -errno, "wait for devices");
	}
}

/* The names of the disks there are, for people. */
static void name_disks(struct buffer *ret)
{
	_cleanup_strv_ struct strv disks = {};

	(void)block_disks(&disks);
	for (size_t i = 0; i < disks.count; i++)
		buffer_printf(ret, "%s%s", i > 0 ? ", " : "", disks.items[i]);
	if (disks.count == 0)
		buffer_append_string(ret, "no disk");
	buffer_append_u8(ret, 0);
}

int disk_wait_slot(
	const struct disk_wait *wait, const struct slot_query *query, struct slot *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer disks = {};
	char start[9];
	int r;

	do {
		r = slot_find(query, NULL, ret, err);
		if (r != -ENOENT)
			return r;
	} while (disk_wait_event(wait, NULL) >= 0);
	name_disks(&disks);
	hex_encode(query->root_hash, 4, start);
	return error_set(err, -ETIMEDOUT, "no disk has the /usr of this kernel (root hash %s…%s); seen: %s",
		start, query->have_esp ? ", beside the boot partition" : "",
		disks.data ? (char *)disks.data : "?");
}

int disk_wait_state(
	const struct disk_wait *wait, const struct state_query *query, struct slot *slot, struct error **err)
{
	_cleanup_buffer_ struct buffer disks = {};
	int r;

	do {
		r = state_find_disk(query, slot, err);
		if (r != -ENOENT)
			return r;
	} while (disk_wait_event(wait, NULL) >= 0);
	name_disks(&disks);
	return error_set(err, -ETIMEDOUT, "no disk has a partition for state, called \"%s\"; seen: %s",
		query->label, disks.data ? (char *)disks.data : "?");
}
