/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fat-disk.h"

#include "trees.h"

/* What a cut may leave, in fsck.fat's words. */
#define AFTER_CUT                                                                                       \
	"FATs differ but appear to be intact.", "  Using first FAT.", "Dirty bit is set.",              \
		" Automatically removing dirty bit.", "Reclaimed ", "Reclaiming unconnected clusters.", \
		"Free cluster summary ", "  Auto-correcting."
static const char *const after_cut[] = {AFTER_CUT, NULL};
/* … where the volume is not marked as being changed. */
static const char *const after_cut_clean[] = {"FATs differ but appear to be intact.", "  Using first FAT.",
	"Free cluster summary uninitialized", "  Auto-correcting.", NULL};
static const char *const after_cut_of_crossing[] = {
	AFTER_CUT, "Orphaned long file name part ", "  Auto-deleting.", "Long filename fragment ", NULL};

/* The file systems that everything is tried on. */
static const struct kind {
	const char *name, *sector, *cluster;
	uint64_t size;
	bool cuts; /* every cut is tried on it */
} kinds[] = {
	{"ours, clusters of 512", NULL, NULL, MiB(34), true},
	{"mkfs.fat, clusters of 512", "512", "1", MiB(40)},
	{"mkfs.fat, clusters of 1024", "512", "2", MiB(70), true},
	{"mkfs.fat, clusters of 4096", "512", "8", MiB(300), true},
	{"mkfs.fat, sectors of 4096", "4096", "1", MiB(300)},
};

static void make(struct fat_disk *disk, const struct kind *kind)
{
	const struct fat_options options = {.size = kind->size, .volume_id = 0x1234abcd, .label = "ESP"};
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;

	if (kind->sector) {
		fat_disk_mkfs(disk, "volume", kind->size, kind->sector, kind->cluster);
		return;
	}
	fat_disk_new(disk, "volume", kind->size);
	assert_non_null(tree);
	assert_ok(fat_write(tree_root(tree), &options, disk->fd, 0, &err), err);
}

static uint32_t cluster_size(const struct fat_disk *disk)
{
	return read_le16(disk->data + 11) * disk->data[13];
}

static void create_all(struct fat_disk *disk, const char *const *paths, size_t count)
{
	_cleanup_fat_volume_ struct fat_volume *volume = fat_disk_open(disk);
	_cleanup_error_ struct error *err = NULL;

	for (size_t i = 0; i < count; i++)
		assert_ok(fat_disk_create(volume, paths[i], 700 * i, &err), err);
}

/* mcopy reads back what was put in, fsck.fat finds nothing at all. */
static void assert_tools_agree(struct fat_disk *disk, const char *listing)
{
	_cleanup_strv_ struct strv lines = {};
	_cleanup_free_ char *text = NULL;
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_error_ struct error *err = NULL;
	const char *seen = tool_path("seen");

	assert_false(fat_disk_fsck(disk, NULL));
	assert_ok(remove_tree(seen, &err), err);
	assert_ok(mkdir_parents(seen, &err), err);
	tool_do("mcopy", "-s", "-n", "-m", "-i", disk->path, "::/", seen);
	assert_ok(tree_read_folder(seen, NULL, &tree, &err), err);
	assert_ok(tree_walk(tree, fat_disk_note_inode, &lines, &err), err);
	text = fat_disk_join(&lines);
	assert_string_equal(text, listing);
}

static void files_are_as_fsck_and_mtools_see_them(void **state)
{
	static const char *const paths[] = {"EFI/Linux/orlop_202611.23.0+3.efi",
		"EFI/Linux/orlop_202611.23.1+3-1.efi", "EFI/Linux/orlop_202611.24.0.efi", "UPPER.TXT",
		"lower.txt", "Mixed.Txt", "longna~1.con", "longnames.conf", "longnamed.conf", ".hidden",
		"a b.c d", "two.dots.txt", "+", "thirteen-char", "twenty-six-characters-of-n",
		"gr\xc3\xbc\xc3\x9f \xe2\x82\xac.txt", "EFI/BOOT/BOOTX64.EFI"};

	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_fat_disk_ struct fat_disk disk = {};
		_cleanup_fat_volume_ struct fat_volume *volume = NULL;
		_cleanup_free_ char *listing = NULL, *reading = NULL;

		make(&disk, &kinds[i]);
		tool_do("mmd", "-i", disk.path, "::/EFI", "::/EFI/Linux", "::/EFI/BOOT");
		create_all(&disk, paths, ARRAY_SIZE(paths));
		volume = fat_disk_open(&disk);
		listing = fat_disk_listing(volume);
		reading = fat_disk_reading(&disk);
		assert_string_equal(listing, reading);
		for (size_t j = 0; j < ARRAY_SIZE(paths); j++)
			assert_non_null(strstr(listing, paths[j]));
		assert_tools_agree(&disk, listing);
	}
}

static void names_and_times_are_as_mtools_see_them(void **state)
{
	static const char *const paths[] = {
		"UPPER.TXT", "lower.txt", "longna~1.con", "longnamed.conf", "longnames.conf"};
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *list = NULL;

	(void)state;
	make(&disk, &kinds[1]);
	create_all(&disk, paths, ARRAY_SIZE(paths));
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	list = tool_run("mdir", "-i", disk.path, "::/");
	assert_non_null(strstr(list, "UPPER    TXT         0 2026-11-23  13:37 \n"));
	assert_non_null(strstr(list, "LOWER    TXT       700 2026-11-23  13:37  lower.txt\n"));
	assert_non_null(strstr(list, "LONGNA~1 CON      1400 2026-11-23  13:37  longna~1.con\n"));
	assert_non_null(strstr(list, "LONGNA~2 CON      2100 2026-11-23  13:37  longnamed.conf\n"));
	assert_non_null(strstr(list, "LONGNA~3 CON      2800 2026-11-23  13:37  longnames.conf\n"));
	/* A name's own alias is free for the one that takes its place. */
	volume = fat_disk_open(&disk);
	assert_ok(fat_volume_rename(volume, "longnames.conf", "longname.conf", &err), err);
	assert_tool_says(
		"LONGNA~3 CON      2800 2026-11-23  13:37  longname.conf\n", "mdir", "-i", disk.path, "::/");
}

/* Files made, renamed and removed at random, beside a list of what there should be. */
struct model {
	struct strv names;
	size_t sizes[400];
};

static char *random_name(uint64_t *seed)
{
	static const char *const stems[] = {"orlop_", "orlop_202611.23.", "x", "A", "a name with spaces ",
		"a-name-that-takes-many-entries-of-the-folder-and-then-some-more-"};
	static const char *const ends[] = {".efi", "+3.efi", "+2-1.efi", "", ".CON", ".longer"};

	return string_format("%s%llu%s", stems[random_below(seed, ARRAY_SIZE(stems))],
		(unsigned long long)random_below(seed, 200), ends[random_below(seed, ARRAY_SIZE(ends))]);
}

static bool model_has(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->names.count; i++)
		if (strcasecmp(model->names.items[i], name) == 0)
			return true;
	return false;
}

static void model_remove(struct model *model, size_t i)
{
	size_t last = --model->names.count;

	free(model->names.items[i]);
	model->names.items[i] = model->names.items[last];
	model->sizes[i] = model->sizes[last];
}

static void assert_model(struct fat_volume *volume, const struct model *model)
{
	_cleanup_free_ char *listing = fat_disk_listing(volume);
	size_t lines = 0;

	for (const char *at = listing; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, model->names.count + 1);
	for (size_t i = 0; i < model->names.count; i++) {
		_cleanup_free_ char *line =
			string_format("d/%s %zu ", model->names.items[i], model->sizes[i]);

		if (!strstr(listing, line))
			fail_msg("'%s' is not in %s", line, listing);
	}
}

static void model_step(struct fat_volume *volume, struct model *model, uint64_t *seed, unsigned step)
{
	_cleanup_free_ char *name = random_name(seed), *path = string_format("d/%s", name), *old = NULL;
	size_t which = model->names.count ? (size_t)random_below(seed, model->names.count) : 0;
	bool exists = model_has(model, name), there = model->names.count > 0;
	uint64_t kind = random_below(seed, 10);
	_cleanup_error_ struct error *err = NULL;
	int r;

	if (there)
		old = string_format("d/%s", model->names.items[which]);
	if (kind < (step < 300 ? 7u : 3u) && model->names.count < ARRAY_SIZE(model->sizes)) {
		size_t size = (size_t)random_below(seed, 9000);

		r = fat_disk_create(volume, path, size, &err);
		if (exists) {
			assert_error(r, -EEXIST, err, "of that name");
			return;
		}
		assert_ok(r, err);
		model->sizes[model->names.count] = size;
		assert_int_equal(strv_add(&model->names, name), 0);
	} else if (there && kind < 8) {
		assert_ok(fat_volume_remove(volume, old, &err), err);
		model_remove(model, which);
	} else if (there) {
		r = fat_volume_rename(volume, old, name, &err);
		if (exists && strcasecmp(model->names.items[which], name) != 0) {
			assert_error(r, -EEXIST, err, "of the name");
			return;
		}
		assert_ok(r, err);
		free(model->names.items[which]);
		model->names.items[which] = TAKE_PTR(name);
	}
}

static void random_changes_do_what_they_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_fat_disk_ struct fat_disk disk = {};
		_cleanup_fat_volume_ struct fat_volume *volume = NULL;
		struct model model = {};
		uint64_t seed = 1000 + i;

		make(&disk, &kinds[i]);
		tool_do("mmd", "-i", disk.path, "::/d");
		volume = fat_disk_open(&disk);
		for (unsigned step = 1; step <= 600; step++) {
			model_step(volume, &model, &seed, step);
			fat_disk_keep(&disk);
			if (step % 150 == 0) {
				assert_model(volume, &model);
				assert_false(fat_disk_fsck(&disk, NULL));
			}
		}
		while (model.names.count > 0) {
			_cleanup_free_ char *path = string_format("d/%s", model.names.items[0]);
			_cleanup_error_ struct error *err = NULL;

			assert_ok(fat_volume_remove(volume, path, &err), err);
			model_remove(&model, 0);
		}
		assert_false(fat_disk_fsck(&disk, NULL));
		strv_release(&model.names);
	}
}

/* A change, and the file systems that it is tried on. */
struct scenario {
	const char *name;
	unsigned files; /* names of two entries in "d" before; -1: as many as fill its first cluster */
	bool crossing; /* … names by mcopy of three entries each instead: some cross the border of sectors */
	bool garbage;  /* behind the end mark of "d" */
	int (*change)(struct fat_volume *volume, struct error **err);
	int again; /* what the change returns when it is made a second time */
	const char *gone, *came;
};
#define FILL UINT32_MAX

#define CHANGE(name, call)                                             \
	static int name(struct fat_volume *volume, struct error **err) \
	{                                                              \
		return call;                                           \
	}                                                              \
	struct name##_needs_semicolon
CHANGE(create_three, fat_disk_create(volume, "d/orlop_202611.23.0.efi", 3000, err));
CHANGE(create_two, fat_disk_create(volume, "d/orlop_2.efi", 2500, err));
CHANGE(create_one, fat_disk_create(volume, "d/ORLOP_2.EFI", 2500, err));
CHANGE(create_empty, fat_disk_create(volume, "d/empty.efi", 0, err));
CHANGE(create_in_root, fat_disk_create(volume, "orlop_202611.23.0.efi", 100, err));
CHANGE(remove_f03, fat_volume_remove(volume, "d/f03.e", err));
CHANGE(shorten_f03, fat_volume_rename(volume, "d/f03.e", "g.e", err));
CHANGE(lengthen_f01, fat_volume_rename(volume, "d/f01.e", "a-much-longer-name-than-before-it-was.efi", err));
CHANGE(lengthen_f05, fat_volume_rename(volume, "d/f05.e", "a-longer-name.efi", err));
CHANGE(lengthen_f09, fat_volume_rename(volume, "d/f09.e", "a-much-longer-name-than-before-it-was.efi", err));
CHANGE(remove_crossing, fat_volume_remove(volume, "d/orlop_202611.23.4.efi", err));
CHANGE(bless_crossing, fat_volume_rename(volume, "d/orlop_202611.23.4.efi", "orlop_9.efi", err));
CHANGE(keep_crossing, fat_volume_rename(volume, "d/orlop_202611.23.4.efi", "orlop_202611.23.X.efi", err));

static const struct scenario scenarios[] = {
	{"create", 2, false, false, create_three, -EEXIST, NULL, "d/orlop_202611.23.0.efi 3000"},
	{"create an empty file", 2, false, false, create_empty, -EEXIST, NULL, "d/empty.efi 0"},
	{"create in the root", 2, false, false, create_in_root, -EEXIST, NULL, "orlop_202611.23.0.efi 100"},
	{"create in a full folder", FILL, false, false, create_three, -EEXIST, NULL,
		"d/orlop_202611.23.0.efi"},
	{"create behind the sector of the end mark", 6, false, false, create_three, -EEXIST, NULL,
		"d/orlop_202611.23.0.efi 3000"},
	{"create before rubbish", 5, false, true, create_three, -EEXIST, NULL,
		"d/orlop_202611.23.0.efi 3000"},
	{"create behind the end mark, in rubbish", 6, false, true, create_three, -EEXIST, NULL,
		"d/orlop_202611.23.0.efi 3000"},
	{"create up to the end of a sector, rubbish behind", 6, false, true, create_two, -EEXIST, NULL,
		"d/orlop_2.efi 2500"},
	{"create without a long name", 5, false, true, create_one, -EEXIST, NULL, "d/ORLOP_2.EFI 2500"},
	{"remove", 20, false, true, remove_f03, -ENOENT, "d/f03.e", NULL},
	{"rename", 20, false, false, shorten_f03, -ENOENT, "d/f03.e", "d/g.e 2100"},
	{"rename into the rest of the sector", 6, false, true, lengthen_f05, -ENOENT, "d/f05.e",
		"d/a-longer-name.efi 0"},
	{"rename behind the end mark", 6, false, true, lengthen_f01, -ENOENT, "d/f01.e",
		"d/a-much-longer-name-than-before-it-was.efi 700"},
	{"rename in a full sector at the end", 7, false, false, lengthen_f01, -ENOENT, "d/f01.e",
		"d/a-much-longer-name-than-before-it-was.efi 700"},
	{"rename in a full first cluster", 160, false, false, lengthen_f01, -ENOENT, "d/f01.e",
		"d/a-much-longer-name-than-before-it-was.efi 700"},
	{"rename in a full sector further on", 22, false, false, lengthen_f09, -ENOENT, "d/f09.e",
		"d/a-much-longer-name-than-before-it-was.efi 2800"},
	{"rename where rubbish follows a full cluster", 20, false, true, lengthen_f09, -ENOENT, "d/f09.e",
		"d/a-much-longer-name-than-before-it-was.efi 2800"},
	{"remove what crosses sectors", 8, true, false, remove_crossing, -ENOENT, "d/orlop_202611.23.4.efi",
		NULL},
	{"shorten what crosses sectors", 8, true, false, bless_crossing, -ENOENT, "d/orlop_202611.23.4.efi",
		"d/orlop_9.efi "},
	{"rename what crosses sectors", 8, true, false, keep_crossing, -ENOENT, "d/orlop_202611.23.4.efi",
		"d/orlop_202611.23.X.efi "},
	{"rename what crosses sectors, at the end", 5, true, true, keep_crossing, -ENOENT,
		"d/orlop_202611.23.4.efi", "d/orlop_202611.23.X.efi "},
	{"rename what crosses sectors, without room", 10, true, false, keep_crossing, -ENOENT,
		"d/orlop_202611.23.4.efi", "d/orlop_202611.23.X.efi "},
};

/* The clusters of "d", by the table. */
static uint8_t *cluster_at(const struct fat_disk *disk, uint32_t cluster)
{
	uint64_t sector = read_le16(disk->data + 11);
	uint64_t data =
		(read_le16(disk->data + 14) + disk->data[16] * (uint64_t)read_le32(disk->data + 36)) * sector;

	return disk->data + data + (uint64_t)(cluster - 2) * cluster_size(disk);
}

static uint8_t *table_at(const struct fat_disk *disk, uint32_t copy, uint32_t cluster)
{
	uint64_t sector = read_le16(disk->data + 11);

	return disk->data +
	       (read_le16(disk->data + 14) + copy * (uint64_t)read_le32(disk->data + 36)) * sector +
	       4 * (uint64_t)cluster;
}

/* The entry of a short name in the root's first cluster. */
static uint8_t *root_entry(const struct fat_disk *disk, const char *short_name)
{
	uint8_t *entry = cluster_at(disk, read_le32(disk->data + 44));

	for (size_t i = 0; i < cluster_size(disk) / 32; i++, entry += 32)
		if (memcmp(entry, short_name, 11) == 0)
			return entry;
	fail_msg("%s is not in the root", short_name);
	return NULL;
}

static uint32_t entry_cluster(const uint8_t *entry)
{
	return (uint32_t)read_le16(entry + 20) << 16 | read_le16(entry + 26);
}

/* Fills what is behind the end mark with what looks like entries. */
static void add_garbage(struct fat_disk *disk)
{
	uint32_t cluster = entry_cluster(root_entry(disk, "D          "));
	bool behind = false;

	for (; cluster < 0x0ffffff8; cluster = read_le32(table_at(disk, 0, cluster))) {
		uint8_t *entry = cluster_at(disk, cluster);

		for (size_t i = 0; i < cluster_size(disk) / 32; i++, entry += 32) {
			if (behind) {
				memcpy(entry, "GARBAGE EFI\x20", 12);
				write_le16(entry + 26, 3);
				write_le32(entry + 28, 100);
			}
			behind |= entry[0] == 0;
		}
	}
}

static void prepare(struct fat_disk *disk, const struct kind *kind, const struct scenario *scenario)
{
	unsigned files = scenario->files;
	char path[PATH_MAX];

	make(disk, kind);
	tool_do("mmd", "-i", disk->path, "::/d");
	if (files == FILL)
		files = cluster_size(disk) / 64 - 1;
	if (scenario->crossing) {
		for (unsigned i = 0; i < files; i++) {
			const char *const arguments[] = {"mcopy", "-i", disk->path, "-", path, NULL};

			(void)snprintf(path, sizeof(path), "::/d/orlop_202611.23.%u.efi", i);
			tool_quiet(arguments, "some content of this file");
		}
	} else {
		_cleanup_fat_volume_ struct fat_volume *volume = fat_disk_open(disk);
		_cleanup_error_ struct error *err = NULL;

		for (unsigned i = 0; i < files; i++) {
			(void)snprintf(path, sizeof(path), "d/f%02u.e", i);
			assert_ok(fat_disk_create(volume, path, 700 * (i % 5), &err), err);
		}
	}
	assert_false(fat_disk_fsck(disk, NULL));
	if (scenario->garbage) /* fsck.fat, other than drivers, looks behind the end mark: it is not asked */
		add_garbage(disk);
	fat_disk_keep(disk);
}

/* A scenario being played: what the disk held before and after, and how often fsck.fat is asked. */
struct play {
	const struct scenario *scenario;
	/* Sees to it that what is on the disk is right, and can be brought to its end. */
	void (*check)(struct play *play, struct fat_volume *volume, bool ask);
	struct fat_disk disk;
	char *before, *after;
	unsigned states, asked;
};

static void play_release(struct play *play)
{
	fat_disk_release(&play->disk);
	free(play->before);
	free(play->after);
}

static void assert_came_and_went(const struct play *play)
{
	const struct scenario *scenario = play->scenario;

	assert_string_not_equal(play->before, play->after);
	if (scenario->gone) {
		assert_non_null(strstr(play->before, scenario->gone));
		assert_null(strstr(play->after, scenario->gone));
	}
	if (scenario->came) {
		assert_null(strstr(play->before, scenario->came));
		if (!strstr(play->after, scenario->came))
			fail_msg("%s: no '%s' in %s", scenario->name, scenario->came, play->after);
	}
}

/* Makes the change once, without trouble; leaves its writes in the log and the disk as it was. */
static void record(struct play *play, const struct kind *kind, const struct scenario *scenario)
{
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *listing = NULL;

	*play = (struct play){.scenario = scenario};
	prepare(&play->disk, kind, scenario);
	play->before = fat_disk_reading(&play->disk);
	volume = fat_disk_open(&play->disk);
	play->disk.recording = true;
	assert_ok(scenario->change(volume, &err), err);
	play->disk.recording = false;
	play->after = fat_disk_reading(&play->disk);
	listing = fat_disk_listing(volume);
	assert_string_equal(listing, play->after);
	assert_came_and_went(play);
	if (!scenario->garbage)
		assert_false(fat_disk_fsck(&play->disk, NULL));
	fat_disk_undo(&play->disk);
}

static bool is_marked_clean(const struct fat_disk *disk)
{
	return read_le32(table_at(disk, 0, 1)) & 0x08000000;
}

/* Linux, other than firmware, goes on behind the end mark: what is prepared there would be seen. */
static void assert_nothing_hidden(const struct fat_disk *disk)
{
	uint32_t cluster = entry_cluster(root_entry(disk, "D          "));
	bool behind = false;

	for (; cluster < 0x0ffffff8; cluster = read_le32(table_at(disk, 0, cluster)))
		for (size_t i = 0; i < cluster_size(disk) / 32; i++) {
			uint8_t first = cluster_at(disk, cluster)[i * 32];

			behind |= first == 0;
			assert_true(!behind || first == 0 || first == 0xe5);
		}
}

/* After a cut, or an error: exactly the old or the new names, all whole; repair and another try come to the
 * end. */
static void assert_recovers(struct play *play, struct fat_volume *volume, bool ask)
{
	const struct scenario *scenario = play->scenario;
	_cleanup_free_ char *reading = fat_disk_reading(&play->disk), *listing = NULL, *end = NULL;
	_cleanup_error_ struct error *err = NULL;
	bool done = streq(reading, play->after);
	struct fat_repair repair;
	int r;

	ask = ask && !scenario->garbage;
	if (!scenario->garbage)
		assert_nothing_hidden(&play->disk);
	listing = fat_disk_listing(volume);
	assert_string_equal(listing, reading);
	if (!done)
		assert_string_equal(reading, play->before);
	if (ask) {
		(void)fat_disk_fsck(&play->disk, is_marked_clean(&play->disk) ? after_cut_clean
						 : scenario->crossing	      ? after_cut_of_crossing
									      : after_cut);
		play->asked++;
	}
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	if (ask)
		assert_false(fat_disk_fsck(&play->disk, NULL));
	r = scenario->change(volume, &err);
	assert_int_equal(r, done ? scenario->again : 0);
	end = fat_disk_reading(&play->disk);
	assert_string_equal(end, play->after);
	if (ask)
		assert_false(fat_disk_fsck(&play->disk, NULL));
}

/* The power goes: of *count* writes since the last flush, those that *picks* has are on the disk. */
static void cut(struct play *play, const struct fat_disk_write *writes, size_t count, const bool *picks)
{
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	size_t kept = play->disk.undo.size;
	_cleanup_buffer_ struct buffer undo = {};

	/* The undo list of what is flushed stays aside. */
	buffer_append(&undo, play->disk.undo.data, kept);
	fat_disk_keep(&play->disk);
	for (size_t i = 0; i < count; i++)
		if (picks[i])
			fat_disk_put(&play->disk, writes[i].at, writes[i].data);
	volume = fat_disk_open(&play->disk);
	play->check(play, volume, play->states++ % 8 == 0);
	fat_disk_undo(&play->disk);
	buffer_append(&play->disk.undo, undo.data, undo.size);
}

/* All subsets of a few writes; of many, each beginning and some subsets at random. */
static void cut_between(struct play *play, const struct fat_disk_write *writes, size_t count, uint64_t *seed)
{
	_cleanup_free_ bool *picks = calloc(count + 1, sizeof(*picks));

	assert_non_null(picks);
	if (count <= 4) {
		for (unsigned set = 0; set < 1u << count; set++) {
			for (size_t i = 0; i < count; i++)
				picks[i] = set >> i & 1;
			cut(play, writes, count, picks);
		}
		return;
	}
	for (size_t prefix = 0; prefix <= count; prefix++) {
		for (size_t i = 0; i < count; i++)
			picks[i] = i < prefix;
		cut(play, writes, count, picks);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (size_t i = 0; i < count; i++)
			picks[i] = random_below(seed, 2);
		cut(play, writes, count, picks);
	}
}

static void cut_everywhere(struct play *play, uint64_t *seed)
{
	_cleanup_buffer_ struct buffer log = play->disk.log;
	const struct fat_disk_write *writes = (const void *)log.data;
	size_t count = log.size / sizeof(*writes), begin = 0;

	play->disk.log = (struct buffer){};
	assert_true(count > 0 && writes[count - 1].at == FAT_DISK_FLUSH);
	for (size_t i = 0; i < count; i++) {
		if (writes[i].at != FAT_DISK_FLUSH)
			continue;
		cut_between(play, writes + begin, i - begin, seed);
		for (; begin < i; begin++)
			fat_disk_put(&play->disk, writes[begin].at, writes[begin].data);
		begin = i + 1;
	}
	fat_disk_undo(&play->disk);
}

static void a_cut_leaves_the_old_or_the_new(void **state)
{
	uint64_t seed = 4711;
	unsigned states = 0, asked = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t j = 0; kinds[i].cuts && j < ARRAY_SIZE(scenarios); j++) {
			_cleanup_(play_release) struct play play;

			record(&play, &kinds[i], &scenarios[j]);
			play.check = assert_recovers;
			cut_everywhere(&play, &seed);
			states += play.states;
			asked += play.asked;
		}
	print_message("%u states, %u of them seen by fsck.fat\n", states, asked);
	assert_in_range(states, 2000, 100000);
}

/* Every read, write and flush fails once, in turn. */
static void every_fault_leaves_the_old_or_the_new(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i += 3)
		for (size_t j = 0; j < ARRAY_SIZE(scenarios); j++) {
			_cleanup_(play_release) struct play play;
			bool failed = true;

			record(&play, &kinds[i], &scenarios[j]);
			for (uint64_t n = 1; failed; n++) {
				_cleanup_fat_volume_ struct fat_volume *volume = fat_disk_open(&play.disk);
				int r;

				play.disk.count = 0;
				play.disk.fail_at = n;
				r = scenarios[j].change(volume, NULL);
				failed = play.disk.count >= n;
				play.disk.fail_at = 0;
				assert_int_equal(r, failed ? -EIO : 0);
				assert_recovers(&play, volume, n % 16 == 0);
				fat_disk_undo(&play.disk);
			}
		}
}

static void every_fault_of_opening_is_told(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	struct block_io io;

	(void)state;
	make(&disk, &kinds[1]);
	io = fat_disk_io(&disk);
	for (disk.fail_at = 1;; disk.fail_at++) {
		_cleanup_fat_volume_ struct fat_volume *volume = NULL;
		_cleanup_error_ struct error *err = NULL;
		int r;

		disk.count = 0;
		r = fat_volume_open(&io, &volume, &err);
		if (disk.count < disk.fail_at) {
			assert_ok(r, err);
			break;
		}
		assert_error(r, -EIO, err, "reading at byte");
		assert_null(volume);
	}
	assert_in_range(disk.fail_at, 5, 100);
}

static void a_failed_change_must_be_repaired_first(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;

	(void)state;
	make(&disk, &kinds[1]);
	volume = fat_disk_open(&disk);
	assert_ok(fat_disk_create(volume, "a", 5000, &err), err);
	/* It fails before anything but clusters that are free was written, and further on. */
	disk.fail_at = disk.count + 2;
	assert_error(fat_disk_create(volume, "b", 5000, &err), -EIO, err, "/b: writing");
	assert_true(is_marked_clean(&disk));
	assert_error(fat_disk_create(volume, "b", 5000, &err), -EIO, err, "repair it first");
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	assert_false(repair.dirty || repair.free_count);
	disk.fail_at = disk.count + 10;
	assert_error(fat_disk_create(volume, "b", 5000, &err), -EIO, err, "/b: ");
	assert_error(fat_disk_create(volume, "b", 5000, &err), -EIO, err, "repair it first");
	assert_error(fat_volume_remove(volume, "a", &err), -EIO, err, "repair it first");
	assert_error(fat_volume_rename(volume, "a", "c", &err), -EIO, err, "repair it first");
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	assert_true(repair.dirty && repair.free_count);
	assert_ok(fat_disk_create(volume, "b", 5000, &err), err);
	assert_false(fat_disk_fsck(&disk, NULL));
}

/* ---- Content that is not in memory ---- */

/* Hands over *data*, and fails when *fail_at* bytes are gone; where that is all, when it is asked in the end.
 */
struct test_source {
	struct fat_disk *disk;
	const uint8_t *data;
	size_t size, at, fail_at;
	bool checked;
};

static int source_read(void *data, size_t size, void *userdata, struct error **err)
{
	struct test_source *source = userdata;

	assert_false(source->checked);
	assert_in_range(size, 1, MIN(FAT_PIECE_MAX, source->size - source->at));
	if (source->at + size > source->fail_at)
		return error_set(err, -EREMOTEIO, "no more after byte %zu", source->at);
	memcpy(data, source->data + source->at, size);
	source->at += size;
	return 0;
}

static int source_check(void *userdata, struct error **err)
{
	struct test_source *source = userdata;
	_cleanup_fat_volume_ struct fat_volume *volume = fat_disk_open(source->disk);
	_cleanup_buffer_ struct buffer data = {};

	assert_false(source->checked);
	source->checked = true;
	assert_int_equal(source->at, source->size);
	/* Whoever looks now sees nothing of it. */
	assert_int_equal(fat_volume_read(volume, "d/new.efi", source->size, &data, NULL), -ENOENT);
	return source->fail_at == source->size ? error_set(err, -EREMOTEIO, "not the right ones") : 0;
}

static int create_from(struct fat_volume *volume, struct test_source *source, struct error **err)
{
	const struct fat_source from = {
		.size = source->size, .read = source_read, .check = source_check, .userdata = source};

	source->at = 0;
	source->checked = false;
	return fat_volume_create_from(volume, "d/new.efi", &from, FAT_DISK_MTIME, err);
}

/* A folder without room for one more name, and free clusters that lie here and there. */
static void make_scattered(struct fat_disk *disk, const struct kind *kind)
{
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	size_t names;

	make(disk, kind);
	tool_do("mmd", "-i", disk->path, "::/d");
	volume = fat_disk_open(disk);
	names = cluster_size(disk) / 64 - 1;
	for (size_t i = 0; i < names; i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "d/f%03zu.e", i);
		assert_ok(fat_disk_create(volume, path, 1 + i % 3 * cluster_size(disk), NULL), NULL);
	}
	assert_ok(fat_volume_remove(volume, "d/f001.e", NULL), NULL);
	assert_ok(fat_disk_create(volume, "d/f001.e", 0, NULL), NULL);
	assert_ok(fat_volume_remove(volume, "d/f003.e", NULL), NULL);
	assert_ok(fat_disk_create(volume, "d/f003.e", 0, NULL), NULL);
}

static void try_source(const struct kind *kind, const uint8_t *data, size_t size)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_free_ char *before = NULL, *after = NULL;
	_cleanup_buffer_ struct buffer back = {};
	_cleanup_error_ struct error *err = NULL;
	struct test_source source = {.disk = &disk, .data = data, .size = size};
	const size_t fail_at[] = {0, size / 2, size > 0 ? size - 1 : 0, size};
	uint64_t free_bytes;

	make_scattered(&disk, kind);
	volume = fat_disk_open(&disk);
	free_bytes = fat_volume_free_bytes(volume);
	before = fat_disk_reading(&disk);
	for (size_t i = 0; i < ARRAY_SIZE(fail_at); i++) {
		_cleanup_free_ char *reading = NULL;

		source.fail_at = fail_at[i];
		assert_error(create_from(volume, &source, &err), -EREMOTEIO, err,
			fail_at[i] < size ? "/d/new.efi: no more after byte"
					  : "/d/new.efi: not the right ones");
		reading = fat_disk_reading(&disk);
		assert_string_equal(reading, before);
		assert_int_equal(fat_volume_free_bytes(volume), free_bytes);
		assert_true(is_marked_clean(&disk));
		assert_false(fat_disk_fsck(&disk, NULL));
	}
	source.fail_at = SIZE_MAX;
	assert_ok(create_from(volume, &source, &err), err);
	assert_true(source.checked);
	assert_ok(fat_volume_read(volume, "d/new.efi", size, &back, &err), err);
	assert_int_equal(back.size, size);
	assert_memory_equal(back.data, data, size);
	assert_false(fat_disk_fsck(&disk, NULL));
	assert_ok(fat_volume_remove(volume, "d/new.efi", &err), err);
	after = fat_disk_reading(&disk);
	assert_string_equal(after, before);
	/* The folder has grown. */
	assert_int_equal(fat_volume_free_bytes(volume), free_bytes - cluster_size(&disk));
}

static void content_comes_in_pieces_or_not_at_all(void **state)
{
	static const size_t sizes[] = {
		0, 1, 511, 512, 513, 4095, 4096, 4097, FAT_PIECE_MAX - 1, FAT_PIECE_MAX + 1, MiB(5) + 12345};
	_cleanup_free_ uint8_t *data = malloc(MiB(6));

	(void)state;
	assert_non_null(data);
	fat_disk_fill("content", data, MiB(6));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++)
			try_source(&kinds[i], data, sizes[j]);
}

/* Clusters in which anything may stand get nothing but what comes, and zeros up to the end of a sector. */
static void no_bytes_of_another_piece_stand_behind_the_end(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	const size_t size = FAT_PIECE_MAX + 100;
	_cleanup_free_ uint8_t *data = malloc(size);
	static const uint8_t zeros[412];
	const uint8_t *end;

	(void)state;
	assert_non_null(data);
	memset(data, 0xee, size);
	make(&disk, &kinds[1]);
	volume = fat_disk_open(&disk);
	assert_ok(fat_volume_create(volume, "A", data, size, FAT_DISK_MTIME, NULL), NULL);
	end = cluster_at(&disk, entry_cluster(root_entry(&disk, "A          "))) + size;
	assert_int_equal(end[-1], 0xee);
	assert_memory_equal(end, zeros, sizeof(zeros));
}

/* A call fails and has written nothing. */
#define assert_untouched(disk, r, code, err, text)      \
	do {                                            \
		fat_disk_keep(disk);                    \
		assert_error(r, code, err, text);       \
		assert_int_equal((disk)->undo.size, 0); \
	} while (0)

static void a_full_file_system_is_left_as_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i += 3) {
		_cleanup_fat_disk_ struct fat_disk disk = {};
		_cleanup_fat_volume_ struct fat_volume *volume = NULL;
		_cleanup_error_ struct error *err = NULL;
		uint64_t free_bytes;
		char path[32];
		unsigned files = 0;

		make(&disk, &kinds[i]);
		tool_do("mmd", "-i", disk.path, "::/d");
		volume = fat_disk_open(&disk);
		/* All but two clusters, which the second file has to the byte. */
		free_bytes = fat_volume_free_bytes(volume);
		assert_ok(
			fat_disk_create(volume, "d/large", free_bytes - 2 * cluster_size(&disk) - 100, &err),
			err);
		assert_int_equal(fat_volume_free_bytes(volume), 2 * cluster_size(&disk));
		assert_untouched(&disk, fat_disk_create(volume, "d/b", 2 * cluster_size(&disk) + 1, &err),
			-ENOSPC, err, "are free");
		assert_ok(fat_disk_create(volume, "d/b", 2 * cluster_size(&disk), &err), err);
		assert_int_equal(fat_volume_free_bytes(volume), 0);
		assert_untouched(&disk, fat_disk_create(volume, "d/c", 1, &err), -ENOSPC, err, "are free");
		/* What has no content still goes in, until the folder would have to grow. */
		for (; files < cluster_size(&disk) / 64 - 3; files++) {
			(void)snprintf(path, sizeof(path), "d/f%02u.e", files);
			assert_ok(fat_disk_create(volume, path, 0, &err), err);
		}
		assert_untouched(&disk, fat_disk_create(volume, "d/none", 0, &err), -ENOSPC, err, "are free");
		assert_untouched(&disk, fat_volume_rename(volume, path, "a-longer-name-than-this.e", &err),
			-ENOSPC, err, "are free");
		assert_false(fat_disk_fsck(&disk, NULL));
		assert_ok(fat_volume_remove(volume, "d/large", &err), err);
		assert_int_equal(fat_volume_free_bytes(volume), free_bytes - 2 * cluster_size(&disk));
		assert_ok(fat_volume_rename(volume, path, "a-longer-name-than-this.e", &err), err);
		assert_false(fat_disk_fsck(&disk, NULL));
	}
}

/* There is room in the cluster, if not in the sector: the folder gets a copy of that cluster, and not two. */
static void a_copy_is_no_longer_than_it_must_be(void **state)
{
	const struct scenario scenario = {.files = 22};
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	uint64_t free_bytes;

	(void)state;
	prepare(&disk, &kinds[3], &scenario);
	volume = fat_disk_open(&disk);
	free_bytes = fat_volume_free_bytes(volume);
	assert_ok(lengthen_f01(volume, &err), err);
	assert_int_equal(fat_volume_free_bytes(volume), free_bytes);
}

/* 65,536 entries: "." and "..", and names of 16 entries each, but for the last 14. */
static void a_folder_grows_as_far_as_it_may(void **state)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = FAT_DISK_MTIME};
	const struct fat_options options = {.size = MiB(40), .label = "ESP"};
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	char path[300];

	(void)state;
	assert_non_null(tree);
	for (unsigned i = 0; i < 4095; i++) {
		_cleanup_content_ struct content *content = content_copy("", 0);

		(void)snprintf(path, sizeof(path), "d/%05u%0190u", i, 0u);
		assert_ok(tree_add_file(tree, path, &attributes, content, NULL, &err), err);
	}
	fat_disk_new(&disk, "long", options.size);
	assert_ok(fat_write(tree_root(tree), &options, disk.fd, 0, &err), err);
	volume = fat_disk_open(&disk);
	(void)snprintf(path, sizeof(path), "d/%05u%0190u", 4095u, 0u);
	assert_untouched(&disk, fat_disk_create(volume, path, 0, &err), -ENOSPC, err, "can't grow any more");
	for (unsigned i = 0; i < 7; i++) {
		(void)snprintf(path, sizeof(path), "d/f%02u.e", i);
		assert_ok(fat_disk_create(volume, path, 10, &err), err);
	}
	assert_untouched(&disk, fat_disk_create(volume, "d/g", 0, &err), -ENOSPC, err, "can't grow any more");
	assert_untouched(&disk, fat_volume_rename(volume, "d/f00.e", "fourteen-chars", &err), -ENOSPC, err,
		"can't grow any more");
	assert_ok(fat_volume_remove(volume, "d/f00.e", &err), err);
	assert_ok(fat_disk_create(volume, "d/g", 0, &err), err);
	assert_false(fat_disk_fsck(&disk, NULL));
}

static void names_are_looked_up_as_drivers_do(void **state)
{
	static const char *const paths[] = {"d/orlop_202611.23.0+3.efi", "d/UPPER.TXT", "d/sub/x"};
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_buffer_ struct buffer data = {};
	_cleanup_error_ struct error *err = NULL;
	char name[210] = "d/";

	(void)state;
	make(&disk, &kinds[1]);
	tool_do("mmd", "-i", disk.path, "::/d", "::/d/sub");
	create_all(&disk, paths, ARRAY_SIZE(paths));
	volume = fat_disk_open(&disk);
	assert_ok(fat_volume_read(volume, "D/upper.txt", 700, &data, &err), err);
	assert_ok(fat_volume_read(volume, "/d//ORLOP_~1.EFI", 0, &data, &err), err);
	assert_error(fat_volume_read(volume, "d/upper.txt", 699, &data, &err), -EFBIG, err, "has 700 bytes");
	assert_error(fat_volume_read(volume, "d/sub", 9, &data, &err), -EISDIR, err, "/d/sub: ");
	assert_error(fat_volume_read(volume, "d/none", 9, &data, &err), -ENOENT, err, "/d/none: ");
	assert_error(fat_volume_read(volume, "e/none", 9, &data, &err), -ENOENT, err, "no folder 'e'");
	assert_error(fat_volume_read(volume, "d/UPPER.TXT/x", 9, &data, &err), -ENOTDIR, err,
		"'UPPER.TXT' is no folder");
	assert_error(fat_volume_read(volume, "", 9, &data, &err), -EINVAL, err, "names no file");
	assert_error(
		fat_volume_list(volume, "none", fat_disk_list_entry, NULL, &err), -ENOENT, err, "/none: ");
	assert_int_equal(data.size, 700);
	assert_untouched(
		&disk, fat_disk_create(volume, "d/Upper.Txt", 1, &err), -EEXIST, err, "of that name");
	assert_untouched(
		&disk, fat_disk_create(volume, "d/orlop_~1.efi", 1, &err), -EEXIST, err, "of that name");
	assert_untouched(&disk, fat_disk_create(volume, "d/sub", 1, &err), -EEXIST, err, "of that name");
	assert_untouched(&disk, fat_disk_create(volume, "x/y", 1, &err), -ENOENT, err, "no folder 'x'");
	assert_untouched(&disk, fat_disk_create(volume, "d/a:b", 1, &err), -EINVAL, err, "':'");
	assert_untouched(&disk, fat_disk_create(volume, "d/..", 1, &err), -EINVAL, err, "names no file");
	assert_untouched(
		&disk, fat_volume_rename(volume, "d/sub", "upper.TXT", &err), -EEXIST, err, "'upper.TXT'");
	assert_untouched(&disk, fat_volume_rename(volume, "d/sub", "x/y", &err), -EINVAL, err, "'/'");
	assert_untouched(&disk, fat_volume_rename(volume, "d/gone", "y", &err), -ENOENT, err, "/d/gone: ");
	assert_untouched(&disk, fat_volume_remove(volume, "d/sub", &err), -EISDIR, err, "a folder");
	memset(name + 2, 'n', 196);
	assert_untouched(
		&disk, fat_disk_create(volume, name, 1, &err), -ENAMETOOLONG, err, "196 UTF-16 units");
	name[2 + 195] = 0;
	assert_ok(fat_disk_create(volume, name, 1, &err), err);
	/* The name that it has takes no write; case alone is another name; a folder has a name, too. */
	fat_disk_keep(&disk);
	assert_ok(fat_volume_rename(volume, "d/upper.txt", "UPPER.TXT", &err), err);
	assert_int_equal(disk.undo.size, 0);
	assert_ok(fat_volume_rename(volume, "d/UPPER.TXT", "Upper.txt", &err), err);
	assert_ok(fat_volume_rename(volume, "d/sub", "other", &err), err);
	assert_ok(fat_volume_read(volume, "d/other/x", 1400, &data, &err), err);
	assert_false(fat_disk_fsck(&disk, NULL));
	assert_tool_says("Upper.txt", "mdir", "-b", "-i", disk.path, "::/d");
}

/* What can be wrong with the file system in check_damage(): "D" with F00.E of three clusters and F01.E of
 * one. */
static uint8_t *file_entry(const struct fat_disk *disk, unsigned i)
{
	return cluster_at(disk, entry_cluster(root_entry(disk, "D          "))) + (2 + i) * 32;
}

static void set_next(struct fat_disk *disk, uint32_t cluster, uint32_t next)
{
	write_le32(table_at(disk, 0, cluster), next);
	write_le32(table_at(disk, 1, cluster), next);
}

static void chain_loops(struct fat_disk *disk)
{
	uint32_t first = entry_cluster(file_entry(disk, 0));

	set_next(disk, first + 2, first);
}

static void chain_of_another_file(struct fat_disk *disk)
{
	set_next(disk, entry_cluster(file_entry(disk, 0)), entry_cluster(file_entry(disk, 1)));
}

static void chain_ends_early(struct fat_disk *disk)
{
	set_next(disk, entry_cluster(file_entry(disk, 0)), 0x0fffffff);
}

static void chain_into_free_space(struct fat_disk *disk)
{
	set_next(disk, entry_cluster(file_entry(disk, 0)), 0);
}

static void chain_beyond_the_end(struct fat_disk *disk)
{
	set_next(disk, entry_cluster(file_entry(disk, 0)), 0x0ffffff0);
}

static void chain_over_a_bad_cluster(struct fat_disk *disk)
{
	set_next(disk, entry_cluster(file_entry(disk, 0)), 0x0ffffff7);
}

static void file_begins_nowhere(struct fat_disk *disk)
{
	write_le16(file_entry(disk, 0) + 26, 0);
}

static void file_is_larger_than_all(struct fat_disk *disk)
{
	write_le32(file_entry(disk, 0) + 28, UINT32_MAX);
}

static void check_damage(void (*damage)(struct fat_disk *disk), int read, int remove, const char *says)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_buffer_ struct buffer data = {};
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;

	make(&disk, &kinds[1]);
	tool_do("mmd", "-i", disk.path, "::/D");
	volume = fat_disk_open(&disk);
	assert_ok(fat_disk_create(volume, "D/F00.E", 1500, &err), err);
	assert_ok(fat_disk_create(volume, "D/F01.E", 500, &err), err);
	volume = fat_volume_free(volume);
	damage(&disk);
	volume = fat_disk_open(&disk);
	fat_disk_keep(&disk);
	assert_int_equal(fat_volume_read(volume, "D/F00.E", UINT32_MAX, &data, NULL), read);
	assert_int_equal(fat_volume_remove(volume, "D/F00.E", NULL), remove);
	fat_disk_undo(&disk);
	volume = fat_volume_free(volume);
	volume = fat_disk_open(&disk);
	assert_untouched(&disk, fat_volume_repair(volume, &repair, &err), -EBADMSG, err, says);
	/* What has nothing to do with it goes on. */
	assert_ok(fat_disk_create(volume, "D/F02.E", 5000, &err), err);
	data.size = 0;
	assert_ok(fat_volume_read(volume, "D/F02.E", 5000, &data, &err), err);
	assert_int_equal(data.size, 5000);
	assert_ok(fat_volume_rename(volume, "D/F02.E", "another-name", &err), err);
	assert_ok(fat_volume_remove(volume, "D/another-name", &err), err);
}

static void damage_is_told_and_never_made_worse(void **state)
{
	(void)state;
	check_damage(chain_loops, 0, -EBADMSG, "/D/F00.E: cluster");
	check_damage(chain_of_another_file, -EBADMSG, -EBADMSG, "/D/F00.E: its 2 clusters are too few");
	check_damage(chain_ends_early, -EBADMSG, 0, "/D/F00.E: its 1 clusters are too few for 1500 bytes");
	check_damage(chain_into_free_space, -EBADMSG, -EBADMSG, "says that it is free");
	check_damage(chain_beyond_the_end, -EBADMSG, -EBADMSG, "leads to 268435440, which does not exist");
	check_damage(
		chain_over_a_bad_cluster, -EBADMSG, -EBADMSG, "leads to 268435447, which does not exist");
	check_damage(file_begins_nowhere, -EBADMSG, -EBADMSG, "/D/F00.E: its cluster 0 does not exist");
	check_damage(file_is_larger_than_all, -EBADMSG, 0, "too few for 4294967295 bytes");
}

/* Folders that lead to themselves or to the root, or that loop. */
static void folders_that_loop_are_told(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;
	uint32_t cluster;

	(void)state;
	make(&disk, &kinds[1]);
	tool_do("mmd", "-i", disk.path, "::/D", "::/D/E");
	cluster = entry_cluster(root_entry(&disk, "D          "));
	write_le16(cluster_at(&disk, cluster) + 2 * 32 + 26, (uint16_t)cluster);
	volume = fat_disk_open(&disk);
	assert_untouched(&disk, fat_volume_repair(volume, &repair, &err), -EBADMSG, err, "/D/E: cluster");
	set_next(&disk, cluster, cluster);
	volume = fat_volume_free(volume);
	volume = fat_disk_open(&disk);
	assert_untouched(&disk, fat_volume_repair(volume, &repair, &err), -EBADMSG, err, "/D: cluster");
	assert_untouched(&disk, fat_disk_create(volume, "D/x", 1, &err), -EBADMSG, err, "its clusters loop");
	assert_ok(fat_disk_create(volume, "x", 1, &err), err);
	/* The root itself. */
	set_next(&disk, read_le32(disk.data + 44), read_le32(disk.data + 44));
	volume = fat_volume_free(volume);
	volume = fat_disk_open(&disk);
	assert_untouched(&disk, fat_volume_repair(volume, &repair, &err), -EBADMSG, err, "/: cluster");
	assert_untouched(&disk, fat_disk_create(volume, "y", 1, &err), -EBADMSG, err, "its clusters loop");
}

static void check_open(uint8_t *image, size_t size, int code, const char *says)
{
	const struct block_io io = block_io_bytes(image, size);
	_cleanup_error_ struct error *err = NULL;
	struct fat_volume *volume = NULL;

	assert_error(fat_volume_open(&io, &volume, &err), code, err, says);
	assert_null(volume);
}

static void what_is_no_fat32_is_refused(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};

	(void)state;
	make(&disk, &kinds[1]);
	check_open(disk.data, 511, -EMEDIUMTYPE, "too small");
	check_open(disk.data, disk.size - 512, -EBADMSG, "is it cut off?");
	disk.data[40] = 0x80;
	check_open(disk.data, disk.size, -ENOTSUP, "drivers disagree");
	disk.data[40] = 0;
	disk.data[42] = 1;
	check_open(disk.data, disk.size, -ENOTSUP, "version 0.1");
	disk.data[42] = 0;
	write_le32(disk.data + 44, 1);
	check_open(disk.data, disk.size, -EBADMSG, "root folder's cluster 1 does not exist");
	disk.data[510] = 0;
	check_open(disk.data, disk.size, -EMEDIUMTYPE, "no FAT file system");
	tool_do("mkfs.fat", "-F", "16", disk.path);
	check_open(disk.data, disk.size, -EMEDIUMTYPE, "FAT16, not FAT32");
}

/* All that a repair can find: in the table, its copy, FSINFO, the marks, and parts of a name. */
static void add_troubles(struct fat_disk *disk)
{
	uint8_t *entry = file_entry(disk, 2);

	for (uint32_t i = 0; i < 500; i++)
		set_next(disk, 1000 + i, i < 499 ? 1001 + i : 0x0fffffff);
	set_next(disk, 3000, 0x0ffffff7);
	write_le32(table_at(disk, 1, 2000), 77);
	write_le32(table_at(disk, 1, 2001), 78);
	write_le32(table_at(disk, 1, 9000), 79);
	set_next(disk, 1, 0x07ffffff);
	write_le32(disk->data + 512 + 488, 12345);
	disk->data[65] |= 1;
	memset(entry, 0, 32);
	entry[0] = 0x42;
	entry[11] = 0x0f;
}

static void make_troubled(struct fat_disk *disk)
{
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;

	make(disk, &kinds[1]);
	tool_do("mmd", "-i", disk->path, "::/D");
	volume = fat_disk_open(disk);
	assert_ok(fat_disk_create(volume, "D/F00.E", 1500, &err), err);
	assert_ok(fat_disk_create(volume, "D/F01.E", 500, &err), err);
	add_troubles(disk);
	fat_disk_keep(disk);
}

static void a_repair_puts_right_what_can_be(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_free_ char *before = NULL, *after = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;
	uint64_t free_bytes;

	(void)state;
	make_troubled(&disk);
	before = fat_disk_reading(&disk);
	volume = fat_disk_open(&disk);
	free_bytes = fat_volume_free_bytes(volume);
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	assert_int_equal(repair.lost_clusters, 500);
	assert_int_equal(repair.table_sectors, 2);
	assert_int_equal(repair.name_parts, 1);
	assert_true(repair.free_count && repair.dirty);
	assert_int_equal(fat_volume_free_bytes(volume), free_bytes + 500 * 512);
	assert_int_equal(read_le32(table_at(&disk, 0, 3000)), 0x0ffffff7);
	assert_false(fat_disk_fsck(&disk, NULL));
	after = fat_disk_reading(&disk);
	assert_string_equal(before, after);
	/* There is nothing to do a second time. */
	fat_disk_keep(&disk);
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	assert_int_equal(disk.undo.size, 0);
	assert_true(repair.lost_clusters + repair.table_sectors + repair.name_parts == 0 &&
		    !repair.free_count && !repair.dirty);
}

/* Firmware does not see it, and Linux does: who is right is not for a repair to say. */
static void what_stands_behind_an_end_mark_is_kept(void **state)
{
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;
	uint32_t cluster;

	(void)state;
	make_troubled(&disk);
	/* The third entry ends the folder, the second file moves behind it. */
	memcpy(file_entry(&disk, 3), file_entry(&disk, 1), 32);
	memset(file_entry(&disk, 1), 0, 64);
	cluster = entry_cluster(file_entry(&disk, 3));
	volume = fat_disk_open(&disk);
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	assert_int_equal(repair.lost_clusters, 0);
	assert_true(repair.dirty);
	assert_int_not_equal(read_le32(table_at(&disk, 0, cluster)), 0);
	assert_ok(fat_disk_create(volume, "x", 100000, &err), err);
	assert_int_not_equal(read_le32(table_at(&disk, 0, 1000)), 0);
}

static void assert_repairs(struct play *play, struct fat_volume *volume, bool ask)
{
	_cleanup_free_ char *before = fat_disk_reading(&play->disk), *after = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;

	assert_string_equal(before, play->before);
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	after = fat_disk_reading(&play->disk);
	assert_string_equal(after, play->before);
	if (ask)
		assert_false(fat_disk_fsck(&play->disk, NULL));
}

static void a_repair_may_be_cut(void **state)
{
	_cleanup_(play_release) struct play play = {.check = assert_repairs};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;
	uint64_t seed = 99;

	(void)state;
	make_troubled(&play.disk);
	play.before = fat_disk_reading(&play.disk);
	volume = fat_disk_open(&play.disk);
	play.disk.recording = true;
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	play.disk.recording = false;
	fat_disk_undo(&play.disk);
	cut_everywhere(&play, &seed);
	assert_in_range(play.states, 30, 10000);
}

/* Who finds the mark of a volume that was being changed leaves it there, until it has looked at everything.
 */
static void the_mark_stays_until_a_repair(void **state)
{
	static const char *const dirty[] = {"Dirty bit is set.", " Automatically removing dirty bit.", NULL};
	_cleanup_fat_disk_ struct fat_disk disk = {};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;

	(void)state;
	make(&disk, &kinds[1]);
	set_next(&disk, 1, 0x07ffffff);
	volume = fat_disk_open(&disk);
	assert_ok(fat_disk_create(volume, "a", 1000, &err), err);
	assert_true(fat_disk_fsck(&disk, dirty));
	assert_ok(fat_volume_repair(volume, &repair, &err), err);
	assert_false(fat_disk_fsck(&disk, NULL));
	assert_ok(fat_disk_create(volume, "b", 1000, &err), err);
	assert_false(fat_disk_fsck(&disk, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_as_fsck_and_mtools_see_them),
		cmocka_unit_test(names_and_times_are_as_mtools_see_them),
		cmocka_unit_test(names_are_looked_up_as_drivers_do),
		cmocka_unit_test(random_changes_do_what_they_say),
		cmocka_unit_test(a_cut_leaves_the_old_or_the_new),
		cmocka_unit_test(every_fault_leaves_the_old_or_the_new),
		cmocka_unit_test(every_fault_of_opening_is_told),
		cmocka_unit_test(a_failed_change_must_be_repaired_first),
		cmocka_unit_test(content_comes_in_pieces_or_not_at_all),
		cmocka_unit_test(no_bytes_of_another_piece_stand_behind_the_end),
		cmocka_unit_test(a_full_file_system_is_left_as_it_is),
		cmocka_unit_test(a_copy_is_no_longer_than_it_must_be),
		cmocka_unit_test(a_folder_grows_as_far_as_it_may),
		cmocka_unit_test(damage_is_told_and_never_made_worse),
		cmocka_unit_test(folders_that_loop_are_told),
		cmocka_unit_test(what_is_no_fat32_is_refused),
		cmocka_unit_test(a_repair_puts_right_what_can_be),
		cmocka_unit_test(what_stands_behind_an_end_mark_is_kept),
		cmocka_unit_test(a_repair_may_be_cut),
		cmocka_unit_test(the_mark_stays_until_a_repair),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
