/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a node comes by kernel images: what it asks the server for, and what it does where that has not got it.
 */
#include "scratch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "boot-loader.h"
#include "build/keys.h"
#include "http-server.h"
#include "node-machine.h"

#define BEGIN 1767600000 /* 2026-01-05T08:00:00Z */
#define KEPT "/var/lib/orlop/update/kernel"

struct fixture {
	char *folder, *keys;
	struct release_pool pool;
	struct publisher publisher;
	struct node_machine machine;
	struct http_server *server;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *url = NULL;

	assert_non_null(f);
	f->folder = node_machine_folder();
	f->keys = string_format("%s/first-keys", f->folder);
	assert_int_equal(keys_init(f->keys, &(struct keys_options){.now = BEGIN}, NULL), 0);
	release_pool_make(&f->pool, f->folder);
	f->server = http_server_start(f->folder);
	url = string_format("%s/served", http_server_url(f->server));
	publisher_init(&f->publisher, &f->pool, f->folder, f->keys, BEGIN);
	node_machine_init(&f->machine, &f->publisher, f->folder, url, BEGIN);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_server_stop(f->server);
	node_machine_release(&f->machine);
	publisher_release(&f->publisher);
	release_pool_release(&f->pool);
	assert_int_equal(remove_tree(f->folder, NULL), 0);
	free(f->folder);
	free(f->keys);
	free(f);
	return 0;
}

/* The boot partition has the release's kernel image, by another reader than ours. */
static void assert_entry(const struct fixture *f, size_t release)
{
	_cleanup_loader_view_ struct loader_view view = {};
	const struct pool_release *expected = &f->pool.items[release];

	assert_null(loader_look(crash_disk_data(), crash_disk_size(), &view));
	for (size_t i = 0; i < view.count; i++)
		if (streq(view.entries[i].version, expected->version)) {
			assert_int_equal(view.entries[i].size, expected->uki.size);
			assert_memory_equal(view.entries[i].data, expected->uki.data, expected->uki.size);
			return;
		}
	fail_msg("no entry of %s", expected->version);
}

/* Publishes the release, and brings it to the node. */
static void bring(struct fixture *f, size_t release, unsigned patches)
{
	publisher_publish(&f->publisher, release, patches, BEGIN);
	if (node_machine_run(&f->machine, VERB_UPDATE, NULL) < 0)
		fail_msg("%s", f->machine.said);
	assert_entry(f, release);
}

static uint64_t whole(const struct fixture *f)
{
	return http_server_bytes(f->server, ".orlop.efi");
}

static uint64_t frames(const struct fixture *f)
{
	return http_server_bytes(f->server, "uki.blocks.zst");
}

/* With what leads there from the running release, a few blocks are all that is fetched. */
static void a_kernel_image_is_made_from_the_running_one(void **state)
{
	struct fixture *f = *state;

	assert_true(f->pool.items[1].uki.size > 100000);
	bring(f, 1, 1);
	assert_int_equal(whole(f), 0);
	assert_int_equal(frames(f), 0);
	assert_int_equal(http_server_bytes(f->server, "uki.verity.zst"), 0);
	/* Nothing is left of it but on the boot partition. */
	shell(f->machine.root,
		"[ -z \"$(ls var/lib/orlop/update | grep -v -e tuf -e history -e releases.json)\" ]");
}

static void without_a_patch_the_frames_that_differ_are_fetched(void **state)
{
	struct fixture *f = *state;

	bring(f, 1, 0);
	assert_int_equal(whole(f), 0);
	assert_true(frames(f) > 0 && frames(f) < f->pool.items[1].uki.size);
}

static void what_the_server_has_not_got_comes_whole(void **state)
{
	struct fixture *f = *state;

	publisher_publish(&f->publisher, 1, 1, BEGIN);
	shell(f->folder, "find repository/targets -name 'uki.*' -exec rm {} +; "
			 "find repository/targets -name 'from-*' -exec rm {} +");
	if (node_machine_run(&f->machine, VERB_UPDATE, NULL) < 0)
		fail_msg("%s", f->machine.said);
	assert_entry(f, 1);
	assert_int_equal(whole(f), f->pool.items[1].uki.size);
}

/* Whatever is wrong with what the server has of the blocks, and however it says so: the whole file is tried.
 */
static void what_is_wrong_on_the_server_comes_whole(void **state)
{
	static const struct {
		const char *file;
		enum http_fault fault;
		uint64_t argument;
		unsigned times;
	} faults[] = {{"uki.verity.zst", HTTP_OTHER_BYTE, 200, 2}, {"uki.verity.zst", HTTP_PORTAL, 0, 1},
		{"uki.verity.zst", HTTP_STATUS, 501, 1}, {"uki.verity.zst", HTTP_RETRY_AFTER, 4000, 1},
		{"uki.blocks.zst", HTTP_PORTAL, 0, 1}, {"uki.blocks.zst", HTTP_OTHER_BYTE, 1, 9},
		{"uki.blocks.zst", HTTP_STATUS, 403, 9}};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct fixture *f;

		if (i > 0) {
			assert_int_equal(tear_down(state), 0);
			assert_int_equal(set_up(state), 0);
		}
		f = *state;
		http_server_fault(
			f->server, faults[i].file, faults[i].fault, faults[i].argument, faults[i].times);
		bring(f, 1, 0);
		if (whole(f) != f->pool.items[1].uki.size)
			fail_msg("fault %zu: %ju bytes of the whole file", i, (uintmax_t)whole(f));
	}
}

static void a_whole_file_that_is_wrong_ends_it(void **state)
{
	struct fixture *f = *state;

	publisher_publish(&f->publisher, 1, 0, BEGIN);
	http_server_fault(f->server, "uki.verity.zst", HTTP_STATUS, 404, 1);
	http_server_fault(f->server, ".orlop.efi", HTTP_OTHER_BYTE, 5000, 1);
	assert_int_equal(node_machine_run(&f->machine, VERB_UPDATE, NULL), -EBADMSG);
	assert_non_null(strstr(f->machine.said, "kernel image"));
	/* And what came is not taken for the file afterwards. */
	if (node_machine_run(&f->machine, VERB_UPDATE, NULL) < 0)
		fail_msg("%s", f->machine.said);
	assert_entry(f, 1);
}

/* What an interrupted try has left is used, however much it is, and whatever it is. */
static void what_was_left_is_used(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = string_format("%s" KEPT, f->machine.root);
	const struct buffer *uki = &f->pool.items[1].uki;

	assert_ok(file_write_atomic(path, uki->data, uki->size, 0600, NULL), NULL);
	bring(f, 1, 0);
	assert_int_equal(frames(f) + whole(f) + http_server_bytes(f->server, "uki.verity.zst"), 0);
}

static void what_was_left_of_something_else_is_no_harm(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = string_format("%s" KEPT, f->machine.root), *junk = malloc(MiB(1));

	assert_non_null(junk);
	memset(junk, 0x5a, MiB(1));
	assert_ok(file_write_atomic(path, junk, MiB(1), 0600, NULL), NULL);
	bring(f, 1, 1);
	assert_int_equal(whole(f), 0);
}

/* A state partition with so much room, for as long as a test takes. */
static void limit_state(struct fixture *f, unsigned kib)
{
	_cleanup_free_ char *mount = string_format(
		"mount -t tmpfs -o size=%uk,mode=755 test-node-kernel var/lib/orlop/update", kib);

	shell(f->machine.root, mount);
}

static int tear_down_state(void **state)
{
	struct fixture *f = *state;

	shell(f->machine.root, "umount var/lib/orlop/update 2>/dev/null || :");
	return tear_down(state);
}

static void where_there_is_room_for_one_it_comes_without_the_running_one(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	limit_state(f, (unsigned)(f->pool.items[1].uki.size / 1024 + 90));
	bring(f, 1, 1);
	assert_int_equal(whole(f), 0);
	assert_true(frames(f) > 0);
	shell(f->machine.root, "[ ! -e var/lib/orlop/update/kernel ]");
}

static void where_there_is_room_for_none_that_is_said_and_nothing_left(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	publisher_publish(&f->publisher, 1, 1, BEGIN);
	limit_state(f, 88);
	assert_int_equal(node_machine_run(&f->machine, VERB_UPDATE, NULL), -ENOSPC);
	if (!strstr(f->machine.said, "kernel image") || !strstr(f->machine.said, "free some space on /var"))
		fail_msg("%s", f->machine.said);
	shell(f->machine.root, "[ ! -e var/lib/orlop/update/kernel ]");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_kernel_image_is_made_from_the_running_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_a_patch_the_frames_that_differ_are_fetched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_server_has_not_got_comes_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_wrong_on_the_server_comes_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_whole_file_that_is_wrong_ends_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_left_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(where_there_is_room_for_one_it_comes_without_the_running_one,
			set_up, tear_down_state),
		cmocka_unit_test_setup_teardown(
			where_there_is_room_for_none_that_is_said_and_nothing_left, set_up, tear_down_state),
		cmocka_unit_test_setup_teardown(
			what_was_left_of_something_else_is_no_harm, set_up, tear_down),
	};

	node_machine_worker(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
