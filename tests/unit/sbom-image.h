/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small image for bills of materials: three packages of two sources, one of which keeps its documents in
 * another's folder, one package that it is started with, and files of all origins.
 */
#pragma once

#include "scratch.h"

#include "build/sbom.h"

#define SBOM_COPYRIGHT                                                                   \
	"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n" \
	"Files: *\nCopyright: 2020 A\nLicense: GPL-2+ or MIT\n\n"                        \
	"Files: x\nCopyright: 2021 B\nLicense: house\n House rules.\n\n"                 \
	"Files: y\nCopyright: 2021 B\nLicense: lost\n"
#define SBOM_CHANGELOG                                                                                \
	"alpha (2:2.0+b-1) unstable; urgency=medium\n\n  * Fix CVE-2026-1111 and cve-2025-12345.\n\n" \
	" -- A <a@x>  Mon, 02 Nov 2026 00:00:00 +0000\n\n"                                            \
	"alpha (2:2.0+b-2) unstable; urgency=medium\n\n  * Fix CVE-2026-1111, CVE-2025-9999.\n\n"     \
	" -- A <a@x>  Sun, 01 Nov 2026 00:00:00 +0000\n"

struct sbom_image {
	struct definition definition;
	struct package packages[3], boot[1];
	struct package_list list, boot_list;
	struct unpacked_package unpacked_packages[3], unpacked_boot[1];
	struct unpacked unpacked, unpacked_boot_list;
	struct tree *tree;
	struct manifest_output disk, uki;
	struct sbom_input input;
	struct sbom sbom;
};

static inline void sbom_image_aside(
	struct unpacked_package *package, const char *path, const char *text, const char *target)
{
	struct deb_entry *entry;

	package->aside = reallocarray(package->aside, package->aside_count + 1, sizeof(*entry));
	assert_non_null(package->aside);
	entry = &package->aside[package->aside_count++];
	*entry = (struct deb_entry){.path = strdup(path),
		.mode = target ? S_IFLNK | 0777 : S_IFREG | 0644,
		.target = target ? strdup(target) : NULL,
		.content = text ? content_copy(text, strlen(text)) : NULL};
}

static inline void sbom_image_file(struct tree *tree, const char *path, const char *origin, const char *text)
{
	const struct tree_attributes attributes = {.mode = 0644, .origin = origin};
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));

	assert_int_equal(tree_add_file(tree, path, &attributes, content, NULL, NULL), 0);
}

static inline void sbom_image_control(struct unpacked_package *package, const char *text)
{
	const char *at = text;

	assert_int_equal(control_next(&at, text + strlen(text), "control", &package->control, NULL), 1);
}

static inline void sbom_image_init(struct sbom_image *image)
{
	_cleanup_error_ struct error *err = NULL;

	*image = (struct sbom_image){
		.definition = {.name = (char *)"test-edition"},
		.packages =
			{
				{.name = (char *)"alpha",
					.version = (char *)"2:2.0+b-1+b3",
					.architecture = (char *)"amd64",
					.source = (char *)"alpha",
					.source_version = (char *)"2:2.0+b-1",
					.suite = (char *)"trixie",
					.file = (char *)"pool/a/alpha.deb",
					.sha256 = {1}},
				{.name = (char *)"alpha-data",
					.version = (char *)"2:2.0+b-1",
					.architecture = (char *)"all",
					.source = (char *)"alpha",
					.source_version = (char *)"2:2.0+b-1",
					.suite = (char *)"trixie",
					.sha256 = {2}},
				{.name = (char *)"linux-image-6.1",
					.version = (char *)"1",
					.architecture = (char *)"amd64",
					.source = (char *)"linux",
					.source_version = (char *)"1",
					.suite = (char *)"trixie",
					.sha256 = {3}},
			},
		.boot = {{.name = (char *)"boot++",
			.version = (char *)"3",
			.architecture = (char *)"amd64",
			.source = (char *)"boot++",
			.source_version = (char *)"3",
			.suite = (char *)"trixie",
			.sha256 = {4}}},
		.disk = {.kind = "disk",
			.name = "t.raw",
			.size = 1,
			.digest_name = "fsverity",
			.digest = {5}},
		.uki = {.kind = "uki", .name = "t.efi", .size = 1, .digest_name = "sha256", .digest = {6}},
		.tree = tree_new(),
	};
	image->list = (struct package_list){.items = image->packages, .count = 3};
	image->boot_list = (struct package_list){.items = image->boot, .count = 1};
	image->unpacked = (struct unpacked){.packages = image->unpacked_packages, .count = 3};
	image->unpacked_boot_list = (struct unpacked){.packages = image->unpacked_boot, .count = 1};
	sbom_image_control(&image->unpacked_packages[0],
		"Package: alpha\nMaintainer: Alpha Team <team@x>\nHomepage: https://alpha.example/\n"
		"Depends: alpha-data (= 2:2.0+b-1) | none, boot-thing\nDescription: The alpha\n more\n");
	sbom_image_control(
		&image->unpacked_packages[1], "Package: alpha-data\nMaintainer: Jane Doe <jane@x>\n");
	sbom_image_control(&image->unpacked_packages[2], "Package: linux-image-6.1\nMaintainer: K <k@x>\n");
	sbom_image_control(&image->unpacked_boot[0],
		"Package: boot++\nMaintainer: K <k@x>\nProvides: x, boot-thing (= 2)\n");
	sbom_image_aside(&image->unpacked_packages[0], "usr/share/doc/alpha/copyright", SBOM_COPYRIGHT, NULL);
	sbom_image_aside(
		&image->unpacked_packages[0], "usr/share/doc/alpha/changelog.Debian", SBOM_CHANGELOG, NULL);
	sbom_image_aside(&image->unpacked_packages[1], "usr/share/doc/alpha-data", NULL, "alpha");
	sbom_image_aside(
		&image->unpacked_packages[2], "usr/share/doc/linux-image-6.1/copyright", "Prose.", NULL);
	sbom_image_aside(&image->unpacked_packages[2], "usr/share/doc/linux-image-6.1/changelog",
		"kernel.org's own words about CVE-2026-2222\n", NULL);
	sbom_image_aside(
		&image->unpacked_boot[0], "usr/share/doc/boot++/copyright", NULL, "../elsewhere/copyright");
	sbom_image_file(image->tree, "usr/bin/alpha", "alpha", "one");
	sbom_image_file(image->tree, "usr/bin/beta", "alpha", "two");
	sbom_image_file(image->tree, "usr/bin/orlop-node", "orlop", "three");
	sbom_image_file(image->tree, "usr/lib/modules.dep", "finisher:depmod", "four");
	sbom_image_file(image->tree, "usr/share/own", "test-edition", "five");
	image->input = (struct sbom_input){
		.definition = &image->definition,
		.version = "202611.29.0",
		.architecture = "amd64",
		.builder = "9.8",
		.time = 1795910400, /* 2026-11-29 */
		.kernel_release = "6.1",
		.distribution = "debian-13",
		.tree = image->tree,
		.packages = &image->list,
		.boot_packages = &image->boot_list,
		.unpacked = &image->unpacked,
		.boot_unpacked = &image->unpacked_boot_list,
		.disk = image->disk.name,
		.uki = image->uki.name,
		.threads = 2,
	};
	assert_ok(sbom_collect(&image->input, &image->sbom, &err), err);
}

static inline void sbom_image_release(struct sbom_image *image)
{
	struct unpacked_package *packages[] = {&image->unpacked_packages[0], &image->unpacked_packages[1],
		&image->unpacked_packages[2], &image->unpacked_boot[0]};

	sbom_release(&image->sbom);
	for (size_t i = 0; i < ARRAY_SIZE(packages); i++) {
		control_release(&packages[i]->control);
		deb_entries_release(packages[i]->aside, packages[i]->aside_count);
	}
	tree_free(image->tree);
}
#define _cleanup_sbom_image_ _cleanup_(sbom_image_release)
