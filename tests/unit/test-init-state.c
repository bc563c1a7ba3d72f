/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "init/slot.h"
#include "init/state.h"

static const struct uuid usr_type = {{1}}, state_type = {{2}}, new_id = {{9}};
static const struct state_query query = {.type = {{2}}, .label = "state", .minimum = MiB(16)};

static void put(struct gpt *gpt, unsigned number, const struct uuid *type, uint64_t offset, uint64_t size,
	const char *label)
{
	struct gpt_partition partition = {.number = number,
		.type = *type,
		.id = {{100, (uint8_t)number}},
		.offset = offset,
		.size = size};
	_cleanup_error_ struct error *err = NULL;

	(void)snprintf(partition.label, sizeof(partition.label), "%s", label);
	assert_ok(gpt_put(gpt, &partition, &err), err);
}

/* A disk of *size* bytes with one slot in its first 32 MiB. */
static void make_disk(struct gpt *ret, uint64_t size)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(gpt_init(ret, size, 512, &new_id, &err), err);
	put(ret, 1, &usr_type, MiB(1), MiB(31), "orlop_1");
}

static void plan(struct gpt *gpt, uint64_t size, struct state_plan *ret)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(state_plan(&query, size, &new_id, gpt, ret, &err), err);
}

static void a_disk_without_state_gets_an_unfinished_partition_behind_the_others(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	struct gpt_partition partition;
	struct state_plan made;

	(void)state;
	make_disk(&gpt, MiB(100));
	plan(&gpt, MiB(100), &made);
	assert_true(made.write && made.add && made.unfinished);
	assert_false(made.grow);
	assert_int_equal(gpt_get(&gpt, made.partition.number, &partition), 0);
	assert_string_equal(partition.label, "state-unfinished");
	assert_int_equal(partition.offset, MiB(32));
	assert_int_equal(partition.size, MiB(100 - 32 - 1)); /* the backup's MiB is not for partitions */
	assert_true(uuid_equal(&partition.type, &state_type) && uuid_equal(&partition.id, &new_id));
}

static void a_finished_partition_is_left_as_it_is(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	struct state_plan made;

	(void)state;
	make_disk(&gpt, MiB(100));
	put(&gpt, 2, &state_type, MiB(32), MiB(67), "state");
	plan(&gpt, MiB(100), &made);
	assert_false(made.write || made.add || made.grow || made.unfinished);
	assert_int_equal(made.partition.number, 2);
}

static void an_unfinished_partition_is_made_again_and_not_added_again(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	struct state_plan made;

	(void)state;
	make_disk(&gpt, MiB(100));
	put(&gpt, 2, &state_type, MiB(32), MiB(67), "state-unfinished");
	plan(&gpt, MiB(100), &made);
	assert_true(made.unfinished);
	assert_false(made.write || made.add);
	assert_int_equal(made.partition.number, 2);
}

static void partitions_of_other_labels_and_types_are_not_state(void **state)
{
	static const char *const labels[] = {"stat", "states", "state-", "state-unfinished2", "State", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		_cleanup_gpt_ struct gpt gpt = {};
		struct state_plan made;

		make_disk(&gpt, MiB(100));
		put(&gpt, 2, &state_type, MiB(32), MiB(8), labels[i]);
		put(&gpt, 3, &usr_type, MiB(40), MiB(8), "state");
		plan(&gpt, MiB(100), &made);
		assert_true(made.add);
		assert_int_equal(made.partition.offset, MiB(48));
	}
}

static void state_grows_with_the_disk_unless_another_is_behind_it(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {}, full = {};
	struct state_plan made;

	(void)state;
	make_disk(&gpt, MiB(100));
	put(&gpt, 2, &state_type, MiB(32), MiB(60), "state");
	plan(&gpt, MiB(300), &made);
	assert_true(made.write && made.grow);
	assert_false(made.add || made.unfinished);
	assert_int_equal(made.partition.size, MiB(300 - 32 - 1));

	make_disk(&full, MiB(100));
	put(&full, 2, &state_type, MiB(32), MiB(20), "state");
	put(&full, 3, &usr_type, MiB(52), MiB(8), "other");
	plan(&full, MiB(300), &made);
	assert_false(made.grow);
	assert_int_equal(made.partition.size, MiB(20));
}

static void without_room_there_is_an_error_that_says_how_much(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	struct state_plan made;
	struct error *err = NULL;

	(void)state;
	make_disk(&gpt, MiB(32 + 16));
	assert_error(state_plan(&query, MiB(32 + 16), &new_id, &gpt, &made, &err), -ENOSPC, err,
		"no 16 MiB of room");
}

static void a_damaged_table_is_written_again(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};
	struct state_plan made;

	(void)state;
	make_disk(&gpt, MiB(100));
	put(&gpt, 2, &state_type, MiB(32), MiB(67), "state");
	gpt.backup_damaged = true;
	plan(&gpt, MiB(100), &made);
	assert_true(made.write);
	assert_false(made.add || made.grow);
}

static void slots_have_letters_in_the_order_of_their_numbers(void **state)
{
	_cleanup_gpt_ struct gpt gpt = {};

	(void)state;
	make_disk(&gpt, MiB(100));
	put(&gpt, 3, &state_type, MiB(40), MiB(1), "x");
	put(&gpt, 5, &usr_type, MiB(50), MiB(1), "orlop_2");
	assert_int_equal(slot_letter(&gpt, &usr_type, 1), 'a');
	assert_int_equal(slot_letter(&gpt, &usr_type, 5), 'b');
}

/* The Discoverable Partitions Specification's rule, on a digest whose halves are easy to see. */
static void the_root_hash_names_the_partitions(void **state)
{
	static const char hash[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	char usr[] = "8484680c-9521-48c6-9c11-b0720656f69e", text[UUID_TEXT_SIZE];
	struct settings settings = {.usr_type = usr, .verity_type = usr, .signature_type = usr};
	_cleanup_error_ struct error *err = NULL;
	struct slot_query made;

	(void)state;
	assert_ok(slot_query_init(&made, &settings, hash, &err), err);
	assert_string_equal(uuid_format(&made.usr, text), "00010203-0405-0607-0809-0a0b0c0d0e0f");
	assert_string_equal(uuid_format(&made.verity, text), "10111213-1415-1617-1819-1a1b1c1d1e1f");
	assert_error(slot_query_init(&made, &settings, hash + 1, &err), -EINVAL, err, "usrhash=");
	assert_error(slot_query_init(&made, &settings,
			     "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", &err),
		-EINVAL, err, "lower-case");
	usr[0] = 'x';
	assert_error(slot_query_init(&made, &settings, hash, &err), -EINVAL, err, "usr-type is no UUID");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_without_state_gets_an_unfinished_partition_behind_the_others),
		cmocka_unit_test(a_finished_partition_is_left_as_it_is),
		cmocka_unit_test(an_unfinished_partition_is_made_again_and_not_added_again),
		cmocka_unit_test(partitions_of_other_labels_and_types_are_not_state),
		cmocka_unit_test(state_grows_with_the_disk_unless_another_is_behind_it),
		cmocka_unit_test(without_room_there_is_an_error_that_says_how_much),
		cmocka_unit_test(a_damaged_table_is_written_again),
		cmocka_unit_test(slots_have_letters_in_the_order_of_their_numbers),
		cmocka_unit_test(the_root_hash_names_the_partitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
