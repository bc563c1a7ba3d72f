/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a virtual machine is to be: the settings of `orlop vm run` and `orlop vm start`, and the reading of
 * those that have a form of their own (names, ports, credentials).
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/string-util.h"

enum vm_accelerator {
	VM_ACCELERATOR_AUTO, /* KVM where it boots a guest, TCG otherwise */
	VM_ACCELERATOR_KVM,
	VM_ACCELERATOR_TCG,
};

/* What the image is attached to. */
enum vm_disk_bus {
	VM_DISK_VIRTIO,
	VM_DISK_SCSI, /* virtio-scsi */
	VM_DISK_NVME,
	VM_DISK_SATA,
};

enum vm_image_format {
	VM_IMAGE_RAW,
	VM_IMAGE_QCOW2,
};

/* What the firmware finds in its variable store. */
enum vm_variables {
	VM_VARIABLES_KEYS,  /* PK, KEK and db of *keys*: Secure Boot is on */
	VM_VARIABLES_EMPTY, /* nothing: the firmware can do Secure Boot and is in setup mode */
	VM_VARIABLES_FILE,  /* those of the file *vars*, which is changed in place */
	VM_VARIABLES_NONE,  /* a platform key that nobody has, and Secure Boot switched off */
};

struct vm_port {
	uint16_t host; /* on 127.0.0.1; 0: a free one is chosen */
	uint16_t guest;
	bool udp;
};

/* A systemd credential (systemd.system-credentials(7)) for the guest. */
struct vm_credential {
	char *name;
	uint8_t *value;
	size_t size;
};

/* Strings are the caller's and live as long as the structure; the two lists belong to it. */
struct vm_config {
	const char *architecture; /* Debian's name; NULL: what a raw image is for, else this machine's */
	const char *image; /* or a URL that the firmware starts from, and no disk: see vm_image_is_url() */
	enum vm_image_format format;
	enum vm_disk_bus bus;
	bool write;	    /* the guest writes to the image, not to an overlay that is thrown away */
	uint64_t disk_size; /* bytes that the guest sees; 0: as large as the image */
	uint64_t memory;    /* bytes */
	uint64_t cpus;
	enum vm_accelerator accelerator;
	const char *cpu;      /* QEMU's name of a model; NULL: the best there is */
	const char *firmware; /* NULL: the host's own */
	enum vm_variables variables;
	const char *vars; /* for VM_VARIABLES_FILE */
	const char *keys; /* folder, for VM_VARIABLES_KEYS */
	bool tpm;
	const char *tpm_state;	/* folder; NULL: a new TPM that is thrown away */
	const char *serial_log; /* NULL: in the machine's own folder */
	bool offline;		/* the guest reaches nobody; ports that are forwarded reach it */
	struct vm_port *ports;
	size_t port_count;
	struct vm_credential *credentials;
	size_t credential_count;
	struct strv smbios; /* further SMBIOS strings of type 11 (OEM strings), "KEY=VALUE" */
};

/* 2 GiB, 2 processors, the best accelerator, Secure Boot and a TPM. */
void vm_config_init(struct vm_config *config);
void vm_config_release(struct vm_config *config);
#define _cleanup_vm_config_ _cleanup_(vm_config_release)

#define VM_NAME_MAX 32

/*
 * A machine's name: 1 to VM_NAME_MAX letters (ASCII), digits, "-" and "_", of which the first is a letter.
 * Returns 0 or -EINVAL.
 */
int vm_name_check(const char *name, struct error **err);

/* Reads "HOST:GUEST" or "HOST:GUEST/udp" ("/tcp" is what it is without) and adds it. 0, -EINVAL or -ENOMEM.
 */
int vm_config_add_port(struct vm_config *config, const char *text, struct error **err);

/*
 * Adds a credential; a later one of the same name takes the place of the first. *name* is what systemd
 * accepts as the name of a credential and of a file: 1 to 255 printable ASCII characters without "/" and ":"
 * (systemd's own rule), and without "=", which ends the name in an SMBIOS string. The value is copied. 0,
 * -EINVAL, -E2BIG where it is larger than 1 MiB, or -ENOMEM.
 */
int vm_config_add_credential(
	struct vm_config *config, const char *name, const void *value, size_t size, struct error **err);

/* As above, from "NAME=VALUE" or "NAME:FILE", whichever of the two characters comes first. */
int vm_config_parse_credential(struct vm_config *config, const char *text, struct error **err);

/*
 * Appends the SMBIOS type 11 string by which systemd takes the credential in:
 * "io.systemd.credential.binary:NAME=BASE64". 0 or -ENOMEM.
 */
int vm_credential_encode(const struct vm_credential *credential, struct buffer *ret);

/* True for "http://…" and "https://…". */
bool vm_image_is_url(const char *image);

/* Checks what the parts above can't see by themselves: sizes, and what excludes what. 0 or -EINVAL. */
int vm_config_check(const struct vm_config *config, struct error **err);
