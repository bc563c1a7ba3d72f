/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the health gate reads of files that the firmware, the kernel, systemd-networkd and programs write. The
 * first byte says which of them it is.
 */
#include <string.h>

#include "format/os-release.h"
#include "update/health-files.h"
#include "update/health-gate.h"
#include "update/health-work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_report(const char *text)
{
	_cleanup_health_report_ struct health_report report = {};
	json_t *object = json_loads(text, 0, NULL);

	if (object && health_report_parse(object, &report, NULL) >= 0)
		free(health_report_reason(&report));
	json_decref(object);
}

static void read_text(uint8_t what, const char *text, size_t length)
{
	char *first = NULL, *second = NULL, clean[HEALTH_DETAIL_MAX];
	struct health_trial trial;

	switch (what % 5) {
	case 0:
		(void)health_boot_state(text, &first, &second, NULL);
		read_report(text);
		break;
	case 1:
		(void)health_mount_source(text, "/var", &first);
		break;
	case 2:
		(void)health_line_is(text, "OPER_STATE", "routable");
		(void)health_trial_parse(text, &trial);
		break;
	case 3:
		(void)os_release_value(text, length, "IMAGE_VERSION", &first);
		break;
	default:
		health_clean(clean, 1 + length % (sizeof(clean) - 1), text, length);
		if (strlen(clean) > length)
			abort();
	}
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	read_text(*data, text, strlen(text));
	free(text);
	return 0;
}
