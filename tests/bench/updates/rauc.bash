# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# (b) RAUC with its adaptive block-hash-index, streaming. The host's kernel may lack NBD and dm-verity, and Debian 12's RAUC cannot
# stream: so it is Debian 13's, in a guest that `orlop build` makes and QEMU emulates. What goes over the wire is the same there.

rauc_bundle() { # IMAGE MKSQUASHFS-OPTIONS BUNDLE
	local folder
	folder=$(mktemp -d "$out/tree-XXXXXX")
	ln "$1" "$folder/usr.img"
	cat >"$folder/manifest.raucm" <<-END
		[update]
		compatible=orlop-bench
		version=$(sha256sum "$1" | cut -c1-16)
		[bundle]
		format=verity
		[image.usr]
		filename=usr.img
		adaptive=block-hash-index
	END
	rauc bundle --cert="$out/rauc/cert.pem" --key="$out/rauc/key.pem" --mksquashfs-args="$2" "$folder" "$3" >/dev/null 2>&1
	rm -rf "$folder"
}
rauc_keys() { # FOLDER
	mkdir "$1"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1/key.pem" -out "$1/cert.pem" -subj /CN=bench -days 3650 2>/dev/null
}
rauc_prepare() {
	(
		flock 9
		once "$out/rauc" rauc_keys
		once "$out/www/old-$(root_hash old).raucb" rauc_bundle "$old" '-comp zstd -Xcompression-level 1'
		[ "$out/guest-image" -nt tests/bench/updates/rauc-guest.yaml ] || rm -rf "$out/guest-image"
		once "$out/guest-image" build_image tests/bench/updates/rauc-guest.yaml 202601.12.0
	) 9>"$out/rauc.lock"
	once "$made/update.raucb" rauc_bundle "$new" "-comp zstd -Xcompression-level $level -b 64k"
}

# The guest's initrd: the tree that was built, its first program and configuration, and the steps.
guest_initrd() { # FILE
	local tree
	tree=$(mktemp -d "$out/tree-XXXXXX")
	chmod 755 "$tree" # RAUC streams as nobody
	fsck.erofs --extract="$tree/usr" "$(echo "$out"/guest-image/*.usr.erofs)" >/dev/null
	for link in bin sbin lib lib64; do ln -s "usr/$link" "$tree/$link"; done
	mkdir -p "$tree/bench" "$tree/etc/rauc"
	cp tests/bench/updates/rauc-guest-init "$tree/bench/init"
	cp "$bin/bench-run" "$bin/bench-delta" "$out/guest/steps" "$tree/bench/"
	ln -s bench/init "$tree/init"
	chmod 755 "$tree/bench/init"
	cp "$out/rauc/cert.pem" "$tree/etc/rauc/"
	printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$tree/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
	cat >"$tree/bench/bus.conf" <<-END
		<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
		<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/></policy>
		</busconfig>
	END
	cat >"$tree/etc/rauc/template" <<-END
		[system]
		compatible=orlop-bench
		bootloader=noop
		bundle-formats=verity
		data-directory=/data
		[keyring]
		path=/etc/rauc/cert.pem
		[slot.usr.0]
		device=/dev/vda
		type=raw
		bootname=A
		[slot.usr.1]
		device=@slot-b@
		type=raw
		bootname=B
	END
	(cd "$tree" && find . -print0 | busybox cpio -0 -o -H newc 2>/dev/null) >"$1"
	rm -rf "$tree"
}

# guest_disk NAME SIZE [FILE]: a disk of the guest, empty or with what FILE has. Sets $device to its name there.
guest_disk() {
	local letters=abcdefghijklmnopqrstuvwxyz
	[ -z "${3:-}" ] || cp "$3" "$out/guest/$1"
	truncate -s $(((${2} + 1048575) / 1048576))M "$out/guest/$1"
	device=/dev/vd${letters:$((${#drives[@]} / 2)):1}
	drives+=(-drive "file=$out/guest/$1,format=raw,if=virtio,cache=unsafe")
}

# What the guest does, and the disks that it needs for that.
guest_steps() { # PAIR…
	local url=http://10.0.2.2:${nginx_url##*:} name slot tree device
	echo "url=$url" >"$out/guest/steps"
	guest_disk old "$(stat -L -c %s "$(image_of old .usr.erofs)")" "$(image_of old .usr.erofs)"
	guest_disk tree "$(stat -L -c %s "$(image_of old .usr.verity)")" "$(image_of old .usr.verity)"
	echo "rauc_first $url/old-$(root_hash old).raucb" >>"$out/guest/steps"
	for name in "$@"; do
		pair "$name"
		guest_disk "$name-rauc" "$(stat -L -c %s "$new")"
		echo "rauc_update $name-rauc $url/$place/update.raucb $device" >>"$out/guest/steps"
		guest_disk "$name-rauc_orlop" "$(stat -L -c %s "$new")"
		slot=$device
		guest_disk "$name-tree" "$(stat -L -c %s "$new_tree")"
		echo "orlop_update $name-rauc_orlop $url/$place/orlop $slot $device" >>"$out/guest/steps"
	done
}

guest_check() { # DISK IMAGE
	cmp -n "$(stat -L -c %s "$2")" "$out/guest/$1" "$2" || { echo "bench-updates: $1 does not hold its image" >&2; return 1; }
}

rauc_measure() { # PAIR…
	local drives=() name method
	rm -rf "$out/guest"
	mkdir -p "$out/guest"
	guest_steps "$@"
	guest_initrd "$out/guest/initrd"
	objcopy -O binary --only-section=.linux "$(echo "$out"/guest-image/*.efi)" "$out/guest/kernel"
	timeout 1800 qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
		-no-reboot -serial "file:$out/log/guest" -netdev user,id=n -device virtio-net-pci,netdev=n -device virtio-rng-pci "${drives[@]}" \
		-kernel "$out/guest/kernel" -initrd "$out/guest/initrd" -append 'console=ttyS0 quiet no_timer_check panic=-1' \
		</dev/null
	sed -i 's/\r//g' "$out/log/guest"
	if ! grep -q '^result end' "$out/log/guest"; then
		tail -n 30 "$out/log/guest" >&2
		echo "bench-updates: RAUC's guest did not come to its end: $out/log/guest" >&2
		return 1
	fi
	guest_check old "$(image_of old .usr.erofs)"
	for name in "$@"; do
		for method in rauc rauc_orlop; do
			guest_check "$name-$method" "$(image_of "$name" .usr.erofs)"
			sed -n "s/^result $name-$method //p" "$out/log/guest" | jq -s --arg pair "$name" --arg method "$method" \
				--argjson wire "$(wire_of "$name-$method")" 'add + {pair: $pair, method: $method, wire: $wire}' \
				>"$out/results/$name.$method.json"
		done
		say "$(jq -r '"\(.pair): RAUC: \(.wire.bytes) bytes"' "$out/results/$name.rauc.json")"
	done
	rm -rf "$out/guest"
}
