/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/build-changes.h"

#include <errno.h>

#include "base/encoding.h"
#include "format/pcr.h"

void build_changes_release(struct build_changes *changes)
{
	strv_release(&changes->removed);
	strv_release(&changes->added);
	free(changes->outputs);
	free(changes->pcrs);
	*changes = (struct build_changes){};
}

/* ---- The command line ---- */

/* A build takes arguments without spaces and quotes: what stands between spaces is a word. */
static int split(const char *line, struct strv *ret)
{
	int r = 0;

	while (r == 0 && *line) {
		size_t length = strcspn(line, " ");

		if (length > 0)
			r = strv_addf(ret, "%.*s", (int)length, line);
		line += length + (line[length] == ' ');
	}
	return r;
}

/* The words of both, and which of them have one of the other side, each another one. */
struct words {
	struct strv before, after;
	bool *before_paired, *after_paired;
};

static void words_release(struct words *words)
{
	strv_release(&words->before);
	strv_release(&words->after);
	free(words->before_paired);
	free(words->after_paired);
}
#define _cleanup_words_ _cleanup_(words_release)

static int read_words(const char *before, const char *after, struct words *ret)
{
	int r = split(before, &ret->before);

	if (r == 0)
		r = split(after, &ret->after);
	if (r < 0)
		return r;
	ret->before_paired = calloc(ret->before.count + 1, sizeof(bool));
	ret->after_paired = calloc(ret->after.count + 1, sizeof(bool));
	return ret->before_paired && ret->after_paired ? 0 : -ENOMEM;
}

static void pair_word(struct words *words, size_t index)
{
	for (size_t i = 0; i < words->after.count; i++)
		if (!words->after_paired[i] && streq(words->after.items[i], words->before.items[index])) {
			words->before_paired[index] = words->after_paired[i] = true;
			return;
		}
}

static int take_unpaired(const struct strv *words, const bool *paired, struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < words->count; i++)
		if (!paired[i])
			r = strv_add(ret, words->items[i]);
	return r;
}

/* As many words are paired on one side as on the other. */
static bool is_reordered(const struct words *words)
{
	size_t other = 0;

	for (size_t i = 0; i < words->before.count; i++) {
		if (!words->before_paired[i])
			continue;
		while (!words->after_paired[other])
			other++;
		if (!streq(words->before.items[i], words->after.items[other++]))
			return true;
	}
	return false;
}

static int compare_command_lines(const char *before, const char *after, struct build_changes *changes)
{
	_cleanup_words_ struct words words = {};
	int r = read_words(before, after, &words);

	if (r < 0)
		return r;
	for (size_t i = 0; i < words.before.count; i++)
		pair_word(&words, i);
	changes->reordered = is_reordered(&words);
	r = take_unpaired(&words.before, words.before_paired, &changes->removed);
	return r < 0 ? r : take_unpaired(&words.after, words.after_paired, &changes->added);
}

/* ---- Outputs and registers ---- */

static int compare_outputs(struct build_changes *changes)
{
	const struct release_manifest *before = changes->before, *after = changes->after;

	changes->outputs = calloc(before->output_count + after->output_count + 1, sizeof(*changes->outputs));
	if (!changes->outputs)
		return -ENOMEM;
	for (size_t i = 0; i < before->output_count; i++) {
		struct output_change change = {.before = &before->outputs[i]};

		change.after = release_manifest_output(after, change.before->kind);
		if (!change.after || !release_output_is_same(change.before, change.after))
			changes->outputs[changes->output_count++] = change;
	}
	for (size_t i = 0; i < after->output_count; i++)
		if (!release_manifest_output(before, after->outputs[i].kind))
			changes->outputs[changes->output_count++] =
				(struct output_change){.after = &after->outputs[i]};
	return 0;
}

static const struct release_pcr *find_pcr(
	const struct release_manifest *manifest, const struct release_pcr *like)
{
	for (size_t i = 0; i < manifest->pcr_count; i++) {
		const struct release_pcr *pcr = &manifest->pcrs[i];

		if (pcr->netboot == like->netboot && pcr->kernel_start == like->kernel_start &&
			pcr->index == like->index)
			return pcr;
	}
	return NULL;
}

static int compare_pcrs(struct build_changes *changes)
{
	const struct release_manifest *before = changes->before;

	changes->pcrs = calloc(before->pcr_count + 1, sizeof(*changes->pcrs));
	if (!changes->pcrs)
		return -ENOMEM;
	for (size_t i = 0; i < before->pcr_count; i++) {
		struct pcr_change change = {.before = &before->pcrs[i]};

		change.after = find_pcr(changes->after, change.before);
		if (change.after && memcmp(change.before->value, change.after->value, SHA256_SIZE) != 0)
			changes->pcrs[changes->pcr_count++] = change;
	}
	return 0;
}

int build_changes_find(const struct release_manifest *before, const struct release_manifest *after,
	struct build_changes *ret, struct error **err)
{
	_cleanup_build_changes_ struct build_changes changes = {.before = before, .after = after};
	int r = compare_outputs(&changes);

	if (r == 0)
		r = compare_pcrs(&changes);
	if (r == 0 && before->command_line && after->command_line)
		r = compare_command_lines(before->command_line, after->command_line, &changes);
	if (r < 0)
		return error_set_errno(err, r, "comparing the manifests");
	changes.certificate = before->has_certificate && after->has_certificate &&
			      memcmp(before->certificate, after->certificate, SHA256_SIZE) != 0;
	*ret = changes;
	changes = (struct build_changes){};
	return 0;
}

/* ---- Text ---- */

static void put_list(const char *title, size_t count, const struct buffer *lines, struct buffer *ret)
{
	if (buffer_failed(lines))
		ret->failed = true;
	if (count == 0)
		return;
	buffer_printf(ret, "\n%s (%zu)\n", title, count);
	buffer_append(ret, lines->data, lines->size);
}

static bool is_other_usr(const struct build_changes *changes)
{
	return memcmp(changes->before->root_hash, changes->after->root_hash, SHA256_SIZE) != 0;
}

/* Whether it only repeats the root hash, which has a row of its own. */
static bool is_root_hash(const char *word, const struct release_manifest *manifest)
{
	const char *value = startswith(word, "usrhash=");
	char root[SHA256_HEX_SIZE];

	hex_encode(manifest->root_hash, SHA256_SIZE, root);
	return value && streq(value, root);
}

static size_t put_words(
	char sign, const struct strv *words, const struct release_manifest *manifest, struct buffer *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < words->count; i++) {
		if (is_root_hash(words->items[i], manifest))
			continue;
		buffer_printf(ret, "  %c %s\n", sign, words->items[i]);
		count++;
	}
	return count;
}

static void put_command_line(const struct build_changes *changes, struct buffer *ret)
{
	_cleanup_buffer_ struct buffer lines = {};
	size_t count = put_words('-', &changes->removed, changes->before, &lines);

	count += put_words('+', &changes->added, changes->after, &lines);
	if (changes->reordered) {
		buffer_append_string(&lines, "  * words that both have come in another order\n");
		count++;
	}
	put_list("Command line", count, &lines, ret);
}

#define DIGEST_DIGITS 16 /* that are shown: enough to tell two certificates apart */

static void put_certificate(const struct build_changes *changes, struct buffer *ret)
{
	char before[DIGEST_DIGITS + 1], after[DIGEST_DIGITS + 1];

	if (!changes->certificate)
		return;
	hex_encode(changes->before->certificate, DIGEST_DIGITS / 2, before);
	hex_encode(changes->after->certificate, DIGEST_DIGITS / 2, after);
	buffer_printf(ret, "\nSigning certificate\n  %s... -> %s...\n", before, after);
}

/* The rows of sizes and root hash say these. */
static bool is_told(const struct build_changes *changes, const struct output_change *change)
{
	const char *kind = change->after ? change->after->kind : change->before->kind;

	return streq(kind, "uki") || (is_other_usr(changes) && (streq(kind, "usr") || streq(kind, "verity")));
}

static void put_size(const struct release_output *output, struct buffer *ret)
{
	char text[SIZE_TEXT_MAX];

	buffer_printf(ret, "%-12s  ", output && output->size > 0 ? format_size(output->size, text) : "-");
}

static void put_difference(const struct output_change *change, struct buffer *ret)
{
	const struct release_output *a = change->before, *b = change->after;
	char text[SIZE_TEXT_MAX];

	if (!a || !b)
		buffer_append_string(ret, a ? "removed" : "added");
	else if (a->size > 0 && b->size > 0 && a->size != b->size)
		buffer_printf(ret, "%c%s", b->size > a->size ? '+' : '-',
			format_size(b->size > a->size ? b->size - a->size : a->size - b->size, text));
	else if (a->digest_name && b->digest_name && streq(a->digest_name, b->digest_name))
		buffer_append_string(ret, "another content");
	else
		buffer_append_string(ret, "not known: their digests are not of one kind");
}

static void put_outputs(const struct build_changes *changes, struct buffer *ret)
{
	_cleanup_buffer_ struct buffer lines = {};
	size_t count = 0;

	for (size_t i = 0; i < changes->output_count; i++) {
		const struct output_change *change = &changes->outputs[i];

		if (is_told(changes, change))
			continue;
		buffer_printf(&lines, "  %-9s  ", change->after ? change->after->kind : change->before->kind);
		put_size(change->before, &lines);
		put_size(change->after, &lines);
		put_difference(change, &lines);
		buffer_append_u8(&lines, '\n');
		count++;
	}
	put_list("Other outputs", count, &lines, ret);
}

/* What is measured into it (docs/formats/measured-boot.md). */
static const char *pcr_purpose(unsigned index)
{
	switch (index) {
	case PCR_BOOT_PROGRAMS:
		return "boot programs";
	case PCR_KERNEL_INPUT:
		return "command line and initrd";
	case PCR_KERNEL_IMAGE:
		return "kernel image";
	case PCR_KERNEL_CONFIG:
		return "additions to the kernel image";
	default:
		return "other measurements";
	}
}

/* The value when the kernel starts is what the later one begins with: it needs no line of its own. */
static void put_pcrs(const struct build_changes *changes, struct buffer *ret)
{
	_cleanup_buffer_ struct buffer lines = {};
	size_t count = 0;

	for (size_t i = 0; i < changes->pcr_count; i++) {
		const struct release_pcr *pcr = changes->pcrs[i].after;

		if (pcr->kernel_start)
			continue;
		buffer_printf(&lines, "  %-2u  %s%s\n", pcr->index, pcr_purpose(pcr->index),
			pcr->netboot ? ", in a start from the network" : "");
		count++;
	}
	put_list("Predicted PCRs", count, &lines, ret);
}

int build_changes_text(const struct build_changes *changes, struct buffer *ret, struct error **err)
{
	put_command_line(changes, ret);
	put_certificate(changes, ret);
	put_outputs(changes, ret);
	put_pcrs(changes, ret);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "comparing the manifests") : 0;
}

/* ---- JSON ---- */

static json_t *digest_json(const uint8_t digest[SHA256_SIZE])
{
	char text[SHA256_HEX_SIZE];

	hex_encode(digest, SHA256_SIZE, text);
	return json_string(text);
}

/* As it is in a manifest. */
static json_t *output_json(const struct release_output *output)
{
	json_t *json = json_pack("{s:s, s:s*}", "kind", output->kind, "name", output->name);
	int r = json ? 0 : -1;

	if (r == 0 && output->size > 0)
		r = json_object_set_new(json, "size", json_integer((json_int_t)output->size));
	if (r == 0 && output->digest_name)
		r = json_object_set_new(json, output->digest_name, digest_json(output->digest));
	if (r == 0)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *output_change_json(const struct output_change *change)
{
	const struct release_output *before = change->before, *after = change->after;

	if (!before || !after)
		return output_json(before ? before : after);
	return json_pack("{s:s, s:o, s:o}", "kind", after->kind, "before", output_json(before), "after",
		output_json(after));
}

static json_t *outputs_json(const struct build_changes *changes, bool in_before, bool in_after)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < changes->output_count; i++) {
		const struct output_change *change = &changes->outputs[i];

		if ((change->before != NULL) != in_before || (change->after != NULL) != in_after)
			continue;
		if (json_array_append_new(list, output_change_json(change)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *pcrs_json(const struct build_changes *changes)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < changes->pcr_count; i++) {
		const struct release_pcr *before = changes->pcrs[i].before, *after = changes->pcrs[i].after;

		if (json_array_append_new(list,
			    json_pack("{s:i, s:b, s:b, s:o, s:o}", "register", (int)after->index, "netboot",
				    after->netboot, "kernel_start", after->kernel_start, "before",
				    digest_json(before->value), "after", digest_json(after->value))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *words_json(const struct strv *words)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < words->count; i++)
		if (json_array_append_new(list, json_string(words->items[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

int build_changes_json(const struct build_changes *changes, json_t *object)
{
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{"arguments_removed", words_json(&changes->removed)},
		{"arguments_added", words_json(&changes->added)},
		{"arguments_reordered", json_boolean(changes->reordered)},
		{"outputs_changed", outputs_json(changes, true, true)},
		{"outputs_added", outputs_json(changes, false, true)},
		{"outputs_removed", outputs_json(changes, true, false)},
		{"pcrs_changed", pcrs_json(changes)},
	};
	int r = 0;

	/* Each is handed over, whether the ones before could be added or not. */
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (json_object_set_new(object, members[i].name, members[i].value) < 0)
			r = -ENOMEM;
	return r;
}
