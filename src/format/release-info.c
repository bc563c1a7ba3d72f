/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/release-info.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "format/release-name.h"

void release_info_release(struct release_info *info)
{
	free(info->edition);
	free(info->architecture);
	free(info->version);
	free(info->signature);
	image_files_release(&info->usr);
	image_files_release(&info->uki);
	*info = (struct release_info){};
}

static int read_signature(const struct json_place *place, struct release_info *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer bytes = {};
	const char *text = NULL;
	/* Four characters for three bytes. */
	int r = json_read_string(place, "signature", (RELEASE_SIGNATURE_MAX + 2) / 3 * 4, &text, err);

	if (r < 0)
		return r;
	r = base64_decode(text, strlen(text), &bytes);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "signature");
	if (r < 0 || bytes.size == 0 || bytes.size > RELEASE_SIGNATURE_MAX)
		return error_set(err, -EBADMSG, "signature: not 1 to %ju bytes in Base64",
			(uintmax_t)RELEASE_SIGNATURE_MAX);
	ret->signature = buffer_take(&bytes, &ret->signature_size);
	return ret->signature ? 0 : error_set_errno(err, -ENOMEM, "signature");
}

static int read_uki_image(const json_t *object, struct release_info *ret, struct error **err)
{
	int r = object ? image_files_parse(object, &ret->uki, err) : 0;

	if (r >= 0 && object && ret->uki.blocks != div_round_up_u64(ret->uki_size, VERITY_BLOCK_SIZE))
		r = error_set(err, -EBADMSG, "%llu blocks are not those of %llu bytes",
			(unsigned long long)ret->uki.blocks, (unsigned long long)ret->uki_size);
	if (r == -EBADMSG)
		(void)error_wrap(err, "uki.image");
	return r;
}

static int read_uki(const struct json_place *document, struct release_info *ret, struct error **err)
{
	const struct json_place uki = {json_object_get(document->json, "uki"), "uki."};
	int r = json_read_object(&uki, err);

	if (r == 0)
		r = json_read_number(&uki, "size", 1, RELEASE_UKI_MAX, &ret->uki_size, err);
	if (r == 0)
		r = json_read_hex(&uki, "sha256", ret->uki_sha256, SHA256_SIZE, err);
	return r < 0 ? r : read_uki_image(json_object_get(uki.json, "image"), ret, err);
}

static int read_info(const struct json_place *document, struct release_info *ret, struct error **err)
{
	int r = json_read_format(document, RELEASE_READER, err);

	if (r == 0)
		r = release_names_read(document, &ret->edition, &ret->architecture, &ret->version, err);
	if (r < 0)
		return r;
	r = image_files_parse(json_object_get(document->json, "usr"), &ret->usr, err);
	if (r < 0)
		return error_wrap(err, "usr"), r;
	r = read_signature(document, ret, err);
	if (r == 0)
		r = json_read_hex(document, "certificate_sha256", ret->certificate, SHA256_SIZE, err);
	return r < 0 ? r : read_uki(document, ret, err);
}

int release_info_parse(const void *data, size_t size, struct release_info *ret, struct error **err)
{
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_json_ json_t *json = NULL;
	struct json_place document = {.path = ""};
	int r = json_read_document(data, size, RELEASE_INFO_MAX, &json, err);

	document.json = json;
	if (r == 0)
		r = read_info(&document, &info, err);
	if (r < 0)
		return r;
	*ret = info;
	info = (struct release_info){};
	return 0;
}

static json_t *info_json(const struct release_info *info)
{
	_cleanup_free_ char *signature = base64_encode_new(info->signature, info->signature_size);
	json_t *image = info->uki.blocks > 0 ? image_files_json(&info->uki) : NULL;
	char certificate[SHA256_HEX_SIZE], uki[SHA256_HEX_SIZE];

	if (info->uki.blocks > 0 && !image)
		return NULL;
	hex_encode(info->certificate, SHA256_SIZE, certificate);
	hex_encode(info->uki_sha256, SHA256_SIZE, uki);
	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:s, s:s, s:{s:I, s:s, s:o*}}", "format", 1, "edition",
		info->edition, "architecture", info->architecture, "version", info->version, "usr",
		image_files_json(&info->usr), "signature", signature, "certificate_sha256", certificate,
		"uki", "size", (json_int_t)info->uki_size, "sha256", uki, "image", image);
}

int release_info_write(const struct release_info *info, struct buffer *ret, struct error **err)
{
	_cleanup_release_info_ struct release_info again = {};
	_cleanup_json_ json_t *json = info_json(info);
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	int r;

	if (!text)
		return error_set_errno(err, -ENOMEM, "release.json");
	/* What no node could read must not be signed. */
	r = release_info_parse(text, strlen(text), &again, err);
	if (r == -EBADMSG)
		return error_wrap(err, "release.json"), -EINVAL;
	if (r < 0)
		return r;
	buffer_append_string(ret, text);
	buffer_append_u8(ret, '\n');
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "release.json") : 0;
}

char *release_path(const char *edition, const char *version, const char *architecture, const char *name)
{
	return string_format("%s/%s/%s/%s", edition, version, architecture, name);
}
