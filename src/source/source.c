/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/source-part.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/file.h"
#include "source/apt-config.h"
#include "source/cache.h"
#include "source/packages.h"
#include "source/signature.h"

#define DEBIAN_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define RELEASE_MAX MiB(8)
#define PARSED_MAX GiB(1)
struct source *source_close(struct source *source)
{
	if (!source)
		return NULL;
	for (size_t i = 0; i < source->suite_count; i++) {
		free(source->suites[i].name);
		free(source->suites[i].archive);
		free(source->suites[i].url);
		release_free(source->suites[i].release);
		free(source->suites[i].label);
		free(source->suites[i].keyring);
		strv_release(&source->suites[i].components);
		strv_release(&source->suites[i].packages);
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

/* ---- Release files ---- */

/* Verifies an InRelease, wherever it came from, and checks that it is of the suite and still counts. */
/* Verifies with the keys that count for a suite: those of the archive, or of its own. */
static int verify(const struct source *source, const struct suite *suite, const void *text, size_t size,
	struct buffer *ret, struct error **err)
{
	int r = signature_verify(text, size, suite->keyring ? suite->keyring : source->keyring, ret, err);

	if (r == -ENOENT || r == -ENOKEY || r == -EKEYEXPIRED)
		(void)error_advise(
			err, suite->keyring
				     ? "the source's \"keyring\" in the definition must have the key of this "
				       "repository, from where you trust"
				     : "install or update debian-archive-keyring, or give the keyring of "
				       "this archive with --keyring");
	return r;
}

static int read_release(const struct source *source, const struct suite *suite, const void *text, size_t size,
	struct release **ret, struct error **err)
{
	_cleanup_release_ struct release *release = NULL;
	_cleanup_buffer_ struct buffer plain = {};
	int r;

	r = verify(source, suite, text, size, &plain, err);
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
		progress_warn(source->progress,
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

int source_get_releases(struct source *source, size_t first, bool optional, struct error **err)
{
	int r = 0;

	if (!source->offline)
		return fetch_releases(source, first, optional, err);
	for (size_t i = first; i < source->suite_count && r >= 0; i++)
		r = load_release(source, &source->suites[i], optional, err);
	return r;
}

int source_add_suite(struct source *source, const char *name, const char *archive, struct error **err)
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
	r = source_add_suite(source, updates, source->suites[0].archive, err);
	if (r >= 0 && security && !streq(security, "none"))
		r = source_add_suite(source, fixes, security, err);
	if (r < 0)
		return r;
	r = source_get_releases(source, 1, !stable, err);
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
		.suite = index->suite->label		   ? index->suite->label
			 : index->suite->release->codename ? index->suite->release->codename
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

static const struct strv *components_of(const struct source *source, const struct suite *suite)
{
	return suite->label ? &suite->components : &source->components;
}

static int find_indexes(const struct source *source, struct index_list *list, struct error **err)
{
	int r;

	size_t count = 0;

	for (size_t i = 0; i < source->suite_count; i++)
		count += components_of(source, &source->suites[i])->count;
	list->items = calloc(count + 1, sizeof(*list->items));
	if (!list->items)
		return error_set_errno(err, -ENOMEM, "Packages");
	for (size_t i = 0; i < source->suite_count; i++) {
		const struct suite *suite = &source->suites[i];
		const struct strv *components = components_of(source, suite);

		for (size_t c = 0; c < components->count && suite->release; c++) {
			r = find_index(source, suite, components->items[c], &list->items[list->count++], err);
			if (r < 0)
				return suite->label ? error_about(err, suite->label, r) : r;
		}
	}
	return 0;
}

/* Loads the parsed form where the cache has it and it is whole. Of a further repository there is none: which
 * of its packages count is a matter of the definition. */
static void load_parsed(struct source *source, struct index *index)
{
	const struct resolver_index about = describe_index(index);
	_cleanup_free_ char *data = NULL;
	size_t size;

	if (index->suite->label || file_read(index->parsed, PARSED_MAX, &data, &size, NULL) < 0)
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
			return source_refuse_damaged(index->name, index->packed, err);
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
	_cleanup_buffer_ struct buffer text = {}, parsed = {}, taken = {};
	const struct buffer *counts = index->suite->label ? &taken : &text;
	_cleanup_free_ char *packed = NULL;
	size_t size;
	int r;

	r = file_read(index->packed, index->files.packed->size, &packed, &size, err);
	if (r >= 0)
		r = packages_unpack(&index->files, packed, size, &text, err);
	if (r >= 0 && index->suite->label)
		r = suite_take_stanzas(index->suite, &text, &taken, err);
	if (r >= 0)
		r = resolver_add(source->resolver, &about, counts->data, counts->size, &parsed, err);
	if (r >= 0 && !index->suite->label)
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
		r = source_add_suite(source, options->suite, source->mirror, err);
	if (r >= 0)
		r = source_get_releases(source, 0, false, err);
	/* What the server lacks is most likely what nobody has. */
	if (r == -ENOENT && !source->offline)
		return error_wrap(err, "the suite \"%s\" can't be had (is its name right?)", options->suite);
	if (r >= 0)
		r = get_other_suites(source, source->security, err);
	return r < 0 ? r : source_add_extras(source, options, false, err);
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
		r = source_add_extras(source, options, true, err);
	if (r >= 0)
		*ret = TAKE_PTR(source);
	return r;
}

int source_resolve(struct source *source, const struct strv *names, const struct strv *absent,
	struct package_list *ret, struct strv *ret_idle, struct error **err)
{
	struct package_list found = {};
	int r = resolver_run(source->resolver, names, absent, &found, ret_idle, err);

	if (r >= 0)
		r = source_check_taken(source, &found, err);
	if (r < 0)
		package_list_release(&found);
	else
		*ret = found;
	return r;
}
