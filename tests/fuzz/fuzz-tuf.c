/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/string-util.h"
#include "format/tuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is listed is found, and no document is trusted whose role nobody signs for. */
static void look_around(const struct tuf_metadata *metadata)
{
	static const char *const paths[] = {"", "a", "a/b.bin", "delegatedrole/artifact"};
	char text[TUF_TIME_SIZE];
	int64_t time;

	for (size_t i = 0; i < metadata->meta_count; i++)
		if (!streq(tuf_find_meta(metadata, metadata->metas[i].name)->name, metadata->metas[i].name))
			__builtin_trap();
	for (size_t i = 0; i < metadata->target_count; i++)
		if (!streq(tuf_find_target(metadata, metadata->targets[i].name)->name,
			    metadata->targets[i].name))
			__builtin_trap();
	for (size_t i = 0; i < metadata->delegation_count; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(paths); j++)
			(void)tuf_delegation_matches(&metadata->delegations[i], paths[j]);
		(void)tuf_verify(metadata, &metadata->keys, &metadata->delegations[i].role, NULL);
	}
	if (metadata->version == 0 || tuf_time_format(metadata->expires, text) < 0 ||
		tuf_time_parse(text, &time) < 0 || time != metadata->expires)
		__builtin_trap();
}

/* The first byte says which document is expected. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tuf_role nobody = {.threshold = 1};
	_cleanup_tuf_metadata_ struct tuf_metadata metadata = {};
	_cleanup_error_ struct error *err = NULL;

	if (size == 0 || tuf_metadata_parse(data + 1, size - 1, data[0] % TUF_TYPES, &metadata, &err) < 0)
		return 0;
	look_around(&metadata);
	if (metadata.type == TUF_ROOT)
		for (enum tuf_type type = TUF_ROOT; type < TUF_TYPES; type++)
			(void)tuf_verify(&metadata, &metadata.keys, &metadata.roles[type], NULL);
	if (tuf_verify(&metadata, &metadata.keys, &nobody, NULL) == 0)
		__builtin_trap();
	return 0;
}
