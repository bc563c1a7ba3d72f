/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/source.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/work.h"
#include "source/apt-config.h"
#include "source/cache.h"
#include "source/fetch.h"
#include "source/packages.h"
#include "source/release.h"
#include "source/resolve.h"
#include "source/signature.h"

#define DEBIAN_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define RELEASE_MAX MiB(8)
#define PARSED_MAX GiB(1)
#define SUITES_MAX 3

/* One suite of one archive: "trixie-security" at ".../debian-security". */
struct suite {
	char *name;
	char *archive;		 /* URL */
	char *url;		 /* of the suite's folder */
	struct release *release; /* NULL where the archive has no such suite, which was optional */
};

struct source {
	struct cache *cache;
	struct fetch *fetch;
	struct resolver *resolver;
	struct progress *progress;
	char *keyring;
	char *architecture;
	char *mirror, *security; /* URLs of the archives */
	struct strv components;
	bool offline;
	time_t now;
	struct suite suites[SUITES_MAX];
	size_t suite_count;
};

struct source *source_close(struct source *source)
{
	if (!source)
		return NULL;
	for (size_t i = 0; i < source->suite_count; i++) {
		free(source->suites[i].name);
		free(source->suites[i].archive);
		free(source->suites[i].url);
		release_free(source->suites[i].release);
	}
	resolver_free(source->resolver);
	fetch_free(source->fetch);
	cache_close(source->cache);
	strv_release(&source->components);
	free(source->keyring);
	free(source->architecture);
	free(source->mirror);
	free(source->security);
	free(source);
	return NULL;
}

/* What the cache holds of *name* is not what is signed for, and nothing else can be had. */
static int refuse_damaged(const char *name, const char *path, struct error **err)
{
	return error_set(err, -EBADMSG,
		"%s is damaged in the cache: the SHA-256 of %s did not match, so it was removed: build once "
		"without --offline",
		name, path);
}

/* ---- Release files ---- */

/* Verifies an InRelease, wherever it came from, and checks that it is of the suite and still counts. */
static int read_release(const struct source *source, const struct suite *suite, const void *text, size_t size,
	struct release **ret, struct error **err)
{
	_cleanup_release_ struct release *release = NULL;
	_cleanup_buffer_ struct buffer plain = {};
	int r;

	r = signature_verify(text, size, source->keyring, &plain, err);
	if (r >= 0)
		r = release_parse((char *)plain.data, plain.size, &release, err);
	if (r >= 0)
		r = release_check(release, suite->name, source->now, err);
	if (r < 0)
		return error_wrap(err, "%s/InRelease", suite->url);
	*ret = TAKE_PTR(release);
	return 0;
}

/*
 * The InRelease that the cache has besides *body*, verified anew. Returns 1 where it has the very same, 0
 * with *ret set (or NULL, where there is none that still counts).
 */
static int known_release(const struct source *source, const struct suite *suite, const char *path,
	const struct buffer *body, struct release **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (file_read(path, RELEASE_MAX, &text, &size, NULL) < 0)
		return 0;
	if (size == body->size && memcmp(text, body->data, size) == 0)
		return 1;
	(void)read_release(source, suite, text, size, ret, NULL);
	return 0;
}

/*
 * Takes a new InRelease into the cache. A mirror that answers with an older one than we have seen is behind,
 * or made to look so: what we have counts then, as long as it has not expired.
 */
static int accept_release(
	const struct source *source, struct suite *suite, const struct buffer *body, struct error **err)
{
	_cleanup_release_ struct release *fresh = NULL, *known = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = cache_file_path(source->cache, "release", suite->url, &path, err);
	if (r < 0)
		return r;
	r = read_release(source, suite, body->data, body->size, &fresh, err);
	if (r < 0)
		return r;
	r = known_release(source, suite, path, body, &known);
	if (known && known->date > fresh->date) {
		progress_note(source->progress,
			"%s: the mirror's answer is older than the one seen before, which is used",
			suite->name);
		suite->release = TAKE_PTR(known);
		return 0;
	}
	if (r == 0 && file_write_atomic(path, body->data, body->size, 0644, err) < 0)
		return error_wrap(err, "cache");
	suite->release = TAKE_PTR(fresh);
	return 0;
}

/* The InRelease that the cache has, verified anew. -ENOENT where there is none. */
static int read_cached_release(const struct source *source, const struct suite *suite, const char *path,
	struct release **ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = file_read(path, RELEASE_MAX, &text, &size, err);
	return r < 0 ? r : read_release(source, suite, text, size, ret, err);
}

static int load_release(const struct source *source, struct suite *suite, bool optional, struct error **err)
{
	_cleanup_free_ char *path = NULL;
	int r;

	r = cache_file_path(source->cache, "release", suite->url, &path, err);
	if (r < 0)
		return r;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return optional
			       ? 0
			       : error_set(err, -ENOENT,
					 "%s is not in the cache: build once without --offline", suite->name);
	return read_cached_release(source, suite, path, &suite->release, err);
}

/* The Releases of some suites on their way. */
struct release_fetch {
	struct fetch_item items[SUITES_MAX];
	struct buffer bodies[SUITES_MAX];
	struct strv urls;
};

static void release_fetch_release(struct release_fetch *fetch)
{
	for (size_t i = 0; i < SUITES_MAX; i++)
		buffer_release(&fetch->bodies[i]);
	strv_release(&fetch->urls);
}

static int fetch_releases(struct source *source, size_t first, bool optional, struct error **err)
{
	_cleanup_(release_fetch_release) struct release_fetch fetch = {};
	size_t count = source->suite_count - first;
	int r;

	for (size_t i = 0; i < count; i++) {
		const struct suite *suite = &source->suites[first + i];

		if (strv_addf(&fetch.urls, "%s/InRelease", suite->url) < 0)
			return error_set_errno(err, -ENOMEM, "InRelease");
		fetch.items[i] = (struct fetch_item){.name = suite->name,
			.url = fetch.urls.items[i],
			.size = RELEASE_MAX,
			.body = &fetch.bodies[i],
			.optional = optional};
	}
	r = fetch_run(source->fetch, fetch.items, count, source->progress, err);
	for (size_t i = 0; i < count && r >= 0; i++)
		if (!fetch.items[i].missing)
			r = accept_release(source, &source->suites[first + i], &fetch.bodies[i], err);
	return r;
}

/* Gets the Releases of suites[first …]. Those that are *optional* may be missing. */
static int get_releases(struct source *source, size_t first, bool optional, struct error **err)
{
	int r = 0;

	if (!source->offline)
		return fetch_releases(source, first, optional, err);
	for (size_t i = first; i < source->suite_count && r >= 0; i++)
		r = load_release(source, &source->suites[i], optional, err);
	return r;
}

static int add_suite(struct source *source, const char *name, const char *archive, struct error **err)
{
	struct suite *suite = &source->suites[source->suite_count++];

	suite->name = strdup(name);
	suite->archive = strdup(archive);
	suite->url = string_format("%s/dists/%s", archive, name);
	return suite->name && suite->archive && suite->url ? 0 : error_set_errno(err, -ENOMEM, "%s", name);
}

/*
 * The suites that complete the one asked for. A stable suite has them, and the lack of one would hide
 * security updates; testing may have them; for unstable, and for repositories that are not Debian's, there
 * are none.
 */
static int get_other_suites(struct source *source, const char *security, struct error **err)
{
	const struct release *main = source->suites[0].release;
	const char *kind = main->suite ? main->suite : "";
	bool stable = streq(kind, "stable") || streq(kind, "oldstable");
	_cleanup_free_ char *updates = string_format("%s-updates", source->suites[0].name);
	_cleanup_free_ char *fixes = string_format("%s-security", source->suites[0].name);
	int r;

	if (!stable && !streq(kind, "testing"))
		return 0;
	if (!updates || !fixes)
		return error_set_errno(err, -ENOMEM, "%s", kind);
	r = add_suite(source, updates, source->suites[0].archive, err);
	if (r >= 0 && security && !streq(security, "none"))
		r = add_suite(source, fixes, security, err);
	if (r < 0)
		return r;
	r = get_releases(source, 1, !stable, err);
	if (r == -ENOENT)
		return error_wrap(err, "a stable suite comes with updates and security fixes (name the "
				       "security archive with "
				       "--security-mirror, or \"none\")");
	return r;
}

/* ---- Packages indexes ---- */

struct index {
	const struct suite *suite;
	const char *component;
	struct packages_index files;
	char *parsed; /* path of the parsed form in the cache */
	char *packed; /* path of the compressed index in the cache */
	char *name, *url;
	bool loaded;
};

struct index_list {
	struct index *items;
	size_t count;
};

static void index_list_release(struct index_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].parsed);
		free(list->items[i].packed);
		free(list->items[i].name);
		free(list->items[i].url);
	}
	free(list->items);
}

static struct resolver_index describe_index(const struct index *index)
{
	return (struct resolver_index){
		.suite = index->suite->release->codename ? index->suite->release->codename
							 : index->suite->name,
		.component = index->component,
		.archive = index->suite->archive,
		.sha256 = index->files.plain->sha256,
	};
}

static int find_index(const struct source *source, const struct suite *suite, const char *component,
	struct index *ret, struct error **err)
{
	_cleanup_free_ char *parsed = NULL;
	char digest[SHA256_HEX_SIZE];
	int r;

	ret->suite = suite;
	ret->component = component;
	r = packages_find(suite->release, component, source->architecture, &ret->files, err);
	if (r < 0)
		return error_wrap(err, "%s", suite->url);
	hex_encode(ret->files.plain->sha256, SHA256_SIZE, digest);
	parsed = string_format("%s-%s.solv", digest, resolver_version());
	ret->name = string_format("Packages of %s %s", suite->name, component);
	ret->url = packages_url(suite->release, ret->files.packed, suite->url);
	if (!parsed || !ret->name || !ret->url)
		return error_set_errno(err, -ENOMEM, "Packages");
	r = cache_file_path(source->cache, "solv", parsed, &ret->parsed, err);
	return r < 0 ? r : cache_object_path(source->cache, ret->files.packed->sha256, &ret->packed, err);
}

static int find_indexes(const struct source *source, struct index_list *list, struct error **err)
{
	int r;

	list->items = calloc(source->suite_count * source->components.count + 1, sizeof(*list->items));
	if (!list->items)
		return error_set_errno(err, -ENOMEM, "Packages");
	for (size_t i = 0; i < source->suite_count; i++)
		for (size_t c = 0; c < source->components.count && source->suites[i].release; c++) {
			r = find_index(source, &source->suites[i], source->components.items[c],
				&list->items[list->count++], err);
			if (r < 0)
				return r;
		}
	return 0;
}

/* Loads the parsed form where the cache has it and it is whole. */
static void load_parsed(struct source *source, struct index *index)
{
	const struct resolver_index about = describe_index(index);
	_cleanup_free_ char *data = NULL;
	size_t size;

	if (file_read(index->parsed, PARSED_MAX, &data, &size, NULL) < 0)
		return;
	index->loaded = resolver_load(source->resolver, &about, data, size, NULL) >= 0;
	if (!index->loaded) {
		(void)unlink(index->parsed);
		return;
	}
	cache_mark_used(index->parsed);
	cache_mark_used(index->packed);
}

/* Fetches the indexes that are neither parsed nor in the cache already. */
static int fetch_indexes(struct source *source, const struct index_list *list, struct error **err)
{
	_cleanup_free_ struct fetch_item *items = calloc(list->count + 1, sizeof(*items));
	size_t count = 0;
	int r;

	if (!items)
		return error_set_errno(err, -ENOMEM, "Packages");
	for (size_t i = 0; i < list->count; i++) {
		const struct index *index = &list->items[i];
		const struct release_file *file = index->files.packed;

		r = index->loaded ? CACHE_WHOLE
				  : cache_object_check(index->packed, file->sha256, file->size, err);
		if (r < 0)
			return r;
		if (r == CACHE_DAMAGED && source->offline)
			return refuse_damaged(index->name, index->packed, err);
		if (r != CACHE_WHOLE)
			items[count++] = (struct fetch_item){.name = index->name,
				.url = index->url,
				.path = index->packed,
				.sha256 = file->sha256,
				.size = file->size};
	}
	if (count > 0 && source->offline)
		return error_set(
			err, -ENOENT, "%s is not in the cache: build once without --offline", items[0].name);
	return fetch_run(source->fetch, items, count, source->progress, err);
}

static int parse_index(struct source *source, const struct index *index, struct error **err)
{
	const struct resolver_index about = describe_index(index);
	_cleanup_buffer_ struct buffer text = {}, parsed = {};
	_cleanup_free_ char *packed = NULL;
	size_t size;
	int r;

	r = file_read(index->packed, index->files.packed->size, &packed, &size, err);
	if (r >= 0)
		r = packages_unpack(&index->files, packed, size, &text, err);
	if (r >= 0)
		r = resolver_add(source->resolver, &about, text.data, text.size, &parsed, err);
	if (r >= 0)
		r = file_write_atomic(index->parsed, parsed.data, parsed.size, 0644, err);
	return r < 0 ? error_wrap(err, "%s", index->name) : 0;
}

static int get_indexes(struct source *source, struct error **err)
{
	_cleanup_(index_list_release) struct index_list list = {};
	int r;

	r = find_indexes(source, &list, err);
	for (size_t i = 0; i < list.count && r >= 0; i++)
		load_parsed(source, &list.items[i]);
	if (r >= 0)
		r = fetch_indexes(source, &list, err);
	for (size_t i = 0; i < list.count && r >= 0; i++)
		if (!list.items[i].loaded)
			r = parse_index(source, &list.items[i], err);
	return r;
}

/* ---- Opening ---- */

static int copy_options(struct source *source, const struct source_options *options, struct error **err)
{
	int r = 0;

	source->progress = options->progress;
	source->offline = options->offline;
	source->now = options->now;
	source->keyring = strdup(options->keyring ? options->keyring : DEBIAN_KEYRING);
	source->architecture = strdup(options->architecture);
	if (!options->components)
		r = strv_add(&source->components, "main");
	for (size_t i = 0; options->components && options->components[i] && r >= 0; i++)
		r = strv_add(&source->components, options->components[i]);
	if (!source->keyring || !source->architecture || r < 0)
		return error_set_errno(err, -ENOMEM, "source");
	return 0;
}

/* Fills in the mirrors that the options leave open; *config* holds the result. */
static int choose_mirrors(const struct source_options *options, struct apt_config *config, struct error **err)
{
	const char *apt = options->apt ? options->apt : "/etc/apt";
	int r;

	r = apt_config_read_sources(apt, config, err);
	if (r >= 0)
		r = apt_config_read_proxy(config, err);
	if (r < 0)
		return r;
	if (options->mirror) {
		free(config->mirror);
		config->mirror = strdup(options->mirror);
		config->security = string_free(config->security);
	}
	if (options->security_mirror) {
		free(config->security);
		config->security = strdup(options->security_mirror);
	}
	if (!config->mirror && !options->mirror)
		return error_set(err, -ENOENT, "%s names no Debian mirror: give one with --mirror URL", apt);
	if (config->mirror && !config->security)
		config->security = string_format("%s-security", config->mirror);
	return config->mirror && config->security ? 0 : error_set_errno(err, -ENOMEM, "mirror");
}

/* What it takes to fetch files of the archives. */
static int open_archives(struct source *source, const struct source_options *options, struct error **err)
{
	_cleanup_apt_config_ struct apt_config config = {};
	struct fetch_options fetch_options = {};
	int r;

	r = copy_options(source, options, err);
	if (r >= 0)
		r = choose_mirrors(options, &config, err);
	if (r < 0)
		return r;
	fetch_options.proxy = config.proxy;
	source->mirror = TAKE_PTR(config.mirror);
	source->security = TAKE_PTR(config.security);
	r = fetch_new(&fetch_options, &source->fetch, err);
	return r < 0 ? r : cache_open(options->cache, &source->cache, err);
}

static int open_suites(struct source *source, const struct source_options *options, struct error **err)
{
	int r = resolver_new(options->architecture, &source->resolver, err);

	if (r >= 0)
		r = add_suite(source, options->suite, source->mirror, err);
	if (r >= 0)
		r = get_releases(source, 0, false, err);
	/* What the server lacks is most likely what nobody has. */
	if (r == -ENOENT && !source->offline)
		return error_wrap(err, "the suite \"%s\" can't be had (is its name right?)", options->suite);
	return r < 0 ? r : get_other_suites(source, source->security, err);
}

int source_open(const struct source_options *options, struct source **ret, struct error **err)
{
	_cleanup_source_ struct source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return error_set_errno(err, -ENOMEM, "source");
	progress_begin(options->progress, "Package lists", 0, PROGRESS_BYTES);
	r = open_archives(source, options, err);
	if (r >= 0)
		r = open_suites(source, options, err);
	if (r >= 0)
		r = get_indexes(source, err);
	if (r < 0)
		return r;
	progress_end(options->progress, NULL);
	*ret = TAKE_PTR(source);
	return 0;
}

int source_open_locked(const struct source_options *options, struct source **ret, struct error **err)
{
	_cleanup_source_ struct source *source = calloc(1, sizeof(*source));
	int r = source ? open_archives(source, options, err) : error_set_errno(err, -ENOMEM, "source");

	if (r >= 0)
		*ret = TAKE_PTR(source);
	return r;
}

int source_resolve(struct source *source, const struct strv *names, const struct strv *absent,
	struct package_list *ret, struct strv *ret_idle, struct error **err)
{
	return resolver_run(source->resolver, names, absent, ret, ret_idle, err);
}

/* ---- Packages ---- */

struct package_check {
	struct package_list *packages;
	uint8_t *states; /* CACHE_… */
};

static int check_package(size_t index, void *userdata, struct error **err)
{
	struct package_check *check = userdata;
	struct package *package = &check->packages->items[index];
	int r = cache_object_check(package->path, package->sha256, package->size, err);

	if (r < 0)
		return r;
	check->states[index] = (uint8_t)r;
	return 0;
}

/* Nothing can be fetched: says what it is that the cache lacks, of damaged packages first. */
static int refuse_missing(
	const struct package_check *check, const char *first, size_t others, struct error **err)
{
	for (size_t i = 0; i < check->packages->count; i++) {
		const struct package *package = &check->packages->items[i];

		if (check->states[i] != CACHE_DAMAGED)
			continue;
		(void)refuse_damaged(package->name, package->path, err);
		return err && *err ? error_wrap(err, "package") : -EBADMSG;
	}
	if (others == 0)
		return error_set(
			err, -ENOENT, "package %s is not in the cache: build once without --offline", first);
	return error_set(err, -ENOENT,
		"package %s and %zu %s are not in the cache: build once without --offline", first, others,
		others == 1 ? "other" : "others");
}

static int fetch_missing(struct source *source, const struct package_check *check, struct error **err)
{
	const struct package_list *packages = check->packages;
	_cleanup_free_ struct fetch_item *items = calloc(packages->count + 1, sizeof(*items));
	char size[SIZE_TEXT_MAX];
	uint64_t total = 0;
	size_t count = 0;
	int r;

	if (!items)
		return error_set_errno(err, -ENOMEM, "packages");
	for (size_t i = 0; i < packages->count; i++) {
		const struct package *package = &packages->items[i];

		if (check->states[i] == CACHE_WHOLE)
			continue;
		items[count++] = (struct fetch_item){.name = package->name,
			.url = package->url,
			.path = package->path,
			.sha256 = package->sha256,
			.size = package->size};
		total += package->size;
	}
	if (count == 0)
		return 0;
	if (source->offline)
		return refuse_missing(check, items[0].name, count - 1, err);
	progress_begin(source->progress, "Packages", total, PROGRESS_BYTES);
	r = fetch_run(source->fetch, items, count, source->progress, err);
	if (r < 0)
		return error_wrap(err, "package");
	progress_end(source->progress, "%s, %zu packages", format_size(total, size), count);
	return 0;
}

/* Where a package of a lock is: security fixes have an archive of their own. */
static int locate(const struct source *source, struct package *package, struct error **err)
{
	bool is_fix = endswith(package->suite, "-security");

	if (package->url)
		return 0;
	if (is_fix && streq(source->security, "none"))
		return error_set(err, -EINVAL,
			"%s %s is of the suite %s, and there is to be no security archive", package->name,
			package->version, package->suite);
	package->url = string_format("%s/%s", is_fix ? source->security : source->mirror, package->file);
	return package->url ? 0 : error_set_errno(err, -ENOMEM, "%s", package->name);
}

int source_fetch(struct source *source, struct package_list *packages, struct error **err)
{
	_cleanup_free_ uint8_t *states = calloc(packages->count + 1, sizeof(*states));
	struct package_check check = {.packages = packages, .states = states};
	int r;

	if (!states)
		return error_set_errno(err, -ENOMEM, "packages");
	for (size_t i = 0; i < packages->count; i++) {
		packages->items[i].path = string_free(packages->items[i].path);
		r = cache_object_path(
			source->cache, packages->items[i].sha256, &packages->items[i].path, err);
		if (r >= 0)
			r = locate(source, &packages->items[i], err);
		if (r < 0)
			return r;
	}
	r = work_run(0, packages->count, check_package, &check, err);
	return r < 0 ? r : fetch_missing(source, &check, err);
}
