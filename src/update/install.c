/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/install.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/release-index.h"
#include "format/verity-header.h"
#include "format/verity-signature.h"

/* The disk as it is opened for one change. */
struct session {
	const struct install *install;
	struct node_disk disk;
	struct node_slot *running, *other;
	struct block_io esp_io;
	struct fat_volume *esp;
	struct boot_entries entries;
};

static void session_release(struct session *session)
{
	boot_entries_release(&session->entries);
	fat_volume_free(session->esp);
	node_disk_release(&session->disk);
}

static int part_of(const struct session *session, const struct gpt_partition *partition, struct block_io *ret,
	struct error **err)
{
	int r = block_io_part(session->install->disk, partition->offset, partition->size, ret);

	return r < 0 ? error_set_errno(err, r, "partition %u", partition->number) : 0;
}

static int find_running(struct session *session, struct error **err)
{
	for (size_t i = 0; i < NODE_SLOTS; i++)
		if (node_slot_is(&session->disk.slots[i], session->install->running_root)) {
			session->running = &session->disk.slots[i];
			session->other = &session->disk.slots[NODE_SLOTS - 1 - i];
			return 0;
		}
	return error_set(err, -ENOENT, "the running release's /usr is in none of the disk's slots");
}

static int read_entries(struct session *session, struct error **err)
{
	boot_entries_release(&session->entries);
	return boot_entries_read(session->esp, &session->entries, err);
}

static int session_open(const struct install *install, struct session *session, struct error **err)
{
	int r;

	session->install = install;
	r = node_disk_read(install->disk, install->sector_size, install->architecture, &session->disk, err);
	if (r >= 0)
		r = find_running(session, err);
	if (r >= 0)
		r = part_of(session, &session->disk.esp, &session->esp_io, err);
	if (r >= 0 && (r = fat_volume_open(&session->esp_io, &session->esp, err)) < 0)
		(void)error_wrap(err, "boot partition");
	return r < 0 ? r : read_entries(session, err);
}

/* As session_open(), for a change: what a cut left on the boot partition is put right first. */
static int session_open_writing(const struct install *install, struct session *session, struct error **err)
{
	struct fat_repair repair;
	int r = session_open(install, session, err);

	if (r >= 0 && (r = fat_volume_repair(session->esp, &repair, err)) < 0)
		(void)error_wrap(err, "boot partition");
	return r;
}

static const struct boot_entry *entry_of(const struct session *session, const char *version)
{
	for (size_t i = 0; version && i < session->entries.count; i++)
		if (streq(session->entries.items[i].version, version))
			return &session->entries.items[i];
	return NULL;
}

static bool is_running(const struct session *session, const struct boot_entry *entry)
{
	return streq(entry->version, session->install->running_version);
}

/* ---- Bringing a release ---- */

struct bringing {
	struct session session;
	const struct install_release *release;
	struct usr_slot target, active;
	bool named; /* the slot has the release's ids already */
	bool changed;
};

static void bringing_release(struct bringing *bringing)
{
	session_release(&bringing->session);
}

static void begin_step(const struct bringing *bringing, enum install_step step)
{
	if (bringing->release->step)
		bringing->release->step(step, bringing->release->userdata);
}

/* An entry that is not bad, of another release than the running one: what the boot loader would fall back to.
 */
static bool has_fallback(const struct session *session)
{
	for (size_t i = 0; i < session->entries.count; i++)
		if (!is_running(session, &session->entries.items[i]) &&
			!boot_entry_is_last(&session->entries.items[i]))
			return true;
	return false;
}

/*
 * A release that still has its counter has not proved itself, whether or not tries are left: the last of them
 * runs with none left. What it would fall back to must not be overwritten then.
 */
static int check_running(const struct session *session, struct error **err)
{
	const struct boot_entry *entry = entry_of(session, session->install->running_version);

	if (!entry)
		return error_set(err, -ENOENT,
			"the boot partition has no entry for the running release %s: with the other slot "
			"overwritten, nothing would be left to start",
			session->install->running_version);
	if (entry->counted && has_fallback(session))
		return error_set(err, -EAGAIN,
			"the running release %s has not been found good yet; once its health checks have "
			"passed, the other slot can be overwritten",
			session->install->running_version);
	return 0;
}

/* Nothing is changed before all of it is known to fit. */
static int check_room(const struct bringing *bringing, struct error **err)
{
	const struct release_info *info = bringing->release->info;
	const struct session *session = &bringing->session;
	uint64_t image = info->usr.blocks * VERITY_BLOCK_SIZE,
		 tree = verity_shape(info->usr.blocks).blocks * VERITY_BLOCK_SIZE,
		 room = fat_volume_free_bytes(session->esp);

	if (image > session->other->usr.size || tree > session->other->verity.size)
		return error_set(err, -ENOSPC,
			"its /usr has %ju bytes and a hash tree of %ju, slot %c has room for %ju and %ju: "
			"the "
			"node must be set up anew with larger slots",
			(uintmax_t)image, (uintmax_t)tree, session->other->letter,
			(uintmax_t)session->other->usr.size, (uintmax_t)session->other->verity.size);
	for (size_t i = 0; i < session->entries.count; i++)
		if (!is_running(session, &session->entries.items[i]))
			room += session->entries.items[i].size;
	if (info->uki_size > room)
		return error_set(err, -ENOSPC,
			"the boot partition has room for %ju bytes, the kernel image has %ju: remove files "
			"from it that do not belong there",
			(uintmax_t)room, (uintmax_t)info->uki_size);
	return 0;
}

/* Removes all boot entries but the running release's, and *keep* (may be NULL). */
static int remove_entries(struct session *session, const char *keep, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < session->entries.count && r >= 0; i++) {
		const struct boot_entry *entry = &session->entries.items[i];

		if (!is_running(session, entry) && !(keep && streq(entry->version, keep)))
			r = boot_entry_remove(session->esp, entry, err);
	}
	return r < 0 ? r : read_entries(session, err);
}

static int write_table(const struct session *session, struct error **err)
{
	int r = gpt_write_io(session->install->disk, &session->disk.gpt, err);

	return r < 0 ? error_wrap(err, "partition table") : 0;
}

/* Nothing can start from the slot from here on, and it says so itself. */
static int prepare(struct bringing *bringing, struct error **err)
{
	struct session *session = &bringing->session;
	int r;

	begin_step(bringing, INSTALL_PREPARE);
	r = remove_entries(session, bringing->named ? bringing->release->info->version : NULL, err);
	if (r < 0 || bringing->named || streq(session->other->usr.label, NODE_SLOT_EMPTY))
		return r;
	bringing->changed = true;
	r = node_slot_set_empty(&session->disk, session->other, err);
	return r < 0 ? r : write_table(session, err);
}

static int open_slot(
	const struct session *session, const struct node_slot *slot, struct usr_slot *ret, struct error **err)
{
	int r = part_of(session, &slot->usr, &ret->data, err);

	return r < 0 ? r : part_of(session, &slot->verity, &ret->hash, err);
}

static int bring_usr(struct bringing *bringing, struct error **err)
{
	const struct session *session = &bringing->session;
	int r;

	begin_step(bringing, INSTALL_USR);
	r = open_slot(session, session->other, &bringing->target, err);
	if (r >= 0)
		r = open_slot(session, session->running, &bringing->active, err);
	return r < 0 ? r
		     : bringing->release->bring(session->other, &bringing->target, session->running,
			       &bringing->active, bringing->release->userdata, err);
}

static int make_signature(
	const struct release_info *info, size_t size, struct buffer *ret, struct error **err)
{
	_cleanup_verity_signature_ struct verity_signature signature = {.has_fingerprint = true};

	memcpy(signature.root_hash, info->usr.root, SHA256_SIZE);
	memcpy(signature.fingerprint, info->certificate, SHA256_SIZE);
	buffer_append(&signature.signature, info->signature, info->signature_size);
	if (buffer_failed(&signature.signature))
		return error_set_errno(err, -ENOMEM, "signature");
	return verity_signature_write(&signature, size, ret, err);
}

/* The signature's partition, where it does not hold just that. */
static int bring_signature(struct bringing *bringing, struct error **err)
{
	const struct session *session = &bringing->session;
	size_t size = (size_t)MIN(session->other->signature.size, (uint64_t)VERITY_SIGNATURE_SIZE);
	_cleanup_buffer_ struct buffer wanted = {};
	_cleanup_free_ void *there = malloc(size);
	struct block_io io;
	int r;

	begin_step(bringing, INSTALL_SIGNATURE);
	if (!there)
		return error_set_errno(err, -ENOMEM, "signature");
	r = make_signature(bringing->release->info, size, &wanted, err);
	if (r >= 0)
		r = part_of(session, &session->other->signature, &io, err);
	if (r < 0)
		return r;
	r = block_read(&io, 0, there, size);
	if (r >= 0 && memcmp(there, wanted.data, size) == 0)
		return 0;
	bringing->changed = true;
	r = block_write(&io, 0, wanted.data, size);
	if (r >= 0)
		r = block_flush(&io);
	return r < 0 ? error_set_errno(err, r, "signature partition of slot %c", session->other->letter) : 0;
}

static int name_slot(struct bringing *bringing, struct error **err)
{
	struct session *session = &bringing->session;
	const struct release_info *info = bringing->release->info;
	int r;

	begin_step(bringing, INSTALL_NAME);
	if (bringing->named)
		return 0;
	r = node_slot_set_release(&session->disk, session->other, info->version, info->usr.root, err);
	return r < 0 ? r : write_table(session, err);
}

/* True where the entry is the release's own, and has not used up its tries. */
static int entry_is_right(
	const struct bringing *bringing, const struct boot_entry *entry, bool *ret, struct error **err)
{
	const struct release_info *info = bringing->release->info;

	*ret = false;
	if (!entry || entry->size != info->uki_size || boot_entry_is_bad(entry))
		return 0;
	return boot_entry_is(bringing->session.esp, entry, info->uki_size, info->uki_sha256, ret, err);
}

/* An entry that is not right makes room for one that will be. */
static int remove_wrong(const struct bringing *bringing, const struct boot_entry *entry, struct error **err)
{
	uint8_t digest[SHA256_SIZE];
	int r = sha256_io(bringing->release->uki, digest);

	if (r < 0)
		return error_set_errno(err, r, "reading the kernel image");
	if (memcmp(digest, bringing->release->info->uki_sha256, SHA256_SIZE) != 0)
		return boot_image_changed(err);
	return boot_entry_remove(bringing->session.esp, entry, err);
}

static int bring_entry(struct bringing *bringing, struct error **err)
{
	struct session *session = &bringing->session;
	const struct release_info *info = bringing->release->info;
	const struct boot_entry *entry = entry_of(session, info->version);
	bool right;
	int r;

	begin_step(bringing, INSTALL_ENTRY);
	r = entry_is_right(bringing, entry, &right, err);
	if (r < 0 || right)
		return r;
	bringing->changed = true;
	if (entry)
		r = remove_wrong(bringing, entry, err);
	if (r >= 0)
		r = boot_entry_add(session->esp, info->version, bringing->release->uki, info->uki_sha256,
			session->install->now, err);
	if (r >= 0)
		r = read_entries(session, err);
	/* What was written is read back, past any cache of ours. */
	if (r >= 0)
		r = entry_is_right(bringing, entry_of(session, info->version), &right, err);
	if (r >= 0 && !right)
		return error_set(err, -EIO,
			"the boot partition does not keep what is written to it (replace the disk)");
	return r;
}

int install_release(const struct install *install, const struct install_release *release, bool *ret_changed,
	struct error **err)
{
	static int (*const steps[])(struct bringing * bringing, struct error * *err) = {
		prepare, bring_usr, bring_signature, name_slot, bring_entry};
	_cleanup_(bringing_release) struct bringing bringing = {.release = release};
	struct session *session = &bringing.session;
	int r;

	if (memcmp(release->info->usr.root, install->running_root, SHA256_SIZE) == 0 ||
		streq(release->info->version, install->running_version))
		return error_set(err, -EALREADY, "release %s is running", release->info->version);
	r = session_open_writing(install, session, err);
	if (r >= 0)
		r = check_running(session, err);
	if (r >= 0)
		r = check_room(&bringing, err);
	if (r < 0)
		return r;
	bringing.named = node_slot_is(session->other, release->info->usr.root);
	bringing.changed = !bringing.named;
	for (size_t i = 0; i < ARRAY_SIZE(steps) && r >= 0; i++)
		r = steps[i](&bringing, err);
	if (r >= 0 && ret_changed)
		*ret_changed = bringing.changed;
	return r;
}

/* ---- Going to the other slot ---- */

/*
 * A running release that has no try left is all there is, should the other one not start. Of two such
 * releases the boot loader would start the newer one for ever, so that an older one gets a try.
 */
static int spare_running(const struct session *session, struct error **err)
{
	const struct boot_entry *running = entry_of(session, session->install->running_version);
	const struct boot_entry *first = &session->entries.items[0];

	if (!running || !boot_entry_is_last(running) || is_running(session, first) ||
		release_version_compare(running->version, first->version) >= 0)
		return 0;
	return boot_entry_spare(session->esp, running, err);
}

int install_start_other(const struct install *install, struct error **err)
{
	_cleanup_(session_release) struct session session = {};
	const struct boot_entry *entry;
	const char *version;
	int r = session_open_writing(install, &session, err);

	if (r < 0)
		return r;
	version = node_slot_version(session.other);
	entry = entry_of(&session, version);
	if (!entry || is_running(&session, entry))
		return error_set(
			err, -ENOENT, "slot %c holds no release that can be started", session.other->letter);
	/* Also what has proved itself once: nobody has looked at its slot since, and without a counter the
	 * boot loader would start it for ever. */
	if (!entry->counted || boot_entry_is_last(entry))
		r = boot_entry_retry(session.esp, entry, INSTALL_TRIES, err);
	if (r >= 0)
		r = read_entries(&session, err);
	if (r >= 0 && is_running(&session, &session.entries.items[0]))
		r = boot_entry_demote(session.esp, &session.entries.items[0], err);
	if (r >= 0)
		r = read_entries(&session, err);
	if (r >= 0)
		r = spare_running(&session, err);
	if (r >= 0)
		r = read_entries(&session, err);
	if (r >= 0 && !streq(session.entries.items[0].version, version))
		return error_set(err, -EIO, "the boot loader would start %s, not %s",
			session.entries.items[0].version, version);
	return r;
}

int install_read_running(const struct install *install, fat_bytes_fn fn, void *userdata, struct error **err)
{
	_cleanup_(session_release) struct session session = {};
	const struct boot_entry *entry;
	int r = session_open(install, &session, err);

	if (r < 0)
		return r;
	entry = entry_of(&session, install->running_version);
	if (!entry)
		return error_set(err, -ENOENT, "the boot partition has no entry for the running release %s",
			install->running_version);
	return boot_entry_read(session.esp, entry, fn, userdata, err);
}

int install_remove_other(const struct install *install, struct error **err)
{
	_cleanup_(session_release) struct session session = {};
	int r = session_open_writing(install, &session, err);

	if (r >= 0)
		r = remove_entries(&session, NULL, err);
	if (r < 0 || streq(session.other->usr.label, NODE_SLOT_EMPTY))
		return r;
	r = node_slot_set_empty(&session.disk, session.other, err);
	return r < 0 ? r : write_table(&session, err);
}

int install_bless(const struct install *install, bool *ret_changed, struct error **err)
{
	_cleanup_(session_release) struct session session = {};
	const struct boot_entry *entry;
	int r = session_open_writing(install, &session, err);
	bool counted;

	if (r < 0)
		return r;
	entry = entry_of(&session, install->running_version);
	counted = entry && entry->counted;
	if (counted)
		r = boot_entry_bless(session.esp, entry, err);
	if (r >= 0 && ret_changed)
		*ret_changed = counted;
	return r;
}

/* ---- Looking ---- */

void install_state_release(struct install_state *state)
{
	boot_entries_release(&state->entries);
	*state = (struct install_state){};
}

int install_look(const struct install *install, struct install_state *ret, struct error **err)
{
	_cleanup_(session_release) struct session session = {};
	int r = session_open(install, &session, err);

	if (r < 0)
		return r;
	*ret = (struct install_state){.running = *session.running,
		.other = *session.other,
		.entries = session.entries,
		.is_cut = !fat_volume_is_clean(session.esp)};
	session.entries = (struct boot_entries){};
	for (size_t i = 0; i < ret->entries.count; i++) {
		const struct boot_entry *entry = &ret->entries.items[i];
		const char *other = node_slot_version(&ret->other);

		if (streq(entry->version, install->running_version))
			ret->running_entry = entry;
		else if (other && streq(entry->version, other))
			ret->other_entry = entry;
	}
	ret->next = ret->entries.count > 0 ? &ret->entries.items[0] : NULL;
	return 0;
}

int install_mend(const struct install *install, struct error **err)
{
	_cleanup_(session_release) struct session session = {};

	return session_open_writing(install, &session, err);
}
