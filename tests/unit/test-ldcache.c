/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-files.h"

#include "build/ldcache.h"

/*
 * A root with libraries as packages ship them, and as they should not: made by the compiler, with the C
 * library of this machine, whose ldconfig is the judge. So the cache must be the same to the last byte, its
 * version string as well.
 */
static const char root_script[] =
	"a=$(gcc -dumpmachine); l=usr/lib/$a\n"
	"mkdir -p etc/ld.so.conf.d $l/glibc-hwcaps/x86-64-v3 $l/glibc-hwcaps/x86-64-v2 $l/glibc-hwcaps/empty "
	"usr/sbin"
	" $l/glibc-hwcaps/.hidden usr/local/lib opt/lib var/cache\n"
	"ln -s usr/lib lib\n"
	"echo 'include /etc/ld.so.conf.d/*.conf' > etc/ld.so.conf\n"
	"printf '# comment\\n/usr/local/lib/\\n/lib/%s # first name\\n/usr/lib/%s\\n' $a $a > "
	"etc/ld.so.conf.d/a.conf\n"
	"printf '  /opt/lib  \\nhwcap 0 nosegneg\\n/nowhere\\n' > etc/ld.so.conf.d/z.conf\n"
	"echo /opt/hidden > etc/ld.so.conf.d/.hidden.conf\n"
	"cp -L /usr/lib/$a/libc.so.6 $l/\n"
	"so() { set -- \"$1\" \"${2-}\" \"${3-}\"; n=${2:+-Wl,-soname,$2}; echo 'int f(void) { return 1; }' "
	"| gcc -shared -nostdlib -o $1 $n $3 "
	"-x c -; }\n"
	"so $l/libfoo.so.1.2 libfoo.so.1; so $l/libfoo.so.1.10 libfoo.so.1; ln -s libfoo.so.1.2 "
	"$l/libfoo.so.1\n"
	"ln -s libfoo.so.1 $l/libfoo.so; ln -s gone $l/libstale.so.3; ln -s gone $l/libstale.so\n"
	"so usr/local/lib/libnoname.so; so opt/lib/libbar.so.2.0 libbar.so.2; so opt/lib/libbar.so.2.9 "
	"libbar.so.2\n"
	"ln -s libbar.so.2.0 opt/lib/libbar.so.2; ln -s libbar.so.2.0 opt/lib/libother.so.4\n"
	"so opt/lib/libfoo.so.1 libfoo.so.1; so opt/lib/notalib.so; echo 'GROUP ( x )' > "
	"opt/lib/libscript.so\n"
	"echo 'int f;' | gcc -c -o opt/lib/libobject.so -x c -\n"
	"so $l/libfoo-gone.so.1.1 libmade.so.1; so usr/lib/libtop.so.1 libtop.so.1\n"
	"so $l/glibc-hwcaps/x86-64-v2/libfoo.so.1.2 libfoo.so.1; so $l/glibc-hwcaps/.hidden/libfoo.so.1 "
	"libfoo.so.1\n";

/* The architecture that the compiler makes libraries for. */
static const char *architecture(void)
{
#ifdef __aarch64__
	return "arm64";
#else
	return "amd64";
#endif
}

static int note_link(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)err;
	if (S_ISLNK(inode->mode))
		buffer_printf(userdata, "%s %s\n", path, inode->target);
	return 0;
}

static void is_what_ldconfig_makes(const char *more)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *script = string_format("%s%s", root_script, more);
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_tree_ struct tree *judged = NULL;
	_cleanup_buffer_ struct buffer links = {}, judged_links = {};
	_cleanup_error_ struct error *err = NULL;
	struct finish finish = {.architecture = architecture()};

	if (!have_program("ldconfig")) {
		print_message("skipped, because ldconfig is not installed\n");
		skip();
	}
	assert_non_null(script);
	shell(folder, script);
	finish.tree = tree = tree_of_folder(folder);
	assert_ok(finish_ldcache(&finish, &err), err);
	shell(folder, "ldconfig -r \"$PWD\" 2>/dev/null");
	assert_same_content(tree, "etc/ld.so.cache", folder, "etc/ld.so.cache");
	judged = tree_of_folder(folder);
	assert_int_equal(tree_walk(tree, note_link, &links, NULL), 0);
	assert_int_equal(tree_walk(judged, note_link, &judged_links, NULL), 0);
	buffer_append_u8(&links, 0);
	buffer_append_u8(&judged_links, 0);
	assert_string_equal((char *)links.data, (char *)judged_links.data);
}

static void cache_and_links_are_those_of_ldconfig(void **state)
{
	(void)state;
	is_what_ldconfig_makes("");
}

/*
 * What only x86 has: a note that says which instructions a library needs, and 32-bit libraries beside the
 * others. Those need the C library, or an ldconfig before glibc 2.37 takes them for ones of libc5.
 */
static void levels_of_x86_libraries_are_those_of_ldconfig(void **state)
{
	(void)state;
	if (!streq(architecture(), "amd64")) {
		print_message("skipped, because this machine's libraries have no ISA levels\n");
		skip();
	}
	is_what_ldconfig_makes(
		"so $l/glibc-hwcaps/x86-64-v3/libfoo.so.1.3 libfoo.so.1 -Wl,-z,x86-64-v3\n"
		"ln -s ../x86-64-v2/libfoo.so.1.2 $l/glibc-hwcaps/x86-64-v3/strange-name\n"
		"echo | as --32 -o 32.o -; so32() { ld -m elf_i386 -shared -soname $2 -o $1 32.o ${3-}; }\n"
		"so32 32.so libc.so.6; so32 usr/local/lib/libfoo.so.1 libfoo.so.1 32.so\n"
		"so32 opt/lib/libtop.so.1 libtop.so.1 32.so\n");
}

static void a_root_without_configuration_has_the_standard_folders(void **state)
{
	(void)state;
	is_what_ldconfig_makes("rm -r etc/ld.so.conf etc/ld.so.conf.d\n");
}

/* A link that ldconfig would make lead elsewhere, and one that leads nowhere yet; but no cache. */
static void links_of_the_definition_stay(void **state)
{
	static const char *const links[] = {
		"opt/lib/libbar.so.2", "opt/lib/libgone.so.1", "opt/lib/libgone.so.2"};
	struct definition definition = {.path = (char *)"own.yaml"};
	struct finish finish = {.architecture = architecture(), .definition = &definition};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *script = string_format(
		"%s%s", root_script, "ln -s gone opt/lib/libgone.so.1; ln -s gone opt/lib/libgone.so.2\n");
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_non_null(script);
	shell(folder, script);
	finish.tree = tree = tree_of_folder(folder);
	for (size_t i = 0; i < 2; i++)
		tree_lookup(tree, links[i])->origin = tree_intern(tree, OWN_ORIGIN);
	assert_ok(finish_ldcache(&finish, &err), err);
	assert_string_equal(tree_lookup(tree, links[0])->target, "libbar.so.2.0");
	assert_string_equal(tree_lookup(tree, links[1])->target, "gone");
	assert_null(tree_lookup(tree, links[2]));
	tree_lookup(tree, "etc/ld.so.cache")->origin = tree_intern(tree, OWN_ORIGIN);
	assert_error(finish_ldcache(&finish, &err), -EINVAL, err,
		"own.yaml:1: files: /etc/ld.so.cache is made by the build, by its finisher ld-cache");
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *more, *text;
		int code;
	} cases[] = {
		{"rm $l/libc.so.6", "no libc.so.6", -ENOENT},
		{"so $l/libc.so.6 libc.so.6", "does not say which version", -EBADMSG},
		{"truncate -s 200 $l/libfoo.so.1.2", "libfoo.so: damaged ELF file", -EBADMSG},
		{"echo 'include /etc/*/x' >> etc/ld.so.conf", "wildcard in a folder's name", -EINVAL},
		{"echo 'include /etc/ld.so.conf' >> etc/ld.so.conf", "include each other", -EINVAL},
		{"so $l/libevil.so.1 ../evil", "soname \"../evil\"", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_free_ char *script = string_format("%s%s", root_script, cases[i].more);
		_cleanup_tree_ struct tree *tree = NULL;
		struct finish finish = {.architecture = architecture()};
		_cleanup_error_ struct error *err = NULL;

		assert_non_null(script);
		shell(folder, script);
		finish.tree = tree = tree_of_folder(folder);
		assert_error(finish_ldcache(&finish, &err), cases[i].code, err, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache_and_links_are_those_of_ldconfig),
		cmocka_unit_test(levels_of_x86_libraries_are_those_of_ldconfig),
		cmocka_unit_test(a_root_without_configuration_has_the_standard_folders),
		cmocka_unit_test(links_of_the_definition_stay),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
