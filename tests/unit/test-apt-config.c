/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "source/apt-config.h"

static void assert_config(const struct apt_config *config, const char *mirror, const char *security)
{
	assert_int_equal(!config->mirror, !mirror);
	assert_int_equal(!config->security, !security);
	if (mirror)
		assert_string_equal(config->mirror, mirror);
	if (security)
		assert_string_equal(config->security, security);
}

struct sample {
	const char *text, *mirror, *security;
	bool debian_key;
};

static void reads_the_one_line_form(void **state)
{
	static const struct sample table[] = {
		{"", NULL, NULL, false},
		{"deb http://m.test/debian trixie main\n", "http://m.test/debian", NULL, false},
		{"deb https://m.test/debian/ trixie main contrib", "https://m.test/debian", NULL, false},
		{"# deb http://a.test/debian x main\ndeb http://m.test/debian x main # y\n",
			"http://m.test/debian", NULL, false},
		{"deb-src http://a.test/debian x main\n", NULL, NULL, false},
		{"deb http://a.test/debian x contrib\ndeb http://a.test/debian ./\n", NULL, NULL, false},
		{"deb http://a.test/ubuntu x main\ndeb http://debian.test/foo x main\n", NULL, NULL, false},
		{"deb http://m.test/debian-security x-security main\n", NULL, "http://m.test/debian-security",
			false},
		{"deb [arch=amd64] http://m.test/debian x main\n", "http://m.test/debian", NULL, false},
		{"deb [signed-by=/k/other.gpg] http://a.test/debian x main\n", NULL, NULL, false},
		{"deb [signed-by=/k/debian-archive-keyring.gpg arch=amd64] http://m.test/debian x main\n",
			"http://m.test/debian", NULL, true},
		{"deb http://m.test/debian x main\n", NULL, NULL, true},
		{"deb [ http://a.test/debian x main\n", NULL, NULL, false},
		{"deb cdrom:[x]/debian x main\ndeb file:/srv/debian x main\n", "file:///srv/debian", NULL,
			false},
		{"deb file:///srv/debian x main\n", "file:///srv/debian", NULL, false},
		{"deb http://m.test/debian x main\ndeb http://b.test/debian x main\n", "http://m.test/debian",
			NULL, false},
		{"deb http://m.test/mydebian x main\ndeb http://m.test/debian-ports x main\n", NULL, NULL,
			false},
		{"deb http://m.test/archive/debian/20250520T000000Z x main\n",
			"http://m.test/archive/debian/20250520T000000Z", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_apt_config_ struct apt_config config = {};

		assert_int_equal(apt_config_take_list(
					 &config, table[i].text, strlen(table[i].text), table[i].debian_key),
			0);
		assert_config(&config, table[i].mirror, table[i].security);
	}
}

#define STANZA \
	"Types: deb deb-src\nURIs: http://m.test/debian/\nSuites: x x-updates\nComponents: contrib main\n"

static void reads_stanzas(void **state)
{
	static const struct sample table[] = {
		{STANZA, "http://m.test/debian", NULL, false},
		{STANZA "Enabled: no\n", NULL, NULL, false},
		{STANZA "Enabled: yes\n", "http://m.test/debian", NULL, false},
		{STANZA "Signed-By: /k/debian-archive-keyring.gpg\n\n" STANZA, "http://m.test/debian", NULL,
			true},
		{STANZA "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x\n", NULL, NULL, false},
		{STANZA, NULL, NULL, true},
		{"Types: deb-src\nURIs: http://a.test/debian\nSuites: x\nComponents: main\n", NULL, NULL,
			false},
		{"Types: deb\nURIs: ftp://a.test/debian\n http://m.test/debian-security\nSuites: "
		 "x\nComponents: main\n",
			NULL, "http://m.test/debian-security", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_apt_config_ struct apt_config config = {};

		assert_int_equal(apt_config_take_deb822(
					 &config, table[i].text, strlen(table[i].text), table[i].debian_key),
			0);
		assert_config(&config, table[i].mirror, table[i].security);
	}
}

struct folder {
	char path[64];
};

static void folder_release(struct folder *folder)
{
	assert_int_equal(remove_tree(folder->path, NULL), 0);
}

static void add_file(const struct folder *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder->path, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

static void prefers_debians_keyring_and_passes_over_damaged_files(void **state)
{
	_cleanup_(folder_release) struct folder folder = {"/tmp/orlop-test-apt-XXXXXX"};
	_cleanup_apt_config_ struct apt_config config = {};
	_cleanup_error_ struct error *err = NULL;
	char parts[80];

	(void)state;
	assert_non_null(mkdtemp(folder.path));
	(void)snprintf(parts, sizeof(parts), "%s/sources.list.d", folder.path);
	assert_int_equal(mkdir(parts, 0755), 0);
	add_file(&folder, "sources.list.d/a.list", "deb http://vendor.test/debian x main\n");
	add_file(&folder, "sources.list.d/b.sources", "not a field\n");
	add_file(&folder, "sources.list.d/c.sources", STANZA "Signed-By: /k/debian-archive-keyring.gpg\n");
	add_file(&folder, "sources.list.d/d.list.save", "deb http://old.test/debian-security x main\n");
	assert_ok(apt_config_read_sources(folder.path, &config, &err), err);
	assert_config(&config, "http://m.test/debian", NULL);
}

static void finds_nothing_where_there_is_no_apt(void **state)
{
	_cleanup_apt_config_ struct apt_config config = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(apt_config_read_sources("/nonexistent", &config, &err), err);
	assert_config(&config, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_one_line_form),
		cmocka_unit_test(reads_stanzas),
		cmocka_unit_test(prefers_debians_keyring_and_passes_over_damaged_files),
		cmocka_unit_test(finds_nothing_where_there_is_no_apt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
