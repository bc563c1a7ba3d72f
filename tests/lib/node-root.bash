# shellcheck shell=bash
# A node's folders and its disk, as orlop-node sees them, made by sfdisk, mkfs.fat and mtools from what release_build() left.
# Nothing in it can be brought into a slot, since the slots' devices are not there; all else is as on a machine.

# uuid HEX: of the first 32 digits
uuid() { echo "${1:0:8}-${1:8:4}-${1:12:4}-${1:16:4}-${1:20:12}"; }

# slot_lines VERSION ROOT-HASH: its three partitions, for sfdisk
slot_lines() {
	echo "size=16384, type=8484680c-9521-48c6-9c11-b0720656f69e, uuid=$(uuid "$2"), name=orlop_$1"
	echo "size=2048, type=77ff5f63-e7b6-4633-acf4-1565b864c0e6, uuid=$(uuid "${2:32}"), name=orlop_$1_verity"
	echo "size=2048, type=e7bb33fb-06cf-4e81-8273-e543b413e2e2, name=orlop_$1_verity_sig"
}

# node_root FOLDER ROOT.JSON RUNNING BUILD OTHER BUILD [COUNTER]: a node that runs version RUNNING from slot a, and has OTHER in slot
# b, with a boot counter in its entry's name
node_root() {
	local root=$1 disk=$1/dev/vda hash other
	hash=$(jq -r .root_hash "$4"/*.manifest.json) other=$(jq -r .root_hash "$6"/*.manifest.json)
	mkdir -p "$root"/{dev,usr/lib,usr/share/orlop,run/orlop,etc/orlop,var/lib/orlop/update,proc/self}
	ln -s /usr/share/zoneinfo "$root/usr/share/zoneinfo"
	printf 'VARIANT_ID=test\nIMAGE_VERSION=%s\nARCHITECTURE=x86-64\n' "$3" >"$root/usr/lib/os-release"
	jq -n --arg hash "$hash" '{slot: "a", rootHash: $hash, disk: "/dev/vda", degraded: null}' >"$root/run/orlop/boot.json"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	cp "$2" "$root/usr/share/orlop/root.json"
	: >"$root/proc/self/mountinfo"
	truncate -s 64M "$disk"
	{
		echo "label: gpt"
		echo "start=2048, size=73728, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, name=esp"
		slot_lines "$3" "$hash"
		slot_lines "$5" "$other"
		echo "size=2048, type=4d21b016-b534-45c2-a9fb-5c16e091fd2d, name=state"
	} | sfdisk --quiet "$disk"
	truncate -s 36M "$root/esp"
	mkfs.fat -F 32 -s 1 "$root/esp" >/dev/null
	mmd -i "$root/esp" ::EFI ::EFI/Linux
	mcopy -i "$root/esp" "$4"/*.efi "::EFI/Linux/orlop_$3.efi"
	mcopy -i "$root/esp" "$6"/*.efi "::EFI/Linux/orlop_$5${7:-}.efi"
	dd if="$root/esp" of="$disk" bs=1M seek=1 conv=notrunc status=none
	rm "$root/esp"
	[ "$(id -u)" != 0 ] || chown -R nobody "$root"
}

# on_node FOLDER ARGUMENT…: orlop-node there ($NODE: a copy of it); root asks the network as a user that is on nodes alone, so it is
# nobody here
on_node() {
	local root=$1 user=()
	shift
	[ "$(id -u)" != 0 ] || user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	"${user[@]}" env ORLOP_NODE_ROOT="$root" "${NODE:-${ORLOP%/*}/orlop-node}" "$@"
}
