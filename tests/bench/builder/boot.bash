# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-build and these files set for each other
# From the kernel's start to multi-user.target: our image, and the same packages as Debian installs them, with its stock initrd, on
# ext4. Both have the same firmware, before which nothing counts, the same kernel with the same words on its command line but those that
# find and check /usr or find the root, and the edition's files and the enabled and masked units of our image. Ours starts with Secure Boot, by its boot
# loader; the peer's kernel and initrd are handed to the firmware. Measured is a second start, after one that makes keys and the like.

# The tree of the peer, and its disk.
stock_tree() { # FOLDER
	mkosi_sources >"$out/trixie.sources"
	mmdebstrap --mode=root --variant=essential --include="$(paste -sd, "$out/packages")" trixie "$1" "$out/trixie.sources" >"$out/log/stock" 2>&1
	cp -r editions/container-linux/. "$1/"
	rm "$1/usr/lib/systemd/system/"{orlop-*.service,efi.*}
	# The same units are enabled and masked, but for those of ours.
	rm -r "$1/etc/systemd/system"
	cp -a "$out/tree/share/orlop/etc/systemd/system" "$1/etc/systemd/"
	find "$1/etc/systemd/system" \( -lname '*/orlop-*' -o -lname '*/efi.*' \) -delete
	: >"$1/etc/machine-id"
}
stock_disk() { # FILE
	truncate -s 3G "$1"
	mke2fs -q -t ext4 -d "$out/stock" "$1"
}

# A unit that says when multi-user.target is reached, and powers off. It comes by SMBIOS, so that neither image has it.
guest_unit() {
	local unit dropin
	unit=$(base64 -w 0 <<-'END'
		[Unit]
		DefaultDependencies=no
		After=multi-user.target
		[Service]
		ExecStart=/bin/sh -c '(echo; cat /proc/uptime; head -n 1 /proc/stat) >/dev/ttyS1; sync; systemctl poweroff --force --force'
	END
	)
	dropin=$(printf '[Unit]\nWants=bench.service\n' | base64 -w 0)
	guest=(-smbios "type=11,value=io.systemd.credential.binary:systemd.extra-unit.bench.service=$unit"
		-smbios "type=11,value=io.systemd.credential.binary:systemd.unit-dropin.multi-user.target=$dropin")
}

# guest_run FOLDER OPTION…: starts the guest whose disk is in the folder, and its kernel, where the disk has none. The firmware writes to
# the second serial line, too.
guest_run() {
	local folder=$1 guest inside
	shift
	guest_unit
	debian_inside "$out/qemu" "$out/qemu/usr/bin/qemu-system-x86_64"
	QEMU_MODULE_DIR=$(echo "$out/qemu/usr/lib/"*-linux-gnu*/qemu)
	export QEMU_MODULE_DIR
	[ ! -e "$folder/kernel" ] || guest+=(-kernel "$folder/kernel" -initrd "$folder/initrd" -append "$(cat "$folder/line")")
	rm -f "$folder/uptime"
	timeout 1800 "${inside[@]}" -L "$out/qemu/usr/share/qemu" -L "$out/qemu/usr/share/seabios" -nodefaults -no-user-config -display none -machine q35,smm=on -cpu max -m 2048 \
		-global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1 \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd \
		-drive "if=pflash,unit=1,format=raw,file=$folder/vars" -drive "if=virtio,format=raw,cache=unsafe,file=$folder/disk" \
		-serial "file:$folder/console" -serial "file:$folder/uptime" -device virtio-rng-pci -netdev user,id=n -device virtio-net-pci,romfile=,netdev=n \
		"${guest[@]}" "$@" </dev/null && grep -aq '^cpu ' "$folder/uptime"
}
# Processors that wait for the disk are not busy: user, nice, system, and both kinds of interrupts, in hundredths of seconds.
guest_figures() {
	tr -d '\r' <"$guest_folder/uptime" | awk '/^[0-9.]+ [0-9.]+$/ { seconds = $1 }
		/^cpu / { printf "{\"seconds\": %s, \"busy\": %.2f}\n", seconds, ($2 + $3 + $4 + $7 + $8) / 100 }'
	stat -c '{"initrd": %s}' "$guest_folder/initrd"
}

# Of a guest with one processor, a clock that goes on by a nanosecond with each of its instructions: seconds in which it is not idle are
# 10⁹ instructions, and no unit's time runs out where this machine has other things to do.
counted=(-accel 'tcg,thread=single' -smp 1 -icount 'shift=0,sleep=off')

# guest_measure NAME FOLDER: once with two processors and as fast as QEMU is, where the seconds count, and once with counted instructions.
guest_measure() {
	local guest_folder=$2
	export -f guest_run guest_unit debian_inside
	export out
	figures=guest_figures measure "$1" bash -ec 'guest_run "$@"' bash "$2" -accel tcg,thread=multi -smp 2 -snapshot
	figures=guest_figures measure "$1-instructions" bash -ec 'guest_run "$@"' bash "$2" "${counted[@]}" -snapshot
}

# The first start, which nobody measures.
guest_first() { # FOLDER
	guest_run "$1" -accel tcg,thread=multi -smp 2 || { tail -n 20 "$1/console" >&2; return 1; }
}

boot_stock_prepare() {
	# A tree of other packages is of no use.
	cmp -s "$out/packages" "$out/stock.packages" || rm -rf "$out/stock" "$out/stock.ext4" "$out/boot-stock"
	cp "$out/packages" "$out/stock.packages"
	once "$out/stock" stock_tree
	once "$out/stock.ext4" stock_disk
	if [ ! -e "$out/boot-stock/ready" ]; then
		mkdir -p "$out/boot-stock"
		cp --sparse=always "$out/stock.ext4" "$out/boot-stock/disk"
		cp /usr/share/OVMF/OVMF_VARS_4M.fd "$out/boot-stock/vars"
		cp "$out/stock/boot/"vmlinuz-* "$out/boot-stock/kernel"
		cp "$out/stock/boot/"initrd.img-* "$out/boot-stock/initrd"
		echo "$command_line root=/dev/vda rw" >"$out/boot-stock/line"
		guest_first "$out/boot-stock"
		touch "$out/boot-stock/ready"
	fi
}

boot_prepare() { # NAME
	local folder=$out/boot-$1 image=$out/images/$1
	rm -rf "$folder"
	mkdir "$folder"
	cp --sparse=always "$image/"*.raw "$folder/disk"
	# The boot loader enrolls the keys, and restarts.
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$folder/vars"
	objcopy -O binary --only-section=.initrd "$image/"*.efi "$folder/initrd"
	guest_first "$folder"
}

boot_measure() { # NAME
	guest_measure "boot-$1" "$out/boot-$1"
}

# The edition as it is shipped, but that it starts without a TPM: fewer packages and modules than can be built by others, too.
boot_edition_prepare() {
	rm -rf "$out/images/edition"
	mkdir -p "$out/images"
	orlop_definition edition none
	orlop_build edition "$out/packages-cache" --quiet >"$out/log/edition.json"
	mv "$out/image" "$out/images/edition"
	boot_prepare edition
}
