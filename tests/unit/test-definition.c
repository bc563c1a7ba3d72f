/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "build/definition.h"

static const char complete[] = "name: some-edition\n"
			       "title: Some Edition\n"
			       "suite: trixie\n"
			       "components: [main]\n"
			       "packages: [systemd, 'linux-{architecture}-x']\n"
			       "boot-packages: [stub]\n"
			       "links: {a/b: ../c}\n"
			       "accounts: {sshd: 994}\n"
			       "require: [tpm2]\n"
			       "kernel:\n"
			       "  command-line: [quiet, a=b]\n"
			       "  modules: []\n"
			       "initrd: {modules: [erofs], devices: []}\n"
			       "disk: {esp: 512M, usr: 1G, verity: 16M, signature: 1M, state: 4G}\n";

static void reads_every_kind_of_value(void **state)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv packages = {};

	(void)state;
	assert_ok(definition_parse(complete, strlen(complete), "e/x.yaml", &definition, &err), err);
	assert_string_equal(definition->name, "some-edition");
	assert_string_equal(definition->folder, "e");
	assert_int_equal(definition->packages.count, 2);
	assert_int_equal(definition->disk.usr, GiB(1));
	assert_int_equal(definition->disk.signature, MiB(1));
	assert_int_equal(definition->require, REQUIRE_TPM2);
	assert_string_equal(definition->kernel.command_line.items[1], "a=b");
	assert_string_equal(definition->initrd.modules.items[0], "erofs");
	assert_string_equal(pairs_get(&definition->links, "a/b"), "../c");
	assert_null(pairs_get(&definition->links, "a"));
	assert_ok(definition_expand(&definition->packages, "arm64", &packages, &err), err);
	assert_string_equal(packages.items[1], "linux-arm64-x");
}

/* The complete definition with one text in it replaced. */
static void refuses(const char *from, const char *to, const char *message)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *text = NULL;
	const char *at = strstr(complete, from);
	struct error *err = NULL;

	assert_non_null(at);
	text = string_format("%.*s%s%s", (int)(at - complete), complete, to, at + strlen(from));
	assert_error(
		definition_parse(text, strlen(text), "x.yaml", &definition, &err), -EINVAL, err, message);
}

static void names_file_line_and_key_of_what_is_wrong(void **state)
{
	(void)state;
	refuses("suite: trixie\n", "", "x.yaml:1: suite: is missing");
	refuses("title: Some Edition\n", "title: A\nfoo: b\n", "x.yaml:3: foo: is no key that belongs here");
	refuses("title: Some Edition\n", "title: A\ntitle: B\n", "x.yaml:3: title: is there twice");
	refuses("components: [main]", "components: main", "x.yaml:4: components: must be a list");
	refuses("[main]", "[main, main]", "x.yaml:4: components: \"main\" is there twice");
	refuses("[main]", "[[main]]", "x.yaml:4: components: must be a list of texts");
	refuses("usr: 1G", "usr: 1X", "x.yaml:14: usr: must be a size");
	refuses("usr: 1G, ", "", "x.yaml:14: usr: is missing");
	refuses("[tpm2]", "[tpm3]", "x.yaml:9: require: \"tpm3\" is not known");
	refuses("{a/b: ../c}", "{a/b: [c]}", "x.yaml:7: links: must be a mapping");
	refuses("[main]", "[main", "not valid YAML");
	refuses("some-edition", "Some/Edition", "name: \"Some/Edition\" may hold");
	refuses("verity: 16M", "verity: 4M", "verity: must be at least 9.0 MiB");
	refuses("sshd: 994", "sshd: 0", "accounts: sshd: an id");
	refuses("state: 4G}\n", "state: 4G}\n---\nname: b\n", "one document");
	refuses(complete, "", "x.yaml:1: the file is empty");
	refuses(complete, "[a]", "must be a mapping");
}

static void the_editions_that_we_ship_are_valid(void **state)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *path = string_format("%s/container-linux.yaml", getenv("ORLOP_EDITIONS"));
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(definition_load(path, &definition, &err), err);
	assert_int_equal(definition->require, REQUIRE_SECURE_BOOT | REQUIRE_TPM2 | REQUIRE_COMMAND_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_kind_of_value),
		cmocka_unit_test(names_file_line_and_key_of_what_is_wrong),
		cmocka_unit_test(the_editions_that_we_ship_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
