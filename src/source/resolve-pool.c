/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source/resolve-pool.h"

#include <errno.h>
#include <solv/poolarch.h>
#include <solv/repo_deb.h>
#include <solv/repo_solv.h>
#include <solv/repo_write.h>
#include <solv/solvversion.h>

#include "source/deb822.h"

/* docs/formats/cache.md */
#define PARSED_MAGIC "orlop-solv-2\n"
#define PARSED_DIGEST (sizeof(PARSED_MAGIC) - 1)
#define PARSED_INDEX (PARSED_DIGEST + SHA256_SIZE)
#define PARSED_REPOSITORY (PARSED_INDEX + SHA256_SIZE)

static struct origin *origin_free(struct origin *origin)
{
	if (origin) {
		free(origin->suite);
		free(origin->component);
		free(origin->archive);
		free(origin);
	}
	return NULL;
}

struct resolver *resolver_free(struct resolver *resolver)
{
	Pool *pool = resolver ? resolver->pool : NULL;
	Repo *repo;
	int i;

	if (pool) {
		FOR_REPOS(i, repo)
		origin_free(repo->appdata);
		pool_free(pool);
	}
	free(resolver);
	return NULL;
}

int resolver_new(const char *architecture, struct resolver **ret, struct error **err)
{
	_cleanup_resolver_ struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver || !(resolver->pool = pool_create()))
		return error_set_errno(err, -ENOMEM, "libsolv");
	if (pool_setdisttype(resolver->pool, DISTTYPE_DEB) < 0)
		return error_set(err, -ENOTSUP, "this libsolv can't resolve Debian packages");
	pool_setarch(resolver->pool, architecture);
	*ret = TAKE_PTR(resolver);
	return 0;
}

/* ---- Indexes ---- */

static Repo *add_repo(Pool *pool, const struct resolver_index *index)
{
	struct origin *origin = calloc(1, sizeof(*origin));
	Repo *repo;

	if (!origin)
		return NULL;
	origin->suite = strdup(index->suite);
	origin->component = strdup(index->component);
	origin->archive = strdup(index->archive);
	repo = origin->suite && origin->component && origin->archive ? repo_create(pool, origin->suite)
								     : NULL;
	if (!repo)
		return (void)origin_free(origin), NULL;
	repo->appdata = origin;
	return repo;
}

static void drop_repo(Repo *repo)
{
	origin_free(repo->appdata);
	repo_free(repo, 1);
}

/* Of all that a package says of itself, keeps what resolving and fetching need. */
static int keep_key(Repo *repo, Repokey *key, void *userdata)
{
	static const Id kept[] = {SOLVABLE_NAME, SOLVABLE_ARCH, SOLVABLE_EVR, SOLVABLE_PROVIDES,
		SOLVABLE_OBSOLETES, SOLVABLE_CONFLICTS, SOLVABLE_REQUIRES, SOLVABLE_MULTIARCH,
		SOLVABLE_INSTALLSIZE, SOLVABLE_MEDIADIR, SOLVABLE_MEDIAFILE, SOLVABLE_MEDIABASE,
		SOLVABLE_DOWNLOADSIZE, SOLVABLE_SOURCENAME, SOLVABLE_SOURCEEVR, SOLVABLE_CHECKSUM};

	(void)repo;
	(void)userdata;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (key->name == kept[i])
			return KEY_STORAGE_INCORE;
	return KEY_STORAGE_DROPPED;
}

static int malformed(const struct deb822_field *field, struct error **err)
{
	return error_set(
		err, -EBADMSG, "line %u: %.*s is malformed", field->line, (int)field->name_size, field->name);
}

static int take_size(Repodata *data, Id package, const struct deb822_field *field, struct error **err)
{
	_cleanup_free_ char *text = deb822_value(field);
	uint64_t bytes;

	if (!text)
		return error_set_errno(err, -ENOMEM, "Packages");
	if (parse_u64(text, &bytes) < 0)
		return malformed(field, err);
	repodata_set_num(data, package, SOLVABLE_DOWNLOADSIZE, bytes);
	return 0;
}

/* "Source: name (version)", where the version is not the package's own. */
static int take_source(Repodata *data, Id package, const struct deb822_field *field, struct error **err)
{
	const char *open = memchr(field->value, '(', field->value_size),
		   *end = field->value + field->value_size;
	_cleanup_free_ char *version = NULL;

	if (!open)
		return 0;
	if (end[-1] != ')' || end - 1 == open + 1)
		return malformed(field, err);
	version = strndup(open + 1, (size_t)(end - open - 2));
	if (!version)
		return error_set_errno(err, -ENOMEM, "Packages");
	repodata_set_poolstr(data, package, SOLVABLE_SOURCEEVR, version);
	return 0;
}

/* libsolv has read the same name for this package: text and repository run in step. */
static int check_name(const Repo *repo, Id package, const struct deb822_field *field, struct error **err)
{
	const char *name = pool_id2str(repo->pool, repo->pool->solvables[package].name);

	return strlen(name) == field->value_size && memcmp(name, field->value, field->value_size) == 0
		       ? 0
		       : malformed(field, err);
}

static int take_field(
	Repo *repo, Repodata *data, Id package, const struct deb822_field *field, struct error **err)
{
	bool name = deb822_is(field, "Package"), size = deb822_is(field, "Size");

	if (!name && !size && !deb822_is(field, "Source"))
		return 0;
	if (package >= repo->end || repo->pool->solvables[package].repo != repo)
		return error_set(err, -EBADMSG, "line %u: a package too many", field->line);
	return name   ? check_name(repo, package, field, err)
	       : size ? take_size(data, package, field, err)
		      : take_source(data, package, field, err);
}

/*
 * Adds what libsolv does not read: the sizes of the files, and the versions of source packages. libsolv makes
 * one package of each stanza, in their order; -EBADMSG where that is not so.
 */
static int add_fields(Repo *repo, const char *text, size_t size, struct error **err)
{
	struct deb822 reader = deb822_of(text, size);
	Repodata *data = repo_add_repodata(repo, 0);
	struct deb822_field field;
	Id package = repo->start;
	int event, r = 0;

	while (r >= 0 && (event = deb822_next(&reader, &field, err)) != DEB822_END) {
		if (event == DEB822_FIELD)
			r = take_field(repo, data, package, &field, err);
		else if (event == DEB822_STANZA)
			package++;
		else
			r = event;
	}
	repodata_internalize(data);
	return r;
}

const char *resolver_version(void)
{
	return "3-" LIBSOLV_VERSION_STRING;
}

/* Writes the repository in libsolv's own format. */
static int write_repository(Repo *repo, char **ret, size_t *ret_size)
{
	_cleanup_free_ char *data = NULL;
	Repowriter *writer;
	FILE *file;
	int r;

	*ret_size = 0;
	file = open_memstream(&data, ret_size);
	if (!file)
		return -ENOMEM;
	writer = repowriter_create(repo);
	repowriter_set_keyfilter(writer, keep_key, NULL);
	r = repowriter_write(writer, file);
	repowriter_free(writer);
	if (fclose(file) != 0 || r != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(data);
	return 0;
}

static int save(Repo *repo, const uint8_t index[SHA256_SIZE], struct buffer *ret)
{
	_cleanup_free_ char *data = NULL;
	size_t begin = ret->size, size;
	int r = write_repository(repo, &data, &size);

	if (r < 0)
		return r;
	buffer_append(ret, PARSED_MAGIC, PARSED_DIGEST);
	if (!buffer_extend(ret, SHA256_SIZE))
		return -ENOMEM;
	buffer_append(ret, index, SHA256_SIZE);
	buffer_append(ret, data, size);
	if (buffer_failed(ret))
		return -ENOMEM;
	return sha256_bytes(
		ret->data + begin + PARSED_INDEX, SHA256_SIZE + size, ret->data + begin + PARSED_DIGEST);
}

/* The index of a suite that is empty is an empty file, which fmemopen() refuses: the text has at least one
 * byte. */
static int parse(Repo *repo, const void *text, size_t size, struct error **err)
{
	_cleanup_fclose_ FILE *file = fmemopen((void *)text, size, "r");

	if (!file)
		return error_set_errno(err, -ENOMEM, "Packages");
	if (repo_add_debpackages(repo, file, 0) != 0)
		return error_set(err, -EBADMSG, "Packages: %s", pool_errstr(repo->pool));
	return add_fields(repo, text, size, err);
}

int resolver_add(struct resolver *resolver, const struct resolver_index *index, const void *text, size_t size,
	struct buffer *parsed, struct error **err)
{
	Repo *repo = add_repo(resolver->pool, index);
	int r;

	if (!repo)
		return error_set_errno(err, -ENOMEM, "%s", index->suite);
	r = size > 0 ? parse(repo, text, size, err) : 0;
	if (r < 0) {
		drop_repo(repo);
		return error_wrap(err, "%s", index->suite);
	}
	r = parsed ? save(repo, index->sha256, parsed) : 0;
	return r < 0 ? error_set_errno(err, r, "%s", index->suite) : 0;
}

int resolver_load(struct resolver *resolver, const struct resolver_index *index, const void *parsed,
	size_t size, struct error **err)
{
	const uint8_t *data = parsed;
	_cleanup_fclose_ FILE *file = NULL;
	uint8_t digest[SHA256_SIZE];
	Repo *repo;

	if (size <= PARSED_REPOSITORY || memcmp(data, PARSED_MAGIC, PARSED_DIGEST) != 0)
		return error_set(err, -EBADMSG, "is no parsed index");
	if (sha256_bytes(data + PARSED_INDEX, size - PARSED_INDEX, digest) < 0)
		return error_set_errno(err, -ENOMEM, "%s", index->suite);
	if (memcmp(digest, data + PARSED_DIGEST, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "is damaged");
	if (memcmp(index->sha256, data + PARSED_INDEX, SHA256_SIZE) != 0)
		return error_set(err, -EBADMSG, "is the parsed form of another index");
	file = fmemopen((void *)(data + PARSED_REPOSITORY), size - PARSED_REPOSITORY, "r");
	repo = file ? add_repo(resolver->pool, index) : NULL;
	if (!repo)
		return error_set_errno(err, -ENOMEM, "%s", index->suite);
	if (repo_add_solv(repo, file, 0) != 0) {
		drop_repo(repo);
		return error_set(err, -EBADMSG, "%s", pool_errstr(resolver->pool));
	}
	return 0;
}
