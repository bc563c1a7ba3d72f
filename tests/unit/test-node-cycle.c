/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

#include "base/encoding.h"
#include "disk-file.h"
#include "update/node-cycle.h"

#define OLD "202601.05.0"
#define RUNNING "202601.12.0"
#define NEW "202601.19.0"
#define NOW 1769000000
#define ROOT_HASH "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0"

static const uint8_t other_root[SHA256_SIZE] = {[0] = 0xaa, [31] = 0xbb};

/* ---- A node with a disk ---- */

/* Below /var/tmp, which is no tmpfs: the disk is opened with O_DIRECT, which not every tmpfs can do. */
struct machine {
	char root[64];
	struct node *node;
};

static void put(const struct machine *m, const char *path, const char *text)
{
	_cleanup_free_ char *whole = string_format("%s%s", m->root, path);
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(whole);
	assert_ok(file_write_atomic(whole, text, strlen(text), 0644, &err), err);
}

static int set_up(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	(void)snprintf(m->root, sizeof(m->root), "/var/tmp/orlop-test-cycle-XXXXXX");
	assert_non_null(mkdtemp(m->root));
	shell(m->root, "mkdir -p usr/lib run/orlop etc dev var/lib/orlop/update");
	put(m, "/usr/lib/os-release", "VARIANT_ID=edge\nIMAGE_VERSION=" RUNNING "\nARCHITECTURE=x86-64\n");
	put(m, "/run/orlop/boot.json",
		"{\"slot\":\"a\",\"rootHash\":\"" ROOT_HASH "\",\"disk\":\"/dev/vda\",\"degraded\":null}");
	put(m, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	*state = m;
	return 0;
}

static int tear_down(void **state)
{
	struct machine *m = *state;

	node_free(m->node);
	assert_int_equal(remove_tree(m->root, NULL), 0);
	free(m);
	return 0;
}

static void add_entry(struct tree *esp, const char *name)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = NOW, .origin = "test"};
	_cleanup_content_ struct content *image = content_copy(name, strlen(name));
	_cleanup_free_ char *path = string_format("EFI/Linux/orlop_%s.efi", name);

	assert_non_null(path);
	assert_ok(tree_add_file(esp, path, &attributes, image, NULL, NULL), NULL);
}

/* Gives slot b a release's name and ids. */
static void fill_other_slot(const char *path, const char *version)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct block_file file = {.fd = fd, .align = 512};
	_cleanup_node_disk_ struct node_disk disk = {};
	_cleanup_error_ struct error *err = NULL;
	struct block_io io;
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	io = block_io_file(&file, (uint64_t)st.st_size);
	assert_ok(node_disk_read(&io, 512, "amd64", &disk, &err), err);
	assert_ok(node_slot_set_release(&disk, &disk.slots[1], version, other_root, &err), err);
	assert_ok(gpt_write(fd, &disk.gpt, &err), err);
}

/*
 * Makes the disk: RUNNING in slot a, *other* in slot b (NULL: nothing), and the boot entries that they have,
 * *entry* with its counter.
 */
static void make_disk(struct machine *m, const char *other, const char *entry)
{
	const struct node_options options = {.root = m->root};
	_cleanup_free_ char *path = string_format("%s/dev/vda", m->root),
			    *empty = string_format("%s/empty", m->root);
	_cleanup_close_ int nothing = open(empty, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_tree_ struct tree *esp = tree_new();
	_cleanup_error_ struct error *err = NULL;
	struct disk_image image = {.architecture = "amd64",
		.version = RUNNING,
		.esp_size = MiB(34),
		.usr_size = MiB(1),
		.verity_size = MiB(1),
		.signature_size = MiB(1),
		.state_size = MiB(1),
		.esp = tree_root(esp),
		.usr = nothing,
		.verity = nothing,
		.signature = "{}",
		.signature_length = 2};

	assert_non_null(path);
	add_entry(esp, RUNNING);
	if (entry)
		add_entry(esp, entry);
	assert_int_equal(hex_decode(ROOT_HASH, image.root_hash, SHA256_SIZE), 0);
	(void)unlink(path);
	assert_ok(disk_file_write(path, &image, &err), err);
	if (other)
		fill_other_slot(path, other);
	m->node = node_free(m->node);
	assert_ok(node_open(&options, &m->node, &err), err);
}

/* ---- History ---- */

static void forget(const struct machine *m)
{
	shell(m->root, "rm -f var/lib/orlop/update/history");
}

static void remember(const struct machine *m, enum history_event event, const char *version)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(node_remember(m->node, NOW - 100, event, version, NULL, &err), err);
}

static void load(const struct machine *m, struct history *ret)
{
	_cleanup_free_ char *path = string_format("%s" NODE_HISTORY, m->root);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(history_load(path, ret, &err), err);
}

/* What is in the history beyond *count* entries: one more with *event* of *version*; none where that is NULL.
 */
static void assert_added(const struct machine *m, size_t count, enum history_event event, const char *version)
{
	_cleanup_history_ struct history history = {};

	load(m, &history);
	assert_int_equal(history.count, count + (version != NULL));
	if (version) {
		assert_int_equal(history.entries[count].event, event);
		assert_string_equal(history.entries[count].version, version);
		assert_int_equal(history.entries[count].time, NOW);
	}
}

/* ---- A change that was cut ---- */

static void a_cut_change_is_mended_once(void **state)
{
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;
	bool mended;

	make_disk(m, NULL, NULL);
	shell(m->root, "mkdir -p proc/self && : >proc/self/mountinfo");
	assert_ok(node_mend(m->node, NOW, &mended, &err), err);
	assert_false(mended);
	/* The bit of the first table's second entry that says that nothing is being changed. */
	shell(m->root, "esp=1048576; at=$((esp + 512 * $(od -An -tu2 -j $((esp + 14)) -N 2 dev/vda) + 7)); "
		       "printf '\\007' | dd of=dev/vda bs=1 seek=$at conv=notrunc status=none; "
		       "dd if=dev/vda of=before iflag=skip_bytes,count_bytes skip=$esp count=$((34 << 20)) "
		       "bs=64K status=none; "
		       "! fsck.fat -n before >said || { cat said; exit 1; }");
	assert_ok(node_mend(m->node, NOW, &mended, &err), err);
	assert_true(mended);
	shell(m->root, "dd if=dev/vda of=after iflag=skip_bytes,count_bytes skip=1048576 count=$((34 << 20)) "
		       "bs=64K status=none; "
		       "fsck.fat -n after >said || { cat said; exit 1; }");
	assert_ok(node_mend(m->node, NOW, &mended, &err), err);
	assert_false(mended);
}

/* ---- What happened without orlop-node ---- */

static void a_first_start_is_noted_once(void **state)
{
	static const struct {
		enum history_event before;
		bool noted;
	} cases[] = {
		{HISTORY_STAGED, true},
		{HISTORY_STARTED, false},
		{HISTORY_HEALTHY, false},
		{HISTORY_FAILED, false},
		{HISTORY_ROLLED_BACK, false},
		{HISTORY_ERROR, true}, /* these two say nothing of what became of it */
		{HISTORY_REFUSED, true},
	};
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	make_disk(m, NULL, NULL);
	assert_ok(node_settle(m->node, NOW, &err), err);
	assert_added(m, 0, HISTORY_STARTED, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		forget(m);
		remember(m, HISTORY_STAGED, RUNNING);
		remember(m, cases[i].before, RUNNING);
		remember(m, HISTORY_HEALTHY, OLD); /* another one's affair */
		assert_ok(node_settle(m->node, NOW, &err), err);
		assert_added(m, 3, HISTORY_STARTED, cases[i].noted ? RUNNING : NULL);
		assert_ok(node_settle(m->node, NOW + 1, &err), err);
		assert_added(m, 3, HISTORY_STARTED, cases[i].noted ? RUNNING : NULL);
	}
}

static void a_release_that_the_boot_loader_gave_up_has_failed(void **state)
{
	static const struct {
		const char *entry;
		enum history_event last;
		bool noted;
	} cases[] = {
		{NEW "+0-3", HISTORY_STAGED, true},
		{NEW "+0-3", HISTORY_STARTED, true},
		{NEW "+0-3", HISTORY_FAILED, false},
		{NEW "+0-3", HISTORY_ROLLED_BACK, false},
		{NEW "+0-3", HISTORY_HEALTHY, false},
		{NEW "+0-3", HISTORY_REFUSED, false},
		{NEW "+1-2", HISTORY_STAGED, false},
		{NEW "+3", HISTORY_STAGED, false},
		{NEW "+0", HISTORY_STAGED, false},
		{NEW, HISTORY_STAGED, false},
	};
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_disk(m, NEW, cases[i].entry);
		forget(m);
		assert_ok(node_settle(m->node, NOW, &err), err);
		assert_added(m, 0, HISTORY_FAILED, NULL);
		remember(m, cases[i].last, NEW);
		assert_ok(node_settle(m->node, NOW, &err), err);
		assert_added(m, 1, HISTORY_FAILED, cases[i].noted ? NEW : NULL);
		assert_ok(node_settle(m->node, NOW + 1, &err), err);
		assert_added(m, 1, HISTORY_FAILED, cases[i].noted ? NEW : NULL);
	}
}

static void what_failed_is_not_taken_again(void **state)
{
	const struct node_order order = {};
	struct machine *m = *state;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_node_view_ struct node_view view = {};

	make_disk(m, NEW, NEW "+0-3");
	remember(m, HISTORY_STAGED, NEW);
	assert_ok(node_settle(m->node, NOW, &err), err);
	assert_ok(node_view_open(m->node, NULL, &order, NOW, &view, &err), err);
	assert_true(strv_contains(view.input.rejected, NEW));
	assert_string_equal(view.input.running, RUNNING);
	assert_string_equal(view.input.other, NEW);
	assert_int_equal(view.input.other_state, POLICY_OTHER_BAD);
	assert_string_equal(view.state.next->version, RUNNING);
}

/* ---- What was withdrawn ---- */

struct withdrawal {
	const char *other, *entry; /* in slot b */
	const char *edition, *architecture, *version, *why;
	const char *floor; /* of that edition and architecture; NULL: none */
	bool dropped;
};

static int drop(struct machine *m, const struct withdrawal *case_, char **ret, struct error **err)
{
	struct release_entry entry = {.edition = (char *)case_->edition,
		.architecture = (char *)case_->architecture,
		.version = (char *)case_->version,
		.withdrawn = (char *)case_->why};
	struct release_floor floor = {.edition = (char *)case_->edition,
		.architecture = (char *)case_->architecture,
		.version = (char *)case_->floor};
	const struct release_index index = {
		.entries = &entry, .count = 1, .floors = &floor, .floor_count = case_->floor ? 1 : 0};

	return node_drop_withdrawn(m->node, &index, NOW, ret, err);
}

static void digest_disk(const struct machine *m, uint8_t ret[SHA256_SIZE])
{
	_cleanup_free_ char *data = NULL;
	size_t size;

	data = scratch_read(m->root, "dev/vda", &size);
	assert_int_equal(sha256_bytes(data, size, ret), 0);
}

/* What is on the disk now: one that may start in slot b, or nothing at all. */
static void assert_other(struct machine *m, const char *version)
{
	const struct node_order order = {};
	_cleanup_node_view_ struct node_view view = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(node_view_open(m->node, NULL, &order, NOW, &view, &err), err);
	assert_non_null(view.state.running_entry);
	assert_int_equal(view.state.entries.count, version ? 2 : 1);
	if (version) {
		assert_string_equal(view.state.other_entry->version, version);
		assert_string_equal(node_slot_version(&view.state.other), version);
	} else {
		assert_null(view.state.other_entry);
		assert_string_equal(view.state.other.usr.label, NODE_SLOT_EMPTY);
		assert_string_equal(view.state.next->version, RUNNING);
	}
}

static void what_is_withdrawn_goes_unless_it_is_the_way_back(void **state)
{
	static const struct withdrawal cases[] = {
		/* On trial, or given up, or next by its version. */
		{NEW, NEW "+3", "edge", "amd64", NEW, "eats disks", NULL, true},
		{NEW, NEW "+0-3", "edge", "amd64", NEW, "eats disks", NULL, true},
		{NEW, NEW, "edge", "amd64", NEW, "eats disks", NULL, true},
		{OLD, OLD "+3", "edge", "amd64", OLD, "eats disks", NULL, true},
		/* What proved itself and does not come next. */
		{OLD, OLD, "edge", "amd64", OLD, "eats disks", NULL, false},
		{OLD, OLD, "edge", "amd64", OLD, NULL, NEW, false},
		/* Somebody else's, or not withdrawn. */
		{NEW, NEW "+3", "edge", "amd64", NEW, NULL, NULL, false},
		{NEW, NEW "+3", "edge", "amd64", OLD, "eats disks", NULL, false},
		{NEW, NEW "+3", "base", "amd64", NEW, "eats disks", NULL, false},
		{NEW, NEW "+3", "edge", "arm64", NEW, "eats disks", NULL, false},
		/* Below a floor. */
		{OLD, OLD "+3", "edge", "amd64", NEW, NULL, RUNNING, true},
		{OLD, OLD "+3", "edge", "amd64", NEW, NULL, OLD, false},
		{OLD, OLD "+3", "edge", "arm64", NEW, NULL, RUNNING, false},
	};
	struct machine *m = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t before[SHA256_SIZE], after[SHA256_SIZE];
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *version = NULL, *again = NULL;

		make_disk(m, cases[i].other, cases[i].entry);
		digest_disk(m, before);
		assert_ok(drop(m, &cases[i], &version, &err), err);
		if (!!version != cases[i].dropped)
			fail_msg("case %zu: %s", i, version ? "dropped" : "not dropped");
		if (version)
			assert_string_equal(version, cases[i].other);
		assert_other(m, version ? NULL : cases[i].other);
		digest_disk(m, after);
		assert_int_equal(memcmp(before, after, SHA256_SIZE) != 0, cases[i].dropped);
		assert_ok(drop(m, &cases[i], &again, &err), err);
		assert_null(again);
	}
}

static void where_nothing_is_in_the_other_slot_nothing_goes(void **state)
{
	static const struct withdrawal case_ = {.edition = "edge",
		.architecture = "amd64",
		.version = RUNNING,
		.why = "eats disks",
		.floor = NEW};
	struct machine *m = *state;
	_cleanup_free_ char *version = NULL;
	_cleanup_error_ struct error *err = NULL;

	make_disk(m, NULL, NULL);
	assert_ok(drop(m, &case_, &version, &err), err);
	assert_null(version);
	/* A name without an entry can't start. */
	make_disk(m, OLD, NULL);
	assert_ok(drop(m, &case_, &version, &err), err);
	assert_null(version);
}

static void a_disk_that_can_not_be_read_is_an_error(void **state)
{
	static const struct withdrawal case_ = {
		.edition = "edge", .architecture = "amd64", .version = NEW, .why = "eats disks"};
	struct machine *m = *state;
	_cleanup_free_ char *version = NULL;
	_cleanup_error_ struct error *err = NULL;

	make_disk(m, NEW, NEW "+3");
	shell(m->root, "rm dev/vda");
	assert_error(drop(m, &case_, &version, &err), -ENOENT, err, "/dev/vda");
	assert_null(version);
	assert_error(node_settle(m->node, NOW, &err), -ENOENT, err, "/dev/vda");
}

/* ---- The way to the other slot ---- */

static void assert_next(struct machine *m, const char *version)
{
	const struct node_order order = {};
	_cleanup_node_view_ struct node_view view = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(node_view_open(m->node, NULL, &order, NOW, &view, &err), err);
	assert_string_equal(view.state.next->version, version);
}

static void a_way_back_is_noted_and_a_way_forward_is_not(void **state)
{
	struct machine *m = *state;
	_cleanup_history_ struct history history = {};
	_cleanup_error_ struct error *err = NULL;

	make_disk(m, NEW, NEW "+0-3");
	assert_next(m, RUNNING);
	assert_ok(node_start_other(m->node, NEW, NOW, &err), err);
	assert_next(m, NEW);
	assert_added(m, 0, HISTORY_ROLLED_BACK, NULL);

	make_disk(m, OLD, OLD);
	assert_next(m, RUNNING);
	assert_ok(node_start_other(m->node, OLD, NOW, &err), err);
	assert_next(m, OLD);
	assert_added(m, 0, HISTORY_ROLLED_BACK, RUNNING);
	load(m, &history);
	assert_string_equal(history.entries[0].detail, "to " OLD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(a_cut_change_is_mended_once),
		TEST(a_first_start_is_noted_once),
		TEST(a_release_that_the_boot_loader_gave_up_has_failed),
		TEST(what_failed_is_not_taken_again),
		TEST(what_is_withdrawn_goes_unless_it_is_the_way_back),
		TEST(where_nothing_is_in_the_other_slot_nothing_goes),
		TEST(a_disk_that_can_not_be_read_is_an_error),
		TEST(a_way_back_is_noted_and_a_way_forward_is_not),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
