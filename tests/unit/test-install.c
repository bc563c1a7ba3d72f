/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Updates of a whole disk: what they leave when the power is cut at any moment, when any read or write fails,
 * and when there is no room.
 */
#include "tool.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/fat.h"
#include "format/verity-signature.h"
#include "format/verity.h"
#include "release-disk.h"
#include "release-files.h"
#include "replay-disk.h"
#include "trees.h"
#include "update/install.h"

#define BLOCK VERITY_BLOCK_SIZE
#define RELEASES 3
#define UKI_SIZE 30000

static const char *const versions[RELEASES] = {"202601.05.0", "202601.12.0", "202601.19.0"};

/* What is published: releases with a kernel image each that names its root hash. */
static struct {
	char folder[RELEASES][64];
	struct test_image images[RELEASES];
	struct release_info infos[RELEASES];
	uint8_t uki[RELEASES][UKI_SIZE];
} published;

static void make_uki(size_t release)
{
	uint64_t seed = release + 100;

	for (size_t i = 0; i < UKI_SIZE; i++)
		published.uki[release][i] = (uint8_t)random_next(&seed);
	memcpy(published.uki[release], published.images[release].root, SHA256_SIZE);
	assert_int_equal(
		sha256_bytes(published.uki[release], UKI_SIZE, published.infos[release].uki_sha256), 0);
}

static int publish(void **state)
{
	assert_int_equal(tool_setup(state), 0);
	test_image_make(&published.images[0], 200, 1);
	for (size_t i = 1; i < RELEASES; i++)
		test_image_change(&published.images[i - 1], &published.images[i], i + 1);
	for (size_t i = 0; i < RELEASES; i++) {
		struct release_info *info = &published.infos[i];

		(void)snprintf(
			published.folder[i], sizeof(published.folder[i]), "/tmp/orlop-test-install-XXXXXX");
		assert_non_null(mkdtemp(published.folder[i]));
		test_publish(published.folder[i], &published.images[i], published.images, i, &info->usr);
		info->edition = strdup("container-linux");
		info->architecture = strdup("amd64");
		info->version = strdup(versions[i]);
		info->signature = calloc(1, 100 + i);
		memset(info->signature, (int)i + 1, 100 + i);
		info->signature_size = 100 + i;
		info->uki_size = UKI_SIZE;
		make_uki(i);
	}
	return 0;
}

static int unpublish(void **state)
{
	for (size_t i = 0; i < RELEASES; i++) {
		assert_int_equal(remove_tree(published.folder[i], NULL), 0);
		test_image_release(&published.images[i]);
		release_info_release(&published.infos[i]);
	}
	return tool_cleanup(state);
}

/* ---- A node ---- */

struct fixture {
	struct replay_disk disk;
	struct block_io io;
	size_t running; /* release */
	struct test_remote remote;
	uint64_t seed;
	size_t wanted;	    /* release that is being brought */
	uint64_t old_works; /* of the states looked at: the running release starts */
	uint64_t new_works;
	unsigned judged; /* by other programs */
};

static int write_bytes(const char *name, const void *data, size_t size)
{
	_cleanup_free_ char *path = string_format("%s/%s", tool_folder, name);
	int fd;

	assert_ok(file_write_atomic(path, data, size, 0644, NULL), NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A disk as a build makes it, with the first release in slot a. */
static void make_disk(struct replay_disk *ret)
{
	struct release_disk disk;

	release_disk_make(&(struct release_disk_options){.folder = tool_folder,
				  .version = versions[0],
				  .image = &published.images[0],
				  .signature = "{}",
				  .uki = published.uki[0],
				  .uki_size = UKI_SIZE},
		&disk);
	replay_disk_init(ret, TAKE_PTR(disk.data), disk.size);
	release_disk_release(&disk);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	make_disk(&f->disk);
	f->io = replay_disk_io(&f->disk);
	f->remote.chunk = 65536;
	f->seed = 1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	replay_disk_release(&f->disk);
	free(f);
	return 0;
}

static struct install install_of(const struct fixture *f)
{
	struct install install = {.disk = &f->io,
		.sector_size = 512,
		.architecture = "amd64",
		.running_version = versions[f->running],
		.now = 1767225600};

	memcpy(install.running_root, published.images[f->running].root, SHA256_SIZE);
	return install;
}

static int bring(const struct node_slot *slot, const struct usr_slot *target,
	const struct node_slot *active_slot, const struct usr_slot *active, void *userdata,
	struct error **err)
{
	struct fixture *f = userdata;
	struct remote remote = test_remote(&f->remote);
	const struct usr_update update = {.image = &published.infos[f->wanted].usr,
		.remote = &remote,
		.target = target,
		.active = active,
		.active_root = published.images[f->running].root,
		.threads = 1};
	struct usr_update_result result;

	assert_true(slot->letter != active_slot->letter);
	return usr_update_run(&update, &result, err);
}

static int install_version(struct fixture *f, size_t release, bool *ret_changed, struct error **err)
{
	const struct install install = install_of(f);
	const struct block_io uki = block_io_bytes(published.uki[release], UKI_SIZE);
	const struct install_release what = {
		.info = &published.infos[release], .uki = &uki, .bring = bring, .userdata = f};

	f->wanted = release;
	f->remote.folder = published.folder[release];
	return install_release(&install, &what, ret_changed, err);
}

static int start_other(struct fixture *f, struct error **err)
{
	const struct install install = install_of(f);

	return install_start_other(&install, err);
}

/* ---- What would start ---- */

static size_t release_of_version(const char *version)
{
	for (size_t i = 0; i < RELEASES; i++)
		if (streq(versions[i], version))
			return i;
	fail_msg("an entry for release %s, which was never made", version);
	return 0;
}

/* Checks that a slot is whole: what is in it, the signature of its root hash, and what its labels say. */
static void assert_slot_whole(struct fixture *f, const struct node_disk *disk, size_t release)
{
	const struct test_image *image = &published.images[release];
	const struct node_slot *slot = NULL;

	for (size_t i = 0; i < NODE_SLOTS; i++)
		if (node_slot_is(&disk->slots[i], image->root))
			slot = &disk->slots[i];
	if (!slot)
		fail_msg("release %s would start and is in no slot", versions[release]);
	assert_string_equal(node_slot_version(slot), versions[release]);
	assert_memory_equal(f->disk.data + slot->usr.offset, image->data, image->blocks * BLOCK);
	assert_memory_equal(f->disk.data + slot->verity.offset, image->hash, image->hash_size);
	/* The first release's was put there by hand. */
	if (release > 0) {
		_cleanup_verity_signature_ struct verity_signature signature = {};
		const struct release_info *info = &published.infos[release];

		assert_ok(verity_signature_parse(f->disk.data + slot->signature.offset, VERITY_SIGNATURE_SIZE,
				  &signature, NULL),
			NULL);
		assert_memory_equal(signature.root_hash, image->root, SHA256_SIZE);
		assert_int_equal(signature.signature.size, info->signature_size);
		assert_memory_equal(signature.signature.data, info->signature, info->signature_size);
	}
}

/* Every entry of the boot partition leads to a release that is whole. Returns what starts next. */
static size_t assert_starts(struct fixture *f)
{
	_cleanup_node_disk_ struct node_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *esp = NULL;
	_cleanup_(boot_entries_release) struct boot_entries entries = {};
	_cleanup_error_ struct error *err = NULL;
	struct block_io io;
	size_t next;

	assert_ok(node_disk_read(&f->io, 512, "amd64", &disk, &err), err);
	assert_ok(block_io_part(&f->io, disk.esp.offset, disk.esp.size, &io), err);
	assert_ok(fat_volume_open(&io, &esp, &err), err);
	assert_ok(boot_entries_read(esp, &entries, &err), err);
	assert_true(entries.count > 0);
	assert_false(boot_entry_is_last(&entries.items[0]));
	next = release_of_version(entries.items[0].version);
	for (size_t i = 0; i < entries.count; i++) {
		size_t release = release_of_version(entries.items[i].version);
		bool same;

		assert_ok(boot_entry_is(esp, &entries.items[i], UKI_SIZE, published.infos[release].uki_sha256,
				  &same, &err),
			err);
		assert_true(same);
		assert_slot_whole(f, &disk, release);
	}
	return next;
}

/* ---- The judges: other people's programs ---- */

/* Runs a program on a part of the disk; returns its status. */
static int judge(
	struct fixture *f, const char *name, uint64_t offset, uint64_t size, const char *const *arguments)
{
	_cleanup_close_ int fd = write_bytes(name, f->disk.data + offset, size);
	_cleanup_process_result_ struct process_result result = {};

	(void)fd;
	assert_ok(process_run(arguments, NULL, 0, MiB(1), &result, NULL), NULL);
	return result.status;
}

static void judge_disk(struct fixture *f)
{
	_cleanup_free_ char *disk = string_format("%s/judged", tool_folder),
			    *esp = string_format("%s/judged-esp", tool_folder);
	const char *const sfdisk[] = {"sfdisk", "--verify", disk, NULL};
	const char *const fsck[] = {"fsck.fat", "-n", esp, NULL};
	_cleanup_node_disk_ struct node_disk node = {};
	int status;

	f->judged++;
	assert_int_equal(judge(f, "judged", 0, f->disk.size, sfdisk), 0);
	assert_ok(node_disk_read(&f->io, 512, "amd64", &node, NULL), NULL);
	/* 1: there is something to put right, which is what fat_volume_repair() is for; 2: it could not even
	 * look. */
	status = judge(f, "judged-esp", node.esp.offset, node.esp.size, fsck);
	assert_true(status == 0 || status == 1);
	for (size_t i = 0; i < NODE_SLOTS; i++) {
		const struct node_slot *slot = &node.slots[i];
		_cleanup_free_ char *data = string_format("%s/judged-usr", tool_folder),
				    *hash = string_format("%s/judged-hash", tool_folder), *root = NULL;

		if (!node_slot_version(slot))
			continue;
		root = hex_encode_new(
			published.images[release_of_version(node_slot_version(slot))].root, SHA256_SIZE);
		close(write_bytes("judged-hash", f->disk.data + slot->verity.offset, slot->verity.size));
		assert_int_equal(
			judge(f, "judged-usr", slot->usr.offset, slot->usr.size,
				(const char *const[]){"veritysetup", "verify", data, hash, root, NULL}),
			0);
	}
}

/* ---- Tests ---- */

static void assert_look(struct fixture *f, const char *running, const char *other, bool other_next)
{
	_cleanup_install_state_ struct install_state look = {};
	const struct install install = install_of(f);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(install_look(&install, &look, &err), err);
	assert_int_equal(look.running.letter, 'a');
	assert_string_equal(node_slot_version(&look.other), versions[1]);
	assert_string_equal(look.running_entry->name, running);
	if (other)
		assert_string_equal(look.other_entry->name, other);
	else
		assert_null(look.other_entry);
	assert_ptr_equal(look.next, other_next ? look.other_entry : look.running_entry);
}

static void stages_a_release_and_starts_it_when_told_to(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	bool changed;

	assert_ok(install_version(f, 1, &changed, &err), err);
	assert_true(changed);
	assert_int_equal(assert_starts(f), 0);
	judge_disk(f);
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+0.efi", false);
	assert_ok(start_other(f, &err), err);
	assert_int_equal(assert_starts(f), 1);
	judge_disk(f);
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+3-0.efi", true);
	/* It stays so, also where the same release is brought once more. */
	assert_ok(start_other(f, &err), err);
	assert_ok(install_version(f, 1, &changed, &err), err);
	assert_false(changed);
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+3-0.efi", true);
}

static void second_time_changes_nothing(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *before = malloc(f->disk.size);
	bool changed;

	assert_ok(install_version(f, 1, NULL, &err), err);
	memcpy(before, f->disk.data, f->disk.size);
	assert_ok(install_version(f, 1, &changed, &err), err);
	assert_false(changed);
	assert_memory_equal(before, f->disk.data, f->disk.size);
}

static void mends_a_slot_that_was_damaged(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_node_disk_ struct node_disk disk = {};

	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_ok(node_disk_read(&f->io, 512, "amd64", &disk, &err), err);
	f->disk.data[disk.slots[1].usr.offset + 5000] ^= 1;
	f->disk.data[disk.slots[1].verity.offset + 5000] ^= 1;
	f->disk.data[disk.slots[1].signature.offset + 20] ^= 1;
	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_ok(start_other(f, &err), err);
	assert_int_equal(assert_starts(f), 1);
}

/* The node restarts into the release in the other slot, and finds it good. */
static void restart(struct fixture *f)
{
	_cleanup_error_ struct error *err = NULL;
	struct install install;
	bool changed;

	assert_ok(start_other(f, &err), err);
	f->running = assert_starts(f);
	install = install_of(f);
	assert_ok(install_bless(&install, &changed, &err), err);
}

/* What the boot loader does to a release's name when it has started it as often as it may. */
static void spend_tries(struct fixture *f, size_t release)
{
	_cleanup_node_disk_ struct node_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *esp = NULL;
	_cleanup_(boot_entries_release) struct boot_entries entries = {};
	struct block_io io;

	assert_ok(node_disk_read(&f->io, 512, "amd64", &disk, NULL), NULL);
	assert_ok(block_io_part(&f->io, disk.esp.offset, disk.esp.size, &io), NULL);
	assert_ok(fat_volume_open(&io, &esp, NULL), NULL);
	assert_ok(boot_entries_read(esp, &entries, NULL), NULL);
	for (size_t i = 0; i < entries.count; i++)
		if (streq(entries.items[i].version, versions[release]))
			assert_ok(boot_entry_demote(esp, &entries.items[i], NULL), NULL);
}

static void goes_from_release_to_release_and_back(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(install_version(f, 1, NULL, &err), err);
	restart(f);
	assert_ok(install_version(f, 2, NULL, &err), err);
	restart(f);
	assert_int_equal(f->running, 2);
	/* Back to the other slot at once, and forward again. */
	restart(f);
	assert_int_equal(f->running, 1);
	restart(f);
	assert_int_equal(f->running, 2);
	/* An older one that is in no slot is brought. */
	assert_ok(install_version(f, 0, NULL, &err), err);
	assert_int_equal(assert_starts(f), 2);
	restart(f);
	assert_int_equal(f->running, 0);
	judge_disk(f);
}

static void refuses_while_the_running_release_is_on_trial(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_ok(start_other(f, &err), err);
	f->running = 1;
	assert_error(install_version(f, 2, NULL, &err), -EAGAIN, err, "not been found good yet");
	assert_int_equal(assert_starts(f), 1);
	assert_error(install_version(f, 1, NULL, &err), -EALREADY, err, "is running");
}

/* The last try runs with none left, and what goes well is good all the same. */
static void the_last_try_can_be_found_good(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_install_state_ struct install_state look = {};
	struct install install;
	bool changed;

	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_ok(start_other(f, &err), err);
	spend_tries(f, 1);
	f->running = 1;
	install = install_of(f);
	assert_error(install_version(f, 2, NULL, &err), -EAGAIN, err, "not been found good yet");
	assert_ok(install_bless(&install, &changed, &err), err);
	assert_true(changed);
	assert_ok(install_look(&install, &look, &err), err);
	assert_false(look.running_entry->counted);
	assert_int_equal(assert_starts(f), 1);
}

/* Where nothing is left to fall back to, a release that is on its last legs can be left for a new one. */
static void a_last_resort_can_be_updated(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(install_version(f, 1, NULL, &err), err);
	spend_tries(f, 1);
	spend_tries(f, 0);
	f->running = 1;
	assert_ok(install_version(f, 2, NULL, &err), err);
}

/* What ran here once may have been damaged since. Where it does not start, what was left for it does again.
 */
static void a_way_back_that_does_not_start_is_left_again(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_install_state_ struct install_state look = {};
	struct install install;

	assert_ok(install_version(f, 1, NULL, &err), err);
	restart(f);
	assert_ok(start_other(f, &err), err);
	assert_int_equal(assert_starts(f), 0);
	install = install_of(f);
	assert_ok(install_look(&install, &look, &err), err);
	assert_string_equal(look.other_entry->name, "orlop_202601.05.0+3-0.efi");
	spend_tries(f, 0);
	install_state_release(&look);
	assert_ok(install_look(&install, &look, &err), err);
	assert_ptr_equal(look.next, look.running_entry);
}

static void takes_the_other_release_away(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	const struct install install = install_of(f);

	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_ok(install_remove_other(&install, &err), err);
	assert_int_equal(assert_starts(f), 0);
	assert_error(install_start_other(&install, &err), -ENOENT, err, "holds no release");
	assert_int_equal(assert_starts(f), 0);
}

/* Fills the boot partition with a file. */
static void fill_esp(struct fixture *f, uint64_t leave)
{
	_cleanup_node_disk_ struct node_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *esp = NULL;
	_cleanup_free_ void *bytes = NULL;
	struct block_io io;
	size_t size;

	assert_ok(node_disk_read(&f->io, 512, "amd64", &disk, NULL), NULL);
	assert_ok(block_io_part(&f->io, disk.esp.offset, disk.esp.size, &io), NULL);
	assert_ok(fat_volume_open(&io, &esp, NULL), NULL);
	size = (size_t)(fat_volume_free_bytes(esp) - leave);
	bytes = calloc(1, size);
	assert_ok(fat_volume_create(esp, "EFI/Linux/photos.zip", bytes, size, 0, NULL), NULL);
}

static void a_full_boot_partition_is_an_error_before_anything_changes(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *before = malloc(f->disk.size);

	fill_esp(f, UKI_SIZE / 2);
	memcpy(before, f->disk.data, f->disk.size);
	assert_error(install_version(f, 1, NULL, &err), -ENOSPC, err, "the boot partition has room for");
	assert_memory_equal(before, f->disk.data, f->disk.size);
}

/* The kernel image was proved; then its file became another one. */
static void a_kernel_image_that_changed_gets_no_entry(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	published.uki[1][UKI_SIZE - 1] ^= 1;
	assert_error(install_version(f, 1, NULL, &err), -EBADMSG, err, "is not what it was");
	published.uki[1][UKI_SIZE - 1] ^= 1;
	assert_look(f, "orlop_202601.05.0.efi", NULL, false);
	assert_int_equal(assert_starts(f), 0);
	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+0.efi", false);
	judge_disk(f);
}

/* The entry that is there makes room only for what is right. */
static void an_entry_stays_until_there_is_a_better_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_ok(start_other(f, &err), err);
	spend_tries(f, 1);
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+0-0.efi", false);
	published.uki[1][0] ^= 1;
	assert_error(install_version(f, 1, NULL, &err), -EBADMSG, err, "is not what it was");
	published.uki[1][0] ^= 1;
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+0-0.efi", false);
	assert_ok(install_version(f, 1, NULL, &err), err);
	assert_look(f, "orlop_202601.05.0.efi", "orlop_202601.12.0+0.efi", false);
}

static void a_release_that_is_too_large_is_an_error_before_anything_changes(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ uint8_t *before = malloc(f->disk.size);
	uint64_t blocks = published.infos[1].usr.blocks;

	memcpy(before, f->disk.data, f->disk.size);
	published.infos[1].usr.blocks = MiB(2) / BLOCK + 1;
	assert_error(install_version(f, 1, NULL, &err), -ENOSPC, err, "larger slots");
	published.infos[1].usr.blocks = blocks;
	assert_memory_equal(before, f->disk.data, f->disk.size);
}

/* ---- Power cuts ---- */

/* How many states of each kind are looked at; ORLOP_TEST_STATES=N for N mixtures between two flushes. */
static size_t mixtures(void)
{
	const char *given = getenv("ORLOP_TEST_STATES");

	return given ? strtoul(given, NULL, 10) : 60;
}

static int bring_and_select(struct fixture *f, size_t release, struct error **err)
{
	int r = install_version(f, release, NULL, err);

	return r < 0 ? r : start_other(f, err);
}

static void look_after_cut(struct replay_disk *disk, void *userdata)
{
	struct fixture *f = userdata;
	_cleanup_error_ struct error *err = NULL;
	size_t next = assert_starts(f), running = f->running;
	uint64_t number = f->old_works + f->new_works;

	(void)disk;
	assert_true(next == f->running || next == f->wanted);
	f->old_works += next == f->running;
	f->new_works += next != f->running;
	if (number % 97 == 0)
		judge_disk(f);
	/* The power is back: what started tries again, and gets there. */
	if (number % 3 > 0 || next != f->running)
		return;
	assert_ok(bring_and_select(f, f->wanted, &err), err);
	assert_int_equal(assert_starts(f), f->wanted);
	f->running = running;
}

/* Records an update, takes it back, and looks at what cuts of it leave. */
static void cut_an_update(struct fixture *f, size_t release)
{
	_cleanup_error_ struct error *err = NULL;
	struct replay_write *writes;
	size_t count, states;

	replay_mark(&f->disk);
	f->disk.record = true;
	assert_ok(bring_and_select(f, release, &err), err);
	f->disk.record = false;
	replay_restore(&f->disk);
	writes = TAKE_PTR(f->disk.writes);
	count = f->disk.count;
	f->disk.count = f->disk.capacity = 0;
	states = replay_states(&f->disk, writes, count, mixtures(), f->seed++, look_after_cut, f);
	replay_writes_free(writes, count);
	print_message("# %zu writes and flushes, %zu states, %u of them judged by sfdisk, fsck.fat and "
		      "veritysetup\n",
		count, states, f->judged);
	assert_int_equal(assert_starts(f), release);
}

static void a_cut_leaves_what_starts(void **state)
{
	struct fixture *f = *state;

	cut_an_update(f, 1);
	assert_true(f->old_works > 0 && f->new_works > 0);
	restart(f);
	cut_an_update(f, 2);
	restart(f);
}

static void look_after_cut_of_switch(struct replay_disk *disk, void *userdata)
{
	struct fixture *f = userdata;
	size_t next = assert_starts(f);

	(void)disk;
	f->old_works += next == f->running;
	f->new_works += next != f->running;
}

static void a_cut_of_a_rollback_leaves_what_starts(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	struct replay_write *writes;
	size_t count;

	assert_ok(install_version(f, 1, NULL, &err), err);
	restart(f);
	replay_mark(&f->disk);
	f->disk.record = true;
	assert_ok(start_other(f, &err), err);
	f->disk.record = false;
	replay_restore(&f->disk);
	writes = TAKE_PTR(f->disk.writes);
	count = f->disk.count;
	f->disk.count = f->disk.capacity = 0;
	(void)replay_states(&f->disk, writes, count, 4 * mixtures(), f->seed, look_after_cut_of_switch, f);
	replay_writes_free(writes, count);
	assert_true(f->old_works > 0 && f->new_works > 0);
	assert_int_equal(assert_starts(f), 0);
}

/* Each read, write and flush fails once: an error, what started still does, and the next try gets there. */
static void every_fault_is_survived(void **state)
{
	struct fixture *f = *state;
	_cleanup_error_ struct error *err = NULL;
	uint64_t calls, step;

	replay_mark(&f->disk);
	f->disk.calls = 0;
	assert_ok(bring_and_select(f, 1, &err), err);
	calls = f->disk.calls;
	replay_restore(&f->disk);
	step = MAX(calls / (40 * mixtures()), UINT64_C(1));
	for (uint64_t i = 1; i <= calls; i += step) {
		int r;

		replay_mark(&f->disk);
		f->disk.calls = 0;
		f->disk.fail_at = i;
		f->disk.dead = i % 2 == 0;
		r = bring_and_select(f, 1, &err);
		f->disk.fail_at = 0;
		if (r < 0)
			assert_non_null(err);
		err = error_free(err);
		(void)assert_starts(f);
		assert_ok(bring_and_select(f, 1, &err), err);
		assert_int_equal(assert_starts(f), 1);
		replay_restore(&f->disk);
	}
	print_message("# %ju calls, every %ju. of them failed once\n", (uintmax_t)calls, (uintmax_t)step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(stages_a_release_and_starts_it_when_told_to),
		TEST(second_time_changes_nothing),
		TEST(mends_a_slot_that_was_damaged),
		TEST(goes_from_release_to_release_and_back),
		TEST(refuses_while_the_running_release_is_on_trial),
		TEST(the_last_try_can_be_found_good),
		TEST(a_last_resort_can_be_updated),
		TEST(a_way_back_that_does_not_start_is_left_again),
		TEST(takes_the_other_release_away),
		TEST(a_full_boot_partition_is_an_error_before_anything_changes),
		TEST(a_release_that_is_too_large_is_an_error_before_anything_changes),
		TEST(a_kernel_image_that_changed_gets_no_entry),
		TEST(an_entry_stays_until_there_is_a_better_one),
		TEST(a_cut_leaves_what_starts),
		TEST(a_cut_of_a_rollback_leaves_what_starts),
		TEST(every_fault_is_survived),
#undef TEST
	};

	return cmocka_run_group_tests(tests, publish, unpublish);
}
