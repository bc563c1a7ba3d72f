/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sbom-image.h"

#include <jansson.h>

#include "boot-data.h"
#include "build/provenance.h"
#include "format/canonical-json.h"
#include "format/dsse.h"
#include "format/statement.h"

static void make(const struct sbom_image *image, struct buffer *ret)
{
	static const struct provenance_file files[] = {
		{"definition", "test.yaml", {7}}, {"program", "orlop-init", {8}}};
	const struct manifest_output outputs[] = {image->disk, image->uki};
	_cleanup_signer_ struct signer *signer = boot_signer("db");
	_cleanup_json_ json_t *description = NULL, *read = NULL;
	_cleanup_buffer_ struct buffer direct = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *kept = NULL;

	assert_ok(provenance_describe(
			  &(struct provenance){
				  .definition = &image->definition,
				  .version = "202611.29.0",
				  .architecture = "amd64",
				  .suite = "trixie",
				  .builder = "9.8",
				  .sbom = &image->sbom,
				  .files = files,
				  .file_count = ARRAY_SIZE(files),
			  },
			  &description, &err),
		err);
	/* It may be kept as text meanwhile. */
	kept = json_dumps(description, JSON_INDENT(2));
	read = json_loads(kept, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(read, "subject")), 0);
	assert_ok(provenance_write(read, outputs, ARRAY_SIZE(outputs), signer, ret, &err), err);
	assert_ok(provenance_write(description, outputs, ARRAY_SIZE(outputs), signer, &direct, &err), err);
	assert_int_equal(ret->size, direct.size);
	assert_memory_equal(ret->data, direct.data, direct.size);
}

static const json_t *dependency(const json_t *predicate, size_t index)
{
	const json_t *definition = json_object_get(predicate, "buildDefinition");

	return json_array_get(json_object_get(definition, "resolvedDependencies"), index);
}

static const char *text_at(const json_t *object, const char *outer, const char *member)
{
	return json_string_value(json_object_get(outer ? json_object_get(object, outer) : object, member));
}

static void outputs_packages_and_files_are_in_it(void **state)
{
	_cleanup_sbom_image_ struct sbom_image image;
	_cleanup_statement_ struct statement statement = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_dsse_ struct dsse dsse = {};
	const json_t *definition, *builder;

	(void)state;
	sbom_image_init(&image);
	make(&image, &text);
	assert_ok(dsse_read(text.data, text.size, &dsse, &err), err);
	assert_string_equal(dsse.type, DSSE_IN_TOTO);
	assert_ok(statement_read(dsse.payload.data, dsse.payload.size, &statement, &err), err);
	assert_string_equal(statement.predicate_type, "https://slsa.dev/provenance/v1");
	assert_int_equal(statement.subject_count, 2);
	assert_int_equal(statement_find(&statement, "t.efi")->digest[0], 6);

	assert_true(statement_find(&statement, "t.raw")->is_fsverity);
	definition = json_object_get(statement.predicate, "buildDefinition");
	assert_string_equal(text_at(definition, NULL, "buildType"), PROVENANCE_BUILD_TYPE);
	assert_string_equal(text_at(definition, "externalParameters", "edition"), "test-edition");
	assert_string_equal(text_at(definition, "externalParameters", "suite"), "trixie");
	assert_int_equal(json_array_size(json_object_get(definition, "resolvedDependencies")), 6);
	assert_string_equal(text_at(dependency(statement.predicate, 0), NULL, "uri"),
		"pkg:deb/debian/"
		"alpha@2:2.0%2Bb-1%2Bb3?arch=amd64&distro=debian-13&upstream=alpha%402:2.0%2Bb-1");
	assert_true(
		startswith(text_at(dependency(statement.predicate, 0), "digest", "sha256"), "0100") != NULL);
	assert_string_equal(
		text_at(dependency(statement.predicate, 0), "annotations", "file"), "pool/a/alpha.deb");
	assert_string_equal(
		text_at(dependency(statement.predicate, 3), "annotations", "kind"), "boot-package");
	assert_string_equal(text_at(dependency(statement.predicate, 4), NULL, "name"), "test.yaml");
	builder = json_object_get(json_object_get(statement.predicate, "runDetails"), "builder");
	assert_string_equal(text_at(builder, NULL, "id"), PROVENANCE_BUILDER);
	assert_string_equal(text_at(builder, "version", "orlop"), "9.8");
}

static void equal_builds_have_equal_statements(void **state)
{
	_cleanup_sbom_image_ struct sbom_image image;
	_cleanup_buffer_ struct buffer one = {}, other = {};

	(void)state;
	sbom_image_init(&image);
	make(&image, &one);
	make(&image, &other);
	assert_int_equal(one.size, other.size);
	assert_memory_equal(one.data, other.data, one.size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outputs_packages_and_files_are_in_it),
		cmocka_unit_test(equal_builds_have_equal_statements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
