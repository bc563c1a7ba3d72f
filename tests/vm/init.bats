#!/usr/bin/env bats
# orlop-init alone: the kernel started directly with an initrd of ours on a disk that others' tools made. Secure Boot, TPM
# and signatures that are accepted need firmware: node.bats and tamper.bats have those.

load ../lib/image
load ../lib/init

setup_file() {
	find_kernel
	export usr_image=$BATS_FILE_TMPDIR/usr.erofs usr_tree=$BATS_FILE_TMPDIR/usr.verity signature=$BATS_FILE_TMPDIR/signature
	export initrd=$BATS_FILE_TMPDIR/initrd signed_initrd=$BATS_FILE_TMPDIR/signed-initrd disk=$BATS_FILE_TMPDIR/disk
	make_usr "$usr_image"
	root_hash=$(veritysetup format --salt=0f "$usr_image" "$usr_tree" | sed -n 's/^Root hash:[[:space:]]*//p')
	export root_hash
	make_signature "$root_hash" "$signature"
	make_initrd "$initrd" root-hash-signature=none
	make_initrd "$signed_initrd"
	make_disk "$disk"
}

setup() { copy=$BATS_TEST_TMPDIR/disk; }

@test "a first boot makes state, and the second finds it again on a disk that has grown" {
	cp "$disk" "$copy"
	boot "$initrd" $(virtio_disk "$copy")
	[ "$(fact pid)" = 1 ]
	[ "$(fact usr)" = "/dev/mapper/usr erofs ro" ]
	[ "$(fact root)" = tmpfs ]
	[ "$(fact var)" = "ext4 rw nosuid nodev " ]
	[ "$(fact boot | jq -r '.slot, .label, .rootHash, .usr, .verity, .esp, .state, .stateMade')" = \
		"b"$'\n'"orlop_2"$'\n'"$root_hash"$'\n'/dev/vda5$'\n'/dev/vda6$'\n'/dev/vda1$'\n'/dev/vda8$'\n'true ]
	[ "$(fact esp)" = /dev/vda1 ]
	[ "$(fact hostname)" = image-host ]
	[ "$(fact updated)" = "1700000000 1700000000 1700000000 " ]
	[ "$(fact modes)" = "/=755 /root=700 /home=755 /tmp=1777 /proc=555 /etc=755 /var=755 " ]
	[ "$(fact links)" = "'/bin' -> 'usr/bin' '/sbin' -> 'usr/sbin' " ]
	[ -z "$(fact initrd)" ]
	[ "$(fact environment)" = "HOME=/ TERM=linux " ]
	[ -z "$(fact machine-id)" ]
	[ -z "$(fact writable)" ]
	sfdisk --verify "$copy"
	[ "$(sfdisk --part-label "$copy" 8)" = state ]
	[ "$(sfdisk --part-type "$copy" 8 | tr A-F a-f)" = "$state_type" ]
	before=$(fact size)

	# What an attacker with the disk in hand can do besides: have overlayfs hide the image's folder.
	extract_partition 8 "$copy" "$copy.state"
	e2fsck -fp "$copy.state" || [ $? = 1 ]
	debugfs -w -R "ea_set /lib/orlop/etc/upper/ssl trusted.overlay.opaque y" "$copy.state"
	[[ "$(debugfs -R "ea_list /lib/orlop/etc/upper/ssl" "$copy.state" 2>&1)" == *trusted.overlay.opaque* ]]
	put "$copy" 8 "$copy.state"

	truncate -s 256M "$copy"
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$(fact machine-id)" =~ ^[0-9a-f]{32}$ ]]
	[ "$(fact hostname)" = node-host ]
	[ "$(fact sealed)" = "image-trust " ]
	[ "$(fact home)" = "/root /home /opt /srv " ]
	[ "$(fact boot | jq -r '.stateMade, .stateGrown')" = false$'\n'true ]
	[ "$(fact size | cut -d' ' -f1)" -gt $((${before% *} * 2)) ]
	sfdisk --verify "$copy"
	[ "$(fact end)" = end ]
}

@test "the disk is found on virtio-scsi" {
	cp "$disk" "$copy"
	boot "$initrd" -device virtio-scsi-pci -device scsi-hd,drive=d -drive "file=$copy,format=raw,if=none,id=d,cache=unsafe"
	[ "$(fact boot | jq -r '.usr, .state')" = /dev/sda5$'\n'/dev/sda8 ]
}

@test "the disk is found on NVMe" {
	cp "$disk" "$copy"
	boot "$initrd" -device nvme,serial=1,drive=d -drive "file=$copy,format=raw,if=none,id=d,cache=unsafe"
	[ "$(fact boot | jq -r '.usr, .state')" = /dev/nvme0n1p5$'\n'/dev/nvme0n1p8 ]
}

@test "the disk is found on SATA, also by a processor without the instructions of our drivers" {
	cp "$disk" "$copy"
	boot "$initrd" -cpu qemu64 -device ahci,id=a -device ide-hd,bus=a.0,drive=d -drive "file=$copy,format=raw,if=none,id=d,cache=unsafe"
	[ "$(fact boot | jq -r '.usr, .state')" = /dev/sda5$'\n'/dev/sda8 ]
}

@test "a disk that never comes ends the wait" {
	make_initrd "$BATS_TEST_TMPDIR/initrd" root-hash-signature=none disk-timeout=2
	sed -i /disk-timeout=20/d "$BATS_TEST_TMPDIR/initrd.conf"
	"$(dirname "$ORLOP")/tests/vm/make-initrd" "$(dirname "$ORLOP")/node/amd64/orlop-init" "$modules" "$BATS_TEST_TMPDIR/initrd.conf" "$BATS_TEST_TMPDIR/initrd"
	boot "$BATS_TEST_TMPDIR/initrd"
	[[ "$(failure)" == "no disk has the /usr of this kernel (root hash ${root_hash:0:8}…); seen: no disk; powering off" ]]
}

@test "a /usr that is not what the root hash says is not mounted" {
	other=$(printf 'another /usr' | sha256sum | cut -d' ' -f1)
	make_disk "$copy" 96M "$other"
	usrhash=$other boot "$initrd" $(virtio_disk "$copy")
	[[ "$output" == *"device-mapper: verity"*"is corrupted"* ]]
	[[ "$(failure)" == "mount /dev/mapper/usr at /sysroot/usr: "* ]]
}

@test "one flipped byte in /usr's first block, and it is not mounted" {
	cp "$disk" "$copy"
	read -r start size < <(partition_number 5 "$copy")
	flip_byte "$copy" $((start + 1024 + 16))
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$output" == *"data block 0 is corrupted"* ]]
	[[ "$(failure)" == "mount /dev/mapper/usr at /sysroot/usr: "* ]]
}

@test "one flipped byte in the hash tree's root, and /usr is not mounted" {
	cp "$disk" "$copy"
	read -r start size < <(partition_number 6 "$copy")
	flip_byte "$copy" $((start + 4096 + 5))
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$output" == *"metadata block"*"is corrupted"* ]]
	[[ "$(failure)" == "mount /dev/mapper/usr at /sysroot/usr: "* ]]
}

@test "where a disk's copy is damaged, another disk that has the slot is taken, with its own state" {
	cp "$disk" "$copy"
	cp "$disk" "$copy.other"
	read -r start size < <(partition_number 5 "$copy")
	flip_byte "$copy" $((start + 1024 + 16))
	boot "$initrd" $(virtio_disk "$copy") $(virtio_disk "$copy.other")
	[[ "$output" == *"orlop-init: /dev/vda: mount /dev/mapper/usr at /sysroot/usr: "*"; trying /dev/vdb"* ]]
	[ "$(fact usr)" = "/dev/mapper/usr erofs ro" ]
	[ "$(fact boot | jq -r '.disk, .usr, .verity, .esp, .state')" = \
		/dev/vdb$'\n'/dev/vdb5$'\n'/dev/vdb6$'\n'/dev/vdb1$'\n'/dev/vdb8 ]
	[ "$(fact esp)" = /dev/vdb1 ]
	[ "$(fact end)" = end ]

	# The signature of a slot goes with it: what the first lacks is not taken from the second.
	read -r start size < <(partition_number 7 "$copy.other")
	dd if=/dev/zero of="$copy.other" bs=64K count=1 seek="$start" oflag=seek_bytes conv=notrunc status=none
	append=dm_verity.require_signatures=1 boot "$signed_initrd" $(virtio_disk "$copy") $(virtio_disk "$copy.other")
	[[ "$output" == *"orlop-init: /dev/vda: the kernel trusts no key that signed this /usr (ENOKEY); trying /dev/vdb"* ]]
	[[ "$(failure)" == "/dev/vdb has no signature of this /usr: no usr-verity-sig partition is about its root hash; powering off" ]]
}

@test "a slot without a signature is refused where one is required" {
	cp "$disk" "$copy"
	read -r start size < <(partition_number 7 "$copy")
	dd if=/dev/zero of="$copy" bs=64K count=1 seek="$start" oflag=seek_bytes conv=notrunc status=none
	append=dm_verity.require_signatures=1 boot "$signed_initrd" $(virtio_disk "$copy")
	[[ "$(failure)" == "/dev/vda has no signature of this /usr: no usr-verity-sig partition is about its root hash; powering off" ]]
}

@test "a signature by a key that the kernel does not trust is refused" {
	cp "$disk" "$copy"
	append=dm-verity.require_signatures=1 boot "$signed_initrd" $(virtio_disk "$copy")
	[[ "$(failure)" == "the kernel trusts no key that signed this /usr (ENOKEY); powering off" ]]
}

@test "a kernel that would take a /usr without a signature is refused where one is required" {
	cp "$disk" "$copy"
	boot "$signed_initrd" $(virtio_disk "$copy")
	[[ "$(failure)" == "the command line lacks dm_verity.require_signatures=1; powering off" ]]
}

@test "a /usr that the initrd carries needs no disk, and looks at none where /var is in memory" {
	local carried=("$usr_image" "$usr_tree" "$signature")
	make_initrd "$BATS_TEST_TMPDIR/initrd" root-hash-signature=none usr-from=initrd state=no
	cp "$disk" "$copy"
	boot "$BATS_TEST_TMPDIR/initrd" $(virtio_disk "$copy")
	[ "$(fact usr)" = "/dev/mapper/usr erofs ro" ]
	[ "$(fact var)" = "tmpfs rw nosuid nodev " ]
	[ "$(fact boot | jq -c '[.netboot, .slot, .label, .disk, .esp, .state, .degraded, .rootHash]')" = \
		"[true,null,null,null,null,null,null,\"$root_hash\"]" ]
	[[ "$(fact boot | jq -r '.usr, .verity')" == /dev/loop*/dev/loop* ]]
	[ -z "$(fact initrd)" ]
	[ "$(fact end)" = end ]
	cmp "$disk" "$copy"
}

@test "beside a /usr that the initrd carries, state is on the disk that has a partition for it, and is waited for" {
	local carried=("$usr_image" "$usr_tree" "$signature")
	make_initrd "$BATS_TEST_TMPDIR/initrd" root-hash-signature=none usr-from=initrd
	cp "$disk" "$copy"
	truncate -s 64M "$copy.state"
	printf 'label: gpt\ntype=%s, name=state-unfinished\n' "$state_type" | sfdisk -q "$copy.state"
	boot "$BATS_TEST_TMPDIR/initrd" $(virtio_disk "$copy") $(virtio_disk "$copy.state")
	[ "$(fact var)" = "ext4 rw nosuid nodev " ]
	[ "$(fact boot | jq -c '[.netboot, .disk, .state, .stateMade]')" = '[true,null,"/dev/vdb1",true]' ]
	[ "$(sfdisk --part-label "$copy.state" 1)" = state ]
	cmp "$disk" "$copy"

	# A disk without such a partition gets none.
	sed -i 's/^disk-timeout=.*/disk-timeout=2/' "$BATS_TEST_TMPDIR/initrd.conf"
	"$(dirname "$ORLOP")/tests/vm/make-initrd" "$(dirname "$ORLOP")/node/amd64/orlop-init" "$modules" "$BATS_TEST_TMPDIR/initrd.conf" \
		"$BATS_TEST_TMPDIR/initrd" "${carried[@]}"
	boot "$BATS_TEST_TMPDIR/initrd" $(virtio_disk "$copy")
	[[ "$(failure)" == 'no disk has a partition for state, called "state"; seen: vda; powering off' ]]
	cmp "$disk" "$copy"
}

@test "a carried /usr that was replaced, and one that a key signed which the kernel does not trust, are refused" {
	local carried=("$BATS_TEST_TMPDIR/usr" "$usr_tree" "$signature")
	cp "$usr_image" "${carried[0]}"
	flip_byte "${carried[0]}" $((1024 + 16))
	make_initrd "$BATS_TEST_TMPDIR/initrd" root-hash-signature=none usr-from=initrd state=no
	boot "$BATS_TEST_TMPDIR/initrd" $(virtio_disk "$disk" ,readonly=on)
	[[ "$output" == *"data block 0 is corrupted"* ]]
	# The disk that has the right one is not looked at.
	[[ "$(failure)" == "mount /dev/mapper/usr at /sysroot/usr: "* ]]

	carried[0]=$usr_image
	make_initrd "$BATS_TEST_TMPDIR/initrd" usr-from=initrd state=no
	append=dm_verity.require_signatures=1 boot "$BATS_TEST_TMPDIR/initrd"
	[[ "$(failure)" == "the kernel trusts no key that signed this /usr (ENOKEY); powering off" ]]
}

@test "an argument that was added to the command line is named and refused" {
	make_initrd "$BATS_TEST_TMPDIR/initrd" "command-line=console=ttyS0 loglevel=7 no_timer_check usrhash=$root_hash"
	append=systemd.unit=rescue.target boot "$BATS_TEST_TMPDIR/initrd"
	[[ "$(failure)" == "the command line has an argument that this image does not allow: systemd.unit=rescue.target; powering off" ]]
}

@test "Secure Boot and a TPM are missed where they are required" {
	make_initrd "$BATS_TEST_TMPDIR/initrd"
	for key in secure-boot tpm2; do
		sed "s/^$key=no/$key=yes/; s/^disk-timeout=.*/disk-timeout=1/" "$BATS_TEST_TMPDIR/initrd.conf" >"$BATS_TEST_TMPDIR/conf"
		"$(dirname "$ORLOP")/tests/vm/make-initrd" "$(dirname "$ORLOP")/node/amd64/orlop-init" "$modules" "$BATS_TEST_TMPDIR/conf" "$BATS_TEST_TMPDIR/initrd"
		boot "$BATS_TEST_TMPDIR/initrd"
		case $key in
		secure-boot) [[ "$(failure)" == "Secure Boot is off, "* ]] ;;
		tpm2) [[ "$(failure)" == "no TPM 2.0 answers, "* ]] ;;
		esac
	done
}

@test "a power cut while the state file system is made: the next boot makes it anew" {
	cp "$disk" "$copy"
	coproc "${machine[@]}" -machine pc -cpu max -kernel "$kernel" -initrd "$initrd" -append "console=ttyS0 loglevel=7 no_timer_check usrhash=$root_hash" \
		-drive "file=$copy,format=raw,if=virtio,throttling.bps-write=20000"
	while read -r line <&"${COPROC[0]}" && [[ "$line" != *"making the state file system"* ]]; do :; done
	kill -9 "$COPROC_PID"
	wait "$COPROC_PID" || true
	[ "$(sfdisk --part-label "$copy" 8)" = state-unfinished ]
	boot "$initrd" $(virtio_disk "$copy")
	[ "$(fact boot | jq -r .stateMade)" = true ]
	[ "$(fact var)" = "ext4 rw nosuid nodev " ]
	[ "$(sfdisk --part-label "$copy" 8)" = state ]
}

@test "a faulty state file system is repaired, one that is none is left alone" {
	cp "$disk" "$copy"
	boot "$initrd" $(virtio_disk "$copy")
	read -r start size < <(partition_number 8 "$copy")
	debugfs -w -R "ssv state 2" "$copy?offset=$start" 2>/dev/null
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$output" == *"the file system is marked as faulty; repairing it"* ]]
	[ "$(fact home)" = "/root /home /opt /srv " ]

	dd if=/dev/zero of="$copy" bs=4096 count=1 seek="$start" oflag=seek_bytes conv=notrunc status=none
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$(failure)" == "state: /dev/vda8: the state partition holds no ext4 file system; powering off" ]]
}

@test "links and other things in the place of state's folders are set aside: they lead nowhere, and the node starts" {
	local folder=$BATS_TEST_TMPDIR/state device
	cp "$disk" "$copy"
	echo "type=$state_type, name=state" | sfdisk -q --append "$copy"
	mkdir -p "$folder/lib" "$folder/.updated/mine"
	ln -s /etc "$folder/roothome"
	echo mine >"$folder/home"
	ln -s ../usr "$folder/opt"
	ln -s srv "$folder/srv"
	ln -s /run "$folder/lib/orlop"
	extract_partition 8 "$copy" "$copy.state"
	mkfs.ext4 -q -d "$folder" "$copy.state"
	put "$copy" 8 "$copy.state"
	boot "$initrd" $(virtio_disk "$copy")
	[ "$(fact end)" = end ]
	device=$(fact device)
	[ "$(fact mounts)" = "$device /roothome $device /home $device /opt $device /srv " ]
	[ "$(fact aside)" = "home.orlop-set-aside lib/orlop.orlop-set-aside opt.orlop-set-aside roothome.orlop-set-aside srv.orlop-set-aside " ]
	[[ "$output" == *"orlop-init: /var: something else was in a folder's place; it is called /var/lib/orlop.orlop-set-aside now"* ]]
	[ "$(fact hostname)" = image-host ]
	[ "$(fact updated)" = "1700000000 1700000000 1700000000 " ]
	extract_partition 8 "$copy" "$copy.state"
	e2fsck -fp "$copy.state" || [ $? = 1 ]
	[ "$(debugfs -R "cat /home.orlop-set-aside" "$copy.state" 2>/dev/null)" = mine ]
	[ "$(debugfs -R "cat /home/note" "$copy.state" 2>/dev/null)" = /home ]
	[[ "$(debugfs -R "stat /.updated.orlop-set-aside/mine" "$copy.state" 2>/dev/null)" == *"Type: directory"* ]]
}

@test "a disk without room for state: refused, or up with a /var in memory where that is wanted" {
	make_disk "$copy" 28M
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$(failure)" == "state: the disk has no state partition, "*"16 MiB of room for one; powering off" ]]

	make_initrd "$BATS_TEST_TMPDIR/initrd" root-hash-signature=none state-failure=volatile
	boot "$BATS_TEST_TMPDIR/initrd" $(virtio_disk "$copy")
	[ "$(fact var)" = "tmpfs rw nosuid nodev " ]
	[[ "$(fact degraded)" == "state: the disk has no state partition, "* ]]
	[ "$(fact boot | jq -r .state)" = null ]
	[ "$(fact hostname)" = image-host ]
}

@test "a partition table whose first copy is damaged is restored from the second" {
	cp "$disk" "$copy"
	dd if=/dev/zero of="$copy" bs=512 count=1 seek=1 conv=notrunc status=none
	boot "$initrd" $(virtio_disk "$copy")
	[[ "$output" == *"the partition table was damaged: restored it from its backup"* ]]
	[ "$(fact boot | jq -r .usr)" = /dev/vda5 ]
	sfdisk --verify "$copy"
}
