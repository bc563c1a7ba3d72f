/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/uki.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/string-util.h"

static const char sbat_header[] =
	"sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

/* Each architecture that we know has the same limit today; the kernel cuts longer ones off without a word. */
static int check_cmdline(const struct uki_parts *parts, struct error **err)
{
	if (strlen(parts->cmdline) > UKI_CMDLINE_MAX)
		return error_set(err, -EINVAL,
			"kernel command line: %zu bytes are more than the %d that the kernel reads",
			strlen(parts->cmdline), UKI_CMDLINE_MAX);
	for (const char *c = parts->cmdline; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return error_set(err, -EINVAL,
				"kernel command line: holds a control character or is not ASCII");
	if (*parts->cmdline == ' ' || endswith(parts->cmdline, " "))
		return error_set(err, -EINVAL, "kernel command line: begins or ends with a space");
	return 0;
}

static int check_parts(const struct uki_parts *parts, struct error **err)
{
	const struct {
		const char *name;
		bool given;
	} needed[] = {
		{"stub", parts->stub.size > 0},
		{"kernel", parts->kernel.size > 0},
		{"initrd", parts->initrd.size > 0},
		{"command line", parts->cmdline && *parts->cmdline},
		{"os-release", parts->osrel.size > 0},
		{"kernel release", parts->uname && *parts->uname},
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!needed[i].given)
			return error_set(err, -EINVAL, "UKI: there is no %s", needed[i].name);
	return check_cmdline(parts, err);
}

static int parse_images(
	const struct uki_parts *parts, struct pe *ret_stub, struct pe *ret_kernel, struct error **err)
{
	if (pe_parse(parts->stub.data, parts->stub.size, ret_stub, err) < 0)
		return error_wrap(err, "UKI: stub");
	if (pe_parse(parts->kernel.data, parts->kernel.size, ret_kernel, err) < 0)
		return error_wrap(err, "UKI: kernel");
	if (ret_stub->machine != ret_kernel->machine)
		return error_set(err, -EBADMSG,
			"UKI: stub (machine %04x) and kernel (machine %04x) are for different architectures",
			ret_stub->machine, ret_kernel->machine);
	if (ret_stub->subsystem != PE_SUBSYSTEM_EFI_APPLICATION)
		return error_set(err, -EBADMSG, "UKI: the stub is no EFI application");
	return 0;
}

/* Appends the .sbat lines of an image, all but its "sbat,1" line. */
static void append_sbat_lines(const struct pe *pe, struct buffer *sbat)
{
	const struct pe_section *section = pe_find_section(pe, ".sbat");
	const uint8_t *text, *line;
	size_t size;

	if (!section)
		return;
	text = pe_section_data(pe, section, &size);
	size = strnlen((const char *)text, size);
	line = memchr(text, '\n', size);
	if (size < 5 || memcmp(text, "sbat,", 5) != 0 || !line)
		return;
	line++;
	buffer_append(sbat, line, size - (size_t)(line - text));
	if (sbat->size > 0 && sbat->data[sbat->size - 1] != '\n')
		buffer_append_u8(sbat, '\n');
}

/* shim and firmware want the text to end with a NUL. */
static void merge_sbat(const struct pe *stub, const struct pe *kernel, const char *own, struct buffer *sbat)
{
	buffer_append_string(sbat, sbat_header);
	append_sbat_lines(stub, sbat);
	append_sbat_lines(kernel, sbat);
	if (own)
		buffer_append_string(sbat, own);
	buffer_append_u8(sbat, 0);
}

int uki_build(const struct uki_parts *parts, struct buffer *ret, struct error **err)
{
	const uint32_t data = PE_SECTION_INITIALIZED_DATA | PE_SECTION_READ;
	_cleanup_buffer_ struct buffer sbat = {};
	struct pe stub, kernel;
	size_t count = 0;
	int r;

	r = check_parts(parts, err);
	if (r < 0)
		return r;
	r = parse_images(parts, &stub, &kernel, err);
	if (r < 0)
		return r;
	merge_sbat(&stub, &kernel, parts->sbat, &sbat);
	if (buffer_failed(&sbat))
		return error_set_errno(err, -ENOMEM, "UKI");
	const struct pe_addition sections[] = {
		{".osrel", parts->osrel.data, parts->osrel.size, data},
		{".cmdline", parts->cmdline, strlen(parts->cmdline), data},
		{".dtb", parts->dtb.data, parts->dtb.size, data},
		{".uname", parts->uname, strlen(parts->uname), data},
		{".linux", parts->kernel.data, parts->kernel.size, PE_SECTION_CODE | PE_SECTION_READ},
		{".initrd", parts->initrd.data, parts->initrd.size, data},
		{".ucode", parts->ucode.data, parts->ucode.size, data},
		{".sbat", sbat.data, sbat.size, data},
	};
	struct pe_addition given[ARRAY_SIZE(sections)];

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (sections[i].size > 0)
			given[count++] = sections[i];
	if (pe_add_sections(&stub, given, count, ret, err) < 0)
		return error_wrap(err, "UKI");
	if ((kernel.dll_characteristics & PE_DLL_NX_COMPAT) == 0)
		pe_clear_dll_characteristics(ret, &stub, PE_DLL_NX_COMPAT);
	return 0;
}

bool uki_is(const struct pe *pe)
{
	return pe->subsystem == PE_SUBSYSTEM_EFI_APPLICATION && pe_find_section(pe, ".linux") &&
	       (pe_find_section(pe, ".osrel") || pe_find_section(pe, ".cmdline"));
}

/* ---- Which /usr it starts ---- */

/*
 * Cuts the next argument off *at*, NULL behind the last one, and takes its quotes out: as orlop-init splits
 * the command line (init/cmdline.h).
 */
static char *next_argument(char **at)
{
	char *from = *at + strspn(*at, " \t\n\v\f\r"), *argument = from, *to = from;
	bool quoted = false;

	if (!*from)
		return NULL;
	for (; *from && (quoted || !isspace((unsigned char)*from)); from++)
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	*at = *from ? from + 1 : from;
	*to = 0;
	return argument;
}

int uki_check_usrhash(const struct pe *pe, const char *digits, struct error **err)
{
	const struct pe_section *section = pe_find_section(pe, ".cmdline");
	_cleanup_buffer_ struct buffer line = {};
	const char *argument, *value;
	size_t count = 0;
	bool right = true;
	char *at;
	int r;

	if (!section)
		return error_set(err, -EBADMSG, "the kernel image has no command line of its own");
	r = pe_section_read(pe, section, UKI_CMDLINE_MAX, &line, err);
	if (r < 0)
		return r;
	buffer_append_u8(&line, 0);
	if (buffer_failed(&line))
		return error_set_errno(err, -ENOMEM, "command line");
	at = (char *)line.data;
	while ((argument = next_argument(&at)) && !streq(argument, "--")) {
		value = startswith(argument, "usrhash=");
		count += value != NULL;
		right = right && (!value || streq(value, digits));
	}
	if (count != 1 || !right)
		return error_set(err, -EBADMSG, "the kernel image does not start the root hash %s", digits);
	return 0;
}
