/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/encoding.h"
#include "base/file.h"
#include "http-server.h"
#include "repository.h"
#include "source/source.h"

#define NOW ((time_t)1795252544)
#define DAY 86400
#define APP_SIZE 20000u
#define LIB_SIZE 150000u

/* A stable suite with its updates and security fixes, served on loopback, and an empty cache. */
struct fixture {
	const struct repository *repository;
	struct http_server *server;
	struct strv main, updates, security; /* stanzas */
	char *mirror, *cache;
	struct source_options options;
};

static struct repository shared; /* its keys serve all tests */

static int make_repository(void **state)
{
	(void)state;
	repository_init(&shared);
	return 0;
}

static int drop_repository(void **state)
{
	(void)state;
	repository_release(&shared);
	return 0;
}

static char *join(const struct strv *stanzas)
{
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < stanzas->count; i++)
		buffer_append_string(&text, stanzas->items[i]);
	buffer_append_u8(&text, 0);
	return buffer_take(&text, NULL);
}

/* What the suites say of themselves; tests change it before they publish again. */
static struct repository_suite suite_of(const char *name)
{
	if (streq(name, "trixie"))
		return (struct repository_suite){.folder = "debian",
			.name = name,
			.suite = "stable",
			.codename = name,
			.date = NOW - 30 * DAY,
			.signer = "archive"};
	return (struct repository_suite){
		.folder = streq(name, "trixie-security") ? "debian-security" : "debian",
		.name = name,
		.suite = streq(name, "trixie-security") ? "stable-security" : "stable-updates",
		.codename = name,
		.date = NOW - DAY,
		.valid_until = NOW + 6 * DAY,
		.signer = "archive",
	};
}

static void publish(const struct fixture *f, struct repository_suite suite)
{
	const struct strv *stanzas = streq(suite.name, "trixie")	    ? &f->main
				     : streq(suite.name, "trixie-security") ? &f->security
									    : &f->updates;
	_cleanup_free_ char *packages = join(stanzas);

	suite.packages = packages;
	repository_publish(f->repository, &suite);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->repository = &shared;
	assert_int_equal(mkdir(shared.archive, 0755), 0);
	repository_add_package(&shared, "debian", "app", "1", APP_SIZE, "Depends: lib (>= 1)\n", &f->main);
	repository_add_package(&shared, "debian", "lib", "1", LIB_SIZE, "", &f->main);
	repository_add_package(&shared, "debian", "lib", "2", LIB_SIZE, "", &f->updates);
	repository_add_package(
		&shared, "debian-security", "app", "1.1", APP_SIZE, "Depends: lib\n", &f->security);
	publish(f, suite_of("trixie"));
	publish(f, suite_of("trixie-updates"));
	publish(f, suite_of("trixie-security"));
	f->server = http_server_start(shared.archive);
	f->mirror = string_format("%s/debian", http_server_url(f->server));
	f->cache = string_format("%s/cache", shared.folder);
	f->options = (struct source_options){.mirror = f->mirror,
		.keyring = shared.keyring,
		.suite = "trixie",
		.architecture = "amd64",
		.cache = f->cache,
		.apt = "/nonexistent",
		.now = NOW};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_server_stop(f->server);
	assert_int_equal(remove_tree(shared.archive, NULL), 0);
	assert_int_equal(remove_tree(f->cache, NULL), 0);
	strv_release(&f->main);
	strv_release(&f->updates);
	strv_release(&f->security);
	free(f->mirror);
	free(f->cache);
	free(f);
	return 0;
}

/* The whole way for "app": opened, resolved, fetched. */
static int get_app(const struct fixture *f, struct package_list *ret, struct error **err)
{
	_cleanup_source_ struct source *source = NULL;
	_cleanup_strv_ struct strv names = {};
	int r;

	assert_int_equal(strv_add(&names, "app"), 0);
	r = source_open(&f->options, &source, err);
	if (r >= 0)
		r = source_resolve(source, &names, NULL, ret, NULL, err);
	return r < 0 ? r : source_fetch(source, ret, err);
}

static void assert_app(const struct fixture *f, const char *app, const char *lib)
{
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(get_app(f, &list, &err), err);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].version, app);
	assert_string_equal(list.items[1].version, lib);
	for (size_t i = 0; i < list.count; i++) {
		_cleanup_free_ char *data = NULL;
		uint8_t digest[SHA256_SIZE];
		size_t size;

		assert_ok(file_read(list.items[i].path, MiB(1), &data, &size, &err), err);
		assert_int_equal(size, list.items[i].size);
		assert_int_equal(sha256_bytes(data, size, digest), 0);
		assert_memory_equal(digest, list.items[i].sha256, SHA256_SIZE);
	}
}

static void assert_refused(const struct fixture *f, int code, const char *text)
{
	_cleanup_package_list_ struct package_list list = {};
	struct error *err = NULL;

	assert_error(get_app(f, &list, &err), code, err, text);
}

static void takes_the_newest_of_all_suites(void **state)
{
	struct fixture *f = *state;

	assert_app(f, "1.1", "2");
	assert_int_equal(http_server_requests(f->server, ".deb"), 2);
}

static void fetches_nothing_twice_but_the_releases(void **state)
{
	struct fixture *f = *state;

	assert_app(f, "1.1", "2");
	assert_app(f, "1.1", "2");
	assert_int_equal(http_server_requests(f->server, ".deb"), 2);
	assert_int_equal(http_server_requests(f->server, "/InRelease"), 6);
	/* 6 releases, 3 indexes, 2 packages */
	assert_int_equal(http_server_requests(f->server, ""), 11);
}

static void needs_no_network_where_the_cache_has_all(void **state)
{
	struct fixture *f = *state;

	f->options.offline = true;
	assert_refused(f, -ENOENT, "trixie is not in the cache: build once without --offline");
	f->options.offline = false;
	assert_app(f, "1.1", "2");
	f->options.offline = true;
	f->server = http_server_stop(f->server);
	assert_app(f, "1.1", "2");
	/* Offline is no way round the dates. */
	f->options.now = NOW + 7 * DAY;
	assert_refused(f, -ESTALE, "has expired");
}

static void works_from_a_folder_and_without_xz_and_by_hash(void **state)
{
	struct fixture *f = *state;
	struct repository_suite suite = suite_of("trixie");
	_cleanup_free_ char *index = string_format("%s/debian/dists/trixie/main", f->repository->archive);
	_cleanup_free_ char *url = string_format("file://%s/debian", f->repository->archive);

	assert_int_equal(remove_tree(index, NULL), 0);
	suite.no_xz = suite.no_by_hash = true;
	publish(f, suite);
	f->options.mirror = url;
	assert_app(f, "1.1", "2");
	assert_int_equal(http_server_requests(f->server, ""), 0);
}

static void a_stable_suite_without_security_fixes_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *folder = string_format("%s/debian-security", f->repository->archive);

	assert_int_equal(remove_tree(folder, NULL), 0);
	assert_refused(f, -ENOENT, "--security-mirror");
	f->options.security_mirror = "none";
	assert_app(f, "1", "2");
}

static void other_suites_do_without(void **state)
{
	static const char *const kinds[] = {"testing", "unstable"};
	struct fixture *f = *state;
	struct repository_suite suite = suite_of("trixie");
	_cleanup_free_ char *security = string_format("%s/debian-security", f->repository->archive);
	_cleanup_free_ char *updates =
		string_format("%s/debian/dists/trixie-updates", f->repository->archive);

	assert_int_equal(remove_tree(security, NULL), 0);
	assert_int_equal(remove_tree(updates, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		suite.suite = kinds[i];
		suite.date++;
		publish(f, suite);
		assert_app(f, "1", "1");
	}
}

/* A further repository with a newer lib, a tool, and a stanza that would be taken for two. */
static void publish_extra(const struct fixture *f, const char *signer, const char *more)
{
	_cleanup_strv_ struct strv stanzas = {};
	_cleanup_free_ char *packages = NULL;
	struct repository_suite suite = {.folder = "extra",
		.name = "site",
		.suite = "site",
		.codename = "trixie",
		.date = NOW - DAY,
		.signer = signer};

	repository_add_package(&shared, "extra", "lib", "9", LIB_SIZE, "", &stanzas);
	repository_add_package(&shared, "extra", "tool", "3", APP_SIZE, "Depends: lib\n", &stanzas);
	assert_int_equal(strv_add(&stanzas, more), 0);
	packages = join(&stanzas);
	suite.packages = packages;
	repository_publish(f->repository, &suite);
}

static void assert_tool(const struct fixture *f, const char *lib)
{
	_cleanup_package_list_ struct package_list list = {}, again = {};
	_cleanup_source_ struct source *source = NULL, *locked = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv names = {};

	assert_int_equal(strv_add(&names, "tool"), 0);
	assert_ok(source_open(&f->options, &source, &err), err);
	assert_ok(source_resolve(source, &names, NULL, &list, NULL, &err), err);
	assert_ok(source_fetch(source, &list, &err), err);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].version, lib);
	assert_string_equal(list.items[1].suite, "own");
	/* By a lock, from the same place. */
	assert_ok(package_list_copy(&list, &again, &err), err);
	assert_int_equal(remove_tree(f->cache, NULL), 0);
	assert_ok(source_open_locked(&f->options, &locked, &err), err);
	assert_ok(source_fetch(locked, &again, &err), err);
}

static void a_further_repository_gives_what_is_named_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *url = string_format("%s/extra", http_server_url(f->server));
	const char *only_tool[] = {"to*", NULL}, *both[] = {"lib", "tool", NULL}, *none[] = {"x", NULL};
	struct source_extra extra = {
		.name = "own", .url = url, .suite = "site", .keyring = shared.keyring, .packages = only_tool};
	struct error *err = NULL;

	f->options.extras = &extra;
	f->options.extra_count = 1;
	publish_extra(f, "archive", "");
	assert_tool(f, "2");
	assert_app(f, "1.1", "2");
	extra.packages = both;
	assert_tool(f, "9");
	extra.packages = none;
	assert_app(f, "1.1", "2");
	/* Its keys are its own. */
	publish_extra(f, "other", "");
	assert_refused(f, -ENOKEY, "(the source's \"keyring\" in the definition");
	publish_extra(f, "archive", "Package: x\nPackage: lib\nVersion: 10\nArchitecture: amd64\n\n");
	assert_refused(f, -EBADMSG, "a second field Package");
	extra.name = "trixie-updates";
	assert_refused(f, -EINVAL, "the archive has a suite \"trixie-updates\"");
	extra.name = "own";
	extra.suite = "gone";
	{
		_cleanup_package_list_ struct package_list list = {};

		assert_int_equal(get_app(f, &list, &err), -ENOENT);
		assert_string_equal(err->subject, "own");
		error_free(err);
	}
}

static void names_the_suite_that_an_archive_lacks(void **state)
{
	struct fixture *f = *state;

	f->options.suite = "nonesuch";
	assert_refused(f, -ENOENT, "the suite \"nonesuch\" can't be had (is its name right?): ");
}

static void refuses_releases_that_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct repository_suite suite;

	suite = suite_of("trixie-updates");
	suite.valid_until = NOW - 1;
	publish(f, suite);
	assert_refused(f, -ESTALE, "trixie-updates/InRelease: has expired");
	suite = suite_of("trixie-updates");
	suite.date = NOW + 2 * DAY;
	publish(f, suite);
	assert_refused(f, -ESTALE, "in the future");
	suite = suite_of("trixie-updates");
	suite.suite = "stable";
	suite.codename = "trixie";
	publish(f, suite);
	assert_refused(f, -EINVAL, "is of suite stable (trixie), and trixie-updates was asked for");
	publish(f, suite_of("trixie-updates"));
	assert_app(f, "1.1", "2");
}

static void refuses_releases_that_nobody_vouches_for(void **state)
{
	struct fixture *f = *state;
	struct repository_suite suite = suite_of("trixie");
	_cleanup_free_ char *path = NULL, *text = NULL;

	suite.signer = "";
	publish(f, suite);
	assert_refused(f, -EBADMSG, "trixie/InRelease: carries no valid signature");
	suite.signer = "other";
	publish(f, suite);
	assert_refused(f, -ENOKEY, "give the keyring of this archive with --keyring");
	suite.signer = "archive";
	publish(f, suite);
	path = string_format("%s/debian/dists/trixie/InRelease", f->repository->archive);
	assert_int_equal(file_read(path, MiB(1), &text, NULL, NULL), 0);
	strstr(text, "SHA256:")[8] ^= 1;
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
	assert_refused(f, -EBADMSG, "altered");
}

/* Fetched metadata that is refused must not replace what the cache has. */
static void a_refused_release_does_not_reach_the_cache(void **state)
{
	struct fixture *f = *state;

	assert_app(f, "1.1", "2");
	http_server_fault(f->server, "trixie/InRelease", HTTP_OTHER_BYTE, 60, 1);
	assert_refused(f, -EBADMSG, "InRelease");
	f->options.offline = true;
	assert_app(f, "1.1", "2");
}

static void does_not_go_back_to_an_older_release(void **state)
{
	struct fixture *f = *state;
	struct repository_suite suite = suite_of("trixie-updates");
	struct strv newer = f->updates;

	assert_app(f, "1.1", "2");
	suite.date -= DAY;
	f->updates = (struct strv){};
	publish(f, suite);
	assert_app(f, "1.1", "2");
	f->updates = newer;
}

static void a_damaged_index_is_refused_and_not_kept(void **state)
{
	struct fixture *f = *state;
	struct repository_suite suite = suite_of("trixie");

	suite.no_by_hash = true;
	publish(f, suite);
	http_server_fault(f->server, "trixie/main/binary-amd64/Packages.xz", HTTP_OTHER_BYTE, 40, 2);
	assert_refused(f, -EBADMSG, "Packages of trixie main: http://");
	assert_app(f, "1.1", "2");
}

static void a_damaged_package_is_refused_and_not_kept(void **state)
{
	struct fixture *f = *state;

	http_server_fault(f->server, "lib_2_amd64.deb", HTTP_OTHER_BYTE, 77, 2);
	assert_refused(f, -EBADMSG, "package: lib: http://");
	assert_app(f, "1.1", "2");
}

static void a_package_that_the_mirror_has_dropped_is_said(void **state)
{
	struct fixture *f = *state;

	http_server_fault(f->server, "lib_2_amd64.deb", HTTP_STATUS, 404, 1);
	assert_refused(f, -ENOENT, "lib_2_amd64.deb: the server does not have it");
}

static void an_interrupted_download_goes_on_in_the_next_run(void **state)
{
	struct fixture *f = *state;

	http_server_fault(f->server, "lib_2_amd64.deb", HTTP_CUT, 100000, 1);
	http_server_fault(f->server, "lib_2_amd64.deb", HTTP_STATUS, 403, 1);
	assert_refused(f, -EACCES, "status 403");
	assert_app(f, "1.1", "2");
	assert_int_equal(http_server_bytes(f->server, "lib_2_amd64.deb"),
		LIB_SIZE + strlen("<html>an error</html>\n"));
}

/* Changes one byte of every file below a folder of the cache. */
static void damage(const struct fixture *f, const char *below)
{
	_cleanup_free_ char *folder = string_format("%s/%s", f->cache, below);
	const char *const find[] = {"find", folder, "-type", "f", NULL};
	_cleanup_free_ char *files = run_program(find);

	assert_true(*files);
	for (char *rest = files, *path; (path = strsep(&rest, "\n")) && *path;) {
		_cleanup_free_ char *data = NULL;
		size_t size;

		assert_int_equal(file_read(path, MiB(8), &data, &size, NULL), 0);
		data[size / 2] ^= 1;
		assert_int_equal(file_write_atomic(path, data, size, 0644, NULL), 0);
	}
}

/* Removes the packages of these names from the cache, where they are called by their digest. */
static void remove_packages(const struct fixture *f, const char *first, const char *second)
{
	_cleanup_package_list_ struct package_list list = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(get_app(f, &list, &err), err);
	for (size_t i = 0; i < list.count; i++)
		if (streq(list.items[i].name, first) || streq(list.items[i].name, second))
			assert_int_equal(unlink(list.items[i].path), 0);
}

static void offline_says_which_packages_are_missing_and_how_many(void **state)
{
	struct fixture *f = *state;

	assert_app(f, "1.1", "2");
	f->options.offline = true;
	remove_packages(f, "lib", "lib");
	assert_refused(f, -ENOENT, "package lib is not in the cache: build once without --offline");
	f->options.offline = false;
	remove_packages(f, "lib", "app");
	f->options.offline = true;
	assert_refused(f, -ENOENT, "package app and 1 other are not in the cache");
}

static void offline_says_that_what_the_cache_has_is_damaged(void **state)
{
	struct fixture *f = *state;

	assert_app(f, "1.1", "2");
	f->options.offline = true;
	damage(f, "sha256");
	assert_refused(f, -EBADMSG, "package: app is damaged in the cache: the SHA-256 of ");
	/* It is gone then, and missing as others are. */
	assert_refused(f, -ENOENT, "package app and 1 other are not in the cache");
	f->options.offline = false;
	assert_app(f, "1.1", "2");
	/* The package lists are still damaged, which shows where their parsed form is gone. */
	f->options.offline = true;
	damage(f, "solv");
	assert_refused(f, -EBADMSG, "Packages of trixie main is damaged in the cache: the SHA-256 of ");
}

static void a_damaged_cache_mends_itself(void **state)
{
	struct fixture *f = *state;

	assert_app(f, "1.1", "2");
	damage(f, "sha256");
	assert_app(f, "1.1", "2");
	assert_int_equal(http_server_requests(f->server, ".deb"), 4);
	damage(f, "solv");
	assert_app(f, "1.1", "2");
	damage(f, "release");
	assert_app(f, "1.1", "2");
	damage(f, "");
	assert_app(f, "1.1", "2");
}

/* Each is whole, but not what its name says. */
static void a_parsed_index_under_another_s_name_is_not_believed(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *script =
		string_format("cd '%s/solv' && set -- * && cp \"$1\" \"$2\" && cp \"$1\" \"$3\"", f->cache);
	const char *const copy[] = {"sh", "-c", script, NULL};
	char *nothing;

	assert_app(f, "1.1", "2");
	nothing = run_program(copy);
	free(nothing);
	assert_app(f, "1.1", "2");
	f->server = http_server_stop(f->server);
	f->options.offline = true;
	assert_app(f, "1.1", "2");
}

static void a_cache_that_cannot_be_used_is_named(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *below = string_format("%s/file/cache", f->repository->archive);
	_cleanup_free_ char *file = string_format("%s/file", f->repository->archive);
	_cleanup_free_ char *text = string_format("cache %s can't be used", below);

	assert_int_equal(file_write_atomic(file, "", 0, 0644, NULL), 0);
	f->options.cache = below;
	assert_refused(f, -ENOTDIR, text);
}

/* Tries as somebody who is not root, to whom no folder is closed. */
static void an_unreadable_cache_is_named(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *folder = string_format("%s/sha256", f->cache);
	int status;
	pid_t child;

	assert_app(f, "1.1", "2");
	assert_int_equal(chmod(f->repository->folder, 0755), 0);
	assert_int_equal(chmod(folder, 0), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct package_list list = {};
		struct error *err = NULL;

		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		_exit(get_app(f, &list, &err) == -EACCES && strstr(error_message(err), folder) &&
					strstr(error_message(err), "--cache")
				? 0
				: 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(status, 0);
}

static void two_builds_share_a_cache(void **state)
{
	struct fixture *f = *state;
	pid_t children[4];
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			struct package_list list = {};

			_exit(get_app(f, &list, NULL) == 0 && list.count == 2 ? 0 : 1);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	f->server = http_server_stop(f->server);
	f->options.offline = true;
	assert_app(f, "1.1", "2");
}

static void says_where_a_mirror_comes_from(void **state)
{
	struct fixture *f = *state;

	f->options.mirror = NULL;
	assert_refused(f, -ENOENT, "/nonexistent names no Debian mirror: give one with --mirror");
}

static void an_unknown_component_or_architecture_is_said(void **state)
{
	static const char *const components[] = {"main", "extra", NULL};
	struct fixture *f = *state;

	f->options.components = components;
	assert_refused(f, -ENOENT, "the Release has no extra/binary-amd64/Packages");
	f->options.components = NULL;
	f->options.architecture = "arm64";
	assert_refused(f, -ENOENT, "main/binary-arm64/Packages");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int begin(void **state)
{
	int r = make_repository(state);

	/* Each test makes its own archive. */
	return r < 0 ? r : remove_tree(shared.archive, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_the_newest_of_all_suites),
		TEST(fetches_nothing_twice_but_the_releases),
		TEST(needs_no_network_where_the_cache_has_all),
		TEST(works_from_a_folder_and_without_xz_and_by_hash),
		TEST(a_stable_suite_without_security_fixes_is_refused),
		TEST(other_suites_do_without),
		TEST(a_further_repository_gives_what_is_named_and_nothing_else),
		TEST(names_the_suite_that_an_archive_lacks),
		TEST(refuses_releases_that_do_not_count),
		TEST(refuses_releases_that_nobody_vouches_for),
		TEST(a_refused_release_does_not_reach_the_cache),
		TEST(does_not_go_back_to_an_older_release),
		TEST(a_damaged_index_is_refused_and_not_kept),
		TEST(a_damaged_package_is_refused_and_not_kept),
		TEST(a_package_that_the_mirror_has_dropped_is_said),
		TEST(an_interrupted_download_goes_on_in_the_next_run),
		TEST(offline_says_which_packages_are_missing_and_how_many),
		TEST(offline_says_that_what_the_cache_has_is_damaged),
		TEST(a_damaged_cache_mends_itself),
		TEST(a_parsed_index_under_another_s_name_is_not_believed),
		TEST(a_cache_that_cannot_be_used_is_named),
		TEST(an_unreadable_cache_is_named),
		TEST(two_builds_share_a_cache),
		TEST(says_where_a_mirror_comes_from),
		TEST(an_unknown_component_or_architecture_is_said),
	};

	return cmocka_run_group_tests(tests, begin, drop_repository);
}
