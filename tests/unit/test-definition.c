/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "build/definition.h"

static const char complete[] = "name: some-edition\n"
			       "title: Some Edition\n"
			       "suite: trixie\n"
			       "components: [main]\n"
			       "packages: [systemd, 'linux-{architecture}-x']\n"
			       "boot-packages: [stub]\n"
			       "links: {etc/b: ../c}\n"
			       "ids: {sshd: 994}\n"
			       "require: [tpm2]\n"
			       "kernel:\n"
			       "  command-line: [quiet, a=b]\n"
			       "  modules: []\n"
			       "initrd: {modules: [dm-verity, erofs, overlay, efivarfs], devices: []}\n"
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
	assert_string_equal(definition->initrd.modules.items[1], "erofs");
	assert_string_equal(pairs_get(&definition->links, "etc/b"), "../c");
	assert_null(pairs_get(&definition->links, "etc"));
	assert_ok(definition_expand(&definition->packages, "arm64", &packages, &err), err);
	assert_string_equal(packages.items[1], "linux-arm64-x");
}

static void an_entry_that_may_do_nothing_is_the_entry_without_its_mark(void **state)
{
	static const char *const entries[] = {"a", "-b", "-usr/lib/**", "c-d"};
	static const char *const plain[] = {"a", "b", "usr/lib/**", "c-d"};
	_cleanup_strv_ struct strv list = {}, made = {};
	struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		assert_int_equal(strv_add(&list, entries[i]), 0);
	assert_ok(definition_plain(&list, &made, &err), err);
	assert_int_equal(made.count, ARRAY_SIZE(plain));
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		assert_string_equal(made.items[i], plain[i]);
}

static void an_argument_may_be_for_one_architecture(void **state)
{
	static const struct {
		const char *entry;
		size_t length;
		bool amd64, arm64;
	} entries[] = {
		{"quiet", 5, true, true},
		{"console=ttyS0,115200 [amd64]", 20, true, false},
		{"console=ttyAMA0 [arm64]", 15, false, true},
		{"a [arm6]", 1, false, false},
		{"a [arm64", 1, false, false},
		{"a [arm64] ", 1, false, false},
		{"a [", 1, false, false},
		{"a ", 1, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		bool amd64, arm64;

		assert_int_equal(definition_argument(entries[i].entry, "amd64", &amd64), entries[i].length);
		assert_int_equal(definition_argument(entries[i].entry, "arm64", &arm64), entries[i].length);
		assert_int_equal(amd64, entries[i].amd64);
		assert_int_equal(arm64, entries[i].arm64);
	}
}

/* The complete definition with one text in it replaced. */
static void what_counts_for_an_architecture_is_listed(void **state)
{
	static const char from[] = "[quiet, a=b]";
	const char *at = strstr(complete, from);
	_cleanup_free_ char *text = string_format("%.*s[quiet, 'a=b [amd64]', 'c [arm64]']%s",
		(int)(at - complete), complete, at + strlen(from));
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_strv_ struct strv arguments = {}, requirements = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(definition_parse(text, strlen(text), "x.yaml", &definition, &err), err);
	assert_ok(definition_arguments(definition, "amd64", &arguments, &err), err);
	assert_int_equal(arguments.count, 2);
	assert_string_equal(arguments.items[0], "quiet");
	assert_string_equal(arguments.items[1], "a=b");
	definition->require = REQUIRE_SECURE_BOOT | REQUIRE_COMMAND_LINE;
	assert_ok(definition_requirements(definition, &requirements, &err), err);
	assert_int_equal(requirements.count, 2);
	assert_string_equal(requirements.items[0], "secure-boot");
	assert_string_equal(requirements.items[1], "command-line");
}

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

static void accepts(const char *from, const char *to)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;
	const char *at = strstr(complete, from);
	_cleanup_free_ char *text =
		string_format("%.*s%s%s", (int)(at - complete), complete, to, at + strlen(from));

	assert_ok(definition_parse(text, strlen(text), "x.yaml", &definition, &err), err);
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
	refuses("usr: 1G", "usr: 1X", "x.yaml:14: disk: usr: must be a size");
	refuses("usr: 1G, ", "", "x.yaml:14: disk: usr: is missing");
	refuses("[tpm2]", "[tpm3]", "x.yaml:9: require: \"tpm3\" is not known");
	refuses("{etc/b: ../c}", "{etc/b: [c]}", "x.yaml:7: links: must be a mapping");
	refuses("[main]", "[main", "not valid YAML");
	refuses("{etc/b: ../c}", "{etc/b: c, etc/b: d}", "x.yaml:7: links: \"etc/b\" is there twice");
	refuses("state: 4G}\n", "state: 4G}\n---\nname: b\n", "one document");
	refuses(complete, "", "x.yaml:1: the file is empty");
	refuses(complete, "[a]", "must be a mapping");
}

/* A mistake in what a value means, each on a line of its own that the error must name. */
static void names_file_line_and_key_of_what_makes_no_sense(void **state)
{
	static const struct {
		const char *from, *to, *message;
	} cases[] = {
		{"name: some-edition", "name: Sm all", "x.yaml:1: name: \"Sm all\" may hold"},
		{"name: some-edition", "name: -a", "x.yaml:1: name: "},
		{"Some Edition", "a $x", "x.yaml:2: title: \"a $x\" may hold no quote"},
		{"Some Edition", "\"a \\t b\"", "x.yaml:2: title: \"…\" may hold no quote"},
		{"Some Edition", "~", "x.yaml:2: title: must be a text, and ~ is none without quotes"},
		{"some-edition", "true", "x.yaml:1: name: must be a text, and true is none without quotes"},
		{"trixie", "../x", "x.yaml:3: suite: \"../x\" is no name of a suite"},
		{"trixie", "a b", "x.yaml:3: suite: "},
		{"[main]", "[main,\n a/../b]", "x.yaml:5: components: \"a/../b\" is no name"},
		{"[systemd,", "[systemd,\n a b,", "x.yaml:6: packages: \"a b\" is no name of a package"},
		{"[systemd,", "[systemd,\n b=,", "x.yaml:6: packages: \"b=\" is no name of a package"},
		{"[systemd,", "[systemd,\n 'b=1 2',",
			"x.yaml:6: packages: \"b=1 2\" is no name of a package"},
		{"[systemd,", "[systemd,\n 'a{architecture',", "x.yaml:6: packages: "},
		{"boot-packages: [stub]", "boot-packages:\n - Stub", "x.yaml:7: boot-packages: \"Stub\""},
		{"boot-packages", "absent: [a, systemd]\nboot-packages",
			"x.yaml:6: absent: systemd is asked"},
		{"boot-packages", "absent: [a, -systemd]\nboot-packages",
			"x.yaml:6: absent: systemd is asked"},
		{"boot-packages", "absent: [--a]\nboot-packages",
			"x.yaml:6: absent: \"--a\" is no name of a package"},
		{"boot-packages", "absent: ['-']\nboot-packages", "x.yaml:6: absent: \"-\" is no name"},
		{"[systemd,", "[systemd,\n -b,", "x.yaml:6: packages: \"-b\" is no name of a package"},
		{"{etc/b: ../c}", "\n  ../x: y", "x.yaml:8: links: \"../x\" is no path"},
		{"{etc/b: ../c}", "\n  etc/b: c\n  /etc/x: y", "x.yaml:9: links: \"/etc/x\" is no path"},
		{"{etc/b: ../c}", "{etc//b: y}", "x.yaml:7: links: \"etc//b\" is no path"},
		{"{etc/b: ../c}", "{opt/b: y}", "x.yaml:7: links: \"opt/b\" is no path within usr"},
		{"ids", "setuid: [usr/bin/a, /usr/bin/b]\nids", "x.yaml:8: setuid: \"/usr/bin/b\""},
		{"ids", "units:\n  a.service: mask\n  ../b.service: mask\nids",
			"x.yaml:10: units: \"../b.service\""},
		{"ids", "units: {sshd: mask}\nids", "x.yaml:8: units: \"sshd\" is no name of a unit"},
		{"ids", "units: {a.timer: on}\nids",
			"x.yaml:8: units: \"on\" is not known; there are enable, disable, mask"},
		{"ids", "sysctl:\n  vm.a: 1\n  vm: 1\nids",
			"x.yaml:10: sysctl: \"vm\" is no name of a setting"},
		{"ids", "sysctl: {-vm.a: 1}\nids", "x.yaml:8: sysctl: \"-vm.a\" is no name"},
		{"ids", "sysctl: {vm..a: 1}\nids", "x.yaml:8: sysctl: \"vm..a\" is no name"},
		{"ids", "sysctl: {vm.a: \"1\\nvm.b = 2\"}\nids",
			"x.yaml:8: sysctl: vm.a: \"…\" has a control character"},
		{"ids", "sysctl: {vm.a: ~}\nids", "x.yaml:8: sysctl: must be a text, and ~ is none without"},
		{"ids", "users: {a: {}}\nids", "x.yaml:8: users: a: description: is missing"},
		{"ids", "users: [a]\nids", "x.yaml:8: users: must be a mapping of names to mappings"},
		{"ids", "users:\n  1a: {description: x}\nids", "x.yaml:9: users: \"1a\" may hold letters"},
		{"ids", "users: {a: {description: 'x\"'}}\nids",
			"x.yaml:8: users: a: description: \"x\"\" may hold no"},
		{"ids", "users: {a: {description: x, home: var/a}}\nids",
			"x.yaml:8: users: a: home: \"var/a\" is no path"},
		{"ids", "users: {a: {description: x, shell: /bin/x y}}\nids",
			"x.yaml:8: users: a: shell: \"/bin/x y\" is no path"},
		{"ids", "users: {a: {description: x, groups: [b c]}}\nids",
			"x.yaml:8: users: a: groups: \"b c\" may hold letters"},
		{"ids", "users: {a: {description: true}}\nids",
			"x.yaml:8: users: a: description: must be a text, and true is none without quotes"},
		{"packages:", "sources: {x: {suite: s, keyring: k, packages: [p]}}\npackages:",
			"x.yaml:5: sources: x: url: is missing"},
		{"packages:",
			"sources:\n  x:\n    url: ftp://a/b\n    suite: s\n    keyring: k\n    packages: "
			"[p]\npackages:",
			"x.yaml:7: sources: x: url: \"ftp://a/b\" is neither"},
		{"packages:",
			"sources:\n  x:\n    url: https://\n    suite: s\n    keyring: k\n    packages: "
			"[p]\npackages:",
			"x.yaml:7: sources: x: url: "},
		{"packages:", "sources: {x: {url: a, suite: ../s, keyring: k, packages: [p]}}\npackages:",
			"x.yaml:5: sources: x: suite: \"../s\" is no name of a suite"},
		{"packages:", "sources: {trixie: {url: a, suite: s, keyring: k, packages: [p]}}\npackages:",
			"x.yaml:5: sources: \"trixie\" is the name of the archive's suite"},
		{"packages:", "sources: {X: {url: a, suite: s, keyring: k, packages: [p]}}\npackages:",
			"x.yaml:5: sources: \"X\" may hold a-z"},
		{"packages:", "sources: {x: {url: 'a:b', suite: s, keyring: k, packages: [p]}}\npackages:",
			"x.yaml:5: sources: x: url: \"a:b\" is neither"},
		{"packages:", "sources: {x: {url: a, suite: s, keyring: k, packages: []}}\npackages:",
			"x.yaml:5: sources: x: packages: has too few entries"},
		{"packages:", "sources: {x: {url: a, suite: s, keyring: k, packages: [p, A]}}\npackages:",
			"x.yaml:5: sources: x: packages: \"A\" is no name"},
		{"{sshd: 994}", "{sshd: 5000}", "x.yaml:8: ids: sshd: \"5000\" is no id of a system account"},
		{"{sshd: 994}", "{sshd: 0}", "x.yaml:8: ids: sshd: \"0\" is no id of a system account"},
		{"{sshd: 994}", "{s shd: 994}", "x.yaml:8: ids: \"s shd\" may hold letters"},
		{"{sshd: 994}", "\n  a: 5\n  b: 5", "x.yaml:10: ids: b: a has the id 5 already"},
		{"[quiet, a=b]", "\n  - quiet\n  - usrhash=00",
			"x.yaml:13: kernel: command-line: \"usrhash=00\": the build"},
		{"[quiet, a=b]", "[quiet, a b]",
			"x.yaml:11: kernel: command-line: \"a b\" must be one argument"},
		{"[quiet, a=b]", "[\"a [mips]\"]",
			"x.yaml:11: kernel: command-line: \"a [mips]\" must be one argument"},
		{"[quiet, a=b]", "[\" [arm64]\"]",
			"x.yaml:11: kernel: command-line: \" [arm64]\" must be one argument"},
		{"[quiet, a=b]", "[\"usrhash=0 [arm64]\"]",
			"x.yaml:11: kernel: command-line: \"usrhash=0 [arm64]\": the build"},
		{"[quiet, a=b]", "[\"usrhash [arm64]\"]",
			"x.yaml:11: kernel: command-line: \"usrhash [arm64]\": the build"},
		{"[quiet, a=b]", "[\"-- [arm64]\"]",
			"x.yaml:11: kernel: command-line: \"-- [arm64]\" would keep"},
		{"[quiet, a=b]", "[rdinit=/bin/sh]", "x.yaml:11: kernel: command-line: \"rdinit=/bin/sh\""},
		{"[quiet, a=b]", "[a=\u00e4]", "x.yaml:11: kernel: command-line: "},
		{"[dm-verity, erofs, overlay, efivarfs]", "[]",
			"x.yaml:13: initrd: modules: must have dm_verity"},
		{"erofs, ", "-erofs, ", "x.yaml:13: initrd: modules: must have erofs"},
		{"usr: 1G", "\n  usr: 63M", "x.yaml:15: disk: usr: must be at least 64M"},
		{"disk: {", "compression: lzma\ndisk: {", "x.yaml:14: compression: \"lzma\" is none of"},
		{"disk: {", "compression: zstd:99\ndisk: {",
			"x.yaml:14: compression: \"zstd:99\" is none of"},
		{"verity: 16M", "verity: 4M", "x.yaml:14: disk: verity: must be at least 9M"},
		{"state: 4G", "state: 4097M,\n esp: 2T", "x.yaml:15: disk: esp: is there twice"},
		{"state: 4G", "state: 2T", "x.yaml:14: disk: state: must be a multiple"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refuses(cases[i].from, cases[i].to, cases[i].message);
}

/* x86's limit of 2048 bytes, with NUL: 1974 are left for arguments beside " usrhash=" and 64 digits. */
static void a_command_line_is_no_longer_than_the_kernel_takes(void **state)
{
	char longest[1975], longer[1976];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	accepts("quiet, a=b", longest);
	refuses("quiet, a=b", longer, "x.yaml:11: kernel: command-line: 1975 bytes are more than the 1974");
}

/* What an error asks for is enough, to the block. */
static void the_least_size_is_one_that_can_be_written(void **state)
{
	static const struct {
		const char *less, *message, *least;
	} cases[] = {
		{"usr: 1024G, verity: 8G", "verity: must be at least 8193M", "usr: 1024G, verity: 8193M"},
		{"usr: 1025M, verity: 9220K", "verity: must be at least 9224K", "usr: 1025M, verity: 9224K"},
		{"usr: 65540K, verity: 1536K", "verity: must be at least 1540K",
			"usr: 65540K, verity: 1540K"},
		{"usr: 65532K, verity: 2M", "usr: must be at least 64M", "usr: 64M, verity: 2M"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		refuses("usr: 1G, verity: 16M", cases[i].less, cases[i].message);
		accepts("usr: 1G, verity: 16M", cases[i].least);
	}
	refuses("signature: 1M", "signature: 12K", "signature: must be at least 16K");
}

static void an_error_about_an_entry_is_given_its_place(void **state)
{
	_cleanup_definition_ struct definition *definition = NULL;
	struct error *err = NULL;
	int r;

	(void)state;
	assert_ok(definition_parse(complete, strlen(complete), "x.yaml", &definition, &err), err);
	r = error_about(&err, "linux-{architecture}-x", error_set(&err, -ENOENT, "none"));
	assert_int_equal(definition_blame(definition, "packages", r, &err), -ENOENT);
	assert_error(r, -ENOENT, err, "x.yaml:5: packages: none");
	/* Of what is about no entry, nothing is known. */
	r = error_set(&err, -ENOMEM, "out of memory");
	assert_int_equal(definition_blame(definition, "packages", r, &err), -ENOMEM);
	assert_string_equal(error_message(err), "out of memory");
	err = error_free(err);
	assert_int_equal(definition_blame(definition, "packages", 0, &err), 0);
}

/* The definition in *text*, as a file beside the folder "own" that holds usr/bin/mine. */
static int load_beside_files(const char *text, struct error **err)
{
	_cleanup_definition_ struct definition *definition = NULL;
	char folder[] = "/tmp/test-definition.XXXXXX";
	_cleanup_free_ char *command = NULL, *path = NULL;
	int r;

	assert_non_null(mkdtemp(folder));
	command = string_format(
		"mkdir -p %s/own/usr/bin && touch %s/own/usr/bin/mine %s/plain", folder, folder, folder);
	path = string_format("%s/x.yaml", folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
	r = definition_load(path, NULL, &definition, err);
	free(command);
	command = string_format("rm -r %s", folder);
	assert_int_equal(system(command), 0);
	return r;
}

static void what_a_definition_lays_over_the_tree_is_looked_at(void **state)
{
	static const struct {
		const char *links, *files, *message;
	} cases[] = {
		{"{usr/bin/other: y}", "own", NULL},
		{"{usr/bin/mine: y}", "own",
			"x.yaml:7: links: usr/bin/mine is in the folder of files as well"},
		{"{usr/bin/mine: y}", "nofolder", "x.yaml:8: files: "},
		{"{usr/bin/mine: y}", "plain", "x.yaml:8: files: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(complete, "{etc/b: ../c}"), *rest = at + strlen("{etc/b: ../c}");
		_cleanup_free_ char *text = string_format("%.*s%s\nfiles: %s%s", (int)(at - complete),
			complete, cases[i].links, cases[i].files, rest);
		struct error *err = NULL;
		int r = load_beside_files(text, &err);

		if (cases[i].message)
			assert_error(r, -EINVAL, err, cases[i].message);
		else
			assert_ok(r, err);
	}
}

/* ---- Definitions that extend another one ---- */

struct family {
	char *folder;
};

static int set_up_family(void **state)
{
	struct family *family = calloc(1, sizeof(*family));

	assert_non_null(family);
	family->folder = scratch_new();
	shell(family->folder, "mkdir -p base/etc base/usr child/usr more other; ln -s nowhere base/etc/gone");
	*state = family;
	return 0;
}

static int tear_down_family(void **state)
{
	struct family *family = *state;

	scratch_remove(&family->folder);
	free(family);
	return 0;
}

static void put(const struct family *family, const char *name, const char *text)
{
	_cleanup_free_ char *path = string_format("%s/%s", family->folder, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

static int load(const struct family *family, const char *name, struct definition **ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/%s", family->folder, name);

	return definition_load(path, NULL, ret, err);
}

static void an_edition_adds_to_another_one_and_takes_from_it(void **state)
{
	const struct family *family = *state;
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *base = string_format(
				    "%sunits: {a.service: mask, b.service: mask}\nfiles: base\n"
				    "sysctl: {vm.a: 1, vm.b: 2}\n"
				    "users: {one: {description: One, groups: [g]}, two: {description: Two, "
				    "shell: /bin/sh}}\n"
				    "sources: {s: {url: pool, suite: s, keyring: key, packages: [a-*]}}\n",
				    complete),
			    *first = NULL, *second = NULL;
	_cleanup_error_ struct error *err = NULL;

	put(family, "base.yaml", base);
	put(family, "child.yaml",
		"extends: base\n"
		"name: child\n"
		"packages: [vim]\n"
		"without:\n"
		"  packages: [systemd]\n"
		"  units: [a.service]\n"
		"  sysctl: [vm.a]\n"
		"  users: [one]\n"
		"  files: [etc/gone, usr]\n"
		"  links: [etc/b]\n"
		"  kernel: {command-line: [quiet]}\n"
		"links: {etc/c: d}\n"
		"ids: {sshd: 990, other: 991}\n"
		"units: {c.service: enable}\n"
		"sysctl: {vm.b: 3}\n"
		"users: {two: {description: Deux}}\n"
		"kernel: {command-line: [loud]}\n"
		"disk: {state: 2G}\n"
		"files: child\n");
	assert_ok(load(family, "child.yaml", &definition, &err), err);
	assert_string_equal(definition->name, "child");
	assert_string_equal(definition->title, "Some Edition");
	assert_int_equal(definition->packages.count, 2);
	assert_string_equal(definition->packages.items[0], "linux-{architecture}-x");
	assert_string_equal(definition->packages.items[1], "vim");
	assert_int_equal(definition->units.count, 2);
	assert_string_equal(pairs_get(&definition->units, "b.service"), "mask");
	assert_string_equal(pairs_get(&definition->units, "c.service"), "enable");
	assert_int_equal(definition->sysctl.count, 1);
	assert_string_equal(pairs_get(&definition->sysctl, "vm.b"), "3");
	/* What is there again counts as a whole. */
	assert_int_equal(definition->users.count, 1);
	assert_string_equal(definition_user(definition, 0)->name, "two");
	assert_string_equal(definition_user(definition, 0)->description, "Deux");
	assert_null(definition_user(definition, 0)->shell);
	assert_null(definition_user(definition, 1));
	assert_string_equal(definition_source(definition, 0)->packages.items[0], "a-*");
	assert_null(pairs_get(&definition->links, "etc/b"));
	assert_string_equal(pairs_get(&definition->links, "etc/c"), "d");
	assert_int_equal(definition->ids.count, 2);
	assert_string_equal(pairs_get(&definition->ids, "sshd"), "990");
	assert_int_equal(definition->kernel.command_line.count, 2);
	assert_string_equal(definition->kernel.command_line.items[0], "a=b");
	assert_string_equal(definition->kernel.command_line.items[1], "loud");
	assert_int_equal(definition->disk.state, GiB(2));
	assert_int_equal(definition->disk.esp, MiB(512));
	assert_int_equal(definition->require, REQUIRE_TPM2);
	first = string_format("%s/base", family->folder);
	second = string_format("%s/child", family->folder);
	assert_int_equal(definition->overlays.count, 2);
	assert_string_equal(definition->overlays.items[0], first);
	assert_string_equal(definition->overlays.items[1], second);
	assert_int_equal(definition->left_out.count, 2);
	assert_true(startswith(definition->left_out.items[0], first));
	assert_string_equal(definition->left_out.items[0] + strlen(first), "/etc/gone");
	assert_string_equal(definition->left_out.items[1] + strlen(first), "/usr");
}

static void a_path_of_a_file_begins_where_the_file_is_that_names_it(void **state)
{
	const struct family *family = *state;
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *base = string_format(
				    "%ssources: {s: {url: a, suite: s, keyring: k, packages: [p]}}\n",
				    complete),
			    *mine = NULL, *theirs = NULL, *expected = NULL;
	_cleanup_error_ struct error *err = NULL;

	put(family, "other/base.yaml", base);
	put(family, "child.yaml",
		"extends: other/base.yaml\nname: child\n"
		"sources: {t: {url: a, suite: s, keyring: k, packages: [p]}}\n");
	assert_ok(load(family, "child.yaml", &definition, &err), err);
	theirs = definition_beside(definition, "sources: s: keyring", "k");
	mine = definition_beside(definition, "sources: t: keyring", "k");
	assert_true(endswith(theirs, "/other/k"));
	expected = string_format("%s/k", family->folder);
	assert_string_equal(mine, expected);
	free(mine);
	mine = definition_beside(definition, "sources: t: keyring", "/k");
	assert_string_equal(mine, "/k");
}

/* A file that is called otherwise than before is the same one. */
static void refuses_circles_by_other_paths(const struct family *family)
{
	static const struct {
		const char *itself, *message;
	} cases[] = {
		{"./self.yaml", "/self.yaml:2: extends: \"./self.yaml\" extends itself"},
		{"other/../self.yaml", "/self.yaml:2: extends: \"other/../self.yaml\" extends itself"},
		{"link.yaml", "/self.yaml:2: extends: \"link.yaml\" extends itself"},
		{"other/back.yaml", "/back.yaml:2: extends: \"../self.yaml\" extends itself"},
	};

	shell(family->folder, "ln -s self.yaml link.yaml");
	put(family, "other/back.yaml", "name: back\nextends: ../self.yaml\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = string_format("name: self\nextends: %s\n", cases[i].itself);
		_cleanup_definition_ struct definition *definition = NULL;
		_cleanup_error_ struct error *err = NULL;

		put(family, "self.yaml", text);
		assert_int_equal(load(family, "self.yaml", &definition, &err), -EINVAL);
		assert_true(endswith(error_message(err), cases[i].message));
	}
}

/* In a circle, each is named once; in a line that is too long, the last one says so. */
static void an_end_is_put_to_what_extends_each_other(void **state)
{
	const struct family *family = *state;
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;

	put(family, "one.yaml", "name: one\nextends: two\n");
	put(family, "two.yaml", "name: two\n\nextends: one\n");
	assert_int_equal(load(family, "one.yaml", &definition, &err), -EINVAL);
	assert_string_equal(strrchr(error_message(err), '/'), "/two.yaml:3: extends: \"one\" extends itself");
	assert_null(strstr(strstr(error_message(err), "one.yaml") + 1, "one.yaml"));
	refuses_circles_by_other_paths(family);
	put(family, "line0.yaml", complete);
	for (unsigned i = 1; i <= DEFINITION_DEPTH; i++) {
		_cleanup_error_ struct error *too_long = NULL;
		char name[32], text[64];

		(void)snprintf(name, sizeof(name), "line%u.yaml", i);
		(void)snprintf(text, sizeof(text), "name: line%u\nextends: line%u\n", i, i - 1);
		put(family, name, text);
		definition = definition_free(definition);
		if (i < DEFINITION_DEPTH)
			assert_ok(load(family, name, &definition, &too_long), too_long);
		else
			assert_error(load(family, name, &definition, &too_long), -EINVAL, too_long,
				"line1.yaml:2: extends: more than 8 definitions extend each other");
	}
}

static void what_is_never_laid_over_the_tree_cannot_be_left_out(void **state)
{
	const struct family *family = *state;
	_cleanup_free_ char *base = string_format("%sfiles: base\n", complete);
	_cleanup_definition_ struct definition *definition = NULL;
	struct error *err = NULL;

	put(family, "base.yaml", base);
	put(family, "base/etc/.profile", "");
	put(family, "base/etc/profile~", "");
	put(family, "child.yaml", "extends: base\nname: x\nwithout: {files: [etc/.profile]}\n");
	assert_ok(load(family, "child.yaml", &definition, &err), err);
	put(family, "child.yaml", "extends: base\nname: x\nwithout: {files: [etc/profile~]}\n");
	assert_error(load(family, "child.yaml", &definition, &err), -EINVAL, err,
		"child.yaml:3: without: files: base has no file \"etc/profile~\"");
}

static void files_may_be_anywhere(void **state)
{
	const struct family *family = *state;
	_cleanup_free_ char *base = string_format("%sfiles: %s/base\n", complete, family->folder);
	_cleanup_free_ char *first = string_format("%s/base", family->folder),
			    *second = string_format("%s/other/../child", family->folder);
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;

	put(family, "more/base.yaml", base);
	put(family, "other/child.yaml", "extends: ../more/base.yaml\nname: x\nfiles: ../child\n");
	assert_ok(load(family, "other/child.yaml", &definition, &err), err);
	assert_int_equal(definition->overlays.count, 2);
	assert_string_equal(definition->overlays.items[0], first);
	assert_string_equal(definition->overlays.items[1], second);
}

static void a_grandchild_goes_by_all_of_them(void **state)
{
	const struct family *family = *state;
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;

	put(family, "base.yaml", complete);
	put(family, "other/child.yaml",
		"extends: ../base.yaml\nname: child\npackages: [vim, mc]\ntitle: Child\n");
	put(family, "grandchild.yaml",
		"extends: other/child.yaml\nname: grandchild\nwithout: {packages: [vim]}\n");
	assert_ok(load(family, "grandchild.yaml", &definition, &err), err);
	assert_string_equal(definition->title, "Child");
	assert_string_equal(definition->extends, "other/child.yaml");
	assert_int_equal(definition->packages.count, 3);
	assert_string_equal(definition->packages.items[2], "mc");
	assert_int_equal(definition->overlays.count, 0);
}

static void what_is_wrong_is_named_in_the_file_that_has_it(void **state)
{
	static const struct {
		const char *child, *message;
	} cases[] = {
		{"extends: base\n",
			"child.yaml:1: extends: an edition that extends another one has a name of its own"},
		{"name: x\nextends: nobody\n", "child.yaml:2: extends: "},
		{"name: x\nextends: child\n", "child.yaml:2: extends: \"child\" extends itself"},
		{"name: x\nextends: base\nwithout: {packages: [vim]}\n",
			"child.yaml:3: without: packages: base has no \"vim\" there"},
		{"name: x\nextends: base\nwithout:\n  kernel: {command-line: [loud]}\n",
			"child.yaml:4: without: kernel: command-line: base has no \"loud\" there"},
		{"name: x\nextends: base\nwithout: {suite: [trixie]}\n",
			"child.yaml:3: without: suite: is no key"},
		{"name: x\nextends: base\npackages: [vim, systemd]\n",
			"child.yaml:3: packages: \"systemd\" is there twice"},
		{"name: x\nextends: base\nlinks: {etc/a: b, etc/a: c}\n",
			"child.yaml:3: links: \"etc/a\" is there twice"},
		{"name: x\nextends: base\nunits: {wrong: mask}\n", "child.yaml:3: units: "},
		{"name: x\nextends: base\nusers: {a: {home: /a}}\n",
			"child.yaml:3: users: a: description: is missing"},
		{"name: x\nextends: base\nusers: {a: {description: b}, a: {description: c}}\n",
			"child.yaml:3: users: \"a\" is there twice"},
		{"name: x\nextends: base\nwithout: {users: [a]}\n",
			"child.yaml:3: without: users: base has no \"a\" there"},
		{"name: x\nextends: base\nwithout:\n  files: [etc/x]\n",
			"child.yaml:4: without: files: base has no file \"etc/x\""},
		{"name: x\nextends: base\nfiles: nowhere\n", "child.yaml:3: files: "},
		{"name: x\nextends: base\nkernel: {command-line: [a b]}\n",
			"child.yaml:3: kernel: command-line: "},
		/* What the child leaves of it makes no sense in the other one. */
		{"name: x\nextends: base\nwithout: {initrd: {modules: [dm-verity]}}\n", "initrd: modules: "},
	};
	const struct family *family = *state;

	put(family, "base.yaml", complete);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_definition_ struct definition *definition = NULL;
		_cleanup_error_ struct error *err = NULL;

		put(family, "child.yaml", cases[i].child);
		assert_true(load(family, "child.yaml", &definition, &err) < 0);
		if (!strstr(error_message(err), cases[i].message))
			fail_msg("case %zu: %s", i, error_message(err));
	}
}

static void what_is_wrong_with_the_other_one_is_named_there(void **state)
{
	const struct family *family = *state;
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_error_ struct error *err = NULL;

	put(family, "base.yaml", "name: y\npackages: {}\n");
	put(family, "child.yaml", "extends: base\nname: x\n");
	assert_error(load(family, "child.yaml", &definition, &err), -EINVAL, err,
		"base.yaml:2: packages: must be a list");
}

static void the_editions_that_we_ship_are_valid(void **state)
{
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_free_ char *path = string_format("%s/container-linux.yaml", getenv("ORLOP_EDITIONS"));
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(definition_load(path, NULL, &definition, &err), err);
	assert_int_equal(definition->require, REQUIRE_SECURE_BOOT | REQUIRE_TPM2 | REQUIRE_COMMAND_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_kind_of_value),
		cmocka_unit_test(an_entry_that_may_do_nothing_is_the_entry_without_its_mark),
		cmocka_unit_test(an_argument_may_be_for_one_architecture),
		cmocka_unit_test(what_counts_for_an_architecture_is_listed),
		cmocka_unit_test(names_file_line_and_key_of_what_is_wrong),
		cmocka_unit_test(names_file_line_and_key_of_what_makes_no_sense),
		cmocka_unit_test(a_command_line_is_no_longer_than_the_kernel_takes),
		cmocka_unit_test(the_least_size_is_one_that_can_be_written),
		cmocka_unit_test(an_error_about_an_entry_is_given_its_place),
		cmocka_unit_test(what_a_definition_lays_over_the_tree_is_looked_at),
		cmocka_unit_test_setup_teardown(
			an_edition_adds_to_another_one_and_takes_from_it, set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(a_path_of_a_file_begins_where_the_file_is_that_names_it,
			set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(
			what_is_never_laid_over_the_tree_cannot_be_left_out, set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(files_may_be_anywhere, set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(
			a_grandchild_goes_by_all_of_them, set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(
			an_end_is_put_to_what_extends_each_other, set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(
			what_is_wrong_is_named_in_the_file_that_has_it, set_up_family, tear_down_family),
		cmocka_unit_test_setup_teardown(
			what_is_wrong_with_the_other_one_is_named_there, set_up_family, tear_down_family),
		cmocka_unit_test(the_editions_that_we_ship_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
