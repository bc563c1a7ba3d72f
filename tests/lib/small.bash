# A small edition: a kernel, the C library and a unit. Packages come from the cache that tests/vm/build-image has filled;
# nothing here uses the network.

small_edition() { # FOLDER: sets and exports $edition and $cache
	export edition=$1/small.yaml cache=$1/cache
	# A copy, so that no test can hurt the cache that the user's own builds read.
	cp -r --reflink=auto "${XDG_CACHE_HOME:-$HOME/.cache}/orlop" "$cache"
	mkdir -p "$1/small/usr/lib/systemd/system"
	printf '[Unit]\nDescription=Nothing\n' >"$1/small/usr/lib/systemd/system/multi-user.target"
	cat >"$edition" <<-'YAML'
		name: small
		title: Orlop Small
		suite: trixie
		components: [main]
		packages: [base-files, base-passwd, libc6, "linux-image-cloud-{architecture}"]
		absent: [gcc-14-base, libdebconfclient0, libselinux1, awk, mawk, kmod, linux-base,
		  initramfs-tools, linux-initramfs-tool, dracut]
		boot-packages: [systemd-boot-efi]
		exclude: ["usr/share/**", "boot/config-*", "boot/System.map-*"]
		files: small
		kernel: {command-line: [quiet], modules: [dm-verity]}
		initrd: {modules: [dm_verity, erofs, overlay, efivarfs], devices: []}
		disk: {esp: 256M, usr: 64M, verity: 2M, signature: 64K, state: 64M}
	YAML
}
