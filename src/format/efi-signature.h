/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Secure Boot's variables: lists of trusted certificates (EFI_SIGNATURE_LIST; UEFI 2.10, 32.4.1) and the
 * signed updates by which firmware takes them in (EFI_VARIABLE_AUTHENTICATION_2; 8.2.2).
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "format/signer.h"
#include "format/uuid.h"

extern const struct uuid efi_global_variable;	      /* vendor of PK and KEK */
extern const struct uuid efi_image_security_database; /* vendor of db and dbx */
extern const struct uuid efi_signature_x509;	      /* type of an entry that is a certificate in DER */

/* NON_VOLATILE, BOOTSERVICE_ACCESS, RUNTIME_ACCESS, TIME_BASED_AUTHENTICATED_WRITE_ACCESS */
#define EFI_VARIABLE_SECURE_BOOT 0x27

/* What a platform trusts: PK may change KEK, KEK may change db, and what db's key has signed may start. */
struct efi_trust {
	struct uuid owner; /* who put the certificates there, for people */
	struct efi_certificate {
		const uint8_t *der;
		size_t size;
	} pk, kek, db;
	/* Others that belong into db: of keys that signed before, or will. */
	const struct efi_certificate *more_db;
	size_t more_db_count;
};

enum efi_trust_variable { EFI_TRUST_PK, EFI_TRUST_KEK, EFI_TRUST_DB };
#define EFI_TRUST_VARIABLES 3

/* "PK", "KEK", "db", and the vendor that the variable belongs to. */
const char *efi_trust_name(enum efi_trust_variable variable);
const struct uuid *efi_trust_vendor(enum efi_trust_variable variable);
/* Appends a list that holds one X.509 certificate. */
void efi_signature_list_append(
	struct buffer *ret, const struct uuid *owner, const struct efi_certificate *certificate);

/* Appends what the variable holds: a list for each of its certificates. */
void efi_trust_append(struct buffer *ret, const struct efi_trust *trust, enum efi_trust_variable variable);

/* EFI_TIME (UEFI 2.10, 8.3), seconds resolution, UTC. */
#define EFI_TIME_SIZE 16
void efi_time_encode(int64_t time, uint8_t ret[EFI_TIME_SIZE]);

/*
 * Appends the signed update that replaces *variable* by *trust*'s certificates for it, as efitools'
 * ".auth" files hold it: authentication header, then the new content. *signer* is PK for PK and KEK, KEK for
 * db. *time* is in seconds since 1970; firmware takes only updates later than the variable's present content.
 */
int efi_variable_update(const struct signer *signer, enum efi_trust_variable variable,
	const struct efi_trust *trust, int64_t time, struct buffer *ret, struct error **err);

/* One entry of a signature list. */
struct efi_signature {
	struct uuid type;
	struct uuid owner;
	const uint8_t *data; /* points into the lists */
	size_t size;
};

/* Walks the entries of one or more lists one after another. *list* and *entry* are 0 at first. */
struct efi_signature_reader {
	const uint8_t *data;
	size_t size;
	size_t list;  /* offset of the present list */
	size_t entry; /* offset in it of the next entry; 0: at its start */
};

/* Returns 1 and *ret*, 0 behind the last entry, or -EBADMSG. */
int efi_signature_next(struct efi_signature_reader *reader, struct efi_signature *ret, struct error **err);
