/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/ovmf-vars.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "base/utf16.h"

/* EFI_FIRMWARE_VOLUME_HEADER */
#define VOLUME_GUID 16
#define VOLUME_LENGTH 32
#define VOLUME_SIGNATURE 40
#define VOLUME_ATTRIBUTES 44
#define VOLUME_HEADER_LENGTH 48
#define VOLUME_CHECKSUM 50
#define VOLUME_REVISION 55
#define VOLUME_BLOCKS 56 /* number and size of each run of blocks, ended by zeros */
#define VOLUME_HEADER_MIN 56

/*
 * The volume of QEMU's machine "virt", in flash memory of 256 blocks of 256 KiB (EDK2's ArmVirtPkg): one
 * block for variables, one for the fault-tolerant writer's state and one for its spare copy.
 */
#define VIRT_BLOCK KiB(256)
#define VIRT_BLOCKS 3
#define VIRT_FLASH_BLOCKS 256 /* the header speaks of all, though the volume is no longer than three */
#define VIRT_ATTRIBUTES                                                                                    \
	0xe36 /* readable, writable, memory-mapped, erased bits are ones, aligned to 16 bytes, as EDK2 has \
		 it */
#define VIRT_HEADER 72

/* VARIABLE_STORE_HEADER */
#define STORE_SIZE 16
#define STORE_FORMAT 20
#define STORE_STATE 21
#define STORE_HEADER_SIZE 28
#define STORE_FORMATTED 0x5a
#define STORE_HEALTHY 0xfe

/* AUTHENTICATED_VARIABLE_HEADER */
#define VARIABLE_START 0x55aa
#define VARIABLE_STATE 2
#define VARIABLE_ATTRIBUTES 4
#define VARIABLE_TIME 16
#define VARIABLE_NAME_SIZE 36
#define VARIABLE_DATA_SIZE 40
#define VARIABLE_VENDOR 44
#define VARIABLE_HEADER_SIZE 60
#define VARIABLE_ALIGN 4
#define VARIABLE_NAME_MAX 1024 /* bytes; EDK2 itself takes less */

/* States are bits that are cleared one after another, as in flash memory. */
#define STATE_ADDED 0x3f
#define STATE_ADDED_IN_DELETED_TRANSITION 0x3e
#define STATE_DELETED_MASK 0xfd

static const struct uuid volume_system_data = {
	{0xff, 0xf1, 0x2b, 0x8d, 0x76, 0x96, 0x4c, 0x8b, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50}};
static const struct uuid store_authenticated = {
	{0xaa, 0xf3, 0x2c, 0x78, 0x94, 0x7b, 0x43, 0x9a, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92}};
static const struct uuid secure_boot_enable = {
	{0xf0, 0xa3, 0x0b, 0xc7, 0xaf, 0x08, 0x45, 0x56, 0x99, 0xc4, 0x00, 0x10, 0x09, 0xc9, 0x3a, 0x44}};
static const struct uuid custom_mode = {
	{0xc0, 0x76, 0xec, 0x0c, 0x70, 0x28, 0x43, 0x99, 0xa0, 0x72, 0x71, 0xee, 0x5c, 0x44, 0x8b, 0x9f}};

static int malformed(struct error **err, const char *what)
{
	return error_set(err, -EBADMSG, "not an OVMF variable store: %s", what);
}

static bool is_guid(const uint8_t *bytes, const struct uuid *guid)
{
	struct uuid read = uuid_from_gpt(bytes);

	return uuid_equal(&read, guid);
}

void ovmf_variable_release(struct ovmf_variable *variable)
{
	free(variable->name);
	*variable = (struct ovmf_variable){};
}

int ovmf_vars_parse(const void *data, size_t size, struct ovmf_vars *ret, struct error **err)
{
	const uint8_t *volume = data, *store;
	size_t header, length;

	if (size < VOLUME_HEADER_MIN || size > OVMF_VARS_MAX ||
		memcmp(volume + VOLUME_SIGNATURE, "_FVH", 4) != 0 ||
		!is_guid(volume + VOLUME_GUID, &volume_system_data))
		return malformed(err, "no firmware volume for system data");
	header = read_le16(volume + VOLUME_HEADER_LENGTH);
	if (read_le64(volume + VOLUME_LENGTH) > size || header > size || size - header < STORE_HEADER_SIZE)
		return malformed(err, "the file is cut off");
	store = volume + header;
	length = read_le32(store + STORE_SIZE);
	if (!is_guid(store, &store_authenticated) || store[STORE_FORMAT] != STORE_FORMATTED ||
		store[STORE_STATE] != STORE_HEALTHY)
		return malformed(err, "the variable area is not in the authenticated format");
	if (length < STORE_HEADER_SIZE || length > read_le64(volume + VOLUME_LENGTH) - MIN(header, size) ||
		length > size - header)
		return malformed(err, "the variable area is larger than its volume");
	*ret = (struct ovmf_vars){
		.data = data, .size = size, .first = header + STORE_HEADER_SIZE, .end = header + length};
	return 0;
}

/* A name is UTF-16LE and ends with its only NUL. */
static int name_decode(const uint8_t *bytes, size_t size, char **ret)
{
	_cleanup_free_ uint16_t *units = NULL;
	_cleanup_free_ char *name = NULL;
	size_t count = size / 2;

	if (size < 4 || size % 2 != 0 || size > VARIABLE_NAME_MAX)
		return -EBADMSG;
	units = malloc(size);
	name = malloc(UTF8_SIZE(count));
	if (!units || !name)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		units[i] = read_le16(bytes + 2 * i);
		if ((units[i] == 0) != (i == count - 1))
			return -EBADMSG;
	}
	if (!utf16_to_utf8(units, count, name))
		return -EBADMSG;
	*ret = TAKE_PTR(name);
	return 0;
}

int ovmf_vars_next(
	const struct ovmf_vars *vars, size_t *position, struct ovmf_variable *ret, struct error **err)
{
	if (*position == 0)
		*position = vars->first;
	while (vars->end - *position >= VARIABLE_HEADER_SIZE) {
		const uint8_t *header = vars->data + *position;
		size_t left = vars->end - *position - VARIABLE_HEADER_SIZE, offset = *position;
		size_t name_size, data_size;
		int r;

		if (read_le16(header) != VARIABLE_START)
			return 0;
		name_size = read_le32(header + VARIABLE_NAME_SIZE);
		data_size = read_le32(header + VARIABLE_DATA_SIZE);
		if (name_size > left || data_size > left - name_size)
			return malformed(err, "a variable is larger than the variable area");
		*position = (size_t)round_up_u64(
			offset + VARIABLE_HEADER_SIZE + name_size + data_size, VARIABLE_ALIGN);
		*position = MIN(*position, vars->end);
		if (header[VARIABLE_STATE] != STATE_ADDED &&
			header[VARIABLE_STATE] != STATE_ADDED_IN_DELETED_TRANSITION)
			continue;
		*ret = (struct ovmf_variable){
			.attributes = read_le32(header + VARIABLE_ATTRIBUTES),
			.data = header + VARIABLE_HEADER_SIZE + name_size,
			.size = data_size,
			.offset = offset,
		};
		ret->vendor = uuid_from_gpt(header + VARIABLE_VENDOR);
		memcpy(ret->time, header + VARIABLE_TIME, EFI_TIME_SIZE);
		r = name_decode(header + VARIABLE_HEADER_SIZE, name_size, &ret->name);
		if (r < 0)
			return r == -ENOMEM ? error_set_errno(err, r, "OVMF variables")
					    : malformed(err, "a variable's name is damaged");
		return 1;
	}
	return 0;
}

/* Marks variables of that name and vendor as deleted; *ret_free* is where the free space begins. */
static int delete_variable(
	struct buffer *file, const struct ovmf_variable *variable, size_t *ret_free, struct error **err)
{
	struct ovmf_vars vars = {};
	size_t position = 0;
	int r;

	r = ovmf_vars_parse(file->data, file->size, &vars, err);
	if (r < 0)
		return r;
	for (;;) {
		_cleanup_ovmf_variable_ struct ovmf_variable old = {};

		r = ovmf_vars_next(&vars, &position, &old, err);
		if (r <= 0)
			break;
		assert(old.name);
		if (streq(old.name, variable->name) && uuid_equal(&old.vendor, &variable->vendor))
			file->data[old.offset + VARIABLE_STATE] &= STATE_DELETED_MASK;
	}
	*ret_free = position;
	return r;
}

static void write_variable(uint8_t *header, const struct ovmf_variable *variable)
{
	size_t length = strlen(variable->name);
	uint8_t *name = header + VARIABLE_HEADER_SIZE;

	memset(header, 0, VARIABLE_HEADER_SIZE + 2 * (length + 1));
	write_le16(header, VARIABLE_START);
	header[VARIABLE_STATE] = STATE_ADDED;
	write_le32(header + VARIABLE_ATTRIBUTES, variable->attributes);
	memcpy(header + VARIABLE_TIME, variable->time, EFI_TIME_SIZE);
	write_le32(header + VARIABLE_NAME_SIZE, (uint32_t)(2 * (length + 1)));
	write_le32(header + VARIABLE_DATA_SIZE, (uint32_t)variable->size);
	uuid_to_gpt(&variable->vendor, header + VARIABLE_VENDOR);
	for (size_t i = 0; i < length; i++)
		write_le16(name + 2 * i, (uint8_t)variable->name[i]);
	memcpy(name + 2 * (length + 1), variable->data, variable->size);
}

int ovmf_vars_set(struct buffer *file, const struct ovmf_variable *variable, struct error **err)
{
	struct ovmf_vars vars = {};
	size_t position, need;
	int r;

	for (const char *c = variable->name; *c; c++)
		if ((unsigned char)*c >= 0x80)
			return error_set(err, -EINVAL, "EFI variable %s: name is not ASCII", variable->name);
	r = ovmf_vars_parse(file->data, file->size, &vars, err);
	if (r < 0)
		return r;
	if (strlen(variable->name) > OVMF_VARS_MAX || variable->size > OVMF_VARS_MAX)
		return error_set(err, -ENOSPC, "EFI variable %s: too large", variable->name);
	r = delete_variable(file, variable, &position, err);
	if (r < 0)
		return r;
	need = VARIABLE_HEADER_SIZE + 2 * (strlen(variable->name) + 1) + variable->size;
	if (vars.end - position < need)
		return error_set(err, -ENOSPC, "EFI variable %s: the variable store has only %zu bytes left",
			variable->name, vars.end - position);
	for (size_t i = 0; i < need; i++)
		if (file->data[position + i] != 0xff)
			return malformed(err, "the free space is not empty");
	write_variable(file->data + position, variable);
	return 0;
}

static int set_trust(struct buffer *file, const struct efi_trust *trust, enum efi_trust_variable which,
	int64_t time, struct error **err)
{
	_cleanup_buffer_ struct buffer list = {};
	_cleanup_free_ char *name = strdup(efi_trust_name(which));
	struct ovmf_variable variable = {
		.name = name, .vendor = *efi_trust_vendor(which), .attributes = EFI_VARIABLE_SECURE_BOOT};

	efi_trust_append(&list, trust, which);
	if (!name || buffer_failed(&list))
		return error_set_errno(err, -ENOMEM, "OVMF variables");
	efi_time_encode(time, variable.time);
	variable.data = list.data;
	variable.size = list.size;
	return ovmf_vars_set(file, &variable, err);
}

/* A one-byte variable of the firmware's own: non-volatile, not visible to the operating system. */
static int set_switch(
	struct buffer *file, const char *name, const struct uuid *vendor, uint8_t value, struct error **err)
{
	_cleanup_free_ char *copy = strdup(name);
	struct ovmf_variable variable = {
		.name = copy, .vendor = *vendor, .attributes = 0x3, .data = &value, .size = 1};

	return copy ? ovmf_vars_set(file, &variable, err) : error_set_errno(err, -ENOMEM, "OVMF variables");
}

static bool is_blank(const uint8_t *file, size_t size)
{
	return size > 0 && file[0] == 0 && memcmp(file, file + 1, size - 1) == 0;
}

/* All 16-bit words of a volume's header add up to zero. */
static uint16_t volume_checksum(const uint8_t *header)
{
	uint16_t sum = 0;

	for (size_t i = 0; i < VIRT_HEADER; i += 2)
		sum = (uint16_t)(sum + read_le16(header + i));
	return (uint16_t)-sum;
}

/* Erases the blocks of the volume, and writes the headers: its own, with the blocks' number and size, and the
 * variables'. */
static int format_virt(struct buffer *file, struct error **err)
{
	uint8_t *volume = file->data, *store = volume + VIRT_HEADER;

	if (file->size < VIRT_BLOCKS * VIRT_BLOCK)
		return malformed(err, "the file is too small for a volume");
	memset(volume, 0xff, VIRT_BLOCKS * VIRT_BLOCK);
	memset(volume, 0, VIRT_HEADER + STORE_HEADER_SIZE);
	uuid_to_gpt(&volume_system_data, volume + VOLUME_GUID);
	write_le64(volume + VOLUME_LENGTH, VIRT_BLOCKS * VIRT_BLOCK);
	memcpy(volume + VOLUME_SIGNATURE, "_FVH", 4);
	write_le32(volume + VOLUME_ATTRIBUTES, VIRT_ATTRIBUTES);
	write_le16(volume + VOLUME_HEADER_LENGTH, VIRT_HEADER);
	volume[VOLUME_REVISION] = 2;
	write_le32(volume + VOLUME_BLOCKS, VIRT_FLASH_BLOCKS);
	write_le32(volume + VOLUME_BLOCKS + 4, VIRT_BLOCK);
	write_le16(volume + VOLUME_CHECKSUM, volume_checksum(volume));
	uuid_to_gpt(&store_authenticated, store);
	write_le32(store + STORE_SIZE, VIRT_BLOCK - VIRT_HEADER);
	store[STORE_FORMAT] = STORE_FORMATTED;
	store[STORE_STATE] = STORE_HEALTHY;
	return 0;
}

int ovmf_vars_enroll(const void *template, size_t size, const struct efi_trust *trust, int64_t time,
	struct buffer *ret, struct error **err)
{
	int r;

	assert(ret->size == 0);
	buffer_append(ret, template, size);
	if (buffer_failed(ret))
		return error_set_errno(err, -ENOMEM, "OVMF variables");
	r = is_blank(ret->data, ret->size) ? format_virt(ret, err) : 0;
	if (r < 0)
		return r;
	for (enum efi_trust_variable i = EFI_TRUST_PK; i <= EFI_TRUST_DB; i++) {
		r = set_trust(ret, trust, i, time, err);
		if (r < 0)
			return r;
	}
	r = set_switch(ret, "CustomMode", &custom_mode, 0, err);
	if (r < 0)
		return r;
	return set_switch(ret, "SecureBootEnable", &secure_boot_enable, 1, err);
}

int ovmf_vars_switch_off(struct buffer *file, struct error **err)
{
	return set_switch(file, "SecureBootEnable", &secure_boot_enable, 0, err);
}

/* ---- Boot options ---- */

#define BOOT_ATTRIBUTES 0x7  /* non-volatile, for boot services and at run time */
#define LOAD_OPTION_ACTIVE 1 /* UEFI 2.10, 3.1.3 */
#define PATH_MESSAGING 0x03  /* UEFI 2.10, 10.3.4 */
#define PATH_URI 0x18
#define PATH_NODE_HEADER 4

static int set_global(struct buffer *file, const char *name, const struct buffer *value, struct error **err)
{
	_cleanup_free_ char *copy = strdup(name);
	struct ovmf_variable variable = {.name = copy,
		.vendor = efi_global_variable,
		.attributes = BOOT_ATTRIBUTES,
		.data = value->data,
		.size = value->size};

	return copy && !buffer_failed(value) ? ovmf_vars_set(file, &variable, err)
					     : error_set_errno(err, -ENOMEM, "OVMF variables");
}

/* EFI_LOAD_OPTION: what it is called, then the path: a node with the URL, and the one that ends it. */
static void append_load_option(const char *url, struct buffer *ret)
{
	static const char name[] = "Network";
	static const uint8_t end[] = {0x7f, 0xff, PATH_NODE_HEADER, 0};
	uint16_t node = (uint16_t)(PATH_NODE_HEADER + strlen(url));

	buffer_append_le32(ret, LOAD_OPTION_ACTIVE);
	buffer_append_le16(ret, (uint16_t)(node + sizeof(end)));
	for (size_t i = 0; i < sizeof(name); i++)
		buffer_append_le16(ret, (uint16_t)name[i]);
	buffer_append_u8(ret, PATH_MESSAGING);
	buffer_append_u8(ret, PATH_URI);
	buffer_append_le16(ret, node);
	buffer_append_string(ret, url);
	buffer_append(ret, end, sizeof(end));
}

int ovmf_vars_set_boot_url(struct buffer *file, const char *url, struct error **err)
{
	_cleanup_buffer_ struct buffer option = {}, order = {};
	int r;

	if (strlen(url) > OVMF_URL_MAX)
		return error_set(err, -EINVAL, "the URL is longer than the %d bytes that firmware is given",
			OVMF_URL_MAX);
	append_load_option(url, &option);
	buffer_append_le16(&order, 0);
	r = set_global(file, "Boot0000", &option, err);
	return r < 0 ? r : set_global(file, "BootOrder", &order, err);
}
