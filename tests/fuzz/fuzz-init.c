/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What orlop-init reads from disks, the firmware, the TPM and its own files. The first byte says which.
 */
#include <string.h>

#include "init/cmdline.h"
#include "init/efivar.h"
#include "init/etc.h"
#include "init/ext4.h"
#include "init/modules.h"
#include "init/settings.h"
#include "init/tpm.h"
#include "init/uevent.h"
#include "init/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_text(uint8_t which, const char *text)
{
	_cleanup_strv_ struct strv list = {};
	_cleanup_modules_ struct modules modules = {};
	_cleanup_settings_ struct settings settings = {};
	_cleanup_buffer_ struct buffer parameters = {};

	switch (which) {
	case 0:
		(void)settings_parse(text, &settings, NULL);
		break;
	case 1:
		(void)modules_parse(text, &modules, NULL);
		break;
	case 2:
		(void)etc_parse_sealed(text, &list, NULL);
		break;
	default:
		if (cmdline_split(text, &list) >= 0)
			cmdline_module_parameters(&list, "dm-verity", &parameters);
		(void)cmdline_compare(text, "a b", NULL);
	}
}

static void read_bytes(uint8_t which, const uint8_t *data, size_t size)
{
	struct verity_header header;
	struct ext4_info info;
	struct tpm_event event;
	struct uevent notice;
	char text[40];

	switch (which) {
	case 4:
		(void)uevent_parse((const char *)data, size, &notice);
		break;
	case 5:
		(void)efivar_parse_text(data, size, text, sizeof(text));
		break;
	case 6:
		(void)tpm_event_response(data, size, &event, NULL);
		break;
	case 7:
		if (verity_header_parse(data, size, &header, NULL) == 0)
			(void)verity_header_fits(&header, UINT64_MAX / 2, UINT64_MAX / 2, NULL);
		break;
	default:
		if (size >= EXT4_SUPERBLOCK_SIZE)
			(void)ext4_parse(data, &info);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	if (data[0] >= 4) {
		read_bytes(data[0], data + 1, size - 1);
		return 0;
	}
	text = strndup((const char *)data + 1, size - 1);
	if (text)
		read_text(data[0], text);
	free(text);
	return 0;
}
