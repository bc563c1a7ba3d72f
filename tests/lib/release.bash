# shellcheck shell=bash
# What `orlop build` leaves, made by other programs from little: a usr image of random blocks, its hash tree by veritysetup, a
# kernel image by objcopy and sbsign, the manifest by jq.

# release_image FILE BLOCKS SEED: an image that is the same for the same seed
release_image() {
	openssl enc -aes-128-ctr -K "$(printf '%032x' "$3")" -iv 00 -in /dev/zero 2>/dev/null | head -c $(($2 * 4096)) >"$1"
}

# release_uki FILE CMDLINE KEYS ARCH: a signed kernel image that does not start, and has all that a check looks at
release_uki() {
	local stub=$BATS_TEST_DIRNAME/../data/boot/linuxx64.efi.stub base part=() name end
	printf '%s' "$2" >"$1.cmdline"
	echo 'ID=test' >"$1.osrel"
	echo 'no kernel' >"$1.linux"
	# Behind the last section, as the stub's alignment wants it.
	base=$(objdump -p "$stub" | awk '/^ImageBase/ { print $2 }')
	end=$(objdump -h "$stub" | awk '$1 ~ /^[0-9]+$/ { print $4, $3 }' | tail -1)
	end=$((0x${end% *} + 0x${end#* }))
	for name in osrel cmdline linux; do
		end=$(((end + 0xfff) / 0x1000 * 0x1000))
		part+=(--add-section ".$name=$1.$name" --change-section-vma ".$name=$(printf '0x%x' $end)")
		end=$((end + 0x1000))
	done
	[ -n "$base" ]
	objcopy "${part[@]}" "$stub" "$1.unsigned"
	# The machine's number stands behind the "PE" signature, whose place is at byte 60; the stub is for amd64.
	[ "$4" = amd64 ] || printf '\x64\xaa' | dd of="$1.unsigned" bs=1 conv=notrunc status=none \
		seek=$(($(od -An -tu4 -j60 -N4 "$1.unsigned") + 4))
	sbsign --key "$3/db.key" --cert "$3/db.crt" --output "$1" "$1.unsigned" >/dev/null 2>&1
	rm "$1".*
}

# release_build FOLDER VERSION IMAGE KEYS [ARCH]: the outputs of a build but for the disk
release_build() {
	local folder=$1 version=$2 image=$3 keys=$4 arch=${5:-amd64} name root file kind outputs=()
	name=orlop-test_${version}_$arch
	mkdir -p "$folder"
	cp "$image" "$folder/$name.usr.erofs"
	root=$(veritysetup format --salt="$(printf '%064d' 7)" --uuid=00112233-4455-6677-8899-aabbccddeeff \
		"$folder/$name.usr.erofs" "$folder/$name.usr.verity" | sed -n 's/^Root hash:[ \t]*//p')
	release_uki "$folder/$name.efi" "quiet usrhash=$root rw" "$keys" "$arch"
	for kind in usr:usr.erofs verity:usr.verity uki:efi; do
		file=$name.${kind#*:}
		outputs+=("$(jq -cn --arg kind "${kind%%:*}" --arg name "$file" --argjson size "$(stat -c %s "$folder/$file")" \
			--arg sha256 "$(sha256sum "$folder/$file" | cut -d' ' -f1)" '{$kind, $name, $size, $sha256}')")
	done
	printf '%s\n' "${outputs[@]}" | jq -s --arg version "$version" --arg arch "$arch" --arg root "$root" \
		--arg certificate "$(openssl x509 -in "$keys/db.crt" -outform DER | sha256sum | cut -d' ' -f1)" \
		'{edition: "test", $version, architecture: $arch, kernel: "6.1.0-\($version)", root_hash: $root, usr: {size: .[0].size},
		certificate_sha256: $certificate, outputs: ., packages: [], boot_packages: []}' \
		>"$folder/$name.manifest.json"
}
