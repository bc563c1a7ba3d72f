#!/usr/bin/env bats
# `orlop diff` with small packages that dpkg-deb makes, and manifests that jq writes.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	export XDG_CACHE_HOME=$PWD/cache
	mkdir -p old new
}

entry() { printf '%s (%s) trixie; urgency=medium\n\n  * %s\n\n -- A B <a@example.org>  Fri, 03 Apr 2026 14:29:32 +0200\n\n' "$@"; }

# deb NAME VERSION FOLDER: a package of what is in FOLDER, into the cache; prints what a manifest has of it
deb() {
	local digest
	rm -rf tree
	cp -a "$3" tree
	mkdir -p tree/DEBIAN
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: a\n' "$1" "$2" >tree/DEBIAN/control
	dpkg-deb --root-owner-group -Zgzip -b tree one.deb >/dev/null
	digest=$(sha256sum <one.deb | cut -d' ' -f1)
	mkdir -p "cache/orlop/sha256/${digest:0:2}"
	jq -n --arg name "$1" --arg version "$2" --arg source "${4:-$1}" --arg source_version "${5:-$2}" --arg sha256 "$digest" \
		--argjson size "$(stat -c %s one.deb)" '$ARGS.named + {architecture: "all", suite: "trixie"}'
	mv one.deb "cache/orlop/sha256/${digest:0:2}/$digest"
}

# with_changelog NAME FILE: a package's folder with that changelog
with_changelog() {
	rm -rf "in-$1"
	mkdir -p "in-$1/usr/share/doc/$1"
	gzip -9n <"$2" >"in-$1/usr/share/doc/$1/${3:-changelog.Debian.gz}"
	echo "in-$1"
}

# manifest FOLDER VERSION KERNEL USR-SIZE: of the packages on standard input
manifest() {
	jq -s --arg version "$2" --arg kernel "$3" --argjson size "$4" '{edition: "container-linux", title: "A", version: $version,
		architecture: "amd64", suite: "trixie", kernel: $kernel, root_hash: ("0" * 64), usr: {size: $size},
		outputs: [{kind: "uki", name: "a.efi", size: 4096, sha256: ("0" * 64)},
			{kind: "usr", name: "a.usr.erofs", size: $size, sha256: ("0" * 64)}],
		packages: ., boot_packages: []}' >"$1/a_$2.manifest.json"
}

# Two releases: a changed in a CVE, b rebuilt, c gone, d new; e linked to a.
two_releases() {
	entry a 1.0-1 'First, CVE-2020-1111.' >first
	{ entry a 1.0-2+deb13u1 'Fix CVE-2026-10000, cve-2026-9999.'; entry a 1.0-2 'Fix CVE-2025-1234: see CVE-2026-9999.'; cat first; } >second
	entry b 1 'B.' >b
	mkdir -p link/usr/share/doc
	ln -sfn a link/usr/share/doc/e
	{
		deb a 1.0-1 "$(with_changelog a first)"
		deb b 1+b1 "$(with_changelog b b)" b 1
		deb c 7 "$(with_changelog c b)"
		deb e 1.0-1 link a 1.0-1
	} | manifest old 202611.23.0 6.12.1-cloud 8192
	{
		deb a 1.0-2+deb13u1 "$(with_changelog a second)"
		deb b 1+b2 "$(with_changelog b b)" b 1
		deb d 3:1~rc1 "$(with_changelog d b)"
		deb e 1.0-2+deb13u1 link a 1.0-2+deb13u1
	} | manifest new 202611.30.0 6.12.2-cloud 12288
}

@test "packages, sizes, the kernel and CVE ids are told, as text" {
	two_releases
	run --separate-stderr "$ORLOP" diff old new
	[ "$status" = 0 ]
	[ -z "$stderr" ]
	[ "${lines[0]}" = 'container-linux 202611.30.0 for amd64, compared with 202611.23.0' ]
	tr -s ' ' <<<"$output" >squeezed
	grep -qx ' kernel 6.12.1-cloud 6.12.2-cloud another version' squeezed
	grep -qx ' image of /usr (bytes) 8.0 KiB (8192) 12.0 KiB (12288) +4.0 KiB' squeezed
	grep -qx ' kernel image (bytes) 4.0 KiB (4096) 4.0 KiB (4096) none' squeezed
	[ "$(sed -n '/^Packages changed (3)$/,/^$/p' squeezed | sed 1,2d)" = ' a 1.0-1 1.0-2+deb13u1
 b 1+b1 1+b2
 e 1.0-1 1.0-2+deb13u1' ]
	[ "$(sed -n '/^Packages added (1)$/,/^$/p' squeezed | sed 1,2d)" = ' d 3:1~rc1' ]
	[ "$(sed -n '/^Packages removed (1)$/,/^$/p' squeezed | sed 1,2d)" = ' c 7' ]
	# By year and number; what both entries name comes once, and what the old version had is not there.
	[ "$(sed -n '/^CVEs fixed (1)$/,/^$/p' squeezed | sed 1,2d)" = ' a 1.0-1 1.0-2+deb13u1 CVE-2025-1234 CVE-2026-9999 CVE-2026-10000' ]
	! grep -q 'tell less' squeezed || return 1
}

@test "the JSON object has the same" {
	two_releases
	"$ORLOP" diff old/a_202611.23.0.manifest.json new --json >out
	[ "$(jq -c '[.before.version, .after.version, .before.usr_size, .after.usr_size]' out)" = '["202611.23.0","202611.30.0",8192,12288]' ]
	[ "$(jq -c '[.packages_changed[] | [.name, .before.version, .after.version]]' out)" = \
		'[["a","1.0-1","1.0-2+deb13u1"],["b","1+b1","1+b2"],["e","1.0-1","1.0-2+deb13u1"]]' ]
	[ "$(jq -c '[.packages_added[].name, .packages_removed[].name]' out)" = '["d","c"]' ]
	[ "$(jq -c '.sources' out)" = '[{"name":"a","before":"1.0-1","after":"1.0-2+deb13u1","backwards":false,"changelog":"read","cves":["CVE-2025-1234","CVE-2026-9999","CVE-2026-10000"]}]' ]
}

@test "the Markdown is the same bytes whatever the time, the place and the user's cache folder" {
	two_releases
	"$ORLOP" diff old new --markdown >one
	mv cache elsewhere
	mkdir other
	cp -r old new other/
	(cd other && TZ=Asia/Tokyo LC_ALL=C "$ORLOP" diff --cache ../elsewhere/orlop old new --markdown) | cmp one -
	grep -qx '# container-linux 202611.30.0 for amd64' one
	grep -qxF '| `a` | `1.0-1` | `1.0-2+deb13u1` | CVE-2025-1234 CVE-2026-9999 CVE-2026-10000 |' one
	[ "$(grep '^## ' one | tr '\n' ,)" = '## Packages changed,## Packages added,## Packages removed,## CVEs fixed,' ]
}

@test "no differences are no error" {
	two_releases
	run --separate-stderr "$ORLOP" diff new new
	[ "$status" = 0 ]
	! grep -q '^Packages' <<<"$output" || return 1
	[ "$("$ORLOP" diff new new --json | jq -c '[.packages_changed, .packages_added, .packages_removed, .sources]')" = '[[],[],[],[]]' ]
}

# one_build FOLDER LETTER ARGUMENT DISK-SIZE: a build of one version, the rest the same; all digests but the root hash are of this letter
one_build() {
	mkdir -p "$1"
	jq -n --arg letter "$2" --arg argument "$3" --argjson disk "$4" '($letter * 64) as $digest | {edition: "host", title: "A",
		version: "202611.23.0", architecture: "amd64", suite: "trixie", kernel: "6.12.1",
		command_line: "quiet \($argument) usrhash=\("0" * 64)", root_hash: ("0" * 64), usr: {size: 8192},
		outputs: [{kind: "disk", name: "orlop-host.raw", size: $disk, fsverity: $digest},
			{kind: "usr", name: "orlop-host.usr.erofs", size: 8192, fsverity: ("0" * 64)},
			{kind: "uki", name: "orlop-host.efi", size: 4096, sha256: $digest}],
		pcrs: {sha256: {"4": $digest, "9": $digest, "11": $digest, "12": ("0" * 64)}, sha256_kernel_start: {"11": $digest}},
		certificate_sha256: $digest, packages: [], boot_packages: []}' >"$1/orlop-host_202611.23.0_amd64.manifest.json"
}

@test "of two builds of one version the command line, certificate, outputs and registers that differ are told" {
	one_build old a debug 1073741824
	one_build new b loglevel=3 2147483648
	"$ORLOP" diff old new >out
	tr -s ' ' <out >squeezed
	grep -qx ' image of /usr (bytes) 8.0 KiB (8192) 8.0 KiB (8192) none' squeezed
	grep -qx ' kernel image (bytes) 4.0 KiB (4096) 4.0 KiB (4096) another image' squeezed
	[ "$(sed -n '/^Command line/,$p' out)" = 'Command line (2)
  - debug
  + loglevel=3

Signing certificate
  aaaaaaaaaaaaaaaa... -> bbbbbbbbbbbbbbbb...

Other outputs (1)
  disk       1.0 GiB       2.0 GiB       +1.0 GiB

Predicted PCRs (3)
  4   boot programs
  9   command line and initrd
  11  kernel image' ]
	"$ORLOP" diff old new --json >out.json
	[ "$(jq -c '[.arguments_removed, .arguments_added, .arguments_reordered]' out.json)" = '[["debug"],["loglevel=3"],false]' ]
	[ "$(jq -c '[.outputs_changed[] | [.kind, .before.size, .after.size]]' out.json)" = '[["disk",1073741824,2147483648],["uki",4096,4096]]' ]
	[ "$(jq -c '[.outputs_added, .outputs_removed]' out.json)" = '[[],[]]' ]
	[ "$(jq -c '[.pcrs_changed[] | [.register, .kernel_start]]' out.json)" = '[[4,false],[9,false],[11,false],[11,true]]' ]
	jq -e '.before.certificate_sha256 == "a" * 64 and .after.certificate_sha256 == "b" * 64' out.json
	jq -e '.after.command_line | startswith("quiet loglevel=3 usrhash=")' out.json
	jq -e '.outputs_changed[0].after == {kind: "disk", name: "orlop-host.raw", size: 2147483648, fsverity: ("b" * 64)}' out.json
	# A release's notes have none of it.
	"$ORLOP" diff old new --markdown >out.md
	! grep -qE 'loglevel|bbbb|boot programs' out.md || return 1
}

@test "of a build and itself nothing more is told" {
	one_build old a debug 1073741824
	"$ORLOP" diff old old >out
	[ "$(wc -l <out)" = 8 ]
	"$ORLOP" diff old old --json |
		jq -e '[.arguments_removed, .arguments_added, .outputs_changed, .outputs_added, .outputs_removed, .pcrs_changed] == [[],[],[],[],[],[]]'
}

# output FOLDER ENDING KIND DIGEST SIZE: a file of so many bytes, most of them a hole, which the manifest has with that digest
output() {
	local name=$1/orlop-host_202611.23.0_amd64 digest
	printf 'This is %s' "$3" >"$name.$2"
	truncate -s "$5" "$name.$2"
	case $4 in
	fsverity) digest=$(fsverity digest --compact "$name.$2") ;;
	sha256) digest=$(sha256sum <"$name.$2" | cut -d' ' -f1) ;;
	esac
	jq --arg kind "$3" --arg name "orlop-host.$2" --arg sum "$4" --arg digest "${digest:-}" --argjson size "$(stat -c %s "$name.$2")" \
		'.outputs |= map(select(.kind != $kind)) + [{$kind, $name, $size} + if $sum == "none" then {} else {($sum): $digest} end]' \
		"$name.manifest.json" >changed
	mv changed "$name.manifest.json"
}

# All outputs that a manifest lists, with the digests that builds have made in their time.
all_outputs() { # FOLDER
	output "$1" raw disk fsverity 64M
	output "$1" usr.erofs usr fsverity 8192
	output "$1" usr.verity verity sha256 4096
	output "$1" efi uki sha256 4096
	output "$1" netboot.efi netboot sha256 12289
	output "$1" qcow2 qcow2 fsverity 70000
	output "$1" vhd vhd fsverity 64M
	output "$1" vhdx vhdx none 1M
	output "$1" spdx.json spdx sha256 333
	output "$1" cdx.json cyclonedx sha256 1
}

@test "an output stands for the manifest beside it; without one, it is said what is wanted" {
	local name=orlop-host_202611.23.0_amd64 ending
	one_build old a debug 1073741824
	one_build new b loglevel=3 2147483648
	all_outputs old
	all_outputs new
	"$ORLOP" diff old new >expected
	for ending in raw usr.erofs usr.verity efi netboot.efi qcow2 vhd vhdx spdx.json cdx.json; do
		"$ORLOP" diff old/$name.raw new/$name.$ending | cmp expected -
	done
	(cd new && "$ORLOP" diff ../old/$name.raw $name.efi) | cmp expected -
	rm old/*.manifest.json
	run "$ORLOP" diff old/$name.raw new
	[ "$status" = 1 ]
	[[ $output == "orlop: old/$name.raw: not a manifest, and no output"*'name a manifest, the folder of a build, or a version in'* ]]
	# Nor is any other large file.
	mv old/$name.raw disk
	run "$ORLOP" diff disk new
	[ "$status" = 1 ]
	[[ $output == 'orlop: disk: not a manifest, and no output'* ]]
}

# not_as_listed FILE TEXT: it is refused in either place, and its manifest is compared all the same
not_as_listed() {
	run "$ORLOP" diff "$1" old
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == "orlop: $1$2"* ]]
	run "$ORLOP" diff old "$1"
	[ "$status" = 1 ]
	[[ $output == "orlop: $1$2"* ]]
	"$ORLOP" diff old new >out
}

@test "an output that is not what its manifest says is refused, and what differs and what to do is said" {
	local name=orlop-host_202611.23.0_amd64 ending kept
	one_build old a debug 1073741824
	one_build new a debug 1073741824
	all_outputs new
	for ending in raw usr.erofs usr.verity efi netboot.efi qcow2 vhd spdx.json cdx.json; do
		kept=$(stat -c %s "new/$name.$ending")
		printf D | dd of="new/$name.$ending" conv=notrunc status=none
		case $ending in
		raw | usr.erofs | qcow2 | vhd) not_as_listed "new/$name.$ending" " is not what its manifest says: its fs-verity digest is $(fsverity digest --compact "new/$name.$ending"), and not " ;;
		*) not_as_listed "new/$name.$ending" " is not what its manifest says: its SHA-256 is $(sha256sum <"new/$name.$ending" | cut -d' ' -f1), and not " ;;
		esac
		[[ $output == *' (build it again, or name the manifest to compare what that says)' ]]
		: >"new/$name.$ending"
		not_as_listed "new/$name.$ending" " is not what its manifest says: it has 0 bytes, and not $kept (build it again, "
	done
	truncate -s +1 "new/$name.vhdx"
	not_as_listed "new/$name.vhdx" ' is not what its manifest says: it has 1048577 bytes, and not 1048576'
	rm "new/$name.raw"
	mkfifo "new/$name.raw"
	not_as_listed "new/$name.raw" ' is not what its manifest says: it is no regular file'
	# What it does not list is not of that build.
	: >"old/$name.qcow2"
	not_as_listed "old/$name.qcow2" ' is not what its manifest says: that lists no output of the kind "qcow2"'
	: >"old/$name.provenance.json"
	not_as_listed "old/$name.provenance.json" ': '
}

@test "the way back tells what is no longer fixed" {
	two_releases
	"$ORLOP" diff new old --markdown >out
	sed -n '/^## CVEs fixed/,/^##/p' out | grep -qx None.
	sed -n '/^## CVEs no longer fixed/,/^##/p' out | grep -qF '| `a` | `1.0-2+deb13u1` | `1.0-1` | CVE-2025-1234 CVE-2026-9999 CVE-2026-10000 |'
	"$ORLOP" diff new old --json | jq -e '.sources[0].backwards' >out
}

@test "a package that is not in the cache is said to be not at hand, and none is made for it" {
	two_releases
	mv cache away
	"$ORLOP" diff old new >out
	tr -s ' ' <out | grep -qx ' a 1.0-1 1.0-2+deb13u1 not at hand'
	[ ! -e cache ]
	# A damaged one is none.
	mv away cache
	find cache -type f -exec truncate -s -1 {} +
	"$ORLOP" diff old new | tr -s ' ' | grep -qx ' a 1.0-1 1.0-2+deb13u1 not at hand'
}

@test "a changelog that does not reach back, is missing, or belongs to another source is said to tell less" {
	entry cut 2 'Fix CVE-2026-1111.' >cut
	entry upstream 9 'Not Debian, CVE-2026-2222.' >upstream
	echo 'Version 2: see CVE-2026-3333' >prose
	mkdir -p none loop/usr/share/doc out/usr/share/doc
	ln -sfn loop loop/usr/share/doc/loop
	ln -sfn ../../../../etc out/usr/share/doc/out
	{
		deb cut 1 none
		deb none 1 none
		deb other 1 none before 1
		deb native 1 none
		deb prose 1 none
		deb loop 1 none
		deb out 1 none
	} | manifest old 1 k 4096
	{
		deb cut 2 "$(with_changelog cut cut)"
		deb none 2 none
		deb other 2 none after 2
		deb native 2 "$(with_changelog native upstream changelog.gz)"
		deb prose 2 "$(with_changelog prose prose)"
		deb loop 2 loop
		deb out 2 out
	} | manifest new 2 k 4096
	"$ORLOP" diff old new --json >out.json
	[ "$(jq -r '.sources[] | "\(.name) \(.changelog) \(.cves | join(" "))"' out.json)" = 'after other-source 
cut cut CVE-2026-1111
loop missing 
native missing 
none missing 
out missing 
prose unreadable ' ]
	jq -e '.sources[] | select(.name == "prose").fault | contains("no Debian changelog")' out.json
	"$ORLOP" diff old new >out.txt
	grep -q '^Changelogs that tell less (7)$' out.txt
	grep -q 'other was built from before' out.txt
}

@test "a native package's changelog.gz, and one behind a link to a file, are read" {
	{ entry native 2 'CVE-2026-1111'; entry native 1 'x'; } >native
	{ entry file 2 'CVE-2026-2222'; entry file 1 'x'; } >file
	mkdir -p none
	with_changelog file-data file >/dev/null
	mkdir -p in-file/usr/share/doc/file
	ln -sfn ../file-data/changelog.Debian.gz in-file/usr/share/doc/file/changelog.Debian.gz
	{ deb native 1 none; deb file 1 none; deb file-data 1 none; } | manifest old 1 k 4096
	{ deb native 2 "$(with_changelog native native changelog.gz)"; deb file 2 in-file; deb file-data 2 in-file-data; } | manifest new 2 k 4096
	[ "$("$ORLOP" diff old new --json | jq -r '.sources[] | "\(.name) \(.cves | join(" "))"')" = 'file CVE-2026-2222
file-data CVE-2026-2222
native CVE-2026-1111' ]
}

@test "a folder that is a link to another package's is followed, through a second one, too" {
	{ entry a 2 'CVE-2026-1111'; entry a 1 'x'; } >a
	mkdir -p none one/usr/share/doc two/usr/share/doc
	ln -sfn ./two one/usr/share/doc/one
	ln -sfn /usr/share/doc/a two/usr/share/doc/two
	{ deb a 2 none; deb one 1 none; deb two 2 none; } | manifest old 1 k 4096
	{ deb a 2 "$(with_changelog a a)"; deb one 2 one; deb two 2 two; } | manifest new 2 k 4096
	[ "$("$ORLOP" diff old new --json | jq -c '[.sources[] | .name, .changelog, .cves]')" = '["one","read",["CVE-2026-1111"]]' ]
	# What it leads to has to be there, too.
	rm -r cache
	{ deb a 2 none; deb one 1 none; deb two 2 none; } >list
	{ deb one 2 one; deb two 2 two; } | manifest new 2 k 4096
	rm -r old
	mkdir old
	manifest old 1 k 4096 <list
	[ "$("$ORLOP" diff old new --json | jq -c '[.sources[] | .name, .changelog]')" = '["one","missing"]' ]
}

@test "a kernel, whose packages have its version in their names, is compared by its source" {
	{ entry linux-signed 6.12.4+1 'CVE-2026-4444'; entry linux-signed 6.12.3+1 'CVE-2026-3'; entry linux-signed 6.12.3+1~x 'CVE-2026-30303'; entry linux-signed 6.12.1+1 'CVE-2026-1111'; } >kernel
	mkdir -p none
	{ deb linux-image-6.12.1 6.12.1-1 none linux-signed 6.12.1+1; } | manifest old 1 6.12.1 4096
	{ deb linux-image-6.12.3 6.12.3-1 "$(with_changelog linux-image-6.12.3 kernel changelog.gz)" linux-signed 6.12.3+1; } | manifest new 2 6.12.3 4096
	"$ORLOP" diff old new --json >out
	[ "$(jq -c '[.packages_added[0].name, .packages_removed[0].name]' out)" = '["linux-image-6.12.3","linux-image-6.12.1"]' ]
	[ "$(jq -c '.sources[0] | [.name, .before, .after, .cves]' out)" = '["linux-signed","6.12.1+1","6.12.3+1",["CVE-2026-30303"]]' ]
}

@test "real changelogs name what dpkg and grep find in them" {
	local file=/usr/share/doc/openssl/changelog.Debian.gz newest oldest
	[ -e "$file" ] || skip 'because openssl has no changelog here'
	command -v dpkg-parsechangelog >which || skip 'because there is no dpkg-parsechangelog here'
	zcat "$file" >real
	newest=$(dpkg-parsechangelog -l real -S Version)
	oldest=$(dpkg-parsechangelog -l real --all --format rfc822 -S Version | tail -n 1)
	mkdir -p none
	deb openssl "$oldest" none | manifest old 1 k 4096
	deb openssl "$newest" "$(with_changelog openssl real)" | manifest new 2 k 4096
	"$ORLOP" diff old new --json | jq -r '.sources[0].cves[]' | LC_ALL=C sort >found
	# All but what only the oldest entry names.
	dpkg-parsechangelog -l real --since "$oldest" --format rfc822 | grep -oiE 'CVE-[0-9]{4}-[0-9]{4,}' | tr a-z A-Z | LC_ALL=C sort -u | diff - found
	[ -s found ]
}

# add_target NAME FILE: into the repository; its entry of targets.json goes to repo/targets.list
add_target() {
	local digest
	digest=$(sha256sum <"$2" | cut -d' ' -f1)
	mkdir -p "$(dirname "repo/targets/$1")"
	cp "$2" "$(dirname "repo/targets/$1")/$digest.$(basename "$1")"
	jq -n --arg name "$1" --arg sha256 "$digest" --argjson length "$(stat -c %s "$2")" '{($name): {length: $length, hashes: {$sha256}}}' >>repo/targets.list
}

# metadata FILE TYPE MEMBER: one document, unsigned; MEMBER (a JSON object) is added to what each has
metadata() {
	jq -n --arg type "$2" --argjson more "$3" '{signatures: [], signed: ({_type: $type, spec_version: "1.0.31", version: 1, expires: "2030-01-01T00:00:00Z"} + $more)}' >"repo/metadata/$1"
}

meta_of() { jq -n --arg name "$2" --arg sha256 "$(sha256sum <"repo/metadata/$1" | cut -d' ' -f1)" --argjson length "$(stat -c %s "repo/metadata/$1")" '{meta: {($name): {version: 1, length: $length, hashes: {$sha256}}}}'; }

release_entry() { jq -n --arg version "$1" --arg architecture "${2:-amd64}" '{edition: "container-linux", architecture: $architecture, version: $version, channels: ["weekly"], published: "2026-11-23T06:00:00Z"}'; }

repository() {
	rm -rf repo
	mkdir -p repo/metadata repo/targets
	{ release_entry 202611.23.0; release_entry 202611.30.0; [ -z "${1:-}" ] || release_entry 202611.30.0 arm64; } |
		jq -s '{format: 1, releases: .}' >releases.json
	add_target releases.json releases.json
	add_target container-linux/202611.23.0/amd64/manifest.json old/*.json
	add_target container-linux/202611.30.0/amd64/manifest.json new/*.json
	metadata 1.targets.json targets "$(jq -s '{targets: add}' repo/targets.list)"
	metadata 1.snapshot.json snapshot "$(meta_of 1.targets.json targets.json)"
	metadata timestamp.json timestamp "$(meta_of 1.snapshot.json snapshot.json)"
}

@test "versions are found in a repository, and compared with a build" {
	two_releases
	repository
	"$ORLOP" diff old new >expected
	"$ORLOP" diff --repository repo 202611.23.0 202611.30.0 | cmp expected -
	"$ORLOP" diff -r repo 202611.23.0 new | cmp expected -
	run "$ORLOP" diff -r repo 202611.23.0 202611.24.0
	[ "$status" = 1 ]
	[ "$output" = 'orlop: 202611.24.0: there is no such path, and no such version in the repository repo' ]
	run "$ORLOP" diff 202611.23.0 202611.30.0
	[ "$status" = 1 ]
	[[ $output == *'say whose with --repository' ]]
}

@test "a version of two architectures has to be chosen" {
	two_releases
	repository both
	run "$ORLOP" diff -r repo 202611.23.0 202611.30.0
	[ "$status" = 1 ]
	[[ $output == *'choose with --edition or --arch' ]]
	"$ORLOP" diff -r repo --arch amd64 --edition container-linux 202611.23.0 202611.30.0 >out
	run "$ORLOP" diff -r repo --edition container-host 202611.23.0 202611.30.0
	[ "$status" = 1 ]
}

@test "a changed byte anywhere between timestamp and manifest is an error that names the file" {
	local file
	two_releases
	repository
	for file in repo/metadata/1.*.json repo/targets/*.json repo/targets/container-linux/202611.23.0/amd64/*.json; do
		cp "$file" kept
		printf ' ' >>"$file"
		run "$ORLOP" diff -r repo 202611.23.0 202611.30.0
		[ "$status" = 1 ]
		[[ $output == *"$file"* ]] || { echo "$file: $output"; return 1; }
		# As long as before, and still a document.
		sed 's/2030-/2031-/; s/2026-11/2026-12/; s/amd64/arm64/' kept >"$file"
		run "$ORLOP" diff -r repo 202611.23.0 202611.30.0
		[ "$status" = 1 ]
		[[ $output == *"$file"* ]] || { echo "$file: $output"; return 1; }
		cp kept "$file"
	done
	"$ORLOP" diff -r repo 202611.23.0 202611.30.0
}

@test "what is no manifest, no build, or several is an error that says so" {
	two_releases
	echo '{"a": 1}' >wrong.json
	mkdir empty
	run "$ORLOP" diff old wrong.json
	[ "$status" = 1 ]
	[[ $output == 'orlop: wrong.json: not a manifest of orlop build: edition: missing'* ]]
	run "$ORLOP" diff empty new
	[ "$status" = 1 ]
	[[ $output == 'orlop: empty: there is no '* ]]
	cp new/*.json old/
	run "$ORLOP" diff old new
	[ "$status" = 1 ]
	[ "$output" = 'orlop: old: has 2 manifests; name one, such as old/a_202611.23.0.manifest.json' ]
	run "$ORLOP" diff nowhere/there new
	[ "$status" = 1 ]
	[[ $output == 'orlop: nowhere/there: No such file'* ]]
	for wrong in 'old' '--json --markdown old new' '--files --markdown old new' 'a b c'; do
		run "$ORLOP" diff $wrong
		[ "$status" = 2 ]
	done
}

# list_usr FOLDER: the manifest has the usr image's size and digest
list_usr() {
	local manifest=("$1"/*.manifest.json)
	jq --arg sha256 "$(sha256sum <"$1/a.usr.erofs" | cut -d' ' -f1)" --argjson size "$(stat -c %s "$1/a.usr.erofs")" \
		'.usr.size = $size | .outputs[1] += {$size, $sha256}' "${manifest[0]}" >changed
	mv changed "${manifest[0]}"
}

@test "the files of two usr images are compared" {
	two_releases
	run "$ORLOP" diff --files old new
	[ "$status" = 1 ]
	[[ $output == 'orlop: old/a.usr.erofs: No such file'* ]]
	mkdir -p one/bin one/gone/deep one/same
	echo content | tee one/bin/a one/bin/b one/bin/own one/same/s >/dev/null
	echo x >one/gone/deep/f
	ln -s a one/bin/l
	chmod 0755 one/bin/a
	mkdir one/turns
	cp -a one two
	rm -r two/gone two/turns
	echo changed >two/bin/a
	chmod 4755 two/bin/b
	echo new >two/bin/$'n\e[1m'
	ln -sfn b two/bin/l
	touch two/turns
	mkfs.erofs --all-root -T1 old/a.usr.erofs one >/dev/null 2>&1
	mkfs.erofs --all-root -T2 new/a.usr.erofs two >/dev/null 2>&1
	# Each has to be what its manifest says.
	run "$ORLOP" diff --files old new
	[ "$status" = 1 ]
	[[ $output == 'orlop: old/a.usr.erofs is not what its manifest says: it has '* ]]
	list_usr old
	run "$ORLOP" diff --files old new
	[ "$status" = 1 ]
	[[ $output == 'orlop: new/a.usr.erofs is not what its manifest says: it has '* ]]
	list_usr new
	"$ORLOP" diff --files old new >out
	sed -n '/^Files of/,$p' out >files
	[ "$(cat files)" = "Files of /usr (8)
  * bin/a
    content 8 bytes $(sha256sum <one/bin/a | cut -d' ' -f1)
         -> 8 bytes $(sha256sum <two/bin/a | cut -d' ' -f1)
  * bin/b
    mode 0644 -> 4755
  * bin/l
    target a -> b
  + bin/n?[1m
  - gone
  - gone/deep
  - gone/deep/f
  * turns
    type folder -> file
    mode 0755 -> 0644" ]
	"$ORLOP" diff --files --json old new | jq -c '.files' >json
	[ "$(jq -c '[.[].path]' json)" = '["bin/a","bin/b","bin/l","bin/n\u001b[1m","gone","gone/deep","gone/deep/f","turns"]' ]
	jq -e --arg sha256 "$(sha256sum <one/bin/a | cut -d' ' -f1)" '.[0].before == {type: "file", mode: "0755", uid: 0, gid: 0, xattrs: {}, size: 8, $sha256}' json
	jq -e '.[3].before == null and .[4].after == null and .[2].after.target == "b"' json
}
