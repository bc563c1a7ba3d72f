/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sbom-image.h"

#include <jansson.h>

#include "build/sbom-part.h"

static const struct sbom_package *find(const struct sbom *sbom, const char *name)
{
	for (size_t i = 0; i < sbom->package_count; i++)
		if (streq(sbom->packages[i].package->name, name))
			return &sbom->packages[i];
	fail_msg("no package %s", name);
	return NULL;
}

static void only_documents_are_asked_for(void **state)
{
	(void)state;
	assert_int_equal(sbom_wants("usr/share/doc/a/copyright", S_IFREG, NULL), DEB_ASIDE);
	assert_int_equal(sbom_wants("usr/share/doc/a/changelog.Debian.gz", S_IFREG, NULL), DEB_ASIDE);
	assert_int_equal(sbom_wants("usr/share/doc/a/changelog.gz", S_IFREG, NULL), DEB_ASIDE);
	assert_int_equal(sbom_wants("usr/share/doc/a", S_IFLNK, NULL), DEB_ASIDE);
	assert_int_equal(sbom_wants("usr/share/doc/a", S_IFDIR, NULL), 0);
	assert_int_equal(sbom_wants("usr/share/doc/a/README", S_IFREG, NULL), 0);
	assert_int_equal(sbom_wants("usr/share/doc/a/examples/copyright", S_IFREG, NULL), 0);
	assert_int_equal(sbom_wants("usr/bin/copyright", S_IFREG, NULL), 0);
}

static void licences_come_from_copyright_files(void **state)
{
	_cleanup_sbom_image_ struct sbom_image image;
	const struct sbom_package *alpha;

	(void)state;
	sbom_image_init(&image);
	alpha = find(&image.sbom, "alpha");
	assert_true(startswith(alpha->license, "(GPL-2.0-or-later OR MIT) AND LicenseRef-house-") != NULL);
	assert_non_null(strstr(alpha->license, " AND LicenseRef-lost-"));
	/* Its folder is a link to the other's. */
	assert_string_equal(find(&image.sbom, "alpha-data")->license, alpha->license);
	assert_true(startswith(find(&image.sbom, "linux-image-6.1")->license,
			    "LicenseRef-copyright-linux-") != NULL);
	assert_null(find(&image.sbom, "boot++")->license);
	assert_non_null(strstr(find(&image.sbom, "boot++")->why, "not in the image"));
	assert_int_equal(image.sbom.license_count, 3);
	assert_string_equal(image.sbom.licenses[0].text, "House rules.");
	assert_non_null(strstr(image.sbom.licenses[1].text, "has no text"));
	assert_string_equal(image.sbom.licenses[2].text, "Prose.");
}

static void ids_come_from_the_sources_own_changelog(void **state)
{
	static const char *const expected[] = {"CVE-2025-9999", "CVE-2025-12345", "CVE-2026-1111"};
	_cleanup_sbom_image_ struct sbom_image image;

	(void)state;
	sbom_image_init(&image);
	assert_int_equal(image.sbom.source_count, 3);
	assert_string_equal(image.sbom.sources[0].name, "alpha");
	assert_int_equal(image.sbom.sources[0].cves.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(image.sbom.sources[0].cves.items[i], expected[i]);
	assert_string_equal(image.sbom.sources[2].name, "linux");
	assert_int_equal(image.sbom.sources[2].cves.count, 0);
}

/* What a jq expression makes of a document. */
static char *ask(const struct buffer *document, const char *expression)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(process_run((const char *const[]){"jq", "-j", expression, NULL}, document->data,
			  document->size, MiB(1), &result, &err),
		err);
	if (result.status != 0) {
		buffer_append_u8(&result.message, 0);
		fail_msg("%s: %s", expression, (char *)result.message.data);
	}
	return buffer_take(&result.output, NULL);
}

struct question {
	const char *expression, *answer;
};

static void assert_answers(const struct buffer *document, const struct question *questions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *answer = ask(document, questions[i].expression);

		if (!streq(answer, questions[i].answer))
			fail_msg(
				"%s: %s instead of %s", questions[i].expression, answer, questions[i].answer);
	}
}

#define PACKAGE(id) ".packages[] | select(.SPDXID == \"SPDXRef-" id "\") | "
#define RELATED(from, type)                                                                                  \
	"[.relationships[] | select(.spdxElementId == \"SPDXRef-" from "\" and .relationshipType == \"" type \
	"\") | .relatedSpdxElement[8:]] | join(\" \")"

/* Digests are those of sha1sum and sha256sum. */
static const struct question spdx[] = {
	{".spdxVersion", "SPDX-2.3"},
	{".creationInfo.created", "2026-11-29T00:00:00Z"},
	{".creationInfo.creators[0]", "Tool: orlop-9.8"},
	{".packages | length", "12"},
	{PACKAGE("Package-alpha") ".externalRefs[0].referenceLocator",
		"pkg:deb/debian/"
		"alpha@2:2.0%2Bb-1%2Bb3?arch=amd64&distro=debian-13&upstream=alpha%402:2.0%2Bb-1"},
	{PACKAGE("Package-alpha-data") ".externalRefs[0].referenceLocator",
		"pkg:deb/debian/alpha-data@2:2.0%2Bb-1?arch=all&distro=debian-13&upstream=alpha"},
	{PACKAGE("Package-alpha") ".supplier", "Organization: Alpha Team (team@x)"},
	{PACKAGE("Package-alpha-data") ".supplier", "Person: Jane Doe (jane@x)"},
	{PACKAGE("Package-alpha") ".summary", "The alpha"},
	{PACKAGE("Package-alpha") ".homepage", "https://alpha.example/"},
	{PACKAGE("Package-alpha") ".copyrightText", "2020 A\n2021 B"},
	{PACKAGE("Package-alpha") ".packageFileName", "pool/a/alpha.deb"},
	{PACKAGE("Package-alpha") ".checksums[0].checksumValue[:4]", "0100"},
	/* printf one | sha1sum, and so on: the SHA-1 of both digests, sorted, in one line */
	{PACKAGE("Package-alpha") ".packageVerificationCode.packageVerificationCodeValue",
		"1352a4b8934de6f3866f3b605cd80bff78d59663"},
	{PACKAGE("Package-alpha-data") ".filesAnalyzed", "false"},
	{PACKAGE("Package-bootPP") ".licenseDeclared", "NOASSERTION"},
	{"[" PACKAGE("Source-alpha-2C2.0Pb-1") ".externalRefs[1:][].referenceLocator | sub(\".*/\"; \"\")] | "
					       "join(\" \")",
		"CVE-2025-9999 CVE-2025-12345 CVE-2026-1111"},
	{RELATED("DOCUMENT", "DESCRIBES"), "Image"},
	{RELATED("Package-alpha", "DEPENDS_ON"), "Package-alpha-data Package-bootPP"},
	{RELATED("Package-alpha-data", "GENERATED_FROM"), "Source-alpha-2C2.0Pb-1"},
	{RELATED("KernelImage", "GENERATED_FROM"), "Package-linux-image-6.1 Package-bootPP"},
	{".files[] | select(.fileName == \"./usr/bin/alpha\") | .checksums | map(.checksumValue) | join(\" "
	 "\")",
		"fe05bcdcdc4928012781a5f1a2a77cbb5398e106 "
		"7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"},
	{".files[] | select(.fileName == \"./usr/lib/modules.dep\") | .comment",
		"made at build by the finisher \"depmod\""},
	{"(.files[] | select(.fileName == \"./usr/lib/modules.dep\") | .SPDXID) as $id | [.relationships[] | "
	 "select(.spdxElementId == $id or .relatedSpdxElement == $id) | .relationshipType] | join(\" \")",
		"CONTAINS GENERATED_FROM"},
	{"(.files[] | select(.fileName == \"./usr/bin/orlop-node\") | .SPDXID) as $id | .relationships[] | "
	 "select(.relatedSpdxElement == $id) | .spdxElementId",
		"SPDXRef-Orlop"},
};

static const struct question cyclonedx[] = {
	{".specVersion", "1.6"},
	{".metadata.timestamp", "2026-11-29T00:00:00Z"},
	{".metadata.component | .name, .version", "orlop-test-edition202611.29.0"},
	{".components | length", "8"},
	{".components[] | select(.name == \"alpha\") | .pedigree.ancestors[0].purl",
		"pkg:deb/debian/alpha@2:2.0%2Bb-1?arch=source&distro=debian-13"},
	{".components[] | select(.name == \"alpha\") | .licenses[0].expression[:30]",
		"(GPL-2.0-or-later OR MIT) AND "},
	{".components[] | select(.name == \"boot++\") | .licenses", "null"},
	{".components[] | select(.name == \"debian\") | .type, .version", "operating-system13"},
	{"[.vulnerabilities[] | .id, .analysis.state] | join(\" \")",
		"CVE-2025-12345 resolved CVE-2025-9999 resolved CVE-2026-1111 resolved"},
	{".vulnerabilities[0].affects | map(.ref | sub(\"@.*\"; \"\")) | join(\" \")",
		"pkg:deb/debian/alpha pkg:deb/debian/alpha-data"},
	{".dependencies[] | select(.ref | startswith(\"pkg:deb/debian/alpha@\")) | .dependsOn | "
	 "map(sub(\"@.*\"; \"\")) "
	 "| join(\" \")",
		"pkg:deb/debian/alpha-data pkg:deb/debian/boot%2B%2B"},
	{".dependencies[] | select(.ref == \"kernel-image\") | .dependsOn | length", "3"},
};

static void spdx_says_what_was_collected(void **state)
{
	_cleanup_sbom_image_ struct sbom_image image;
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	sbom_image_init(&image);
	assert_ok(sbom_write_spdx(&image.sbom, &text, &err), err);
	assert_answers(&text, spdx, ARRAY_SIZE(spdx));
}

static void cyclonedx_says_what_was_collected(void **state)
{
	_cleanup_sbom_image_ struct sbom_image image;
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	sbom_image_init(&image);
	assert_ok(sbom_write_cyclonedx(&image.sbom, &text, &err), err);
	assert_answers(&text, cyclonedx, ARRAY_SIZE(cyclonedx));
}

static void what_can_differ_makes_another_document(void **state)
{
	_cleanup_sbom_image_ struct sbom_image image;
	char before[SBOM_UUID_SIZE], after[SBOM_UUID_SIZE];

	(void)state;
	sbom_image_init(&image);
	{
		uint8_t *const bytes[] = {&image.input.init_sha256[0],
			(uint8_t *)(uintptr_t)&image.sbom.files[0].digests->sha256[31],
			(uint8_t *)image.sbom.files[0].path, &image.packages[0].sha256[0],
			&image.boot[0].sha256[31]};

		assert_int_equal(sbom_uuid(&image.sbom, "spdx", before), 0);
		for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
			*bytes[i] ^= 1;
			assert_int_equal(sbom_uuid(&image.sbom, "spdx", after), 0);
			*bytes[i] ^= 1;
			assert_string_not_equal(before, after);
		}
		assert_int_equal(sbom_uuid(&image.sbom, "cyclonedx", after), 0);
		assert_string_not_equal(before, after);
	}
}

static void documents_of_equal_images_are_equal(void **state)
{
	int (*const writers[])(const struct sbom *, struct buffer *, struct error **) = {
		sbom_write_spdx, sbom_write_cyclonedx};
	_cleanup_sbom_image_ struct sbom_image one, other;

	(void)state;
	sbom_image_init(&one);
	sbom_image_init(&other);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		struct buffer texts[2] = {};

		assert_int_equal(writers[i](&one.sbom, &texts[0], NULL), 0);
		assert_int_equal(writers[i](&other.sbom, &texts[1], NULL), 0);
		assert_int_equal(texts[0].size, texts[1].size);
		assert_memory_equal(texts[0].data, texts[1].data, texts[0].size);
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			buffer_release(&texts[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_documents_are_asked_for),
		cmocka_unit_test(licences_come_from_copyright_files),
		cmocka_unit_test(ids_come_from_the_sources_own_changelog),
		cmocka_unit_test(spdx_says_what_was_collected),
		cmocka_unit_test(cyclonedx_says_what_was_collected),
		cmocka_unit_test(documents_of_equal_images_are_equal),
		cmocka_unit_test(what_can_differ_makes_another_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
