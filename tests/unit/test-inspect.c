/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>

#include "base/string-util.h"
#include "boot-data.h"
#include "build/inspect.h"
#include "format/authenticode.h"
#include "format/disk-format.h"
#include "format/dsse.h"

#define USR_ID "8484680c-9521-48c6-9c11-b0720656f69e"
#define SALT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/*
 * A disk that other programs made: an ESP of mkfs.fat and mcopy, a usr image of mkfs.erofs, its hash tree of
 * veritysetup, in a table of sfdisk's, with a slot that is empty and a partition of a type that isn't known.
 */
static const char make_disk[] =
	"set -e; cd \"$0\"; rm -rf usr; mkdir -p usr/bin usr/share/orlop usr/lib\n"
	"echo su >usr/bin/su; chmod 4755 usr/bin/su; echo cat >usr/bin/cat; chmod 755 usr/bin/cat\n"
	"echo wall >usr/bin/wall; chmod 2755 usr/bin/wall; ln -s cat usr/bin/dog\n"
	"printf 'ID=x\\nPRETTY_NAME=\"Test System 7\"\\n' >usr/lib/os-release\n"
	"echo '{\"version\":1,\"packages\":[{\"name\":\"login\",\"version\":\"1:4.13\"},"
	"{\"name\":\"coreutils\",\"version\":\"9.7-3\"}]}' >usr/share/orlop/packages.json\n"
	"head -c 300000 /dev/urandom >usr/lib/noise\n"
	"mkfs.erofs usr.erofs usr >/dev/null\n"
	"rm -f usr.verity; root=$(veritysetup format --salt=" SALT
	" usr.erofs usr.verity | sed -n 's/^Root hash:[^0-9a-f]*//p')\n"
	"id() { echo \"$1\" | sed -E 's/(.{8})(.{4})(.{4})(.{4})(.{12})/\\1-\\2-\\3-\\4-\\5/'; }\n"
	"rm -f esp disk; truncate -s 8M esp; mkfs.fat -n TESTESP esp >/dev/null\n"
	"mmd -i esp ::/EFI ::/EFI/BOOT; mcopy -i esp \"$1\" ::/EFI/BOOT/BOOTX64.EFI\n"
	"mcopy -i esp usr/bin/cat ::/readme.txt\n"
	"truncate -s 32M disk; sfdisk -q disk >/dev/null <<-EOF\n"
	"label: gpt\n"
	"start=2048, size=16384, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp\n"
	"size=8192, type=8484680C-9521-48C6-9C11-B0720656F69E, name=one, attrs=\"GUID:60\", uuid=$(id "
	"$(echo $root | cut -c 1-32))\n"
	"size=2048, type=77FF5F63-E7B6-4633-ACF4-1565B864C0E6, name=one_verity, uuid=$(id $(echo $root | cut "
	"-c 33-64))\n"
	"size=2048, type=8484680C-9521-48C6-9C11-B0720656F69E, name=_empty\n"
	"size=2048, type=77FF5F63-E7B6-4633-ACF4-1565B864C0E6, name=_empty\n"
	"size=2048, type=00000000-0000-4000-8000-000000000001, name=other, attrs=\"RequiredPartition "
	"GUID:50\"\n"
	"EOF\n"
	"dd if=esp of=disk bs=512 seek=2048 conv=notrunc status=none\n"
	"dd if=usr.erofs of=disk bs=512 seek=18432 conv=notrunc status=none\n"
	"dd if=usr.verity of=disk bs=512 seek=26624 conv=notrunc status=none\n"
	"printf %s $root";

/* Makes the disk; its root hash, which the caller frees. */
static char *disk_of_others(void)
{
	_cleanup_free_ char *program = string_format("%s/boot/addon.sbsign.efi", getenv("ORLOP_TEST_DATA"));

	return tool_run("bash", "-c", make_disk, tool_folder, program);
}

static int look(const char *name, bool verify, struct inspection *ret, struct error **err)
{
	const struct inspect_options options = {.verify = verify, .threads = 1};
	_cleanup_close_ int fd = open(tool_path(name), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return inspect(fd, &options, ret, err);
}

static void write_file(const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = tool_file(tool_path(name), 0);

	assert_int_equal(write_full(fd, data, size), 0);
}

static const char *string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static json_t *item(const json_t *object, const char *list, size_t index)
{
	return json_array_get(json_object_get(object, list), index);
}

static size_t count(const json_t *object, const char *list)
{
	return json_array_size(json_object_get(object, list));
}

static void partitions_are_those_that_sfdisk_made(void **state)
{
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *other;

	(void)state;
	assert_ok(look("disk", false, &found, &err), err);
	assert_int_equal(found.faults, 0);
	assert_string_equal(string(found.object, "kind"), "disk");
	assert_int_equal(number(found.object, "size"), 32 << 20);
	assert_int_equal(count(found.object, "partitions"), 6);
	assert_string_equal(string(item(found.object, "partitions", 0), "type"), "esp");
	assert_int_equal(number(item(found.object, "partitions", 1), "offset"), 18432 * 512);
	assert_int_equal(number(item(found.object, "partitions", 1), "size"), 8192 * 512);
	assert_string_equal(string(item(found.object, "partitions", 1), "type_uuid"), USR_ID);
	assert_string_equal(string(item(found.object, "partitions", 1), "label"), "one");
	assert_int_equal(count(item(found.object, "partitions", 1), "attributes"), 1);
	assert_string_equal(
		json_string_value(item(item(found.object, "partitions", 1), "attributes", 0)), "read-only");
	assert_null(json_object_get(item(found.object, "partitions", 3), "content"));
	other = item(found.object, "partitions", 5);
	assert_string_equal(string(other, "type"), "(none)");
	assert_string_equal(string(other, "type_uuid"), "00000000-0000-4000-8000-000000000001");
	assert_string_equal(json_string_value(item(other, "attributes", 0)), "required");
	assert_string_equal(json_string_value(item(other, "attributes", 1)), "bit-50");
}

static void contents_are_what_the_tools_put_there(void **state)
{
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *usr, *verity, *esp, *program;

	(void)state;
	assert_ok(look("disk", false, &found, &err), err);
	esp = json_object_get(item(found.object, "partitions", 0), "content");
	assert_string_equal(string(esp, "label"), "TESTESP");
	assert_int_equal(count(esp, "files"), 2);
	assert_string_equal(string(item(esp, "files", 0), "path"), "EFI/BOOT/BOOTX64.EFI");
	program = json_object_get(item(esp, "files", 0), "program");
	assert_string_equal(string(program, "kind"), "efi");
	assert_string_equal(string(item(program, "signatures", 0), "subject"), "CN=Test db");
	assert_int_equal(number(item(esp, "files", 1), "size"), 4);
	usr = json_object_get(item(found.object, "partitions", 1), "content");
	assert_string_equal(string(usr, "kind"), "erofs");
	assert_string_equal(string(usr, "os"), "Test System 7");
	assert_int_equal(number(usr, "files"), 6);
	assert_int_equal(number(usr, "folders"), 5); /* find usr -type d | wc -l */
	assert_null(json_object_get(usr, "names"));
	assert_int_equal(number(usr, "links"), 1);
	assert_int_equal(count(usr, "setuid"), 2);
	assert_string_equal(string(item(usr, "setuid", 0), "path"), "bin/su");
	assert_string_equal(string(item(usr, "setuid", 0), "mode"), "4755");
	assert_string_equal(string(item(usr, "setuid", 1), "path"), "bin/wall");
	assert_int_equal(count(usr, "packages"), 2);
	assert_string_equal(string(item(usr, "packages", 0), "version"), "1:4.13");
	verity = json_object_get(item(found.object, "partitions", 2), "content");
	assert_string_equal(string(verity, "salt"), SALT);
	assert_int_equal(number(verity, "data_size"), number(usr, "size"));
}

static void names_are_those_that_find_tells(void **state)
{
	static const char find[] = "cd \"$0/usr\"; find . -mindepth 1 -printf '%P %y %04m %U %G %s %l\\n' | "
				   "sed -E 's/ d (.*) [0-9]+ $/ folder \\1/; s/ f (.*) $/ file \\1/; "
				   "s/ l (.*) [0-9]+ (.*)$/ link \\1 \\2/' | LC_ALL=C sort";
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_free_ char *expected = tool_run("bash", "-c", find, tool_folder);
	const struct inspect_options options = {.files = true, .threads = 1};
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_close_ int fd = open(tool_path("disk"), O_RDONLY | O_CLOEXEC);
	_cleanup_buffer_ struct buffer told = {}, text = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *list, *name;
	size_t i;

	(void)state;
	assert_ok(inspect(fd, &options, &found, &err), err);
	list = json_object_get(json_object_get(item(found.object, "partitions", 1), "content"), "names");
	json_array_foreach(list, i, name)
	{
		buffer_printf(&told, "%s %s %s %lld %lld", string(name, "path"), string(name, "type"),
			string(name, "mode"), (long long)number(name, "uid"), (long long)number(name, "gid"));
		if (json_object_get(name, "size"))
			buffer_printf(&told, " %lld", (long long)number(name, "size"));
		if (json_object_get(name, "target"))
			buffer_printf(&told, " %s", string(name, "target"));
		buffer_append_u8(&told, '\n');
	}
	buffer_append_u8(&told, 0);
	assert_string_equal((char *)told.data, expected);
	assert_ok(inspect_text(found.object, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data, " 4755 "));
	assert_non_null(strstr((char *)text.data, " bin/dog -> cat\n"));
}

static void slots_are_verified_against_the_root_hash(void **state)
{
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection found = {}, verified = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(look("disk", false, &found, &err), err);
	assert_int_equal(count(found.object, "slots"), 2);
	assert_string_equal(string(item(found.object, "slots", 0), "root_hash"), root);
	assert_int_equal(number(item(found.object, "slots", 0), "data"), 2);
	assert_int_equal(number(item(found.object, "slots", 0), "verity"), 3);
	assert_null(json_object_get(item(found.object, "slots", 0), "verified"));
	assert_true(json_is_true(json_object_get(item(found.object, "slots", 1), "empty")));
	assert_ok(look("disk", true, &verified, &err), err);
	assert_int_equal(verified.faults, 0);
	assert_true(json_is_true(json_object_get(item(verified.object, "slots", 0), "verified")));
}

/* Changes one byte of the disk. */
static void damage(uint64_t offset)
{
	_cleanup_close_ int fd = open(tool_path("disk"), O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pread_full(fd, &byte, 1, offset), 0);
	byte ^= 1;
	assert_int_equal(pwrite_full(fd, &byte, 1, offset), 0);
}

static void damage_is_told_where_it_is(void **state)
{
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection fast = {}, data = {}, tree = {}, super = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	damage(18432 * 512 + 4096 * 20);
	assert_ok(look("disk", false, &fast, &err), err);
	assert_int_equal(fast.faults, 0);
	assert_ok(look("disk", true, &data, &err), err);
	assert_int_equal(data.faults, 1);
	assert_non_null(strstr(string(item(data.object, "slots", 0), "error"), "data block 20 "));
	damage(26624 * 512 + 4096 + 5);
	assert_ok(look("disk", false, &tree, &err), err);
	assert_int_equal(tree.faults, 1);
	assert_non_null(strstr(string(item(tree.object, "slots", 0), "error"), "not that of the root hash"));
	damage(18432 * 512 + 1024 + 16);
	assert_ok(look("disk", false, &super, &err), err);
	assert_int_equal(super.faults, 2);
	assert_non_null(strstr(string(item(super.object, "partitions", 1), "error"), "checksum"));
	assert_int_equal(count(super.object, "partitions"), 6);
}

static void programs_are_described_as_openssl_does(void **state)
{
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");
	_cleanup_free_ char *certificate = string_format("%s/boot/keys/db.crt", getenv("ORLOP_TEST_DATA"));
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *digest =
		tool_run("sh", "-c", "openssl x509 -in \"$0\" -outform der | sha256sum", certificate);

	(void)state;
	digest[SHA256_HEX_SIZE - 1] = 0;
	write_file("program", image.data, image.size);
	assert_ok(look("program", false, &found, &err), err);
	assert_string_equal(string(found.object, "architecture"), "amd64");
	assert_int_equal(count(found.object, "signatures"), 1);
	assert_string_equal(string(item(found.object, "signatures", 0), "certificate_sha256"), digest);
	assert_error(look("program", true, &found, &err), -EINVAL, err, "only a disk");
}

static void kernel_images_tell_what_they_start(void **state)
{
	static const char osrel[] = "ID=orlop\nPRETTY_NAME='Orlop 3'";
	_cleanup_boot_parts_ struct boot_parts parts = boot_parts();
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_buffer_ struct buffer image = {};
	_cleanup_error_ struct error *err = NULL;
	bool linux_section = false, osrel_section = false;
	_cleanup_free_ char *digest = tool_run("sh", "-c", "printf %s \"$0\" | sha256sum", osrel);

	(void)state;
	digest[SHA256_HEX_SIZE - 1] = 0;
	parts.parts.osrel = (struct uki_part){osrel, sizeof(osrel) - 1};
	assert_ok(uki_build(&parts.parts, &image, &err), err);
	write_file("uki", image.data, image.size);
	assert_ok(look("uki", false, &found, &err), err);
	assert_string_equal(string(found.object, "kind"), "uki");
	assert_string_equal(string(found.object, "command_line"), "console=ttyS0 quiet");
	assert_string_equal(string(found.object, "kernel"), "6.12.0");
	assert_string_equal(string(found.object, "os"), "Orlop 3");
	assert_int_equal(count(found.object, "signatures"), 0);
	for (size_t i = 0; i < count(found.object, "sections"); i++) {
		const json_t *section = item(found.object, "sections", i);

		if (streq(string(section, "name"), ".linux"))
			linux_section = number(section, "size") == (json_int_t)parts.kernel.size;
		if (streq(string(section, "name"), ".osrel"))
			osrel_section = streq(string(section, "sha256"), digest);
	}
	assert_true(linux_section);
	assert_true(osrel_section);
}

static void manifests_and_signatures_are_told_apart(void **state)
{
	static const char manifest[] =
		"{\"edition\": \"e\", \"version\": \"1\", \"architecture\": \"arm64\", \"root_hash\": \"00\","
		" \"outputs\": [], \"packages\": [], \"setuid\": [], \"capabilities\": []}";
	static const char signature[] = "{\"rootHash\":\"" SALT "\",\"signature\":\"MAA=\"}\0\0\0";
	_cleanup_inspection_ struct inspection first = {}, second = {}, none = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	write_file("manifest", manifest, sizeof(manifest) - 1);
	write_file("signature", signature, sizeof(signature));
	assert_ok(look("manifest", false, &first, &err), err);
	assert_string_equal(string(first.object, "kind"), "manifest");
	assert_string_equal(string(first.object, "architecture"), "arm64");
	assert_ok(look("signature", false, &second, &err), err);
	assert_string_equal(string(second.object, "kind"), "verity-signature");
	assert_string_equal(string(second.object, "root_hash"), SALT);
	write_file("manifest", manifest, sizeof(manifest) - 10);
	assert_error(look("manifest", false, &none, &err), -EBADMSG, err, "line 1");
	write_file("manifest", "{\"edition\": \"e\"}", 16);
	assert_error(look("manifest", false, &none, &err), -EBADMSG, err, "\"version\" is missing");
	write_file("manifest", "{\"a\": \"e\"}", 10);
	assert_error(look("manifest", false, &none, &err), -EMEDIUMTYPE, err, "neither a disk");
}

static void bills_of_materials_are_told_apart(void **state)
{
	static const char spdx[] =
		"{\"spdxVersion\": \"SPDX-2.3\", \"name\": \"n\", \"packages\": [1, 2], \"files\": [3]}";
	static const char cyclonedx[] =
		"{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"1.6\", \"components\": [1], "
		"\"vulnerabilities\": [1, 2],"
		" \"metadata\": {\"component\": {\"name\": \"n\", \"version\": \"1\"}}}";
	_cleanup_inspection_ struct inspection first = {}, second = {}, none = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	write_file("sbom", spdx, sizeof(spdx) - 1);
	assert_ok(look("sbom", false, &first, &err), err);
	assert_string_equal(string(first.object, "kind"), "sbom");
	assert_string_equal(string(first.object, "format"), "SPDX-2.3");
	assert_int_equal(json_integer_value(json_object_get(first.object, "packages")), 2);
	write_file("sbom", cyclonedx, sizeof(cyclonedx) - 1);
	assert_ok(look("sbom", false, &second, &err), err);
	assert_string_equal(string(second.object, "format"), "CycloneDX-1.6");
	assert_string_equal(string(second.object, "name"), "n 1");
	assert_int_equal(json_integer_value(json_object_get(second.object, "vulnerabilities")), 2);
	write_file("sbom", "{\"bomFormat\": \"CycloneDX\"}", 26);
	assert_error(look("sbom", false, &none, &err), -EBADMSG, err, "CycloneDX: ");
	write_file("sbom", "{\"spdxVersion\": \"SPDX-2.3\"}", 27);
	assert_error(look("sbom", false, &none, &err), -EBADMSG, err, "SPDX: ");
}

static void provenance_is_what_was_signed(void **state)
{
	static const char statement[] = "{\"_type\": \"https://in-toto.io/Statement/v1\", \"predicateType\": "
					"\"t\", \"predicate\": {\"x\": 1}, \"subject\":"
					" [{\"name\": \"a\", \"digest\": {\"sha256\": \"" SALT "\"}}]}";
	_cleanup_inspection_ struct inspection inspection = {}, none = {};
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {}, other = {};
	const json_t *subject;

	(void)state;
	assert_ok(dsse_write(signer, DSSE_IN_TOTO, statement, strlen(statement), &text, &err), err);
	write_file("provenance", text.data, text.size);
	assert_ok(look("provenance", false, &inspection, &err), err);
	assert_string_equal(string(inspection.object, "kind"), "provenance");
	subject = json_array_get(json_object_get(inspection.object, "subjects"), 0);
	assert_string_equal(string(subject, "sha256"), SALT);
	memcpy(strstr((char *)text.data, "\"payload\": \"ey") + 12, "ez", 2);
	write_file("provenance", text.data, text.size);
	assert_error(look("provenance", false, &none, &err), -EKEYREJECTED, err, "was changed");
	assert_ok(dsse_write(signer, "text/plain", statement, strlen(statement), &other, &err), err);
	write_file("provenance", other.data, other.size);
	assert_error(look("provenance", false, &none, &err), -EBADMSG, err, "text/plain");
}

/* Whatever is left of a file: an error, never a crash and never a description of what is not there. */
static void files_that_are_cut_off_are_errors(void **state)
{
	static const char *const names[] = {"disk", "esp", "usr.erofs", "usr.verity", "program"};
	static const uint64_t sizes[] = {0, 1, 511, 513, 1023, 1025, 4095, 4096};
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_buffer_ struct buffer image = boot_data("addon.sbsign.efi");

	(void)state;
	write_file("program", image.data, image.size);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t j = ARRAY_SIZE(sizes); j-- > 0;) {
			_cleanup_inspection_ struct inspection found = {};
			_cleanup_error_ struct error *err = NULL;

			assert_int_equal(truncate(tool_path(names[i]), (off_t)sizes[j]), 0);
			assert_true(look(names[i], false, &found, &err) < 0);
			assert_non_null(err);
			assert_null(found.object);
		}
}

static void a_bad_package_list_is_an_error(void **state)
{
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	write_file("usr/share/orlop/packages.json", "{\"packages\": [{\"name\": 1}]}", 27);
	tool_do("mkfs.erofs", tool_path("bad.erofs"), tool_path("usr"));
	assert_error(look("bad.erofs", false, &found, &err), -EBADMSG, err, "entry 0 has no name");
}

static void text_has_no_control_characters_of_the_file(void **state)
{
	_cleanup_inspection_ struct inspection found = {
		.object = json_pack("{s:s, s:s, s:s, s:I, s:[{s:s, s:s}]}", "kind", "erofs", "label",
			"\x1b[31m\xc3\xa4\xc2\x9b\x7f", "os", "a\nsize: 1", "size", (json_int_t)4096,
			"packages", "name", "p\r", "version", "1")};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {};

	(void)state;
	assert_ok(inspect_text(found.object, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data, "?[31m\xc3\xa4???\n"));
	assert_non_null(strstr((char *)text.data, "a?size: 1\n"));
	assert_non_null(strstr((char *)text.data, "p? 1\n"));
	assert_non_null(strstr((char *)text.data, "4.0 KiB (4096 bytes)"));
}

static void the_text_of_a_disk_names_all_that_is_in_it(void **state)
{
	static const char *const said[] = {"partition 2: usr amd64, one\n", "4755 0:0 bin/su",
		"coreutils 9.7-3", "CN=Test db", "Test System 7", "slot of partitions 4, 5: empty",
		"attribute: bit-50", "FAT"};
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection found = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {};

	(void)state;
	assert_ok(look("disk", false, &found, &err), err);
	assert_ok(inspect_text(found.object, &text, &err), err);
	buffer_append_u8(&text, 0);
	assert_non_null(strstr((char *)text.data, root));
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		if (!strstr((char *)text.data, said[i]) && !(i == 1 && geteuid() != 0))
			fail_msg("'%s' is not in: %s", said[i], (char *)text.data);
}

/* Writes the disk in another format, under the format's name. */
static void write_format(unsigned format)
{
	_cleanup_close_ int disk = open(tool_path("disk"), O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int to = tool_file(tool_path(disk_format_name(format)), 0);
	const struct disk_source source = {.fd = disk, .size = MiB(32)};
	_cleanup_error_ struct error *err = NULL;

	assert_true(disk >= 0);
	assert_ok(disk_format_write(format, &source, to, &err), err);
}

static void a_vhd_is_the_disk_in_it_and_other_formats_are_named(void **state)
{
	_cleanup_free_ _unused_ char *root = disk_of_others();
	_cleanup_inspection_ struct inspection disk = {}, vhd = {}, none = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (unsigned format = 0; format < DISK_FORMATS; format++)
		write_format(format);
	assert_ok(look("disk", true, &disk, &err), err);
	assert_ok(look("vhd", true, &vhd, &err), err);
	assert_true(json_equal(disk.object, vhd.object));
	assert_int_equal(number(vhd.object, "size"), 32 << 20);
	assert_int_equal(vhd.faults, 0);
	assert_error(
		look("qcow2", false, &none, &err), -ENOTSUP, err, "a disk as qcow2: look at the .raw file");
	assert_error(look("vhdx", false, &none, &err), -ENOTSUP, err, "qemu-img convert -f vhdx -O raw");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partitions_are_those_that_sfdisk_made),
		cmocka_unit_test(contents_are_what_the_tools_put_there),
		cmocka_unit_test(names_are_those_that_find_tells),
		cmocka_unit_test(slots_are_verified_against_the_root_hash),
		cmocka_unit_test(damage_is_told_where_it_is),
		cmocka_unit_test(programs_are_described_as_openssl_does),
		cmocka_unit_test(kernel_images_tell_what_they_start),
		cmocka_unit_test(manifests_and_signatures_are_told_apart),
		cmocka_unit_test(bills_of_materials_are_told_apart),
		cmocka_unit_test(provenance_is_what_was_signed),
		cmocka_unit_test(files_that_are_cut_off_are_errors),
		cmocka_unit_test(a_bad_package_list_is_an_error),
		cmocka_unit_test(text_has_no_control_characters_of_the_file),
		cmocka_unit_test(the_text_of_a_disk_names_all_that_is_in_it),
		cmocka_unit_test(a_vhd_is_the_disk_in_it_and_other_formats_are_named),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
