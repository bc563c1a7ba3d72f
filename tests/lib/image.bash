# What the tests of a built image share. $ORLOP_TEST_OUT is the folder that tests/vm/build-image filled.

image_file() { # ENDING: the output with that ending
	local files=("$ORLOP_TEST_OUT"/orlop-container-linux_*"$1")
	[ ${#files[@]} = 1 ] && [ -e "${files[0]}" ] || { echo "no single output *$1 in $ORLOP_TEST_OUT" >&2; return 1; }
	echo "${files[0]}"
}

# QEMU's program for the image's architecture.
qemu_program() {
	case $(manifest .architecture) in
	amd64) echo qemu-system-x86_64 ;;
	arm64) echo qemu-system-aarch64 ;;
	*) return 1 ;;
	esac
}

manifest() { jq -er "$1" "$(image_file .manifest.json)"; }

# A copy that costs no space as long as it is not changed, where the file system can do that; sparse elsewhere.
copy_image() { cp --reflink=auto --sparse=always "$1" "$2"; }

# PART IMAGE: "START SIZE" in bytes of the partition with that label, "_empty" and all.
partition() {
	sfdisk --json "$2" | jq -er --arg name "$1" \
		'.partitiontable.partitions | map(select(.name == $name)) | if length == 1 then .[0] | "\(.start * 512) \(.size * 512)" else error("no single partition " + $name) end'
}

# NUMBER IMAGE: the same, of the partition with that number.
partition_number() {
	sfdisk --json "$2" | jq -er --argjson n "$1" '.partitiontable.partitions[$n - 1] | "\(.start * 512) \(.size * 512)"'
}

# Flips all bits of one byte of a file in place.
flip_byte() { # FILE OFFSET
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# extract_partition NUMBER IMAGE FILE
extract_partition() {
	local start size
	read -r start size < <(partition_number "$1" "$2")
	dd if="$2" of="$3" iflag=skip_bytes,count_bytes bs=1M skip="$start" count="$size" conv=sparse status=none
}

can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# What find(1) tells of a path for the functions below: PATH, type, mode, owner, group, a link's target, parted by tabs.
export attributes='%P\t%y\t%m\t%U\t%G\t%l\n'

# Unpacks the usr image and lists its attributes. fsck.erofs restores modes and owners for root alone, and even then setuid
# bits get lost where the owner is set after the mode; dump.erofs does not show these at all. fakeroot remembers what was
# asked for, and so the same is seen by root, a plain user, and where there are no loop devices.
unpack_usr() { # IMAGE DIR LIST
	fakeroot -- bash -euc 'fsck.erofs --extract="$2" --preserve "$1" >&2; find "$2" -printf "$attributes" >"$3"' - "$@"
}

# Makes an archive of the usr image, as fsck.erofs unpacks it into the folder.
archive_usr() { # IMAGE DIR TAR
	fakeroot -- bash -euc 'fsck.erofs --extract="$2" --preserve "$1" >&2; tar --numeric-owner -C "$2" -cf "$3" .' - "$@"
}
