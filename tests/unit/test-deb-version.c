/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/deb-version.h"

static const char *const versions[] = {"0", "1", "1.0", "1.0-0", "1.0-1", "1.0-1~deb13u1", "1.0-1+deb13u1",
	"1.0-1+b1", "1.0~rc1-1", "1.0~~", "1.0~", "1.00", "1.a", "1.+", "2:0.1", "1:9", "0:1.0-1", "1.10",
	"1.9", "1.0.0", "1.0-1.1", "1.0-2", "1-2-3", "1-2", "99999999999999999999999",
	"100000000000000000000000", "1a", "1a1", "1A", "257.13-1~deb13u1", "255~rc1-4~", "1.0a~", "09", "9"};

/* Every pair, all in one call of a shell. */
static void orders_versions_as_dpkg_does(void **state)
{
	_cleanup_buffer_ struct buffer script = {}, ours = {};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *theirs = NULL, *text = NULL;

	(void)state;
	buffer_append_string(&script,
		"exec > out; c() { if dpkg --compare-versions \"$1\" lt \"$2\"; then echo \"$1 < "
		"$2\"; elif dpkg --compare-versions \"$1\" eq \"$2\"; then echo \"$1 = $2\"; else "
		"echo \"$1 > $2\"; fi; };");
	for (size_t a = 0; a < ARRAY_SIZE(versions); a++)
		for (size_t b = a % 3; b < ARRAY_SIZE(versions); b += 3) {
			int order = deb_version_compare(versions[a], versions[b]);

			buffer_printf(&script, "c '%s' '%s';", versions[a], versions[b]);
			buffer_printf(&ours, "%s %c %s\n", versions[a],
				order < 0   ? '<'
				: order > 0 ? '>'
					    : '=',
				versions[b]);
		}
	text = buffer_take(&script, NULL);
	shell(folder, text);
	theirs = scratch_read(folder, "out", NULL);
	buffer_append_u8(&ours, 0);
	assert_string_equal((char *)ours.data, theirs);
}

static const struct {
	const char *field, *package, *version;
	bool names;
} relations[] = {
	{"systemd (<< 255~rc1-4~)", "systemd", "254", true},
	{"systemd (<< 255~rc1-4~)", "systemd", "257.13-1~deb13u1", false},
	{"base, dpkg (<= 1.15.0), miscutils", "dpkg", "1.15.0", true},
	{"base, dpkg (<= 1.15.0), miscutils", "dpkg", "1.22", false},
	{"base, dpkg (<= 1.15.0), miscutils", "miscutils", "1", true},
	{"base, dpkg (<= 1.15.0), miscutils", "misc", "1", false},
	{"base (= 2)", "base", "2", true},
	{"base (>> 2)", "base", "2", false},
	{"base (>= 2)", "base", "2", true},
	{"base (< 2)", "base", "2", true},
	{"a | b", "b", "1", true},
	{"python3:any (>= 3)", "python3", "3.1", true},
	{"\na (>= 1),\n b", "b", "0", true},
	{"b(>=2)", "b", "1", false},
	{"", "b", "1", false},
	{NULL, "b", "1", false},
	{"b (!= 1)", "b", "1", false},
	{"b (", "b", "1", false},
};

static void finds_packages_in_relation_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(relations); i++)
		if (deb_relation_names(relations[i].field, relations[i].package, relations[i].version) !=
			relations[i].names)
			fail_msg("%s: %s %s", relations[i].field, relations[i].package, relations[i].version);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_versions_as_dpkg_does),
		cmocka_unit_test(finds_packages_in_relation_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
