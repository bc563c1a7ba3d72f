/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measuring the phases of the boot into PCR 11, as systemd-pcrextend does where systemd is in the initrd, so
 * that policies and predictions made for systemd's phases hold. Each bank that the TPM has is extended with
 * its own digest of the word, by the command TPM2_PCR_Event (TPM 2.0 Library, part 3, 22.3), so no digest is
 * made here.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

#define TPM_PHASE_PCR 11
#define TPM_BANKS_MAX 8
#define TPM_DIGEST_MAX 64 /* bytes */

struct tpm_digest {
	const char *algorithm; /* "sha256" */
	size_t size;
	uint8_t digest[TPM_DIGEST_MAX];
};

struct tpm_event {
	struct tpm_digest digests[TPM_BANKS_MAX]; /* what each bank was extended with */
	size_t count;
};

/* Appends the command that extends *pcr* with the digests of *data*, at most 1024 bytes. */
void tpm_event_command(uint32_t pcr, const void *data, size_t size, struct buffer *ret);

/* Reads the answer to it. Returns 0; -EBADMSG where it is malformed; -EIO with *err* naming the TPM's error
 * code. */
int tpm_event_response(const uint8_t *data, size_t size, struct tpm_event *ret, struct error **err);

/* What the log needs to know beside the digests. */
struct tpm_record {
	uint32_t pcr;
	const char *phase;
	const char *boot_id; /* 32 digits */
	uint64_t time_us;    /* CLOCK_BOOTTIME */
};

/*
 * Appends the record of an event as systemd writes it to /run/log/systemd/tpm2-measure.log: JSON text
 * sequence (RFC 7464) of the TCG's canonical event log with content type "systemd".
 */
void tpm_log_record(const struct tpm_record *record, const struct tpm_event *event, struct buffer *ret);

/* True where the machine has a TPM 2.0 that the kernel drives. */
bool tpm_present(void);

/* True where systemd's stub measured this kernel image, so that PCR 11 tells its phases. */
bool tpm_measured_boot(void);

/* Extends PCR 11 with *phase* and logs it. Returns 0 or a negative errno. */
int tpm_measure_phase(const char *phase, struct error **err);
