#!/usr/bin/env bats
# What a build says that its image is made of, and where that comes from, before the judges: schemas and readers from npm, sha1sum and
# sha256sum over the image's own files, the packages' changelogs, openssl.

load ../lib/image

setup_file() {
	export judge=$BATS_TEST_DIRNAME/../npm/judge.mjs spdx cyclonedx provenance usr=$BATS_FILE_TMPDIR/usr
	spdx=$(image_file .spdx.json) cyclonedx=$(image_file .cdx.json) provenance=$(image_file .provenance.json)
	"$BATS_TEST_DIRNAME/../../tools/npm"
	fsck.erofs --extract="$usr" "$(image_file .usr.erofs)" >&2
}

setup() { cd "$BATS_TEST_TMPDIR"; }

deb_of() { # NAME: the package in the cache
	local sha256
	sha256=$(manifest ".packages[] | select(.name == \"$1\") | .sha256")
	echo "${XDG_CACHE_HOME:-$HOME/.cache}/orlop/sha256/${sha256:0:2}/$sha256"
}

@test "SPDX is valid" {
	node "$judge" spdx "$spdx"
}

@test "CycloneDX is valid" {
	node "$judge" cyclonedx "$cyclonedx"
}

# Reads lines "jq expression@what is said of it".
expect_complaints() { # KIND FILE
	local change text count=0
	while IFS=@ read -r change text; do
		jq "$change" "$2" >damaged.json
		run node "$judge" "$1" damaged.json
		echo "$change: $output"
		[ "$status" = 1 ]
		[[ $output == *"$text"* ]]
		count=$((count + 1))
	done
	[ "$count" -gt 3 ]
}

@test "the judges see what is wrong" {
	expect_complaints spdx "$spdx" <<-'EOF'
		.packages[5].licenseDeclared = "GPL-2+"@GPL-2+
		.packages[5].licenseDeclared = "LicenseRef-none"@LicenseRef-none is not in the document
		.files[7].checksums[0].checksumValue = "0000000000000000000000000000000000000000"@verification code
		.files[7].SPDXID = .files[8].SPDXID@there twice
		.relationships[9].relatedSpdxElement = "SPDXRef-Nothing"@SPDXRef-Nothing
		del(.packages[6].name)@name is missing
		.packages[6].externalRefs[0].referenceLocator |= sub("/debian/"; "/debian/x")@not of
	EOF
	expect_complaints cyclonedx "$cyclonedx" <<-'EOF'
		.components[5].type = "package"@/components/5/type
		.components[9].licenses[0].expression = "GPL-2+"@GPL-2+
		.vulnerabilities[0].analysis.state = "fixed"@/vulnerabilities/0/analysis/state
		.vulnerabilities[0].affects[0].ref = "x"@x is no component
		.components[6]["bom-ref"] = .components[7]["bom-ref"]@is there twice
	EOF
}

@test "both have every package of the manifest, with version, architecture and digest" {
	manifest '.packages + .boot_packages | .[] | "\(.name) \(.version) \(.architecture) \(.sha256)"' | LC_ALL=C sort >expected
	[ "$(wc -l <expected)" -gt 100 ]
	jq -r '.packages[] | select(.SPDXID | startswith("SPDXRef-Package-")) | "\(.name) \(.versionInfo) \(.externalRefs[0].referenceLocator |
		capture("arch=(?<a>[a-z0-9]+)").a) \(.checksums[0].checksumValue)"' "$spdx" | LC_ALL=C sort | diff expected -
	jq -r '.components[] | select(.purl) | "\(.name) \(.version) \(.purl | capture("arch=(?<a>[a-z0-9]+)").a) \(.hashes[0].content)"' \
		"$cyclonedx" | LC_ALL=C sort | diff expected -
}

@test "SPDX has every file of /usr, with its digests" {
	(cd "$usr" && find . -type f -exec sha1sum {} + | sed 's,  \./,  ./usr/,' && find . -type f -exec sha256sum {} + |
		sed 's,  \./,  ./usr/,') | LC_ALL=C sort >expected
	[ "$(wc -l <expected)" -gt 4000 ]
	jq -r '.files[] | .fileName as $name | .checksums[] | "\(.checksumValue)  \($name)"' "$spdx" | LC_ALL=C sort | diff expected -
}

@test "nine of ten packages have a licence of SPDX's, and at most one has none" {
	[ "$(jq '[.packages[] | select((.SPDXID | startswith("SPDXRef-Package-")) and .licenseDeclared == "NOASSERTION")] | length' "$spdx")" -le 1 ]
	[ "$(jq '[.packages[] | select(.SPDXID | startswith("SPDXRef-Package-"))] | (map(select(.licenseDeclared |
		test("^[^L]|AND [^L]"))) | length) * 10 >= length * 9' "$spdx")" = true ]
	jq -e '.packages[] | select(.name == "libzstd1") | .licenseDeclared | contains("BSD-3-Clause")' "$spdx"
}

@test "the ids that changelogs name are in both" {
	local name id
	for name in libssl3t64 libexpat1; do
		dpkg-deb --fsys-tarfile "$(deb_of "$name")" | tar -xO "./usr/share/doc/$name/changelog.Debian.gz" | zcat |
			grep -oiE '\<CVE-[0-9]{4}-[0-9]{4,}' | tr a-z A-Z | sort -u >expected
		[ "$(wc -l <expected)" -gt 10 ]
		jq -r --arg name "pkg:deb/debian/$name@" '.vulnerabilities[] | select(.analysis.state == "resolved" and
			any(.affects[]; .ref | startswith($name))) | .id' "$cyclonedx" | sort -u | diff expected -
		id=$(jq -r --arg name "$name" '.packages[] | select(.name == $name) | .SPDXID' "$spdx")
		jq -r --arg id "$id" '(.relationships[] | select(.spdxElementId == $id and .relationshipType == "GENERATED_FROM") |
			.relatedSpdxElement) as $source | .packages[] | select(.SPDXID == $source) | .externalRefs[] |
			select(.referenceType == "fix") | .referenceLocator | sub(".*/"; "")' "$spdx" | sort -u | diff expected -
	done
}

@test "openssl verifies the provenance as the document says, and sha256sum what it is about" {
	sed -n '/^```$/,/^```$/{/^```$/!p}' "$BATS_TEST_DIRNAME/../../docs/formats/provenance.md" >script
	[ "$(wc -l <script)" = 7 ]
	cp "$provenance" provenance.json
	cp "$ORLOP_TEST_KEYS/db.crt" .
	ln -s "$ORLOP_TEST_OUT"/orlop-* .
	bash -euo pipefail script
	[ "$(jq '.subject | length' payload)" = 7 ]
	jq -r '.predicate.buildDefinition.resolvedDependencies[] | select(.annotations.kind == "definition") | .digest.sha256' payload |
		grep -qF "$(sha256sum <"$ORLOP_EDITIONS/container-linux.yaml" | cut -c-64)"
	"$ORLOP" inspect "$provenance" | grep -q "^  fsverity:$(manifest '.outputs[] | select(.kind == "disk").fsverity')  "
	"$ORLOP" inspect --json "$provenance" | jq -e --arg certificate "$(manifest .certificate_sha256)" \
		'.kind == "provenance" and .certificate_sha256 == $certificate'
	jq '.payload |= sub("^ey"; "eZ")' "$provenance" >damaged.json
	run "$ORLOP" inspect damaged.json
	[ "$status" = 1 ]
	[[ $output == *"was changed"* ]]
}
