/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/verity-signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written again, and reads the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_verity_signature_ struct verity_signature signature = {}, again = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer written = {};

	if (verity_signature_parse(data, size, &signature, &err) < 0)
		return 0;
	signature.has_fingerprint = true;
	if (verity_signature_write(&signature, 2 * size + 512, &written, NULL) < 0 ||
		verity_signature_parse(written.data, written.size, &again, NULL) < 0 ||
		again.signature.size != signature.signature.size)
		__builtin_trap();
	return 0;
}
