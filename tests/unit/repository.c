/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository.h"

#include "unit.h"

#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/process.h"
#include "base/sha256.h"

char *run_program(const char *const *arguments)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(process_run(arguments, NULL, 0, MiB(16), &result, &err), err);
	buffer_append_u8(&result.message, 0);
	if (result.status != 0)
		fail_msg("%s: status %d: %s", arguments[0], result.status, (char *)result.message.data);
	buffer_append_u8(&result.output, 0);
	return buffer_take(&result.output, NULL);
}

static void make_key(const struct repository *repository, const char *name, const char *expires)
{
	_cleanup_free_ char *user = string_format("%s <%s@orlop.test>", name, name);
	const char *const arguments[] = {"gpg", "--homedir", repository->folder, "--batch", "--quiet",
		"--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", "20200101T000000!",
		"--quick-generate-key", user, "ed25519", "sign", expires, NULL};

	free(run_program(arguments));
}

void repository_init(struct repository *repository)
{
	const char *const export[] = {"gpg", "--homedir", repository->folder, "--batch", "--quiet",
		"--export", "archive@", "expired@", NULL};
	_cleanup_process_result_ struct process_result keys = {};

	(void)snprintf(repository->folder, sizeof(repository->folder), "/tmp/orlop-test-repo-XXXXXX");
	assert_non_null(mkdtemp(repository->folder));
	repository->archive = string_format("%s/archive", repository->folder);
	repository->keyring = string_format("%s/archive.gpg", repository->folder);
	assert_int_equal(mkdir(repository->archive, 0755), 0);
	make_key(repository, "archive", "never");
	make_key(repository, "other", "never");
	make_key(repository, "expired", "2d");
	assert_int_equal(process_run(export, NULL, 0, MiB(1), &keys, NULL), 0);
	assert_int_equal(
		file_write_atomic(repository->keyring, keys.output.data, keys.output.size, 0644, NULL), 0);
}

void repository_release(struct repository *repository)
{
	const char *const kill[] = {"gpgconf", "--homedir", repository->folder, "--kill", "all", NULL};
	unsigned tries = 0;

	free(run_program(kill));
	/* An agent that was told to end may still be removing its sockets. */
	while (remove_tree(repository->folder, NULL) < 0) {
		assert_true(tries++ < 100);
		(void)usleep(50000);
	}
	free(repository->archive);
	free(repository->keyring);
}

static void write_text(const char *path, const void *data, size_t size)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *parent = strdup(path);

	*strrchr(parent, '/') = 0;
	assert_ok(mkdir_parents(parent, &err), err);
	assert_ok(file_write_atomic(path, data, size, 0644, &err), err);
}

char *repository_sign(const struct repository *repository, const char *signer, const char *text)
{
	_cleanup_free_ char *user = string_format("%s@orlop.test", signer);
	_cleanup_free_ char *path = string_format("%s/to-sign", repository->folder);
	/* On the day after the keys were made, when all of them were good. */
	const char *const arguments[] = {"gpg", "--homedir", repository->folder, "--batch", "--quiet",
		"--pinentry-mode", "loopback", "--passphrase", "", "--faked-system-time", "20200102T000000!",
		"--digest-algo", "SHA256", "--local-user", user, "--output", "-", "--clearsign", path, NULL};

	write_text(path, text, strlen(text));
	return run_program(arguments);
}

static void describe_file(const char *folder, const char *name, bool by_hash, struct buffer *release)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name), *data = NULL, *hashed = NULL;
	uint8_t digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	size_t size;

	assert_int_equal(file_read(path, MiB(16), &data, &size, NULL), 0);
	assert_int_equal(sha256_bytes(data, size, digest), 0);
	hex_encode(digest, SHA256_SIZE, hex);
	buffer_printf(release, " %s %zu %s\n", hex, size, name);
	if (!by_hash)
		return;
	hashed = string_format("%s/main/binary-amd64/by-hash/SHA256/%s", folder, hex);
	write_text(hashed, data, size);
}

static void add_date(struct buffer *release, const char *name, time_t date)
{
	char text[64];
	struct tm tm;

	assert_non_null(gmtime_r(&date, &tm));
	assert_true(strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S UTC", &tm) > 0);
	buffer_printf(release, "%s: %s\n", name, text);
}

void repository_publish(const struct repository *repository, const struct repository_suite *suite)
{
	_cleanup_free_ char *folder =
		string_format("%s/%s/dists/%s", repository->archive, suite->folder, suite->name);
	_cleanup_free_ char *index = string_format("%s/main/binary-amd64/Packages", folder);
	_cleanup_free_ char *in_release = string_format("%s/InRelease", folder), *signed_text = NULL;
	const char *const xz[] = {"xz", "--keep", "--force", index, NULL};
	const char *const gzip[] = {"gzip", "--keep", "--force", "--no-name", index, NULL};
	_cleanup_buffer_ struct buffer release = {};

	write_text(index, suite->packages, strlen(suite->packages));
	free(run_program(gzip));
	if (!suite->no_xz)
		free(run_program(xz));
	buffer_printf(&release, "Origin: Test\nSuite: %s\nCodename: %s\n", suite->suite, suite->codename);
	add_date(&release, "Date", suite->date);
	if (suite->valid_until != 0)
		add_date(&release, "Valid-Until", suite->valid_until);
	buffer_printf(&release, "%sArchitectures: amd64\nComponents: main\nSHA256:\n",
		suite->no_by_hash ? "" : "Acquire-By-Hash: yes\n");
	describe_file(folder, "main/binary-amd64/Packages", !suite->no_by_hash, &release);
	describe_file(folder, "main/binary-amd64/Packages.gz", !suite->no_by_hash, &release);
	if (!suite->no_xz)
		describe_file(folder, "main/binary-amd64/Packages.xz", !suite->no_by_hash, &release);
	buffer_append_u8(&release, 0);
	assert_false(buffer_failed(&release));
	signed_text = *suite->signer ? repository_sign(repository, suite->signer, (char *)release.data)
				     : strdup((char *)release.data);
	write_text(in_release, signed_text, strlen(signed_text));
}

void repository_add_package(const struct repository *repository, const char *folder, const char *name,
	const char *version, size_t size, const char *fields, struct strv *packages)
{
	_cleanup_free_ char *file = string_format("pool/%s_%s_amd64.deb", name, version);
	_cleanup_free_ char *path = string_format("%s/%s/%s", repository->archive, folder, file);
	_cleanup_free_ char *data = malloc(size);
	uint8_t digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	for (size_t i = 0; i < size; i++)
		data[i] = (char)(name[0] * 31 + version[0] * 7 + i + i / 249);
	write_text(path, data, size);
	assert_int_equal(sha256_bytes(data, size, digest), 0);
	hex_encode(digest, SHA256_SIZE, hex);
	assert_int_equal(
		strv_addf(packages,
			"Package: %s\nVersion: %s\nArchitecture: amd64\nInstalled-Size: 7\n%sFilename: %s\n"
			"Size: %zu\nSHA256: %s\n\n",
			name, version, fields, file, size, hex),
		0);
}
