# shellcheck shell=bash disable=SC2154 # variables that tools/bench-build and these files set for each other
# The peers' programs: Debian 13's, in a tree that mmdebstrap makes, and the newest erofs-utils that Debian has.

tools_packages=(apt ca-certificates cpio cryptsetup-bin debian-archive-keyring dosfstools erofs-utils initramfs-tools kmod mkosi mtools
	openssl python3-cryptography python3-pefile systemd-boot-efi systemd-container systemd-repart systemd-ukify udev xz-utils zstd)

tools_tree() { # FOLDER
	mmdebstrap --mode=root --variant=apt --include="$(IFS=,; echo "${tools_packages[*]}")" trixie "$1" "$(apt_mirror)" \
		>"$out/log/tools" 2>&1
	# mkosi tells systemd-repart how to compress, but not in pieces of which size; it hands it no options for mkfs.erofs, and has no
	# search path but /usr/bin and /usr/sbin.
	mv "$1/usr/bin/mkfs.erofs" "$1/usr/bin/mkfs.erofs.debian"
	cat >"$1/usr/bin/mkfs.erofs" <<-END
		#!/bin/sh
		case " \$* " in *" -z"*) set -- -C$cluster "\$@" ;; esac
		exec /usr/bin/mkfs.erofs.debian "\$@"
	END
	chmod 755 "$1/usr/bin/mkfs.erofs"
}

# Only unpacked: its programs are run with its own libraries.
newest_tree() { # FOLDER
	debian_unpack sid "$1" erofs-utils,cryptsetup-bin >"$out/log/newest" 2>&1
}

# Both sides decode xz with the same library: newer ones are faster by half. Elsewhere it does not count which one is at hand.
tools_liblzma() { # FOLDER
	mkdir -p "$1"
	cp -L "$out/tools/usr/lib/"*-linux-gnu*/liblzma.so.5 "$1/"
}

# Debian 12's QEMU emulates no SHA instructions, which every server's processor has.
qemu_tree() { # FOLDER
	debian_unpack trixie "$1" "qemu-system-x86" >"$out/log/qemu" 2>&1
}

debian_prepare() {
	once "$out/qemu" qemu_tree
	once "$out/tools" tools_tree
	once "$out/newest" newest_tree
	once "$out/liblzma" tools_liblzma
}

# Runs a command in the tree, where $out is /bench and where `/` is a mount point, without which mkosi does not work. Sets the command
# line as $inside, for whoever measures it.
inside_tools() { # COMMAND…
	# shellcheck disable=SC2016 # what the inner shell is to see
	inside=(unshare --mount --propagation private -- bash -euc '
		mount --bind "$0/tools" "$0/tools"
		cd "$0/tools"
		mkdir -p bench old
		mount --rbind /dev dev
		mount --rbind /sys sys
		mount -t proc proc proc
		mount -t tmpfs tmpfs tmp
		mount -t tmpfs tmpfs run
		mount --rbind "$0" bench
		mount --bind /etc/resolv.conf etc/resolv.conf
		pivot_root . old
		cd /
		umount -l old
		exec env -i PATH=/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 "$@"' "$out" "$@")
}
in_tools() {
	local inside
	inside_tools "$@"
	"${inside[@]}"
}

# inside_newest PROGRAM: sets $inside to the start of the command line of one of the newest programs.
inside_newest() { debian_inside "$out/newest" "$out/newest/usr/$1"; }

debian_version() { in_tools dpkg-query -W -f '${Version}' "$1"; }
