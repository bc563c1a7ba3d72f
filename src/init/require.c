/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/require.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "init/efivar.h"

#define SYS_FILE_MAX 4096

bool require_is_locked_down(const char *text)
{
	return strstr(text, "[integrity]") || strstr(text, "[confidentiality]");
}

bool require_is_zero(const char *digits)
{
	size_t zeros = strspn(digits, "0");

	return zeros > 0 && strcmp(digits + zeros, digits[zeros] ? "\n" : "") == 0;
}

int require_secure_boot(struct error **err)
{
	_cleanup_free_ char *lockdown = NULL;

	if (efivar_byte("SecureBoot", EFI_GLOBAL) != 1)
		return error_set(err, -EPERM,
			"Secure Boot is off, and this image requires it: turn it on in the firmware");
	if (efivar_byte("SetupMode", EFI_GLOBAL) != 0)
		return error_set(
			err, -EPERM, "the firmware is in setup mode: enrol the keys of this image first");
	if (file_read("/sys/kernel/security/lockdown", SYS_FILE_MAX, &lockdown, NULL, err) < 0)
		return -EPERM;
	if (!require_is_locked_down(lockdown))
		return error_set(err, -EPERM, "the kernel is not locked down, though Secure Boot is on");
	return 0;
}

int require_unchanged_boot(struct error **err)
{
	_cleanup_free_ char *pcr = NULL;
	int r = file_read("/sys/class/tpm/tpm0/pcr-sha256/12", SYS_FILE_MAX, &pcr, NULL, err);

	if (r < 0)
		return r;
	if (!require_is_zero(pcr))
		return error_set(err, -EPERM,
			"PCR 12 is not zero: something was added to the signed boot image (command line, "
			"add-on or credential)");
	return 0;
}
