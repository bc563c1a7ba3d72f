/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop build: from an edition's definition to a signed disk image.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <time.h>

#include "base/string-util.h"
#include "build/image.h"
#include "build/keys.h"
#include "build/platform.h"
#include "cmd/build-explain.h"
#include "cmd/command-json.h"
#include "cmd/command.h"
#include "cmd/paths.h"
#include "cmd/secret.h"
#include "format/json-text.h"
#include "format/version.h"

/* `--finish` lacks signatures: nothing is wrong, and it may be called again when they are made. */
#define EXIT_UNSIGNED 3

struct values {
	const char *architecture, *suite, *mirror, *security, *keyring, *version, *output, *cache, *keys,
		*lock, *sign_later, *finish, *netboot;
	enum initrd_netboot netboot_state;
	struct secrets secrets;
	uint64_t threads, cache_days;
	struct strv formats;
	bool offline, explain, schema, json, quiet;
	char today[VERSION_MAX]; /* the version where none is given */
};

static const struct command_option build_options[] = {
	{"arch", 'a', "ARCH", "amd64 or arm64. Default: this machine's.", OPTION_STRING,
		offsetof(struct values, architecture)},
	{"suite", 's', "SUITE", "The Debian suite to take packages from. Default: the definition's.",
		OPTION_STRING, offsetof(struct values, suite)},
	{"mirror", 'm', "URL", "The Debian mirror. Default: what this machine's apt uses.", OPTION_STRING,
		offsetof(struct values, mirror)},
	{"security-mirror", 0, "URL",
		"Where a stable suite's security fixes are, or \"none\". Default: what apt uses, or the "
		"mirror's URL "
		"with \"-security\" behind it.",
		OPTION_STRING, offsetof(struct values, security)},
	{"keyring", 0, "FILE",
		"OpenPGP keys that the archive's metadata is to be signed with. Default: those of the "
		"package debian-archive-keyring.",
		OPTION_STRING, offsetof(struct values, keyring)},
	{"version", 'V', "VERSION", "The release's version, YYYYMM.DD.N. Default: today's first.",
		OPTION_STRING, offsetof(struct values, version)},
	{"lock", 0, "FILE",
		"Take exactly the packages, and the version, that the file has. A file that is not there is "
		"written, with what the archive has now.",
		OPTION_STRING, offsetof(struct values, lock)},
	{"output", 'o', "DIR", "Where the outputs go. Default: the current folder.", OPTION_STRING,
		offsetof(struct values, output)},
	{"format", 0, "FORMATS",
		"The disk's formats beside raw, with commas between them, or given more than once: qcow2, "
		"vhd "
		"(fixed, as clouds import it) and vhdx.",
		OPTION_LIST, offsetof(struct values, formats)},
	{"cache", 0, "DIR", "Where packages and metadata are kept. Default: $XDG_CACHE_HOME/orlop.",
		OPTION_STRING, offsetof(struct values, cache)},
	{"cache-keep", 0, "DAYS",
		"When a build succeeds, remove from the cache what no build has used for so long. Default: "
		"30.",
		OPTION_NUMBER, offsetof(struct values, cache_days)},
	{"keys", 'k', "DIR",
		"The signing keys, made by `orlop keys init`. Default: $XDG_DATA_HOME/orlop/keys.",
		OPTION_STRING, offsetof(struct values, keys)},
	OPTION_PASSPHRASE_FILE(struct values),
	OPTION_PIN_FILE(struct values),
	{"netboot", 0, "STATE",
		"Make a kernel image as well that carries /usr in it, for start from the network. STATE says "
		"where its /var is: \"memory\", or \"disk\" for a state partition that is there already.",
		OPTION_STRING, offsetof(struct values, netboot)},
	{"sign-later", 0, "DIR",
		"Leave what is to be signed in this folder, new or empty, and no outputs: private keys are "
		"not "
		"looked at, and may be elsewhere. `orlop keys sign` or other programs sign it.",
		OPTION_STRING, offsetof(struct values, sign_later)},
	{"finish", 0, "DIR",
		"End the build that left this folder, when the signatures are in it. Takes no EDITION.",
		OPTION_STRING, offsetof(struct values, finish)},
	{"threads", 'j', "N", "How many threads work at once. Default: one for each processor.",
		OPTION_NUMBER, offsetof(struct values, threads)},
	{"offline", 0, NULL, "Use what the cache holds, and no network.", OPTION_TRUE,
		offsetof(struct values, offline)},
	{"explain", 0, NULL,
		"Build nothing: print what it would be made of, every package with why it is there, every "
		"finisher and every size.",
		OPTION_TRUE, offsetof(struct values, explain)},
	{"schema", 0, NULL, "Print the JSON Schema of definitions, and do nothing else.", OPTION_TRUE,
		offsetof(struct values, schema)},
	{"json", 0, NULL, "Print what was made as JSON, or with --explain what would be.", OPTION_TRUE,
		offsetof(struct values, json)},
	{"quiet", 'q', NULL, "Show no progress, but warnings.", OPTION_TRUE, offsetof(struct values, quiet)},
	{},
};

static const struct command_conflict conflicts[] = {
	{"schema", "json quiet", true, "nothing else is done"},
	{"finish", "output keys threads json quiet", true, "what is built is said by the folder"},
	{"explain", "sign-later", false, "nothing is built"},
	{"sign-later", "output", false, "no outputs are made yet"},
	{"sign-later", "passphrase-file pin-file", false, "private keys are not looked at"},
	{},
};

static const struct command_usage usage = {
	.name = "orlop build",
	.arguments = "EDITION",
	.summary = "Builds a disk image from Debian packages: verifies and unpacks them (nothing of a "
		   "package is "
		   "executed), writes /usr as EROFS under dm-verity, and signs it, the kernel image and the "
		   "boot loader. "
		   "Needs no root.",
	.notes = "EDITION is the name of a definition in editions/, such as container-linux, or the path of "
		 "one.\n\n"
		 "The outputs are orlop-EDITION_VERSION_ARCH with the endings .raw (the disk), .qcow2, .vhd "
		 "and .vhdx (the same, where they are asked for), .usr.erofs, "
		 ".usr.verity, .efi (the unified kernel image), with --netboot .netboot.efi, and "
		 ".manifest.json (sizes, digests, root "
		 "hash, kernel "
		 "command line, packages, predicted PCRs). They appear at the end, the manifest last.\n\n"
		 "What has no effect is refused: with --finish all other options but --output, --keys, "
		 "--threads, --json and --quiet; with --sign-later these: --explain, --output, "
		 "--passphrase-file and --pin-file; with --schema all but --json and --quiet.\n\n"
		 "Exit status: 0 for success, 1 where something failed, 2 where the command line is wrong, 3 "
		 "where "
		 "--finish lacks signatures.",
	.options = build_options,
	.conflicts = conflicts,
	.least = 0,
	.most = 1,
};

static int print_left(
	const struct image_result *result, const char *folder, double seconds, bool json, struct error **err)
{
	if (json)
		return command_print_json(
			json_pack("{s:o, s:s, s:s, s:I, s:f}", "folder", json_text(folder), "signing_sha256",
				result->left, "root_hash", result->root_hash, "packages",
				(json_int_t)result->packages, "seconds", seconds),
			err);
	printf("%s: to be signed, of %zu packages, root hash %s, signing.json has SHA-256 %s, %.1f s\n",
		folder, result->packages, result->root_hash, result->left, seconds);
	return 0;
}

static int print_result(
	const struct image_result *result, const char *output, double seconds, bool json, struct error **err)
{
	char size[SIZE_TEXT_MAX];
	json_t *object;

	if (!json) {
		printf("%s/%s: %zu packages, /usr %s, root hash %s, %.1f s\n", output, result->raw,
			result->packages, format_size(result->usr_size, size), result->root_hash, seconds);
		return 0;
	}
	object = json_pack(
		"{s:o, s:{s:s, s:s*, s:s*, s:s*, s:s, s:s, s:s, s:s*, s:s, s:s, s:s, s:s}, s:s, s:I, "
		"s:I, s:f}",
		"folder", json_text(output), "outputs", "raw", result->raw, "qcow2",
		result->formats[DISK_FORMAT_QCOW2], "vhd", result->formats[DISK_FORMAT_VHD], "vhdx",
		result->formats[DISK_FORMAT_VHDX], "usr", result->erofs, "verity", result->verity, "uki",
		result->uki, "netboot", result->netboot, "spdx", result->spdx, "cyclonedx", result->cyclonedx,
		"manifest", result->manifest, "provenance", result->provenance, "root_hash",
		result->root_hash, "usr_size", (json_int_t)result->usr_size, "packages",
		(json_int_t)result->packages, "seconds", seconds);
	return command_print_json(object, err);
}

static double seconds_since(const struct timespec *begun)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

static void warn_of_exposed_keys(const char *keys)
{
	_cleanup_free_ char *exposed = keys_exposed(keys);

	if (exposed)
		fprintf(stderr,
			"orlop: warning: private keys may be read by their group; run: chmod 600 %s\n",
			exposed);
}

/* Where the programs are that the definition wants on the node. */
static int find_programs(
	const struct definition *definition, const char *architecture, struct strv *ret, struct error **err)
{
	for (size_t i = 0; i < definition->programs.count; i++) {
		const char *name = definition->programs.items[i];
		_cleanup_free_ char *path = NULL;

		if (!streq(name, "orlop-node"))
			return definition_error(definition, "programs", name, err,
				"Orlop has no program \"%s\" for nodes", name);
		path = path_program(name, "ORLOP_NODE", architecture, err);
		if (!path)
			return -ENOENT;
		if (strv_push(ret, TAKE_PTR(path)) < 0)
			return error_set_errno(err, -ENOMEM, "programs");
	}
	return 0;
}

/* Programs and keys, which a plan does without. */
static int find_parts(const struct values *values, struct image_options *options, struct strv *programs,
	char **ret_init, char **ret_keys, struct error **err)
{
	*ret_init = path_program("orlop-init", "ORLOP_INIT", values->architecture, err);
	if (!*ret_init || find_programs(options->definition, values->architecture, programs, err) < 0)
		return -ENOENT;
	*ret_keys = values->keys ? path_given(values->keys, err) : path_keys(err);
	if (!*ret_keys)
		return -ENOENT;
	warn_of_exposed_keys(*ret_keys);
	options->init = *ret_init;
	options->programs = programs;
	options->keys = *ret_keys;
	return 0;
}

static struct progress *make_progress(const struct values *values)
{
	return progress_new(STDERR_FILENO, values->quiet ? PROGRESS_NONE : progress_style_of(STDERR_FILENO));
}

static int build(struct values *values, struct image_options *options, struct error **err)
{
	_cleanup_free_ char *init = NULL, *keys = NULL;
	_cleanup_image_result_ struct image_result result = {};
	_cleanup_strv_ struct strv programs = {};
	struct timespec begun;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	r = find_parts(values, options, &programs, &init, &keys, err);
	if (r >= 0)
		r = secrets_open(&values->secrets, &options->secret, err);
	if (r >= 0)
		r = image_build(options, &result, err);
	secrets_close(&values->secrets);
	if (r < 0)
		return r;
	return values->sign_later
		       ? print_left(&result, values->sign_later, seconds_since(&begun), values->json, err)
		       : print_result(&result, values->output, seconds_since(&begun), values->json, err);
}

static int finish(const struct values *values, struct error **err)
{
	_cleanup_free_ char *keys = values->keys ? path_given(values->keys, err) : path_keys(err);
	_cleanup_progress_ struct progress *progress = NULL;
	_cleanup_image_result_ struct image_result result = {};
	struct image_options options = {.keys = keys,
		.sign_later = values->finish,
		.output = values->output,
		.threads = (unsigned)values->threads};
	struct timespec begun;
	int r;

	if (!keys)
		return -ENOENT;
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	progress = make_progress(values);
	options.progress = progress;
	r = image_finish(&options, &result, err);
	if (r == -ENOKEY)
		return EXIT_UNSIGNED;
	return r < 0 ? r : print_result(&result, values->output, seconds_since(&begun), values->json, err);
}

static int run(struct values *values, unsigned formats, const char *edition, const struct lock *lock,
	struct error **err)
{
	_cleanup_free_ char *path = path_edition(edition, err), *cache = NULL;
	_cleanup_definition_ struct definition *definition = NULL;
	_cleanup_progress_ struct progress *progress = NULL;
	struct image_options options = {.architecture = values->architecture,
		.version = values->version,
		.suite = values->suite,
		.mirror = values->mirror,
		.security_mirror = values->security,
		.keyring = values->keyring,
		.output = values->output,
		.formats = formats,
		.cache_days = values->cache_days,
		.offline = values->offline,
		.lock = lock,
		.lock_path = values->lock,
		.sign_later = values->sign_later,
		.netboot = values->netboot_state,
		.threads = (unsigned)values->threads,
		.builder = ORLOP_VERSION,
		.now = time(NULL)};
	int r = path ? definition_load(path, path_edition, &definition, err) : -ENOENT;

	if (r < 0)
		return r;
	cache = values->cache ? path_given(values->cache, err) : path_cache(err);
	if (!cache)
		return -ENOENT;
	progress = make_progress(values);
	options.definition = definition;
	options.cache = cache;
	options.progress = progress;
	return values->explain ? build_explain(&options, values->json, err) : build(values, &options, err);
}

static int print_schema(struct error **err)
{
	return command_print_json(definition_schema(), err);
}

/* Returns 1 with the lock, 0 where there is to be none, or is none yet. */
static int read_lock(const char *path, struct lock *ret, struct error **err)
{
	_cleanup_error_ struct error *fault = NULL;
	int r = path ? lock_read(path, ret, &fault) : -ENOENT;

	if (r == -ENOENT)
		return 0;
	error_move(err, TAKE_PTR(fault));
	return r < 0 ? r : 1;
}

static bool read_netboot(struct values *values)
{
	if (!values->netboot)
		return true;
	values->netboot_state = streq(values->netboot, "memory") ? INITRD_NETBOOT_MEMORY
				: streq(values->netboot, "disk") ? INITRD_NETBOOT_DISK
								 : INITRD_NETBOOT_NONE;
	return values->netboot_state != INITRD_NETBOOT_NONE;
}

/* Adds the formats of one option. There is always a raw disk, so that it may be named, too. */
static int add_formats(const char *text, unsigned *ret, struct error **err)
{
	for (size_t length;; text += length + 1) {
		int format;

		length = strcspn(text, ",");
		format = disk_format_find(text, length);
		if (format >= 0)
			*ret |= 1U << format;
		else if (length != 3 || memcmp(text, "raw", 3) != 0)
			return command_usage_error(&usage, err,
				"--format: \"%.*s\" is none of raw, qcow2, vhd and vhdx",
				(int)MIN(length, (size_t)64), text);
		if (text[length] == 0)
			return 0;
	}
}

static int read_formats(const struct strv *list, unsigned *ret, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = add_formats(list->items[i], ret, err);
	return r;
}

static int build_again(const struct values *values, struct error **err)
{
	return values->threads > 1024 ? command_usage_error(&usage, err, "--threads: at most 1024")
				      : finish(values, err);
}

static int build_edition(struct values *values, const char *edition, struct error **err)
{
	_cleanup_lock_ struct lock lock = {};
	unsigned formats = 0;
	int64_t day;
	int locked, r = read_formats(&values->formats, &formats, err);

	if (r != 0)
		return r;
	locked = read_lock(values->lock, &lock, err);
	if (locked < 0)
		return locked;
	version_of_day(time(NULL), values->today);
	if (!values->version)
		values->version = locked ? lock.version : values->today;
	if (!values->architecture || !platform_find(values->architecture))
		return command_usage_error(&usage, err, "--arch: \"%s\" is not amd64 or arm64",
			values->architecture ? values->architecture : "?");
	if (version_time(values->version, &day, err) < 0)
		return EXIT_USAGE;
	if (values->suite && !definition_is_suite(values->suite))
		return command_usage_error(
			&usage, err, "--suite: \"%s\" is no name of a suite, such as trixie", values->suite);
	if (values->threads > 1024)
		return command_usage_error(&usage, err, "--threads: at most 1024");
	if (!read_netboot(values))
		return command_usage_error(
			&usage, err, "--netboot: \"%s\" is not memory or disk", values->netboot);
	return run(values, formats, edition, locked ? &lock : NULL, err);
}

static int choose(struct values *values, const struct command_call *call, struct error **err)
{
	if (call->count > 0 && (values->schema || values->finish))
		return command_usage_error(
			&usage, err, "--%s takes no EDITION", values->schema ? "schema" : "finish");
	if (values->schema)
		return print_schema(err);
	if (values->finish)
		return build_again(values, err);
	return call->count > 0 ? build_edition(values, call->arguments[0], err)
			       : command_usage_error(&usage, err, "which EDITION?");
}

int cmd_build(int argc, char **argv, struct error **err)
{
	struct values values = {.architecture = platform_native(), .output = ".", .cache_days = 30};
	struct command_call call;
	int r = command_parse(&usage, argc, argv, &values, &call, err) ? choose(&values, &call, err)
								       : call.status;

	strv_release(&values.formats);
	return r;
}
