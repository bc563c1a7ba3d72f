/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/buffer.h"
#include "build/finishers.h"

#define NAME "certificates"
#define SOURCE "usr/share/ca-certificates"
#define TARGET "etc/ssl/certs"

/* A certificate that goes into the folder. */
struct certificate {
	char *link;   /* name of the link to it: "Some_CA.pem" */
	char *source; /* "mozilla/Some_CA.crt" */
	uint32_t hash;
	uint8_t digest[SHA256_SIZE]; /* of the whole certificate */
	const struct content *content;
};

struct certificates {
	struct certificate *items;
	size_t count;
};

static void certificates_release(struct certificates *certificates)
{
	for (size_t i = 0; i < certificates->count; i++) {
		free(certificates->items[i].link);
		free(certificates->items[i].source);
	}
	free(certificates->items);
}

static int no_memory(struct error **err)
{
	return error_set_errno(err, -ENOMEM, "finisher " NAME);
}

/* The name that update-ca-certificates gives: the file's own with ".pem", blanks and brackets made harmless.
 */
static char *link_name(const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char *link = string_format("%.*s.pem", (int)(strlen(name) - strlen(".crt")), name);

	for (char *at = link; at && *at; at++) {
		if (*at == ' ')
			*at = '_';
		else if (*at == '(' || *at == ')')
			*at = '=';
		else if (*at == ',')
			*at = '_';
	}
	return link;
}

/* Reads the one certificate of a file: the hash of its subject and the digest of all of it. */
static int read_certificate(struct certificate *certificate, struct error **err)
{
	const struct content *content = certificate->content;
	BIO *bio = NULL;
	X509 *x509 = NULL;
	int r = -ENOMEM, found = 0;

	ERR_clear_error();
	if (content_size(content) < MiB(1))
		bio = BIO_new_mem_buf(content_data(content), (int)content_size(content));
	else
		r = -EBADMSG;
	if (bio)
		x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (bio && !x509 && ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE)
		r = -EBADMSG;
	if (x509) {
		certificate->hash =
			(uint32_t)X509_NAME_hash_ex(X509_get_subject_name(x509), NULL, NULL, &found);
		if (found && X509_digest(x509, EVP_sha256(), certificate->digest, NULL))
			r = 0;
	}
	X509_free(x509);
	BIO_free(bio);
	ERR_clear_error();
	if (r == -ENOMEM)
		return no_memory(err);
	if (r < 0)
		return error_set(err, r,
			"finisher " NAME ": \"" SOURCE "/%s\" holds no certificate that can be read",
			certificate->source);
	return 0;
}

static int add_certificate(
	struct certificates *list, const char *path, const struct content *content, struct error **err)
{
	struct certificate *items = reallocarray(list->items, list->count + 1, sizeof(*items));

	if (!items)
		return no_memory(err);
	list->items = items;
	items[list->count] =
		(struct certificate){.source = strdup(path), .link = link_name(path), .content = content};
	list->count++;
	if (!items[list->count - 1].source || !items[list->count - 1].link)
		return no_memory(err);
	return read_certificate(&items[list->count - 1], err);
}

static int collect(
	const struct tree_inode *folder, const char *prefix, struct certificates *list, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < folder->entry_count; i++) {
		const struct tree_entry *entry = &folder->entries[i];
		_cleanup_free_ char *path = string_format("%s%s%s", prefix, *prefix ? "/" : "", entry->name);

		if (!path)
			return no_memory(err);
		if (S_ISDIR(entry->inode->mode))
			r = collect(entry->inode, path, list, err);
		else if (S_ISREG(entry->inode->mode) && endswith(path, ".crt"))
			r = add_certificate(list, path, entry->inode->content, err);
	}
	return r;
}

/* All certificates one behind the other, each ending with a line break. */
static int write_bundle(struct finish *finish, const struct certificates *list, struct error **err)
{
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < list->count; i++) {
		buffer_append(
			&text, content_data(list->items[i].content), content_size(list->items[i].content));
		if (!buffer_failed(&text) && text.size > 0 && text.data[text.size - 1] != '\n')
			buffer_append_u8(&text, '\n');
	}
	if (buffer_failed(&text))
		return no_memory(err);
	return finish_file(finish, NAME, TARGET "/ca-certificates.crt", 0644, text.data, text.size, err);
}

static int compare_links(const void *a, const void *b)
{
	const struct certificate *left = a, *right = b;

	return strcmp(left->link, right->link);
}

/* "HASH.N" leads to the certificate's link; N counts those with the same hash, a certificate that is there is
 * left out. */
static int link_hash(struct finish *finish, const struct certificates *list, size_t index, struct error **err)
{
	const struct certificate *certificate = &list->items[index];
	char path[64];
	unsigned number = 0;

	for (size_t i = 0; i < index; i++) {
		if (list->items[i].hash != certificate->hash)
			continue;
		if (memcmp(list->items[i].digest, certificate->digest, SHA256_SIZE) == 0)
			return 0;
		number++;
	}
	(void)snprintf(path, sizeof(path), TARGET "/%08x.%u", certificate->hash, number);
	return finish_link(finish, NAME, path, certificate->link, err);
}

static int link_certificates(struct finish *finish, struct certificates *list, struct error **err)
{
	int r = 0;

	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_links);
	for (size_t i = 0; r >= 0 && i < list->count; i++) {
		const struct certificate *certificate = &list->items[i];
		_cleanup_free_ char *path = string_format(TARGET "/%s", certificate->link);
		_cleanup_free_ char *target = string_format("/" SOURCE "/%s", certificate->source);

		if (!path || !target)
			return no_memory(err);
		if (i > 0 && streq(certificate->link, list->items[i - 1].link))
			return error_set(err, -EEXIST,
				"finisher " NAME ": two certificates are called \"%s\"", certificate->link);
		r = finish_link(finish, NAME, path, target, err);
		if (r >= 0)
			r = link_hash(finish, list, i, err);
	}
	return r;
}

/* OpenSSL looks in /usr/lib/ssl, which leads here only where its own package is installed. */
static int link_openssl(struct finish *finish, struct error **err)
{
	static const char *const links[][2] = {
		{"usr/lib/ssl/certs", "/" TARGET},
		{"usr/lib/ssl/cert.pem", "/" TARGET "/ca-certificates.crt"},
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(links); i++)
		if (!tree_lookup(finish->tree, links[i][0]))
			r = finish_link(finish, NAME, links[i][0], links[i][1], err);
	return r;
}

int finish_certificates(struct finish *finish, struct error **err)
{
	_cleanup_(certificates_release) struct certificates list = {};
	const struct tree_inode *folder = tree_resolve(finish->tree, SOURCE);
	int r;

	if (!folder || !S_ISDIR(folder->mode))
		return 0; /* an edition that trusts nobody */
	r = collect(folder, "", &list, err);
	if (r >= 0)
		r = finish_folder(finish, NAME, TARGET, 0755, err);
	if (r >= 0)
		r = write_bundle(finish, &list, err);
	if (r >= 0)
		r = link_certificates(finish, &list, err);
	return r < 0 ? r : link_openssl(finish, err);
}
