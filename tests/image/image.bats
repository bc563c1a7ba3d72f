#!/usr/bin/env bats
# The outputs of `orlop build` before the judges: other people's tools. truth.bats has the packages themselves,
# systemd.bats systemd's programs.

load ../lib/image

setup_file() {
	export raw erofs verity efi
	raw=$(image_file .raw) erofs=$(image_file .usr.erofs) verity=$(image_file .usr.verity) efi=$(image_file .efi)
}

setup() { cd "$BATS_TEST_TMPDIR"; }

@test "the manifest has the size and digest of every output" {
	while read -r kind name size digest; do
		[ "$(stat -c %s "$ORLOP_TEST_OUT/$name")" = "$size" ]
		case $kind in
		disk | usr) [ "$(fsverity digest --compact "$ORLOP_TEST_OUT/$name")" = "$digest" ] ;;
		*) [ "$(sha256sum <"$ORLOP_TEST_OUT/$name")" = "$digest  -" ] ;;
		esac
	done < <(manifest '.outputs[] | "\(.kind) \(.name) \(.size) \(if .kind == "disk" or .kind == "usr" then .fsverity else .sha256 end)"')
	[ "$(manifest '.outputs | length')" = 6 ]
}

@test "fsck.erofs finds nothing wrong" {
	fsck.erofs "$erofs"
}

# 110 for the node itself, and 18 that only orlop-node's libcurl and libyaml are there for.
@test "the usr image is at most 260 MiB, from at most 128 packages" {
	[ "$(stat -c %s "$erofs")" -le $((260 * 1024 * 1024)) ]
	[ "$(manifest '.packages | length')" -le 128 ]
}

@test "veritysetup accepts data, hash tree and root hash, and not another root hash" {
	veritysetup verify "$erofs" "$verity" "$(manifest .root_hash)"
	run veritysetup verify "$erofs" "$verity" "$(manifest .root_hash | tr 0-9a-f 1-9a-f0)"
	[ "$status" -ne 0 ]
}

@test "sfdisk and sgdisk find the partition table right" {
	sfdisk --verify "$raw"
	sgdisk -v "$raw" | grep 'No problems found'
}

@test "the partitions are the seven of the design, with types, labels and UUIDs" {
	sfdisk --json "$raw" >table.json
	root_hash=$(manifest .root_hash)
	version=$(manifest .version)
	[ "$(jq -r '.partitiontable.partitions | length' table.json)" = 7 ]
	jq -r '.partitiontable.partitions[].type' table.json >types
	diff types - <<-EOF
		C12A7328-F81F-11D2-BA4B-00A0C93EC93B
		8484680C-9521-48C6-9C11-B0720656F69E
		77FF5F63-E7B6-4633-ACF4-1565B864C0E6
		E7BB33FB-06CF-4E81-8273-E543B413E2E2
		8484680C-9521-48C6-9C11-B0720656F69E
		77FF5F63-E7B6-4633-ACF4-1565B864C0E6
		E7BB33FB-06CF-4E81-8273-E543B413E2E2
	EOF
	uuid() { jq -r ".partitiontable.partitions[$1].uuid" table.json | tr -d - | tr A-F a-f; }
	[ "$(uuid 1)$(uuid 2)" = "$root_hash" ]
	jq -r '.partitiontable.partitions[1].name' table.json | grep -F "$version"
	[ "$(jq -r '.partitiontable.partitions[4].name' table.json)" = _empty ]
}

@test "the slot holds the usr image, its hash tree and the signature of its root hash" {
	read -r start _ < <(partition_number 2 "$raw")
	cmp -n "$(stat -c %s "$erofs")" -i "$start:0" "$raw" "$erofs"
	read -r start _ < <(partition_number 3 "$raw")
	cmp -n "$(stat -c %s "$verity")" -i "$start:0" "$raw" "$verity"
	extract_partition 4 "$raw" signature
	tr -d '\0' <signature >signature.json
	[ "$(jq -r .rootHash signature.json)" = "$(manifest .root_hash)" ]
	openssl x509 -in "$ORLOP_TEST_KEYS/db.crt" -outform der | sha256sum | grep "^$(jq -r .certificateFingerprint signature.json)"
	jq -r .signature signature.json | base64 -d >signature.der
	printf %s "$(manifest .root_hash)" >content
	openssl smime -verify -inform der -in signature.der -content content -binary -nointern -noverify \
		-certfile "$ORLOP_TEST_KEYS/db.crt" -out /dev/null
}

@test "fsck.fat finds nothing wrong with the ESP" {
	extract_partition 1 "$raw" esp
	fsck.fat -n esp
	mdir -i esp -b -/ ::/ | sort >files
	grep -i '^::/EFI/BOOT/BOOTX64.EFI' files
	grep -i '^::/EFI/Linux/orlop_.*\.efi' files
	mcopy -i esp "::/EFI/Linux/orlop_$(manifest .version).efi" uki
	cmp uki "$efi"
}

@test "sbverify accepts boot loader and UKI with the db certificate, and not with another one" {
	extract_partition 1 "$raw" esp
	mcopy -i esp ::/EFI/BOOT/BOOTX64.EFI loader
	sbverify --cert "$ORLOP_TEST_KEYS/db.crt" loader
	sbverify --cert "$ORLOP_TEST_KEYS/db.crt" "$efi"
	run sbverify --cert "$ORLOP_TEST_KEYS/../foreign-keys/db.crt" "$efi"
	[ "$status" -ne 0 ]
}

@test "orlop inspect tells the same as the tools do" {
	"$ORLOP" inspect --json "$raw" >inspect.json
	[ "$(jq -r '.partitions | length' inspect.json)" = 7 ]
	"$ORLOP" inspect --json "$efi" | jq -e '[.sections[].name] | index(".linux")'
	"$ORLOP" inspect --json "$erofs" >usr.json
	[ "$(jq -r .files usr.json)" -gt 1000 ]
	[ "$(jq -r '"\(.files) \(.folders) \(.links) \(.bytes)"' usr.json)" = "$(manifest '.usr | "\(.files) \(.folders) \(.links) \(.bytes)"')" ]
	unpack_usr "$erofs" tree attributes
	jq -r '.setuid[] | "\(.path) \(.mode) \(.uid) \(.gid)"' usr.json | sort >setuid
	awk -F '\t' '$2 == "f" && $3 ~ /^[2-7]...$/ { print $1, $3, $4, $5 }' attributes | sort | diff - setuid
	[ "$(wc -l <setuid)" = "$(manifest '.setuid | length')" ]
	"$ORLOP" inspect --files --json "$erofs" | jq -r '.names[] | [.path, {file: "f", folder: "d", link: "l"}[.type],
		(.mode | sub("^0*(?=.)"; "")), (.uid | tostring), (.gid | tostring), .target // ""] | join("\t")' | LC_ALL=C sort >names
	awk -F '\t' '$1 != ""' attributes | LC_ALL=C sort | diff - names
}

@test "modules that the definition does without on arm64 are there on amd64" {
	local name
	[ "$(manifest .architecture)" = amd64 ] || skip "this image is for $(manifest .architecture)"
	fsck.erofs --extract=tree "$erofs"
	for name in vmw_pvscsi ptp_vmw i6300esb pvpanic-pci vmw_vsock_vmci_transport kvm kvm-amd kvm-intel gve ixgbevf \
		wdat_wdt xen_wdt aesni-intel ghash-clmulni-intel sha1-ssse3 sha256-ssse3 sha512-ssse3 chacha-x86_64 \
		poly1305-x86_64 curve25519-x86_64 crc32c-intel crc32-pclmul crct10dif-pclmul; do
		[ -n "$(find tree/lib/modules -name "$name.ko")" ] || { echo "$name is missing"; return 1; }
	done
}

@test "nothing that has no place in the image is in it" {
	fsck.erofs --extract=tree "$erofs"
	for path in bin/apt bin/dpkg bin/perl bin/python3 bin/gcc bin/cc share/man share/locale share/doc; do
		[ ! -e "tree/$path" ]
	done
	grep -rlaE '^#! ?/usr/bin/(env )?(perl|python)' tree | { ! grep .; }
	# Nothing is mounted by a label, which a second disk may have as well.
	grep -rlE '^What=.*(by-(part)?label|LABEL=)' tree/lib/systemd tree/share/orlop/etc | { ! grep .; }
	find tree \( -type b -o -type c -o -type p -o -type s \) | { ! grep .; }
	# No link of /etc leads nowhere, but to what a running node has.
	find tree/share/orlop/etc -type l | while read -r path; do
		target=$(readlink "$path")
		case $target in
		../run/* | ../proc/* | /dev/null) continue ;;
		../usr/* | /usr/*) target=tree/${target#*/usr/} ;;
		/etc/*) target=tree/share/orlop$target ;;
		*) target=${path%/*}/$target ;;
		esac
		[ -e "$target" ] || [ -L "$target" ] || { echo "$path leads nowhere: $target"; exit 1; }
	done
	[ ! -e tree/share/orlop/etc/crictl.yaml ]
	grep -rE 'vconsole|/var/(lib/dpkg|log/runit)' tree/lib/tmpfiles.d | { ! grep .; }
	# Every library that a program or library asks for is there.
	find tree -type f -size +0 | while read -r file; do
		readelf -d "$file" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
	done | sort -u | while read -r library; do
		[ -n "$(find tree/lib -name "$library" -print -quit)" ] || { echo "missing: $library"; exit 1; }
	done
}
